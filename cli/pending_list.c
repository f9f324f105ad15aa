/*
 * mintmark pending list: what waits for approvals.
 */
#include "cli/table.h"
#include "cli/waiting.h"

enum { ARENA = 8 << 20 };

static const char *const columns[] = {
    "subject", "kind", "missing", "officers", "expires", "payload"};

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_appliance appliance;
	struct mm_list rows = {NULL, 0};
	mm_auto(arena) arena = {0};
	json_t *list = json_array();
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_waiting_list(&appliance, 0, &arena, &rows);
	for (mm_list_each(const struct mm_pending_row, row, rows))
		json_array_append_new(list, mm_waiting_json(row));
	if (error != MM_OK) {
		json_decref(list);
		return error;
	}
	if (rows.count == 0)
		mm_say("nothing waits for approvals");
	mm_table_print(invocation, "pending", list, columns, MM_COUNT(columns));
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    MM_OPTION_WAIT,
};

const struct mm_command mm_pending_list_command = {
    .noun = "pending",
    .verb = "list",
    .operands = "",
    .summary = "what waits for officers' signatures",
    .results = "pending: {" MM_WAITING_RESULTS "}",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
