/*
 * From a decision to a certificate: the TBS is built before the token is
 * asked (so that the log can hold it), the certificate is put together when
 * the signature is there, and both are read back and held against the
 * profile by the same function, here and in the token process.
 */
#ifndef MM_CERTIFICATE_H
#define MM_CERTIFICATE_H

#include "ca/profile.h"
#include "ca/serial.h"

struct mm_certificate_plan {
	const struct mm_profile *profile;
	struct mm_span subject; /* fills the template */
	struct mm_span spki;
	struct mm_span issuer; /* the issuer's DER TBSCertificate, which has all
				* that is needed of it; empty: self-signed */
	struct mm_list names;  /* mm_text_item: subjectAltName of servers,
				* DNS names and IP addresses */
	uint64_t now;
};

/*
 * Appends the DER TBSCertificate, signature algorithm ecdsa-with-SHA256.
 *
 * Validity counts both its ends (RFC 5280 4.1.2.5): notBefore is `backdate`
 * before now, notAfter is `validity` - 1 seconds later. A notBefore before
 * the issuer's is the issuer's; a notAfter after the issuer's is refused.
 *
 * MM_E_CERTIFICATE (issuer, validity, names), MM_E_POLICY (profile),
 * MM_E_DEVICE_ID, MM_E_KEY_TYPE and the other errors of mm_key_read.
 */
enum mm_error mm_tbs_build(const struct mm_certificate_plan *plan,
    const uint8_t serial[MM_SERIAL_SIZE], struct mm_buffer *out) mm_must_use;

/* SHA-256 of the TBS: what the token signs. */
void mm_tbs_digest(struct mm_span tbs, uint8_t out[32]);

/* Appends the DER Certificate; signature is the DER ECDSA-Sig-Value. */
enum mm_error mm_certificate_assemble(struct mm_span tbs,
    struct mm_span signature, struct mm_buffer *out) mm_must_use;

/* Appends the DER TBSCertificate of a DER certificate. */
enum mm_error mm_certificate_tbs(
    struct mm_span certificate, struct mm_buffer *out) mm_must_use;

/* What a TBS says; spans and list items lie in the arena. */
struct mm_tbs {
	uint8_t serial[MM_SERIAL_SIZE];
	uint64_t not_before, not_after; /* UINT64_MAX: 99991231235959Z */
	struct mm_span issuer, subject; /* DER Names */
	struct mm_span spki;
	struct mm_key key;
	struct mm_span authority; /* MM_SKI_SIZE bytes, the issuer's key's
				   * identifier; empty: of no form of ours */
	uint64_t key_usage;       /* bits of enum mm_key_usage */
	struct mm_list purposes;  /* mm_text_item: EKU OIDs */
	bool ca, path;            /* path: a pathLenConstraint is there */
	uint64_t path_length;
};
enum mm_error mm_tbs_read(
    struct mm_span tbs, struct mm_arena *arena, struct mm_tbs *out) mm_must_use;

/*
 * Holds a TBS against its profile, extension for extension, nothing more
 * and nothing less: subject, issuer's name, AKI and validity within the
 * issuer's (RFC 5280 4.1.2, 4.2), key type, KU, EKU, basicConstraints, SAN.
 * `plan->now` is the time of the entry: notBefore must be `backdate` before
 * it. MM_E_CERTIFICATE says which.
 */
enum mm_error mm_tbs_check(
    struct mm_span tbs, const struct mm_certificate_plan *plan) mm_must_use;

/* Verifies the certificate's ECDSA P-256 signature by the issuer's key. */
enum mm_error mm_certificate_verify(
    struct mm_span certificate, struct mm_span issuer_spki) mm_must_use;

/*
 * Verifies it without its issuer: of the few keys that can have made an
 * ECDSA signature (SEC 1 4.1.6) it must be the one that the TBS's
 * AuthorityKeyIdentifier names, which is a SHA-256 of the key (RFC 7093).
 * MM_E_CERTIFICATE; MM_E_TOKEN_SIGNATURE where none of them is it.
 */
enum mm_error
mm_certificate_verify_authority(struct mm_span certificate) mm_must_use;
/* The same by an identifier that is known (MM_SKI_SIZE bytes), of all that is
 * signed as a certificate is: a CRL has its issuer's in its TBS. */
enum mm_error mm_certificate_verify_identifier(
    struct mm_span certificate, struct mm_span identifier) mm_must_use;

/* PEM and back, one block; label "CERTIFICATE". */
enum mm_error mm_pem_encode(
    const char *label, struct mm_span der, struct mm_buffer *out) mm_must_use;
enum mm_error mm_pem_decode(
    const char *label, struct mm_span pem, struct mm_buffer *out) mm_must_use;

#endif
