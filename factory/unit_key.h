/*
 * A device's key that the station makes: the key itself, and of it, now or
 * after a crash, its certification request and its public half.
 *
 * Where a private number lies meanwhile:
 *
 *   sodium memory    the DER
 *   libcrypto's      its numbers of the key (each is asked), the nonce, what it
 *   secure heap      works out with them, and the bytes that the DER is
 *                    written from; locked, between guard pages, wiped
 *   plain heap       random bytes that become a number, and what libcrypto
 *                    derives from RSA's primes for its arithmetic: wiped by
 *                    it before the call ends
 *   stack            what libcrypto leaves there: wiped before the call ends
 *
 * After a call nothing of a key is anywhere but in the DER that came out.
 */
#ifndef MM_FACTORY_UNIT_KEY_H
#define MM_FACTORY_UNIT_KEY_H

#include "factory/der.h"

enum mm_device_key_kind {
	MM_DEVICE_P256,
	MM_DEVICE_P384,
	MM_DEVICE_RSA_2048,
	MM_DEVICE_RSA_3072,
	MM_DEVICE_RSA_4096,
	MM_DEVICE_KEY_KINDS
};
/* "P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"; NULL. */
const char *mm_device_key_name(enum mm_device_key_kind kind);
bool mm_device_key_named(struct mm_span name, enum mm_device_key_kind *out);

enum {
	MM_DEVICE_KEY_MAX = 2560, /* bytes of the DER of any of them */
	MM_DEVICE_CSR_MAX = 1536,
	MM_DEVICE_SPKI_MAX = 640
};

/*
 * Makes a key: PKCS#8 (RFC 5958), as OpenSSL writes it, with the public key in
 * it. MM_E_MEMORY; MM_E_SYSTEM, and no key, where memory cannot be locked.
 */
enum mm_error mm_device_key_make(
    enum mm_device_key_kind kind, struct mm_flash_secret *der) mm_must_use;

/*
 * Appends the request (PKCS#10 DER, RFC 2986; no subject, no attributes, as
 * the profile and the order say whose it is) and the SubjectPublicKeyInfo;
 * either may be NULL. The key is one of mm_device_key_make()'s. Signatures are
 * of SHA-256, with P-384 of SHA-384; RSA's are PKCS#1 v1.5. An ECDSA request
 * is another one each time. MM_E_FORMAT: it is no such key, or its parts do
 * not agree; MM_E_SYSTEM, MM_E_MEMORY; and what the buffers tell.
 */
enum mm_error mm_device_key_csr(const struct mm_flash_secret *der,
    struct mm_buffer *csr, struct mm_buffer *spki) mm_must_use;

#endif
