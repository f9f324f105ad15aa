/*
 * A CSR of the mint's own (RFC 2986), for a CA outside: built, held against
 * its plan, put together. ca/csr.h reads those of others.
 */
#ifndef MM_CA_REQUEST_H
#define MM_CA_REQUEST_H

#include "ca/certificate.h"

/* Appends the DER CertificationRequestInfo: subject by the profile's
 * templates, the key, an extensionRequest with basicConstraints, keyUsage and
 * subjectKeyIdentifier as the profile has them. */
enum mm_error
mm_request_build(const struct mm_profile *profile, struct mm_span subject,
    struct mm_span spki, struct mm_buffer *out) mm_must_use;
/* Whether it is byte for byte what this plan gives: MM_E_CERTIFICATE. */
enum mm_error
mm_request_check(struct mm_span info, const struct mm_profile *profile,
    struct mm_span subject, struct mm_span spki) mm_must_use;
/* Appends the DER CertificationRequest, ecdsa-with-SHA256. */
enum mm_error mm_request_assemble(struct mm_span info, struct mm_span signature,
    struct mm_buffer *out) mm_must_use;

/*
 * A certificate that a CA outside made for a key of the mint: it keeps
 * RFC 5280 (lint.h), its key is `spki`, and it may be what `use` (enum
 * mm_key_use of protocol/statement.h: a CA, or code signing) wants:
 * basicConstraints, keyUsage, extendedKeyUsage. Its subjectKeyIdentifier must
 * be the one that the CSR asked for (RFC 7093): what it issues is known by
 * that. MM_E_CERTIFICATE.
 */
enum mm_error mm_imported_check(
    struct mm_span certificate, uint64_t use, struct mm_span spki) mm_must_use;

/* Appends the TBSCertificate of a certificate whatever it is signed by, which
 * mm_certificate_tbs() refuses unless it is ecdsa-with-SHA256. */
enum mm_error
mm_imported_tbs(struct mm_span certificate, struct mm_buffer *out) mm_must_use;

/*
 * What an issuer's TBS says, one of the mint's own or one that a CA outside
 * made: of that the serial number stays zero, and purposes are not told.
 */
enum mm_error mm_issuer_read(
    struct mm_span tbs, struct mm_arena *arena, struct mm_tbs *out) mm_must_use;

#endif
