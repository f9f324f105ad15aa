/* The sockets that stations come to; bound by the supervisor alone. */
#ifndef MM_LISTEN_H
#define MM_LISTEN_H

#include "protocol/bytes.h"

enum { MM_LISTEN_MAX = 16, MM_ADDRESS_MAX = 64 };

struct mm_listener {
	int fd;
	char address[MM_ADDRESS_MAX]; /* with the port it really has */
};

/*
 * Binds and listens, non-blocking, CLOEXEC, on "127.0.0.1:7433" or
 * "[::1]:7433"; port 0 takes a free one. MM_E_SETTING.
 */
enum mm_error
mm_listen(struct mm_span address, struct mm_listener *out) mm_must_use;

#endif
