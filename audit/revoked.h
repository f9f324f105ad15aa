/*
 * Inside audit: who was revoked when, and whether the CRLs say the same.
 *
 * Revocations are kept in memory, some 70 bytes each: acts of people, and of
 * reissues, which people have allowed by their number. What a CRL lists is
 * looked up among them as it comes. Which certificate a serial number is of is
 * not kept: the ledger of facts knows it in the end (audit/join.h). Until then
 * each CRL is believed to list its issuer's own, and waits in a ledger with
 * the number of those that it lists. To list nothing else, nothing twice, and
 * as many as there are, is to list all.
 */
#ifndef MM_AUDIT_REVOKED_H
#define MM_AUDIT_REVOKED_H

#include "audit/facts.h"

/* Numbers of issuers are below; the last one is of none of the mint's keys. */
enum { MM_ISSUERS_MAX = 257 };

struct mm_revocations;

enum mm_error
mm_revocations_new(const char *work, struct mm_revocations **out) mm_must_use;
void mm_revocations_free(struct mm_revocations *revocations);

struct mm_revocation {
	uint64_t index;  /* of the entry that says so */
	uint64_t time;   /* what CRLs have as its date */
	uint64_t reason; /* CRLReason */
	uint64_t since;  /* invalidityDate; 0: none */
};
/*
 * An entry revokes. Reasons are those of RFC 5280 5.3.1, which has no 7. A
 * certificate is revoked once, but for a hold (6): that can be followed by
 * another reason, which is for ever, or be taken back by removeFromCRL (8).
 * `act` is what mm_revocations_found() is to be told of it. MM_E_LOG_WRONG.
 */
enum mm_error mm_revocations_add(struct mm_revocations *revocations,
    const struct mm_thing_name *serial, const struct mm_revocation *one,
    uint32_t *act) mm_must_use;
/* Its replacement is signed: superseded (4), where it is not revoked for ever
 * by then; `made` says whether. */
enum mm_error mm_revocations_supersede(struct mm_revocations *revocations,
    const struct mm_thing_name *serial, uint64_t index, uint64_t time,
    uint32_t *act, bool *made) mm_must_use;

/* A CRL's entry: `issuer` is a number below MM_ISSUERS_MAX. */
struct mm_crl_said {
	uint64_t index;
	uint64_t size; /* revocations before it are counted */
	uint32_t issuer;
	uint64_t count; /* certificates that it lists */
};

/* It lists this one, so. An absent reason is 0, "unspecified". */
enum mm_error mm_revocations_listed(struct mm_revocations *revocations,
    const struct mm_crl_said *crl, const struct mm_thing_name *serial,
    uint64_t reason, uint64_t date) mm_must_use;
/* It has listed all that it does. */
enum mm_error mm_revocations_crl(struct mm_revocations *revocations,
    const struct mm_crl_said *crl) mm_must_use;

/* In the end, of each act: whose certificate it is, and its issuer. */
enum mm_error mm_revocations_found(struct mm_revocations *revocations,
    uint32_t act, uint32_t issuer, uint64_t certificate) mm_must_use;
/* All are found: the two below may be asked. */
enum mm_error
mm_revocations_sort(struct mm_revocations *revocations) mm_must_use;
/* What it was before this entry. A hold may end: until then nothing takes the
 * certificate's place but what replaces it. */
enum mm_standing { MM_STANDS, MM_ON_HOLD, MM_REVOKED };
enum mm_standing mm_standing_before(const struct mm_revocations *revocations,
    uint64_t certificate, uint64_t index);
/* The entry that has revoked it for ever, but not as superseded; UINT64_MAX:
 * none has. */
uint64_t
mm_revoked_by(const struct mm_revocations *revocations, uint64_t certificate);
/* The verdict on the CRLs: MM_E_LOG_WRONG names a CRL's entry. */
enum mm_error
mm_revocations_judge(struct mm_revocations *revocations) mm_must_use;

#endif
