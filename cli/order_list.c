/*
 * mintmark order list: all orders and what became of them.
 */
#include "cli/order_state.h"
#include "cli/table.h"

enum { ARENA = 32 << 20 };

static const char *const columns[] = {"order", "state", "units", "issued",
    "left", "reissued", "refused", "revoked", "scrapped", "until", "profile"};

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
		error = mm_order_states(&appliance, NULL, &arena, &states);
	if (error != MM_OK)
		return error;
	rows = json_array();
	for (mm_list_each(const struct mm_order_state, state, states))
		json_array_append_new(rows, mm_order_state_json(state));
	mm_table_print(invocation, "orders", rows, columns, MM_COUNT(columns));
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    MM_OPTION_WAIT,
};

const struct mm_command mm_order_list_command = {
    .noun = "order",
    .verb = "list",
    .operands = "",
    .summary = "all orders, and what is left of them",
    .results = "orders: {" MM_ORDER_RESULTS "}",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
