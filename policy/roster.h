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
 * different officer of the roster, as many as the policy wants of this kind
 * (of a withdrawal: one). On success `claim` and,
 * in the kind's shape, `body` are what they say. MM_E_STATEMENT and the
 * others of its family.
 */
enum mm_error mm_roster_check(const struct mm_roster_question *question,
    const struct mm_list *statements, struct mm_arena *arena,
    struct mm_claim *claim, void *body) mm_must_use;

/* Who of the statements' officers count, and how many are missing. */
struct mm_roster_state {
	/* Of `statements`, by place: the officer, or NULL where the statement
	 * does not count (not of this roster any more, its second). */
	const struct mm_officer *officers[MM_STATEMENTS_MAX];
	uint64_t counted, missing; /* missing 0: mm_roster_check() says yes */
};

/*
 * The same for statements that are being gathered: those that do not count
 * are passed over, but for the last one, which must: its error is returned.
 * Kind, log and time are checked as above.
 */
enum mm_error mm_roster_gather(const struct mm_roster_question *question,
    const struct mm_list *statements, struct mm_arena *arena,
    struct mm_claim *claim, void *body,
    struct mm_roster_state *state) mm_must_use;

#endif
