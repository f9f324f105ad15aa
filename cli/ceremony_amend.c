/*
 * mintmark ceremony amend: new keys, certificates and CSRs of a running mint,
 * and keys that sign nothing more.
 */
#include "cli/ceremony_plan.h"
#include "cli/ceremony_state.h"

enum { ARENA = 64 << 20 };

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static const uint8_t filled_in[32];
	struct mm_ceremony_text text;
	struct mm_ceremony_claim claim;
	struct mm_ceremony_story story;
	struct mm_policy_at at;
	struct mm_stated stated;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_ceremony_text_read(
	    invocation->operands[0], MM_CEREMONY_AMENDMENT, &arena, &text);
	if (error == MM_OK)
		error = mm_ceremony_policy(invocation, &arena, &at);
	if (error == MM_OK)
		error = mm_ceremony_text_check(&text, &at.policy);
	if (error != MM_OK)
		return error;
	mm_ceremony_plan_claim(&text, filled_in, &claim);
	error = mm_ceremony_state(
	    invocation, &claim, NULL, &arena, &stated, &story);
	if (error == MM_OK)
		mm_ceremony_state_report(invocation, &stated, NULL);
	return error;
}

static const struct mm_cli_option options[] = {MM_STATING_OPTIONS};

const struct mm_command mm_ceremony_amend_command = {
    .noun = "ceremony",
    .verb = "amend",
    .operands = "FILE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "new keys and certificates of a running mint, or fewer",
    .about = "FILE is like conf/ceremony.conf of the sources, without "
	     "origin, policy, settings\nand principals; `retire = {NAME}` "
	     "names keys that sign nothing more. A new CA and the\none before "
	     "it are both in service until a policy names the new one alone.",
    .results = MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
