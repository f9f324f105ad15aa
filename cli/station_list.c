/*
 * mintmark station list: who is registered, and when each was seen last.
 */
#include "cli/principal_state.h"
#include "cli/table.h"

enum { ARENA = 32 << 20 };

static const char *const columns[] = {
    "name", "role", "state", "seen", "until", "today", "profiles"};

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_appliance appliance;
	struct mm_list states = {NULL, 0};
	mm_auto(arena) arena = {0};
	json_t *rows;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_principal_states(&appliance, NULL, &arena, &states);
	if (error != MM_OK)
		return error;
	rows = json_array();
	for (mm_list_each(const struct mm_principal_state, state, states))
		json_array_append_new(rows, mm_principal_state_json(state));
	mm_table_print(
	    invocation, "principals", rows, columns, MM_COUNT(columns));
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    MM_OPTION_WAIT,
};

const struct mm_command mm_station_list_command = {
    .noun = "station",
    .verb = "list",
    .operands = "",
    .summary = "who is registered, and when each was seen last",
    .results = "principals: {" MM_PRINCIPAL_RESULTS "}",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
