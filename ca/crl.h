/*
 * A CRL before it is signed (RFC 5280 section 5), read: it is one, and no
 * certificate that a CA would sign under that name. Whom it lists is read one
 * by one, from where it stands.
 */
#ifndef MM_CRL_H
#define MM_CRL_H

#include "ca/der.h"

struct mm_crl {
	struct mm_span issuer; /* DER Name; lies in the bytes */
	uint64_t this_update, next_update;
	uint64_t number; /* cRLNumber, 5.2.3 */
	/* 5.2.1: the issuer's key's identifier, MM_SKI_SIZE bytes; empty: of no
	 * form of ours, or not there. */
	struct mm_span authority;
	struct mm_der revoked; /* for mm_crl_next(); nothing where none are */
};

/* Version 2, ecdsa-with-SHA256, a nextUpdate and extensions with a number, as
 * RFC 5280 5.1.2 wants them, and complete: no critical extension, as a delta
 * or a part would have. The revoked are not looked at. MM_E_CERTIFICATE. */
enum mm_error mm_crl_read(struct mm_span tbs, struct mm_crl *out) mm_must_use;

/* One that is revoked (5.1.2.6, 5.3). */
struct mm_crl_revoked {
	struct mm_span serial; /* content octets, without a zero in front */
	uint64_t date;
	uint64_t reason; /* CRLReason, where `has_reason` */
	bool has_reason;
};

/* Takes the next of crl.revoked, while mm_der_more(). MM_E_CERTIFICATE. */
enum mm_error
mm_crl_next(struct mm_der *revoked, struct mm_crl_revoked *out) mm_must_use;

#endif
