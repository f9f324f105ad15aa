/*
 * The token process's own judgement: it starts from a checkpoint and entries
 * proven to be in it, holds them against the rules (hsm/judge.h), and
 * believes nobody else. Nothing here touches the token.
 */
#ifndef MM_REFERENCES_H
#define MM_REFERENCES_H

#include "hsm/judge.h"
#include "hsm/known.h"

/* What one call is judged by; the caller owns all of it. */
struct mm_references {
	const struct mm_birth *birth;
	const struct mm_force *first, *force; /* the policy in force last */
	const struct mm_checkpoint *checkpoint;
	const struct mm_list *proven; /* mm_proven: what items rest on */
	struct mm_known *known;
	uint64_t now; /* by this process's own clock */
};

/*
 * Judges a certificate or an image entry. Every refusal says why:
 * MM_E_TOKEN_REFUSED, or the error of the rule that failed. What the verdict
 * has of a certificate is gone by then.
 */
enum mm_error mm_references_judge(const struct mm_references *references,
    const struct mm_proven *item, struct mm_verdict *out) mm_must_use;

#endif
