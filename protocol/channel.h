/*
 * Between processes: one deterministic CBOR item a SOCK_SEQPACKET message,
 * with at most two descriptors. Both ends check what arrives as strictly as
 * what comes from the network.
 */
#ifndef MM_CHANNEL_H
#define MM_CHANNEL_H

#include "protocol/shape.h"

enum {
	MM_CHANNEL_MAX = 196608, /* bytes of one message */
	MM_CHANNEL_FDS = 2
};

/* The processes of DESIGN.md section 2. */
enum mm_process {
	MM_SUPERVISOR = 0,
	MM_GATE = 1,
	MM_AUTHORITY = 2,
	MM_NOTARY = 3,
	MM_TOKEN = 4,
	MM_ARCHIVE = 5,
	MM_INSPECTOR = 6,
	MM_PROCESSES = 7
};
/* "gate" and so on; NULL for others. */
const char *mm_process_name(uint64_t process);

/* A message as it went over a channel. */
struct mm_packet {
	uint64_t type;  /* its meaning belongs to the two ends */
	uint64_t id;    /* comes back in the answer; 0 where none is wanted */
	uint64_t error; /* answers: enum mm_error */
	struct mm_span why;  /* answers that failed: the particulars */
	struct mm_span body; /* an item; empty where there is none */
};
extern const struct mm_shape mm_packet_shape;

struct mm_received {
	struct mm_packet packet; /* points into `bytes` */
	struct mm_buffer bytes;
	int fds[MM_CHANNEL_FDS]; /* -1 where none came; owned, CLOEXEC */
	bool closed;             /* the peer has gone; nothing else is set */
	bool nothing;            /* non-blocking, and nothing is there */
};
void mm_received_clear(struct mm_received *received);

/* A pair of connected ends, CLOEXEC, with room for the largest message. */
enum mm_error mm_channel_pair(int ends[2]) mm_must_use;

/*
 * Receives one message; blocks unless the descriptor is non-blocking.
 * `out` is initialised here and cleared by the caller, also after failure.
 * MM_E_PEER where what came is no packet.
 */
enum mm_error mm_channel_receive(int fd, struct mm_received *out) mm_must_use;

/*
 * Sends one message whole or not at all. MM_E_BUSY where a non-blocking
 * channel is full, MM_E_AWAY where the peer has gone. The descriptors
 * (-1: none) stay the caller's.
 */
enum mm_error mm_channel_send_bytes(
    int fd, struct mm_span packet, const int fds[MM_CHANNEL_FDS]) mm_must_use;

/* Appends a packet; shape and body NULL where there is no body. */
enum mm_error
mm_packet_encode(uint64_t type, uint64_t id, const struct mm_shape *shape,
    const void *body, struct mm_buffer *out) mm_must_use;
/* Appends an answer that failed, with mm_why(error). */
enum mm_error mm_packet_encode_error(uint64_t type, uint64_t id,
    enum mm_error error, struct mm_buffer *out) mm_must_use;

/* Encodes and sends in one, without descriptors. */
enum mm_error mm_channel_send(int fd, uint64_t type, uint64_t id,
    const struct mm_shape *shape, const void *body) mm_must_use;

#endif
