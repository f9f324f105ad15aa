/*
 * A frame becomes a request: the envelope is decoded, the body held against
 * its type's shape, a CSR's own signature verified. What is left over for
 * the authority is an ask, also where the CSR is not good.
 */
#ifndef MM_REQUEST_H
#define MM_REQUEST_H

#include "protocol/message.h"

struct mm_request {
	uint64_t type;          /* enum mm_message_type */
	uint8_t id[MM_ID_SIZE]; /* zeros where it cannot be known */
	const void *body;       /* the type's request, decoded */
	struct mm_span ask;     /* item: the body of the authority's mm_ask */
};

/*
 * Reads a frame's item; what `out` points to lies in the arena or in the
 * frame. `out` has the id as soon as it is known, so that a refusal can name
 * it; nothing else is set on failure. MM_E_UNKNOWN, MM_E_SHAPE and the other
 * errors of CBOR.
 */
enum mm_error mm_request_read(struct mm_span item, struct mm_arena *arena,
    struct mm_request *out) mm_must_use;

#endif
