/*
 * mintmark pending show: one statement that waits, all of it, as the log has
 * it.
 */
#include "cli/entry_json.h"
#include "cli/waiting.h"

enum { ARENA = 8 << 20 };

static enum mm_error
print(const struct mm_invocation *invocation, const struct mm_waiting_one *one)
{
	json_t *entry, *out;
	enum mm_error error =
	    mm_entry_json(one->row.index, one->receipt.entry, &entry);

	if (error != MM_OK)
		return error;
	out = mm_waiting_json(&one->row);
	json_object_set_new(out, "entry", entry);
	if (invocation->json) {
		mm_print(invocation, out);
		return MM_OK;
	}
	mm_entry_print(out);
	json_decref(out);
	return MM_OK;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *text = mm_option(invocation, "policy-text");
	struct mm_appliance appliance;
	struct mm_waiting_one one;
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK && text != NULL)
		error = mm_output_check(invocation, text);
	if (error == MM_OK)
		error = mm_waiting_find(
		    &appliance, 0, invocation->operands[0], &arena, &one);
	if (error != MM_OK)
		return error;
	if (text == NULL)
		return print(invocation, &one);
	if (one.entry.text.size == 0)
		return mm_fail(MM_E_NOT_FOUND,
		    "entry %ju has no policy's text in it; where it names a "
		    "blob, `mintmark log show %ju --blob FILE` has it",
		    (uintmax_t)one.row.index, (uintmax_t)one.row.index);
	return mm_output_lines(invocation, text, one.entry.text);
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"policy-text", "FILE", "write the text of a policy that waits", false},
    MM_OPTION_WAIT,
};

const struct mm_command mm_pending_show_command = {
    .noun = "pending",
    .verb = "show",
    .operands = "PAYLOAD|SUBJECT",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "one statement that waits, as it is in the log",
    .results = MM_WAITING_RESULTS ", entry",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
