/*
 * Changes of policy, good until they are spoilt.
 */
#ifndef MM_TEST_CHANGE_H
#define MM_TEST_CHANGE_H

#include "tests/unit/trial.h"

struct change {
	uint64_t number;
	const struct signer *first, *second; /* the new roster */
	struct says says;
	uint64_t said_number; /* 0: the document's */
	bool other_digest;
	uint8_t digest[32]; /* out: of the new document */
};

static inline uint64_t
log_change(struct change *change)
{
	struct mm_span document =
	    make_policy(change->number, change->first, change->second);
	struct mm_policy_claim claim = {.number = change->said_number != 0
						      ? change->said_number
						      : change->number};
	struct mm_policy_entry body = {.policy = document};

	mm_policy_digest(document, change->digest);
	memcpy(claim.sha256, change->digest, 32);
	claim.sha256[0] ^= change->other_digest;
	change->says.kind = MM_STATEMENT_POLICY;
	change->says.body = &claim;
	body.statements = state(change->says);
	return log_append(&mint.log,
	    make_entry(MM_ENTRY_POLICY, NOW + 20, change->digest, &body));
}

static inline struct change
good_change(uint64_t number)
{
	return (struct change){.number = number,
	    .first = &mint.ada,
	    .second = &mint.bob,
	    .says = {.by = &mint.ada, .and_by = &mint.bob}};
}

/* Policy 2 is in force, with this roster. */
static inline struct change
follow_change(const struct signer *first, const struct signer *second)
{
	struct change change = good_change(2);
	uint64_t number;

	change.first = first;
	change.second = second;
	ok(follow(&mint.log, log_change(&change), &number));
	assert_int_equal(number, 2);
	return change;
}

#endif
