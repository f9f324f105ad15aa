/*
 * Orders as the appliance counts them, and the terms of one as the log has
 * them.
 */
#ifndef MM_ORDER_STATE_H
#define MM_ORDER_STATE_H

#include "cli/appliance.h"
#include "protocol/statement.h"

/* All orders, or the one of this name (NULL: all), MM_E_NOT_FOUND:
 * mm_order_state in the arena. */
enum mm_error mm_order_states(const struct mm_appliance *appliance,
    const char *name, struct mm_arena *arena, struct mm_list *out) mm_must_use;

/* The terms in force of an order, by a receipt of its entry. */
enum mm_error mm_order_terms(const struct mm_appliance *appliance,
    const struct mm_order_state *state, struct mm_arena *arena,
    struct mm_order_claim *out) mm_must_use;

/* The reconciliation: what was ordered, what became of it, what is left. */
json_t *mm_order_state_json(const struct mm_order_state *state);
#define MM_ORDER_RESULTS \
	"order, profile, state, revision, units, issued, left, reissue,\n" \
	"reissued, reissues_left, refused, revoked, scrapped, until, index,\n" \
	"first"

#endif
