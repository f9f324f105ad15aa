#include "cli/principal_switch.h"

#include "cli/principal_state.h"
#include "cli/waiting.h"

enum { ARENA = 4 << 20 };

enum mm_error
mm_principal_switch(const struct mm_invocation *invocation, bool disabled)
{
	const char *name = invocation->operands[0];
	struct mm_principal_terms terms;
	struct mm_appliance appliance;
	struct mm_stated stated;
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_principal_terms(&appliance, name, &arena, &terms);
	if (error != MM_OK)
		return error;
	if (terms.claim.disabled == disabled)
		return mm_fail(MM_E_USAGE, "%s is %s already", name,
		    disabled ? "disabled" : "enabled");
	terms.claim.disabled = disabled;
	error = mm_waiting_same(
	    &appliance, MM_STATEMENT_PRINCIPAL, &terms.claim, &arena);
	if (error == MM_OK)
		error = mm_state(invocation, MM_STATEMENT_PRINCIPAL,
		    MM_ENTRY_PRINCIPAL, &terms.claim, NULL, &arena, &stated);
	if (error == MM_OK)
		mm_print(invocation, mm_stated_json(&stated));
	return error;
}
