/*
 * mintmark pending withdraw: an officer ends what waits; it can never be
 * stated again.
 */
#include <string.h>

#include "cli/approve.h"

enum { ARENA = 8 << 20 };

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_withdraw_claim claim;
	struct mm_appliance appliance;
	struct mm_waiting_one one;
	struct mm_stated stated;
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_waiting_find(
		    &appliance, 0, invocation->operands[0], &arena, &one);
	if (error == MM_OK)
		error = mm_waiting_tell(&one);
	if (error == MM_OK)
		error = mm_confirm(invocation, "Withdraw this for ever?");
	if (error != MM_OK)
		return error;
	memcpy(claim.payload, one.row.payload, sizeof(claim.payload));
	error = mm_state(invocation, MM_STATEMENT_WITHDRAW, MM_ENTRY_WITHDRAWAL,
	    &claim, NULL, &arena, &stated);
	if (error == MM_OK)
		mm_print(invocation, mm_stated_json(&stated));
	return error;
}

static const struct mm_cli_option options[] = {
    MM_APPROVE_OPTIONS,
};

const struct mm_command mm_pending_withdraw_command = {
    .noun = "pending",
    .verb = "withdraw",
    .operands = "PAYLOAD|SUBJECT",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer ends what waits, for ever",
    .results = MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
