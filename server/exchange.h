/*
 * The requests of one connection and their answers: which of them the
 * authority has, and the upload that is under way. Bytes go into the
 * connection's output; how they leave is its own affair.
 */
#ifndef MM_EXCHANGE_H
#define MM_EXCHANGE_H

#include "server/gate.h"
#include "server/request.h"
#include "server/upload.h"

struct mm_pending;

struct mm_exchange {
	struct mm_gate *gate;
	uint64_t number;    /* the connection's */
	uint8_t client[32]; /* SHA-256 of the TLS client's SPKI */
	uint8_t serial[MM_TLS_SERIAL_MAX]; /* of its certificate */
	size_t serial_size;
	struct mm_buffer *out;
	struct mm_pending *pending; /* requests that the authority has */
	unsigned flight;            /* how many */
	struct mm_upload upload;
	uint8_t announced[32]; /* the upload's SHA-256, as its sender has it */
	ev_tstamp upload_touched;
};

/* The client's key is put in when the handshake is done. */
void mm_exchange_init(struct mm_exchange *exchange, struct mm_gate *gate,
    uint64_t number, struct mm_buffer *out);
void mm_exchange_clear(struct mm_exchange *exchange);

/*
 * Answers a request, or asks the authority. An error is for the caller to
 * pass to mm_exchange_refuse().
 */
enum mm_error mm_exchange_take(
    struct mm_exchange *exchange, const struct mm_request *request) mm_must_use;
void mm_exchange_refuse(struct mm_exchange *exchange,
    const uint8_t id[MM_ID_SIZE], enum mm_error error);

/* An answer of the authority; one that nobody waits for is dropped. Takes of
 * what came along (by setting it to -1) what it keeps. */
void mm_exchange_tell(struct mm_exchange *exchange, struct mm_span envelope,
    int fds[MM_CHANNEL_FDS]);
/* The authority is not waited for any more: who waits is told why. */
void mm_exchange_abandon(struct mm_exchange *exchange, enum mm_error error);

#endif
