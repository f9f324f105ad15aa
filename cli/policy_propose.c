/*
 * mintmark policy propose: an officer states another policy. It is in force
 * from the next decision on, once enough officers of the policy before it have
 * signed.
 */
#include "cli/json_value.h"
#include "cli/proposal.h"
#include "cli/stating.h"
#include "cli/values.h"
#include "policy/document.h"

enum { ARENA = 4 << 20 };

static enum mm_error
read_policy(const char *path, struct mm_buffer *document,
    struct mm_buffer *text, struct mm_arena *arena,
    struct mm_policy_claim *claim)
{
	struct mm_policy policy;
	enum mm_error error = mm_policy_compile(path, document);

	if (error == MM_OK)
		error =
		    mm_policy_decode(mm_buffer_span(document), arena, &policy);
	if (error == MM_OK)
		error = mm_input(path, MM_PROPOSAL_MAX, text);
	if (error == MM_OK)
		error = mm_proposal_plain(mm_buffer_span(text));
	if (error != MM_OK)
		return error;
	claim->number = policy.number;
	mm_policy_digest(mm_buffer_span(document), claim->sha256);
	return MM_OK;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	mm_auto(buffer) document = {0}, text = {0};
	struct mm_stating_carries carries = {.csr = {NULL, 0}};
	struct mm_policy_claim claim;
	struct mm_stated stated;
	mm_auto(arena) arena = {0};
	json_t *out;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&document, MM_POLICY_MAX);
	mm_buffer_init(&text, MM_PROPOSAL_MAX);
	error = read_policy(
	    invocation->operands[0], &document, &text, &arena, &claim);
	if (error != MM_OK)
		return error;
	carries.policy = mm_buffer_span(&document);
	carries.text = mm_buffer_span(&text);
	error = mm_state(invocation, MM_STATEMENT_POLICY, MM_ENTRY_POLICY,
	    &claim, &carries, &arena, &stated);
	if (error != MM_OK)
		return error;
	out = mm_stated_json(&stated);
	json_object_set_new(out, "number", mm_json_number(claim.number));
	json_object_set_new(out, "sha256",
	    mm_json_hex(mm_span(claim.sha256, sizeof(claim.sha256))));
	mm_print(invocation, out);
	return MM_OK;
}

static const struct mm_cli_option options[] = {MM_STATING_OPTIONS};

const struct mm_command mm_policy_propose_command = {
    .noun = "policy",
    .verb = "propose",
    .operands = "FILE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer states another policy, from its text",
    .results = MM_STATED_RESULTS ", number, sha256",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
