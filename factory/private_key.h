/*
 * A device's private key as the partitions hold it: of a file in PEM or DER,
 * PKCS#8 (RFC 5958), SEC 1 (RFC 5915) or PKCS#1 (RFC 8017 A.1.2), the two
 * traditional forms come out, as the vendors' tools write them: SEC 1 with
 * its curve and its public key, or PKCS#1. The parts of a key are held
 * against each other, and a certificate against the key.
 *
 *   private_key.c       keys; rsa_numbers.c the arithmetic of RSA
 *   certificate_file.c  certificates
 */
#ifndef MM_FACTORY_PRIVATE_KEY_H
#define MM_FACTORY_PRIVATE_KEY_H

#include "factory/der.h"

struct mm_private_key {
	const char *name; /* "P-256", "RSA" */
	bool rsa;
	unsigned bits;
	struct mm_flash_secret der; /* the traditional form; owned */
	/* These lie in it, big-endian and without leading zeros. */
	struct mm_span n, e, d; /* of RSA */
	/* Of a curve: its OID's contents (RFC 5480), the public point,
	 * uncompressed. */
	struct mm_span curve, point;
};
void mm_private_key_clear(struct mm_private_key *key);

/*
 * Reads a file's bytes, which lie in sodium memory. Curves are P-192, P-224,
 * P-256, P-384, P-521 and secp256k1, RSA has 1024 to 4096 bits. MM_E_FORMAT:
 * no private key, an encrypted one, or one whose parts do not agree;
 * MM_E_KEY_TYPE: of another kind.
 */
enum mm_error mm_private_key_read(
    const struct mm_flash_secret *file, struct mm_private_key *out) mm_must_use;

/* The bytes that a partition holds: PEM of 64 columns with a NUL at its end,
 * or DER. */
enum mm_error mm_private_key_stored(const struct mm_private_key *key, bool pem,
    struct mm_flash_secret *out) mm_must_use;

/* PEM of a DER private key that stays as it is inside: PKCS#8, SEC 1 or PKCS#1,
 * as its structure says. MM_E_FORMAT: it is none of them, or encrypted. */
enum mm_error mm_private_key_pem(
    const struct mm_flash_secret *der, struct mm_flash_secret *out) mm_must_use;

/* Whether a public point as it is told, uncompressed or compressed, is this
 * uncompressed one (SEC 1 2.3.3). */
bool mm_point_is(struct mm_span told, struct mm_span point);
/* Whether a DER certificate is for this key. MM_E_FORMAT: it is for another, or
 * cannot be read. */
enum mm_error mm_private_key_matches(
    const struct mm_private_key *key, struct mm_span certificate) mm_must_use;

/* Whether a file is PEM; else it is taken for DER. */
bool mm_is_pem(struct mm_span file);
/*
 * Appends the DER of the first certificate of a file, in PEM (text and keys
 * before it are passed over) or DER; `count`, which may be NULL, gets how many
 * there are. MM_E_FORMAT.
 */
enum mm_error mm_certificate_first(
    struct mm_span file, struct mm_buffer *out, size_t *count) mm_must_use;
/* Whether the key of `issuer` signed `certificate`, both DER, of whatever CA
 * and kind of key; names and times are not looked at. MM_E_FORMAT: it did not,
 * or one of them cannot be read. */
enum mm_error mm_certificate_issued(
    struct mm_span certificate, struct mm_span issuer) mm_must_use;
/* Appends the PEM of a DER certificate. MM_E_FORMAT: it is none. */
enum mm_error
mm_certificate_pem(struct mm_span der, struct mm_buffer *out) mm_must_use;
/* Appends what a partition holds of it: the first certificate, PEM of 64
 * columns with a NUL at its end, or DER, as the file is. MM_E_FORMAT. */
enum mm_error
mm_certificate_stored(struct mm_span file, struct mm_buffer *out) mm_must_use;

#endif
