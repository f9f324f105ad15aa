/*
 * Inside hsm/judge.h: what all verdicts have in common.
 */
#ifndef MM_JUDGED_H
#define MM_JUDGED_H

#include "hsm/judge.h"

/* The log's time may lag behind ours, or run ahead, by so many seconds. */
enum { MM_JUDGE_GRACE = 60 };

#define mm_judge_refuse(...) mm_fail(MM_E_TOKEN_REFUSED, __VA_ARGS__)

/*
 * The time at which an order or a release must still hold: the entry's, but
 * whoever decides could log with one time for ever, so that ours counts too.
 */
static inline uint64_t
mm_judge_moment(const struct mm_judge *judge, const struct mm_entry *frame)
{
	return judge->now > frame->time + MM_JUDGE_GRACE
		   ? judge->now - MM_JUDGE_GRACE
		   : frame->time;
}

static inline const struct mm_genesis_key *
mm_judge_key(const struct mm_judge *judge, struct mm_span name)
{
	return judge->sources->key(judge->sources->self, name);
}

/* Certificates, CSRs and CRLs are signed with ECDSA: an RSA key of code signing
 * has none of them. */
enum mm_error mm_judge_ecdsa(const struct mm_genesis_key *key) mm_must_use;

/* A file's signing, as its entry has it. */
struct mm_signing_name;
struct mm_judge_signing {
	struct mm_span signing;
	const struct mm_signing_name *name; /* the same, taken apart */
	struct mm_span key;                 /* name of the signing key */
	const uint8_t *signer;              /* 32: SHA-256 of its SPKI */
};
/* The code-signing key that the entry names: the one that the signing names,
 * and of its scheme's kind. */
enum mm_error mm_judge_signing_key(const struct mm_judge *judge,
    const struct mm_judge_signing *of,
    const struct mm_genesis_key **out) mm_must_use;

/* The ceremony of a basis, while it may be used. */
enum mm_error
mm_judge_ceremony(const struct mm_judge *judge, const struct mm_entry *frame,
    uint64_t basis, const struct mm_ceremony_claim **out) mm_must_use;

#endif
