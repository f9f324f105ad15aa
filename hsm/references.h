/*
 * The token process's own judgement: it starts from a checkpoint and entries
 * proven to be in it, holds them against the rules (hsm/judge.h), and
 * believes nobody else. Nothing here touches the token.
 */
#ifndef MM_REFERENCES_H
#define MM_REFERENCES_H

#include "hsm/following.h"
#include "hsm/judge.h"
#include "hsm/known.h"

/*
 * What it cannot see, since it is shown single entries and counts nothing:
 * how many units of an order are used, that an order was closed or a principal
 * disabled by a later entry, that a certificate is revoked or is the second
 * one of a device. These stand in the log with their time for every auditor
 * (audit/), who finds what an authority does against them.
 */

/* What one call is judged by; the caller owns all of it. */
struct mm_references {
	const struct mm_following *following;
	const struct mm_checkpoint *checkpoint;
	const struct mm_list *proven; /* mm_proven: what items rest on */
	struct mm_known *known;
	struct mm_span blob; /* the TBS of a CRL whose entry names a blob */
	uint64_t now;        /* by this process's own clock */
};

/*
 * Judges an entry of a kind that is signed: certificate, image, CSR, CRL,
 * partition. It is held against the policy followed last, what it rests on against the
 * policy in force at its own place. An entry rests on earlier ones only; of
 * several certificates of its issuer at hand the newest counts, an imported
 * one among them. Every refusal says why: MM_E_TOKEN_REFUSED, or the error of
 * the rule that failed. What the verdict has of a certificate is gone by then.
 */
enum mm_error mm_references_judge(const struct mm_references *references,
    const struct mm_proven *item, struct mm_verdict *out) mm_must_use;

#endif
