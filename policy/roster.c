#include "policy/roster.h"

#include <sodium.h>

#include "protocol/date.h"

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
	char claimed[MM_TIME_TEXT], entered[MM_TIME_TEXT];

	mm_time_text(time, entered);
	if (claim->expiry <= claim->time)
		return mm_fail(
		    MM_E_STATEMENT_TIME, "the statement ends before it begins");
	if (claim->time > time && claim->time - time > SKEW) {
		mm_time_text(claim->time, claimed);
		return mm_fail(MM_E_STATEMENT_TIME,
		    "the statement is of %s, the entry of %s", claimed,
		    entered);
	}
	if (time > claim->expiry) {
		mm_time_text(claim->expiry, claimed);
		return mm_fail(MM_E_STATEMENT_TIME,
		    "the statement ended at %s; the entry is of %s", claimed,
		    entered);
	}
	return MM_OK;
}

static enum mm_error
check_frame(
    const struct mm_claim *claim, const struct mm_roster_question *question)
{
	if (claim->kind != question->kind)
		return mm_fail(MM_E_STATEMENT_KIND,
		    "the statement is of kind %s, not %s",
		    mm_statement_kind_name(claim->kind),
		    mm_statement_kind_name(question->kind));
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
	const struct mm_officer *claimed = NULL;
	char kid[2 * MM_KID_SIZE + 1] = "";

	for (mm_list_each(const struct mm_officer, officer, policy->officers)) {
		uint8_t own[MM_KID_SIZE];

		mm_kid(officer->key, own);
		if (!mm_span_equal(statement->kid, mm_span(own, sizeof(own))))
			continue;
		claimed = officer;
		if (mm_statement_verify(statement, officer->key) == MM_OK) {
			*out = officer;
			return MM_OK;
		}
	}
	if (claimed != NULL)
		return mm_fail(MM_E_STATEMENT_SIGNATURE,
		    "the signature of officer %.*s does not verify",
		    MM_SPAN(claimed->name));
	if (statement->kid.size == MM_KID_SIZE)
		sodium_bin2hex(
		    kid, sizeof(kid), statement->kid.data, MM_KID_SIZE);
	return mm_fail(MM_E_STATEMENT_OFFICER,
	    "the key %s is of no officer of policy %llu", kid,
	    (unsigned long long)policy->number);
}

/* Whose the i-th signature is, who has not signed before it. */
static enum mm_error
count_signer(const struct mm_policy *policy, struct bundle *bundle, size_t i)
{
	const struct mm_officer *signer = NULL;
	enum mm_error error =
	    find_signer(policy, &bundle->statements[i], &signer);

	if (error != MM_OK)
		return error;
	for (size_t j = 0; j < i; j++)
		if (bundle->signers[j] == signer)
			return mm_fail(MM_E_STATEMENT_FEW,
			    "officer %.*s has signed twice, which counts once",
			    MM_SPAN(signer->name));
	bundle->signers[i] = signer;
	return MM_OK;
}

/* How many the policy wants; 0 where it does not say, which none can be. */
static uint64_t
needed(const struct mm_policy *policy, uint64_t kind)
{
	uint64_t officers = 0;

	if (kind == MM_STATEMENT_WITHDRAW)
		return 1;
	for (mm_list_each(
		 const struct mm_threshold, threshold, policy->thresholds))
		if (threshold->kind == kind)
			officers = threshold->officers;
	return officers;
}

/* Opens what the statements say, whoever has signed. */
static enum mm_error
open_bundle(const struct mm_roster_question *question,
    const struct mm_list *statements, struct mm_arena *arena,
    struct bundle *bundle, struct mm_claim *frame)
{
	enum mm_error error;

	if (mm_claim_body_shape(question->kind) == NULL)
		return mm_fail(MM_E_STATEMENT_KIND,
		    "there are no statements of kind %llu",
		    (unsigned long long)question->kind);
	if (needed(question->policy, question->kind) == 0)
		return mm_fail(MM_E_STATEMENT_FEW,
		    "the policy does not say how many officers sign a "
		    "statement of kind %s",
		    mm_statement_kind_name(question->kind));
	error = take_apart(statements, bundle);
	if (error == MM_OK)
		error = mm_shape_decode(&mm_claim_shape,
		    bundle->statements[0].payload, arena, frame);
	return error != MM_OK ? error : check_frame(frame, question);
}

/*
 * Who counts. `strict`: the first that does not is the verdict; else they
 * are passed over, but for the last.
 */
static enum mm_error
count_signers(const struct mm_roster_question *question, bool strict,
    struct bundle *bundle, struct mm_roster_state *out)
{
	uint64_t wanted = needed(question->policy, question->kind);

	for (size_t i = 0; i < bundle->count; i++) {
		enum mm_error error = count_signer(question->policy, bundle, i);

		if (error != MM_OK && (strict || i + 1 == bundle->count))
			return error;
		out->officers[i] = bundle->signers[i];
		out->counted += error == MM_OK;
	}
	out->missing = out->counted < wanted ? wanted - out->counted : 0;
	return MM_OK;
}

static enum mm_error
judge(const struct mm_roster_question *question,
    const struct mm_list *statements, struct mm_arena *arena, bool strict,
    struct mm_claim *claim, void *body, struct mm_roster_state *state)
{
	struct bundle bundle = {0};
	struct mm_roster_state found = {0};
	struct mm_claim frame;
	enum mm_error error =
	    open_bundle(question, statements, arena, &bundle, &frame);

	if (error == MM_OK)
		error = count_signers(question, strict, &bundle, &found);
	if (error == MM_OK && strict && found.missing > 0)
		error = mm_fail(MM_E_STATEMENT_FEW,
		    "%llu of %llu officers %s signed",
		    (unsigned long long)found.counted,
		    (unsigned long long)(found.counted + found.missing),
		    found.counted == 1 ? "has" : "have");
	if (error == MM_OK)
		error = mm_shape_decode(mm_claim_body_shape(question->kind),
		    frame.body, arena, body);
	if (error != MM_OK)
		return error;
	*claim = frame;
	if (state != NULL)
		*state = found;
	return MM_OK;
}

enum mm_error
mm_roster_check(const struct mm_roster_question *question,
    const struct mm_list *statements, struct mm_arena *arena,
    struct mm_claim *claim, void *body)
{
	return judge(question, statements, arena, true, claim, body, NULL);
}

enum mm_error
mm_roster_gather(const struct mm_roster_question *question,
    const struct mm_list *statements, struct mm_arena *arena,
    struct mm_claim *claim, void *body, struct mm_roster_state *state)
{
	return judge(question, statements, arena, false, claim, body, state);
}
