/*
 * What a log takes over from the one that it succeeds, after a disaster: which
 * devices have a certificate, which keys and releases are used. A blob of it
 * is a sequence of deterministic CBOR items of the shape below, one after the
 * other, ascending by bytes; mintmark.cddl has the same.
 */
#ifndef MM_INHERITANCE_H
#define MM_INHERITANCE_H

#include "protocol/shape.h"

/* A certificate of a device, or a signed image. */
struct mm_inherited {
	struct mm_span profile, subject; /* image: product, version */
	uint8_t key[32];       /* SHA-256 of the SPKI; image: of the image */
	struct mm_span serial; /* certificate */
	struct mm_span issuer; /* certificate: name of the signing key */
	uint64_t revoked;      /* 1 + CRLReason; 0: not revoked */
	uint64_t revoked_at;   /* POSIX seconds */
	struct mm_span scheme; /* image */
	struct mm_span order;  /* certificate: the order's name, for people */
};
extern const struct mm_shape mm_inherited_shape;

/* Takes the next item of a blob, while there is one (`items->size` > 0).
 * MM_E_ENTRY. */
enum mm_error mm_inherited_next(struct mm_span *items, struct mm_arena *arena,
    struct mm_inherited *out) mm_must_use;

#endif
