/*
 * The keys that verify images: ECDSA P-256 and RSA-3072 for all that is
 * signed here; P-192 and P-384 in Secure Boot V2 blocks of others, to be
 * verified only. As PEM or DER, a SubjectPublicKeyInfo or a certificate.
 */
#ifndef MM_PUBLIC_KEY_H
#define MM_PUBLIC_KEY_H

#include "protocol/bytes.h"

enum mm_algorithm {
	MM_ALGORITHM_P256 = 1,
	MM_ALGORITHM_RSA3072 = 2,
	MM_ALGORITHM_P384 = 3,
	MM_ALGORITHM_P192 = 4
};
enum { MM_RSA_BYTES = 384, MM_POINT_MAX = 48 /* one coordinate */ };

struct mm_public_key {
	enum mm_algorithm algorithm;
	/* Of a curve: big-endian, as long as the curve's field. */
	uint8_t x[MM_POINT_MAX], y[MM_POINT_MAX];
	/* Of RSA: big-endian. */
	uint8_t n[MM_RSA_BYTES];
	uint32_t e;
	uint8_t spki_sha256[32]; /* of the DER SubjectPublicKeyInfo */
};

/* "P-256", "RSA-3072", ...; NULL for others. */
const char *mm_algorithm_name(enum mm_algorithm algorithm);
size_t mm_algorithm_coordinate(enum mm_algorithm algorithm); /* bytes */

/* MM_E_KEY_TYPE: another kind of key; MM_E_FORMAT: no key at all. */
enum mm_error
mm_public_key_read(struct mm_span file, struct mm_public_key *out) mm_must_use;
/* A point or a modulus as it stands in a signature block. MM_E_KEY_TYPE where
 * it is no key (not on its curve, even, too short). */
enum mm_error mm_public_key_point(enum mm_algorithm algorithm, const uint8_t *x,
    const uint8_t *y, struct mm_public_key *out) mm_must_use;
enum mm_error mm_public_key_modulus(const uint8_t n[MM_RSA_BYTES], uint32_t e,
    struct mm_public_key *out) mm_must_use;
/* Appends the DER SubjectPublicKeyInfo (named curve, uncompressed point). */
enum mm_error mm_public_key_spki(
    const struct mm_public_key *key, struct mm_buffer *out) mm_must_use;
bool mm_public_key_equal(
    const struct mm_public_key *a, const struct mm_public_key *b);

/*
 * Verifies a signature over a digest (32 bytes; 48 for P-384): of a curve a
 * DER Ecdsa-Sig-Value, strictly (RFC 3279 2.2.3: minimal, positive, nothing
 * behind it), of RSA the 384 bytes of RSASSA-PSS with SHA-256, MGF1 with
 * SHA-256 and 32 bytes of salt (RFC 8017 8.1). MM_E_IMAGE_SIGNATURE.
 */
enum mm_error mm_public_key_verify(const struct mm_public_key *key,
    struct mm_span digest, struct mm_span signature) mm_must_use;

/* Between the two forms of an ECDSA signature: DER, and r and s of one
 * length behind each other, big-endian. MM_E_IMAGE_SIGNATURE. */
enum mm_error
mm_ecdsa_raw(struct mm_span der, size_t coordinate, uint8_t *out) mm_must_use;
enum mm_error mm_ecdsa_der(
    const uint8_t *raw, size_t coordinate, struct mm_buffer *out) mm_must_use;

#endif
