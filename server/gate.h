/*
 * The gate: TLS towards the stations, decoded requests towards the
 * authority. What reaches it from outside is hostile until shown otherwise,
 * and so is the gate itself to all other processes.
 *
 *   gate.c        the process: control, listening sockets, the authority
 *   connection.c  one TLS connection: handshake, frames, deadlines
 *   exchange.c    requests in, answers out: what of one is under way
 *   request.c     a frame becomes a request
 *   upload.c      an image becomes a sealed memfd
 *
 * This is what the connections of one gate share.
 */
#ifndef MM_GATE_H
#define MM_GATE_H

#include <ev.h>

#include "protocol/tls.h"
#include "server/ask.h"
#include "server/link.h"
#include "server/role.h"

struct mm_connection;

struct mm_gate {
	struct ev_loop *loop;
	const struct mm_settings *settings;
	struct mm_tls *tls;        /* NULL until there is a certificate */
	struct mm_link *authority; /* NULL while it is away */
	/*
	 * Connection number n is in slot n modulo settings->connections, so
	 * that an answer finds it, and one that is late finds nobody.
	 */
	struct mm_connection **slots;
	size_t connections;     /* slots in use */
	uint64_t rounds;        /* makes numbers unique */
	uint64_t uploads;       /* at this moment */
	uint64_t upload_number; /* the last one given */
	bool stopping;
	/* Lines about peers are bounded: they must not fill a disk. */
	ev_tstamp told_at;
	unsigned told, untold;
};

/* `fd` (-1: none) stays the caller's. MM_E_STARTING without an authority. */
enum mm_error
mm_gate_ask(struct mm_gate *gate, const struct mm_ask *ask, int fd) mm_must_use;

/* What came of an upload whose connection is lost goes to the authority, which
 * has it for the next one; without an authority it is lost. */
void mm_gate_park(struct mm_gate *gate, const struct mm_park *park, int fd);

/* A line in the journal about something a peer did, unless there were many. */
void mm_gate_tell(struct mm_gate *gate, const char *event, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

#endif
