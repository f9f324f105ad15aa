/*
 * A channel under libev: what arrives goes to a function, what is sent waits
 * in a bounded queue while the channel is full.
 */
#ifndef MM_LINK_H
#define MM_LINK_H

#include <ev.h>

#include "protocol/channel.h"

struct mm_link;

struct mm_link_handler {
	/* One message; the link stays valid. The handler may take the
	 * descriptors by setting them to -1. */
	void (*receive)(
	    void *self, struct mm_link *link, struct mm_received *message);
	/* The peer has gone, or it runs and mm_link_broken() or
	 * mm_link_failed() says why this is the end; the link is freed after.
	 * Not called for a link that mm_link_free() ends. */
	void (*closed)(void *self, struct mm_link *link);
	void *self;
};

/*
 * Takes `fd`, also where it fails, and makes it non-blocking. NULL without
 * memory.
 */
struct mm_link *mm_link_new(
    struct ev_loop *loop, int fd, const struct mm_link_handler *handler);
/* Also from within its own handler; what waits to be sent is dropped. */
void mm_link_free(struct mm_link *link);
/*
 * Sends or queues: MM_E_BUSY where the queue is full (4 MiB; for a message of
 * up to 1024 bytes, such as a refusal, 8 MiB). Descriptors
 * are duplicated while they wait and stay the caller's; NULL: none.
 */
enum mm_error mm_link_send(struct mm_link *link, uint64_t type, uint64_t id,
    const struct mm_shape *shape, const void *body,
    const int fds[MM_CHANNEL_FDS]) mm_must_use;
/* Within `closed`: what came was no packet. The peer still runs. */
bool mm_link_broken(const struct mm_link *link);
/* Within `closed`: we could not receive or send, for lack of memory. */
bool mm_link_failed(const struct mm_link *link);

#endif
