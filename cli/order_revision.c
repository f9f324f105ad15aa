#include "cli/order_revision.h"

#include "cli/json_value.h"
#include "cli/order_state.h"
#include "cli/waiting.h"
#include "policy/order.h"

enum { ARENA = 8 << 20 };

static enum mm_error
read_terms(const struct mm_appliance *appliance, const char *name,
    struct mm_arena *arena, struct mm_order_claim *out)
{
	struct mm_list states;
	enum mm_error error = mm_order_states(appliance, name, arena, &states);

	return error == MM_OK
		   ? mm_order_terms(appliance,
			 mm_list_at(states, struct mm_order_state, 0), arena,
			 out)
		   : error;
}

enum mm_error
mm_order_revise(const struct mm_invocation *invocation, mm_order_change *change)
{
	struct mm_appliance appliance;
	struct mm_order_claim terms;
	struct mm_stated stated;
	mm_auto(arena) arena = {0};
	json_t *out;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = read_terms(
		    &appliance, invocation->operands[0], &arena, &terms);
	if (error == MM_OK)
		error = change(invocation, &arena, &terms);
	if (error != MM_OK)
		return error;
	terms.revision++;
	error = mm_order_sound(&terms);
	if (error == MM_OK)
		error = mm_waiting_same(
		    &appliance, MM_STATEMENT_ORDER, &terms, &arena);
	if (error == MM_OK)
		error = mm_state(invocation, MM_STATEMENT_ORDER, MM_ENTRY_ORDER,
		    &terms, NULL, &arena, &stated);
	if (error != MM_OK)
		return error;
	out = mm_stated_json(&stated);
	json_object_update_new(out,
	    json_pack("{s:o, s:I, s:I, s:I, s:o, s:b}", "order",
		mm_json_text(terms.name), "revision",
		(json_int_t)terms.revision, "units", (json_int_t)terms.units,
		"reissue", (json_int_t)terms.reissue, "until",
		mm_json_time(terms.until), "closed", (int)terms.closed));
	mm_print(invocation, out);
	return MM_OK;
}
