/*
 * The keys and signatures of the log: ECDSA P-256, and RSA-3072 of
 * code-signing keys. Whoever holds a signature of the mint against a key asks
 * here, whichever of the two it is.
 */
#ifndef MM_VERIFY_H
#define MM_VERIFY_H

#include "signer/public_key.h"

/* What a ceremony's key without an algorithm is. */
#define MM_ALGORITHM_USUAL MM_ALGORITHM_P256
/* RFC 8017's usual public exponent, which all RSA keys made here have. */
enum { MM_RSA_EXPONENT = 65537 };

/*
 * Which key of the mint a DER SubjectPublicKeyInfo is: P-256, or RSA-3072 with
 * the exponent above, in the one form that the token process makes (RFC 5480,
 * RFC 3279 2.3.1). MM_E_KEY_TYPE for every other.
 */
enum mm_error
mm_spki_algorithm(struct mm_span spki, enum mm_algorithm *out) mm_must_use;

/*
 * Verifies a signature over a SHA-256 digest as the log has it: of P-256 a DER
 * Ecdsa-Sig-Value, of RSA the 384 bytes of RSASSA-PSS with 32 bytes of salt.
 * MM_E_KEY_TYPE, MM_E_TOKEN_SIGNATURE.
 */
enum mm_error mm_signature_check(struct mm_span spki, const uint8_t digest[32],
    struct mm_span signature) mm_must_use;

/*
 * The same where only the SHA-256 of the SPKI is known. ECDSA tells its key;
 * for a signature of RSA's size MM_E_KEY_TYPE says which key to bring.
 */
enum mm_error mm_signature_check_hash(const uint8_t spki_sha256[32],
    const uint8_t digest[32], struct mm_span signature) mm_must_use;

#endif
