/*
 * A process that answers calls: notary, token, archive, inspector. A table
 * says which calls there are; everything else is refused. The supervisor
 * hands it peers over its control channel, and stops it there.
 */
#ifndef MM_SERVICE_H
#define MM_SERVICE_H

#include "protocol/channel.h"

/* Control messages, supervisor to child (and back, where it says so). */
enum mm_control {
	MM_CONTROL_CONFIGURE = 1, /* body: the role's settings */
	MM_CONTROL_LINK = 2,      /* mm_control_link and one descriptor */
	MM_CONTROL_STOP = 3,      /* finish what is stored, then exit */
	MM_CONTROL_READY = 4,     /* child: I serve */
	MM_CONTROL_KILL = 5,      /* authority: end this process, which hangs or
				   * broke the protocol */
	MM_CONTROL_INSPECT = 6,   /* authority: memfd and channel's end */
	MM_CONTROL_TLS = 7,       /* gate: sealed memfds of key and ticket key;
				   * authority: the key's SPKI */
	MM_CONTROL_DONE = 8,      /* child: genesis is complete */
	MM_CONTROL_LISTEN = 9,    /* gate: a listening socket */
	MM_CONTROL_BLOB = 10      /* authority, at genesis: a blob's file */
};

struct mm_control_link {
	uint64_t process; /* enum mm_process: who is at the other end */
	uint64_t instance;
};
extern const struct mm_shape mm_control_link_shape;

struct mm_call {
	uint64_t type; /* also the answer's */
	const char *name;
	/* NULL: no body. One without fields may be left out by the caller. */
	const struct mm_shape *request, *answer;
	/*
	 * `answer` is zeroed before and encoded after; what it points to
	 * lies in `arena` or lives until the next call.
	 */
	enum mm_error (*run)(void *self, const void *request,
	    struct mm_arena *arena, void *answer);
};

struct mm_service {
	const char *name;
	const struct mm_call *calls;
	size_t count;
	void *self;
	/*
	 * NULL or a function that is run when nothing waits: at the start,
	 * after answers have left, and by itself (the archive's tiles). It
	 * returns after how many ms it wants to be run again where nothing
	 * comes before: 0 at once, -1 never.
	 */
	int (*idle)(void *self);
	/* Errors after which the process must not go on (it answers, then
	 * ends): MM_OK-terminated list, or NULL. */
	const enum mm_error *fatal;
	/*
	 * NULL: calls bring no descriptors. Else where the one that a call may
	 * bring stands while it runs (-1: none came). It is closed after it.
	 */
	int *attached;
};

/*
 * Serves until the control channel says stop or closes (MM_OK), a fatal
 * error was answered, or a channel cannot be used for a reason that is ours,
 * such as memory (that error). A peer that sends what is no packet, no call,
 * or no request of the call's shape is told so and dropped.
 */
enum mm_error
mm_service_run(const struct mm_service *service, int control) mm_must_use;
/*
 * The same with a peer from the start, whose descriptor is taken (-1: none).
 * Without a control channel (-1) it serves until its last peer has gone.
 */
enum mm_error mm_service_run_peer(
    const struct mm_service *service, int control, int peer) mm_must_use;

/* Calls synchronously over a blocking channel; for tests and for genesis. */
enum mm_error mm_call_sync(int fd, uint64_t type,
    const struct mm_shape *request_shape, const void *request,
    const struct mm_shape *answer_shape, struct mm_received *received,
    struct mm_arena *arena, void *answer) mm_must_use;

#endif
