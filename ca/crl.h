/*
 * A CRL before it is signed (RFC 5280 section 5), read: it is one, and no
 * certificate that a CA would sign under that name.
 */
#ifndef MM_CRL_H
#define MM_CRL_H

#include "protocol/bytes.h"

struct mm_crl {
	struct mm_span issuer; /* DER Name; lies in the bytes */
	uint64_t this_update, next_update;
};

/* Version 2, ecdsa-with-SHA256, a nextUpdate and extensions, as RFC 5280
 * 5.1.2 wants them; the revoked are not looked at. MM_E_CERTIFICATE. */
enum mm_error mm_crl_read(struct mm_span tbs, struct mm_crl *out) mm_must_use;

#endif
