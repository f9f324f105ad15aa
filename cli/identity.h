/*
 * A client's identity directory: key.pem, certificate.pem, access-ca.pem,
 * appliance, log.vkey (protocol/client.h reads it).
 */
#ifndef MM_IDENTITY_H
#define MM_IDENTITY_H

#include "protocol/bytes.h"

/*
 * Makes the directory and a P-256 key in it (key.pem, mode 0600); appends
 * the key's DER SubjectPublicKeyInfo.
 */
enum mm_error
mm_identity_key(const char *directory, struct mm_buffer *spki) mm_must_use;

/* Appends a CSR (DER, PKCS#10) of the identity's key. Only its key is ever
 * taken from it: the subject says nothing. */
enum mm_error
mm_identity_request(const char *directory, struct mm_buffer *out) mm_must_use;

/* Appends SubjectPublicKeyInfo and CSR (both DER) of a new P-256 key that
 * signs this one CSR and is never written anywhere. */
enum mm_error
mm_key_once(struct mm_buffer *spki, struct mm_buffer *csr) mm_must_use;

struct mm_identity_parts {
	struct mm_span certificate, access_ca; /* DER */
	const char *appliance;                 /* "host:port name" */
	const char *vkey;
};
/* Writes the rest; what is there already is kept: MM_E_EXISTS. */
enum mm_error mm_identity_write(
    const char *directory, const struct mm_identity_parts *parts) mm_must_use;

/* Puts another certificate (DER) in the place of the identity's. */
enum mm_error mm_identity_renew(
    const char *directory, struct mm_span certificate) mm_must_use;

/*
 * Writes what somebody else's identity wants beside its key, for the same
 * appliance as `from`: the certificate, and copies of access-ca.pem,
 * appliance and log.vkey. The directory is made where there is none. Files
 * that are there are kept unless `force`: MM_E_EXISTS, and none is written.
 */
enum mm_error mm_identity_hand_over(const char *from, const char *directory,
    struct mm_span certificate, bool force) mm_must_use;
/* Whether it could do that: asked before what cannot be undone. */
enum mm_error mm_identity_hand_over_check(
    const char *from, const char *directory, bool force) mm_must_use;

#endif
