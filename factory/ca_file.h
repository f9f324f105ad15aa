/*
 * A file of CAs that somebody brings for a broker: certificates alone, whoever
 * made them, read by libcrypto as the broker will read them.
 */
#ifndef MM_FACTORY_CA_FILE_H
#define MM_FACTORY_CA_FILE_H

#include "protocol/bytes.h"

/* Appends the file's certificates, PEM, and nothing of what stands between
 * them. MM_E_FORMAT: there is none, one is damaged, or something else is among
 * them, like a private key. */
enum mm_error
mm_ca_file_read(struct mm_span file, struct mm_buffer *pem) mm_must_use;
/* Whether who believes these lets a certificate (DER) in: each CA from its
 * issuer up to a root is there (RFC 5280 section 6; times are not looked at).
 * MM_E_MISMATCH. */
enum mm_error
mm_ca_file_reaches(struct mm_span pem, struct mm_span certificate) mm_must_use;

#endif
