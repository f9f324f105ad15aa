/*
 * mintmark release withdraw: an officer ends a release that waits; these
 * statements can never be brought again.
 */
#include <string.h>

#include "cli/approve.h"
#include "cli/release_rows.h"

enum { ARENA = 16 << 20 };

/* What officers have approved stays so: the log forgets nothing. */
static enum mm_error
too_late(const struct mm_appliance *appliance, const struct mm_release_id *id,
    struct mm_arena *arena)
{
	struct mm_release_row row;
	enum mm_error error = mm_release_find(appliance, id, arena, &row);

	if (error != MM_OK)
		return error;
	return mm_fail(MM_E_RELEASE_EXISTS,
	    "%.*s@%.*s is %s, which stays: do not roll it out, release a "
	    "higher version and, where the key is the trouble, retire it "
	    "(`mintmark ceremony amend`)%s",
	    MM_SPAN(row.product), MM_SPAN(row.version),
	    mm_release_state_name(row.state),
	    row.state == MM_RELEASE_SIGNED
		? ""
		: "; until its statements' end it can still be signed");
}

static enum mm_error
withdraw(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_stated *out)
{
	struct mm_withdraw_claim claim;
	struct mm_release_claim said;
	struct mm_appliance appliance;
	struct mm_waiting_one one;
	struct mm_release_id id;
	enum mm_error error = mm_release_id_read(invocation->operands[0], &id);

	if (error == MM_OK)
		error = mm_appliance_read(invocation, MM_WAIT, &appliance);
	if (error == MM_OK)
		error = mm_release_waiting(&appliance, &id, arena, &one, &said);
	if (error == MM_E_NOT_FOUND)
		return too_late(&appliance, &id, arena);
	if (error == MM_OK)
		error = mm_waiting_tell(&one);
	if (error == MM_OK)
		error = mm_confirm(invocation, "Withdraw this for ever?");
	if (error != MM_OK)
		return error;
	memcpy(claim.payload, one.row.payload, sizeof(claim.payload));
	return mm_state(invocation, MM_STATEMENT_WITHDRAW, MM_ENTRY_WITHDRAWAL,
	    &claim, NULL, arena, out);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_stated stated;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = withdraw(invocation, &arena, &stated);
	if (error == MM_OK)
		mm_print(invocation, mm_stated_json(&stated));
	return error;
}

static const struct mm_cli_option options[] = {MM_APPROVE_OPTIONS};

const struct mm_command mm_release_withdraw_command = {
    .noun = "release",
    .verb = "withdraw",
    .operands = "PRODUCT@VERSION|ID",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer ends a release that waits, for ever",
    .results = MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
