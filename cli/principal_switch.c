#include "cli/principal_switch.h"

#include "cli/principal_state.h"

enum { ARENA = 4 << 20 };

enum mm_error
mm_principal_switch(const struct mm_invocation *invocation, bool disabled)
{
	const char *name = invocation->operands[0];
	struct mm_principal_claim claim;
	struct mm_appliance appliance;
	struct mm_list states;
	struct mm_stated stated;
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_principal_states(&appliance, name, &arena, &states);
	if (error != MM_OK)
		return error;
	claim = mm_principal_claim_of(
	    mm_list_at(states, struct mm_principal_state, 0));
	if (claim.disabled == disabled)
		return mm_fail(MM_E_USAGE, "%s is %s already", name,
		    disabled ? "disabled" : "enabled");
	claim.disabled = disabled;
	error = mm_state(invocation, MM_STATEMENT_PRINCIPAL, MM_ENTRY_PRINCIPAL,
	    &claim, NULL, &arena, &stated);
	if (error == MM_OK)
		mm_print(invocation, mm_stated_json(&stated));
	return error;
}
