/*
 * Inside audit: who was revoked when, and whether the CRLs say the same.
 *
 * Revocations are acts of people, so that they are kept in memory, some 50
 * bytes each, and what a CRL lists is looked up among them as it comes. Which
 * CA a serial number is of is not kept: the ledger of facts knows it in the
 * end (audit/facts.h). Until then each CRL is believed to list its issuer's
 * own, and waits in a ledger with the number of those that it lists. To list
 * nothing else, nothing twice, and as many as there are, is to list all.
 */
#ifndef MM_AUDIT_REVOKED_H
#define MM_AUDIT_REVOKED_H

#include "audit/facts.h"

enum { MM_ISSUERS_MAX = 64 };

struct mm_revocations;

enum mm_error
mm_revocations_new(const char *work, struct mm_revocations **out) mm_must_use;
void mm_revocations_free(struct mm_revocations *revocations);

/*
 * An entry revokes. Reasons are those of RFC 5280 5.3.1, which has no 7. A
 * certificate is revoked once, but for a hold (6): that can be followed by
 * another reason, which is for ever, or be taken back by removeFromCRL (8).
 * `act` is what mm_revocations_issuer() is to be told of it. MM_E_LOG_WRONG.
 */
enum mm_error mm_revocations_add(struct mm_revocations *revocations,
    const struct mm_thing_name *serial, uint64_t index, uint64_t reason,
    uint32_t *act) mm_must_use;

/* A CRL's entry: `issuer` is a number below MM_ISSUERS_MAX. */
struct mm_crl_said {
	uint64_t index;
	uint64_t size; /* revocations before it are counted */
	uint32_t issuer;
	uint64_t count; /* certificates that it lists */
};

/* It lists this one, for `reason` unless that is NULL. MM_E_LOG_WRONG. */
enum mm_error mm_revocations_listed(struct mm_revocations *revocations,
    const struct mm_crl_said *crl, const struct mm_thing_name *serial,
    const uint64_t *reason) mm_must_use;
/* It has listed all that it does. */
enum mm_error mm_revocations_crl(struct mm_revocations *revocations,
    const struct mm_crl_said *crl) mm_must_use;

/* In the end, of each act: who issued the certificate. */
enum mm_error mm_revocations_issuer(
    void *revocations, uint32_t act, uint32_t issuer) mm_must_use;
/* The verdict: MM_E_LOG_WRONG names a CRL's entry. */
enum mm_error
mm_revocations_judge(struct mm_revocations *revocations) mm_must_use;

#endif
