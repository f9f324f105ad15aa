/*
 * Signature schemes for firmware, a row each: what is digested, and how the
 * result is attached. More rows come; the callers stay.
 */
#ifndef MM_SCHEME_H
#define MM_SCHEME_H

#include "protocol/shape.h"

struct mm_scheme {
	const char *name; /* "sha256-ecdsa" */
	const char *text; /* for people */
	/*
	 * The 32 bytes that are signed, from the image's bytes and their
	 * SHA-256, which every reader has: an image is hashed once.
	 */
	enum mm_error (*digest)(
	    struct mm_span image, const uint8_t sha256[32], uint8_t out[32]);
};

/* NULL for an unknown one. */
const struct mm_scheme *mm_scheme_find(struct mm_span name);

#endif
