/*
 * ECDSA over P-256 and P-384, verifying only, and whose signature it can be.
 * Points are uncompressed: 4, x, y.
 */
#ifndef MM_ECDSA_H
#define MM_ECDSA_H

#include "ca/key.h"

/*
 * Verifies one known signature. What libcrypto could not set up at its first
 * use, for lack of memory, it never tries again: every signature would be
 * wrong for as long as the process lives. MM_E_MEMORY.
 */
enum mm_error mm_ecdsa_begin(void) mm_must_use;

/* Bytes of a point of the curve MM_KEY_P256 or MM_KEY_P384. */
size_t mm_ecdsa_point_size(uint64_t type);

/* Whether an uncompressed point lies on its curve. */
bool mm_ecdsa_point_ok(uint64_t type, struct mm_span point);

/* Whether a DER ECDSA-Sig-Value over the digest verifies. */
bool mm_ecdsa_verify(uint64_t type, struct mm_span point, struct mm_span digest,
    struct mm_span signature);

/*
 * The public keys by which a P-256 signature over a SHA-256 digest verifies
 * (SEC 1 4.1.6): none, or two; four where r is tiny. MM_E_TOKEN_SIGNATURE
 * where it is no signature at all.
 */
enum { MM_RECOVERED_MAX = 4, MM_P256_POINT = 65 };
struct mm_recovered {
	uint8_t points[MM_RECOVERED_MAX][MM_P256_POINT];
	size_t count;
};
enum mm_error mm_ecdsa_recover(const uint8_t digest[32],
    struct mm_span signature, struct mm_recovered *out) mm_must_use;

#endif
