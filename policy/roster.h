/*
 * Whose word counts: officers and thresholds, checked by whoever needs to
 * know, above all by the token process itself.
 */
#ifndef MM_ROSTER_H
#define MM_ROSTER_H

#include "policy/document.h"

/* What the statements must be about. */
struct mm_roster_question {
	const struct mm_policy *policy; /* whose officers and thresholds */
	struct mm_span origin;          /* of this log */
	uint64_t kind;
	uint64_t time; /* of the entry that holds the statements */
};

/*
 * Checks statements (mm_bytes_item: COSE_Sign1 over one payload): kind,
 * log, time <= entry's time (60 s of skew allowed) <= expiry, each by a
 * different officer of the roster, enough of them. On success `claim` and,
 * in the kind's shape, `body` are what they say. MM_E_STATEMENT and the
 * others of its family.
 */
enum mm_error mm_roster_check(const struct mm_roster_question *question,
    const struct mm_list *statements, struct mm_arena *arena,
    struct mm_claim *claim, void *body) mm_must_use;

#endif
