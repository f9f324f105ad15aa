/*
 * ECDSA over P-256 and P-384, verifying only. Points are uncompressed:
 * 4, x, y.
 */
#ifndef MM_ECDSA_H
#define MM_ECDSA_H

#include "ca/key.h"

/* Bytes of a point of the curve MM_KEY_P256 or MM_KEY_P384. */
size_t mm_ecdsa_point_size(uint64_t type);

/* Whether an uncompressed point lies on its curve. */
bool mm_ecdsa_point_ok(uint64_t type, struct mm_span point);

/* Whether a DER ECDSA-Sig-Value over the digest verifies. */
bool mm_ecdsa_verify(uint64_t type, struct mm_span point, struct mm_span digest,
    struct mm_span signature);

#endif
