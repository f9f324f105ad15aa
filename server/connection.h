/*
 * One TLS connection from its first byte to its last: the handshake, frames
 * in and out, what it may ask at once, and how long anybody may be silent.
 */
#ifndef MM_CONNECTION_H
#define MM_CONNECTION_H

#include "server/gate.h"

/* Who is counted together: an IPv4 address, or an IPv6 network (/64). */
struct mm_source {
	uint8_t key[16];
	char text[64]; /* address and port, for the journal */
};

/*
 * Takes the non-blocking socket, also where it fails, and puts the
 * connection into a free slot of the gate, which has a certificate.
 * MM_E_BUSY where there is none, or the source has too many.
 */
enum mm_error mm_connection_open(
    struct mm_gate *gate, int fd, const struct mm_source *source) mm_must_use;
void mm_connection_free(struct mm_connection *connection);

/* Whether this is the connection of that number. */
bool mm_connection_is(const struct mm_connection *connection, uint64_t number);

/*
 * These send something, after which the connection may have been freed.
 * An answer of the authority, an item:
 */
void mm_connection_tell(struct mm_connection *connection,
    struct mm_span envelope, int fds[MM_CHANNEL_FDS]);
/* The authority has gone: what waits for it is answered MM_E_STARTING. */
void mm_connection_abandon(struct mm_connection *connection);
/* The gate stops: ends as soon as everything is answered. */
void mm_connection_stop(struct mm_connection *connection);

#endif
