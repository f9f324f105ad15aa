/*
 * Which entries may be signed, and with what: the rules, for the token
 * process before it signs (hsm/references.h) and for an auditor afterwards
 * (audit/). They differ in what they believe, and bring it along as sources.
 * Nothing here touches the token.
 */
#ifndef MM_JUDGE_H
#define MM_JUDGE_H

#include "ca/certificate.h"
#include "hsm/follow.h"

/* What an entry rests on. Each answer is known to be in the log, and its
 * people's statements are known to be good. */
struct mm_judge_sources {
	void *self;
	/* A key of the mint by its name, or by its SPKI; NULL for others. */
	const struct mm_genesis_key *(*key)(void *self, struct mm_span name);
	const struct mm_genesis_key *(*key_of)(void *self, struct mm_span spki);
	/* The order or the principal that an entry brings. */
	enum mm_error (*order)(void *self, uint64_t index,
	    const struct mm_order_claim **out) mm_must_use;
	enum mm_error (*principal)(void *self, uint64_t index,
	    const struct mm_principal_claim **out) mm_must_use;
	/* The ceremony of an entry (genesis or a later one), and until when it
	 * may be used. */
	enum mm_error (*ceremony)(void *self, uint64_t index,
	    const struct mm_ceremony_claim **out, uint64_t *end) mm_must_use;
	/* The TBS of a certificate of this key, allowed by these same rules, or
	 * imported; `depth`: of it below the entry that is judged. */
	enum mm_error (*issuer)(void *self, const struct mm_genesis_key *key,
	    unsigned depth, struct mm_span *tbs) mm_must_use;
	/* Seconds that a CRL of this key may last under this policy; 0: it
	 * signs none (mm_followed_crl() of hsm/following.h). NULL: no CRLs are
	 * judged. */
	uint64_t (*crl)(void *self, const struct mm_genesis_key *key,
	    const struct mm_policy *policy);
};

/* What one entry is judged by; the caller owns all of it. */
struct mm_judge {
	const struct mm_judge_sources *sources;
	const struct mm_force *force; /* the policy that it is held against */
	struct mm_span origin;
	uint64_t now; /* by one's own clock; 0: the entry's time is believed */
};

struct mm_verdict {
	const struct mm_genesis_key *key; /* the one that signs */
	uint8_t digest[32];               /* what it signs */
	uint64_t crl; /* the number of a CRL; 0: it is none */
	/* Of a certificate; spans and lists lie in the arena. */
	const struct mm_profile *profile;
	struct mm_tbs tbs;
};

/*
 * Judges an entry of a kind that is signed. Every refusal says why:
 * MM_E_TOKEN_REFUSED, or the error of the rule that failed. `depth` is 0 for
 * the entry itself, more for a certificate that it rests on.
 */
enum mm_error mm_judge_certificate(const struct mm_judge *judge,
    const struct mm_entry *frame, const struct mm_certificate_entry *entry,
    unsigned depth, struct mm_arena *arena, struct mm_verdict *out) mm_must_use;
/* A CSR of a key of the mint, by a ceremony that asks for it. */
enum mm_error mm_judge_csr(const struct mm_judge *judge,
    const struct mm_entry *frame, const struct mm_csr_entry *entry,
    struct mm_arena *arena, struct mm_verdict *out) mm_must_use;
/* A CRL: `tbs` is the entry's, or its blob, which is held against the entry.
 * Whom it lists is for auditors to check (audit/): nobody who does not have
 * the whole log can. */
enum mm_error
mm_judge_crl(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_crl_entry *entry, struct mm_span tbs,
    struct mm_arena *arena, struct mm_verdict *out) mm_must_use;
enum mm_error mm_judge_image(const struct mm_judge *judge,
    const struct mm_entry *frame, const struct mm_image_entry *entry,
    struct mm_arena *arena, struct mm_verdict *out) mm_must_use;
enum mm_error mm_judge_partition(const struct mm_judge *judge,
    const struct mm_entry *frame, const struct mm_partition_entry *entry,
    struct mm_verdict *out) mm_must_use;

#endif
