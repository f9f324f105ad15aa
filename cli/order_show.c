/*
 * mintmark order show: the reconciliation of an order: ordered, issued,
 * reissued, refused, revoked, scrapped, left.
 */
#include "cli/entry_json.h"
#include "cli/json_value.h"
#include "cli/order_state.h"

enum { ARENA = 8 << 20 };

static enum mm_error
run(const struct mm_invocation *invocation)
{
	bool terms = mm_option(invocation, "terms") != NULL;
	struct mm_order_claim claim;
	struct mm_appliance appliance;
	struct mm_list states = {NULL, 0};
	mm_auto(arena) arena = {0};
	json_t *out;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_order_states(
		    &appliance, invocation->operands[0], &arena, &states);
	if (error == MM_OK && terms)
		error = mm_order_terms(&appliance,
		    mm_list_at(states, struct mm_order_state, 0), &arena,
		    &claim);
	if (error != MM_OK)
		return error;
	out = mm_order_state_json(mm_list_at(states, struct mm_order_state, 0));
	if (terms)
		json_object_set_new(
		    out, "terms", mm_json_shape(&mm_order_claim_shape, &claim));
	if (invocation->json) {
		mm_print(invocation, out);
		return MM_OK;
	}
	mm_entry_print(out);
	json_decref(out);
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"terms", NULL, "with its terms, by a receipt (officers, auditors)", false},
    MM_OPTION_WAIT,
};

const struct mm_command mm_order_show_command = {
    .noun = "order",
    .verb = "show",
    .operands = "ORDER",
    .operand_min = 1,
    .operand_max = 1,
    .summary =
	"an order: ordered, issued, reissued, refused, revoked, scrapped, left",
    .results = MM_ORDER_RESULTS ", terms",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
