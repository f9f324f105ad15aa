/*
 * A process of our own: fork, then exec of this very program as
 * `mintmarkd --role NAME` with an almost empty environment. It has four
 * descriptors: nothing to read, nothing to write to, a pipe to the supervisor
 * as stderr, and its control channel. It ends when the supervisor ends.
 */
#ifndef MM_SPAWN_H
#define MM_SPAWN_H

#include <sys/types.h>

#include "protocol/channel.h"

enum { MM_CONTROL_FD = 3 };

struct mm_spawn {
	enum mm_process process;
	struct mm_list environment; /* mm_text_item: "NAME=value" */
	const char *user;           /* "": no change */
};

struct mm_spawned {
	pid_t pid;
	int control; /* our end, non-blocking */
	int output;  /* what it writes to stderr, non-blocking */
};

/* MM_E_SYSTEM, MM_E_SETTING where there is no such user. */
enum mm_error
mm_spawn(const struct mm_spawn *spawn, struct mm_spawned *out) mm_must_use;

#endif
