/*
 * Which entries may be signed, and with what: the token process's own
 * judgement. It starts from a checkpoint and entries proven to be in it and
 * believes nobody else. Nothing here touches the token.
 */
#ifndef MM_JUDGE_H
#define MM_JUDGE_H

#include "hsm/follow.h"
#include "hsm/known.h"

/* What one call is judged by; the caller owns all of it. */
struct mm_judge {
	const struct mm_birth *birth;
	const struct mm_force *first, *force; /* the policy in force last */
	const struct mm_checkpoint *checkpoint;
	const struct mm_list *references; /* mm_proven */
	struct mm_known *known;
	uint64_t now; /* by this process's own clock */
};

struct mm_verdict {
	const struct mm_genesis_key *key; /* the one that signs */
	uint8_t digest[32];               /* what it signs */
};

/*
 * Judges a certificate or an image entry. Every refusal says why:
 * MM_E_TOKEN_REFUSED, or the error of the rule that failed.
 */
enum mm_error mm_judge_item(const struct mm_judge *judge,
    const struct mm_proven *item, struct mm_verdict *out) mm_must_use;

#endif
