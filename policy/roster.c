#include "policy/roster.h"

#include <string.h>

enum { SKEW = 60 }; /* seconds that an officer's clock may be ahead */

/* The signatures under one payload, taken apart. */
struct bundle {
	struct mm_statement statements[MM_STATEMENTS_MAX];
	const struct mm_officer *signers[MM_STATEMENTS_MAX];
	size_t count;
};

static enum mm_error
take_apart(const struct mm_list *statements, struct bundle *out)
{
	if (statements->count == 0 || statements->count > MM_STATEMENTS_MAX)
		return mm_fail(MM_E_STATEMENT,
		    "there are %zu statements; 1 to %d can be",
		    statements->count, MM_STATEMENTS_MAX);
	for (size_t i = 0; i < statements->count; i++) {
		struct mm_span bytes =
		    mm_list_at(*statements, struct mm_bytes_item, i)->value;
		enum mm_error error =
		    mm_statement_decode(bytes, &out->statements[i]);

		if (error != MM_OK)
			return error;
		if (!mm_span_equal(
			out->statements[i].payload, out->statements[0].payload))
			return mm_fail(MM_E_STATEMENT_DIFFERS,
			    "the statements are not over one payload");
	}
	out->count = statements->count;
	return MM_OK;
}

static enum mm_error
check_time(const struct mm_claim *claim, uint64_t time)
{
	if (claim->expiry <= claim->time)
		return mm_fail(
		    MM_E_STATEMENT_TIME, "the statement ends before it begins");
	if (claim->time > time && claim->time - time > SKEW)
		return mm_fail(MM_E_STATEMENT_TIME,
		    "the statement is of %llu, the entry of %llu",
		    (unsigned long long)claim->time, (unsigned long long)time);
	if (time > claim->expiry)
		return mm_fail(MM_E_STATEMENT_TIME,
		    "the statement ended at %llu; the entry is of %llu",
		    (unsigned long long)claim->expiry,
		    (unsigned long long)time);
	return MM_OK;
}

static enum mm_error
check_frame(
    const struct mm_claim *claim, const struct mm_roster_question *question)
{
	if (claim->kind != question->kind)
		return mm_fail(MM_E_STATEMENT_KIND,
		    "the statement is of kind %llu, not %llu",
		    (unsigned long long)claim->kind,
		    (unsigned long long)question->kind);
	if (!mm_span_equal(claim->origin, question->origin))
		return mm_fail(MM_E_STATEMENT_LOG,
		    "the statement is for the log %.*s, not %.*s",
		    MM_SPAN(claim->origin), MM_SPAN(question->origin));
	return check_time(claim, question->time);
}

/*
 * The officer who signed. A kid is 8 bytes only, so it is where the search
 * begins; the full key is what decides.
 */
static enum mm_error
find_signer(const struct mm_policy *policy,
    const struct mm_statement *statement, const struct mm_officer **out)
{
	bool known = false;

	for (mm_list_each(const struct mm_officer, officer, policy->officers)) {
		uint8_t kid[MM_KID_SIZE];

		mm_kid(officer->key, kid);
		if (!mm_span_equal(statement->kid, mm_span(kid, sizeof(kid))))
			continue;
		known = true;
		if (mm_statement_verify(statement, officer->key) == MM_OK) {
			*out = officer;
			return MM_OK;
		}
	}
	if (known)
		return mm_fail(MM_E_STATEMENT_SIGNATURE, "%s",
		    mm_error_text(MM_E_STATEMENT_SIGNATURE));
	return mm_fail(MM_E_STATEMENT_OFFICER, "%s",
	    mm_error_text(MM_E_STATEMENT_OFFICER));
}

static enum mm_error
check_signers(const struct mm_policy *policy, struct bundle *bundle)
{
	for (size_t i = 0; i < bundle->count; i++) {
		enum mm_error error = find_signer(
		    policy, &bundle->statements[i], &bundle->signers[i]);

		if (error != MM_OK)
			return error;
		for (size_t j = 0; j < i; j++)
			if (bundle->signers[j] == bundle->signers[i])
				return mm_fail(MM_E_STATEMENT_FEW,
				    "officer %.*s has signed twice, which "
				    "counts once",
				    MM_SPAN(bundle->signers[i]->name));
	}
	return MM_OK;
}

/* A kind without a threshold can never be reached. */
static enum mm_error
check_threshold(const struct mm_policy *policy, uint64_t kind, size_t count)
{
	uint64_t needed = UINT64_MAX;

	for (mm_list_each(
		 const struct mm_threshold, threshold, policy->thresholds))
		if (threshold->kind == kind && threshold->officers > 0)
			needed = threshold->officers;
	if (count < needed)
		return mm_fail(MM_E_STATEMENT_FEW,
		    "%zu officers have signed; the policy wants %llu", count,
		    (unsigned long long)needed);
	return MM_OK;
}

enum mm_error
mm_roster_check(const struct mm_roster_question *question,
    const struct mm_list *statements, struct mm_arena *arena,
    struct mm_claim *claim, void *body)
{
	const struct mm_shape *shape = mm_claim_body_shape(question->kind);
	struct bundle bundle;
	struct mm_claim frame;
	enum mm_error error;

	if (shape == NULL)
		return mm_fail(MM_E_STATEMENT_KIND,
		    "there are no statements of kind %llu",
		    (unsigned long long)question->kind);
	error = take_apart(statements, &bundle);
	if (error == MM_OK)
		error = mm_shape_decode(&mm_claim_shape,
		    bundle.statements[0].payload, arena, &frame);
	if (error == MM_OK)
		error = check_frame(&frame, question);
	if (error == MM_OK)
		error = check_signers(question->policy, &bundle);
	if (error == MM_OK)
		error = check_threshold(
		    question->policy, question->kind, bundle.count);
	if (error == MM_OK)
		error = mm_shape_decode(shape, frame.body, arena, body);
	if (error == MM_OK)
		*claim = frame;
	return error;
}
