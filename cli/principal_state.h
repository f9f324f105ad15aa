/*
 * Principals as the appliance has them: who is registered, with which key and
 * limits, and when each was seen last.
 */
#ifndef MM_PRINCIPAL_STATE_H
#define MM_PRINCIPAL_STATE_H

#include "cli/appliance.h"
#include "protocol/statement.h"

/* All of them, or the one of this name (NULL: all), MM_E_NOT_FOUND:
 * mm_principal_state in the arena. */
enum mm_error mm_principal_states(const struct mm_appliance *appliance,
    const char *name, struct mm_arena *arena, struct mm_list *out) mm_must_use;

/* What officers have stated of one, word for word. */
struct mm_principal_terms {
	uint64_t index; /* of the entry */
	struct mm_principal_claim claim;
};
/*
 * The newest of this name, from the log by its receipt. MM_E_NOT_FOUND;
 * MM_E_MISMATCH where the entry is not what the appliance says of it.
 */
enum mm_error
mm_principal_terms(const struct mm_appliance *appliance, const char *name,
    struct mm_arena *arena, struct mm_principal_terms *out) mm_must_use;

/* A role by its name; 0 for none. */
uint64_t mm_role_named(const char *name);

json_t *mm_principal_state_json(const struct mm_principal_state *state);
#define MM_PRINCIPAL_RESULTS \
	"name, role, state, seen, until, today, daily, minute, profiles,\n" \
	"key, index"

#endif
