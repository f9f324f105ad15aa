/*
 * Public keys as others bring them: a DER SubjectPublicKeyInfo, read
 * strictly and judged: sizes, exponents, named curves only, points on their
 * curve, and the known weak ways of making RSA keys (small factors, close
 * primes, ROCA).
 */
#ifndef MM_KEY_H
#define MM_KEY_H

#include "protocol/shape.h"

enum mm_key_type { /* also bits of a profile's allowed keys: 1 << type */
	MM_KEY_P256 = 1,
	MM_KEY_P384 = 2,
	MM_KEY_RSA = 3, /* 2048 to 4096 bits */
	MM_KEY_ED25519 = 4
};

enum { MM_SPKI_MAX = 1024, MM_SKI_SIZE = 20 };

struct mm_key {
	uint64_t type; /* enum mm_key_type */
	unsigned bits;
	uint8_t sha256[32]; /* of the SubjectPublicKeyInfo */
	/* RFC 7093 section 2 (1): leftmost 160 bits of SHA-256 of the
	 * subjectPublicKey bit string. */
	uint8_t ski[MM_SKI_SIZE];
};

/* MM_E_CSR (unreadable), MM_E_KEY_TYPE, MM_E_KEY_WEAK. */
enum mm_error mm_key_read(struct mm_span spki, struct mm_key *out) mm_must_use;

/* "P-256" and so on. */
const char *mm_key_type_name(uint64_t type);

/* Verifies a DER ECDSA signature over a SHA-256 digest with a P-256 key:
 * MM_E_KEY_TYPE, MM_E_TOKEN_SIGNATURE. */
enum mm_error mm_key_verify_p256(struct mm_span spki, const uint8_t digest[32],
    struct mm_span signature) mm_must_use;
/* The same where only the SHA-256 of the key's SPKI is known: the signature
 * itself tells which keys it can be of. */
enum mm_error mm_key_recover_p256(const uint8_t spki_sha256[32],
    const uint8_t digest[32], struct mm_span signature) mm_must_use;

#endif
