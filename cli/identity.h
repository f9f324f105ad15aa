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

struct mm_identity_parts {
	struct mm_span certificate, access_ca; /* DER */
	const char *appliance;                 /* "host:port name" */
	const char *vkey;
};
/* Writes the rest. */
enum mm_error mm_identity_write(
    const char *directory, const struct mm_identity_parts *parts) mm_must_use;

#endif
