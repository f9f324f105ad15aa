/*
 * New terms for an order that is there: its newest ones are read from the
 * log, changed, and stated whole as its next revision.
 */
#ifndef MM_ORDER_REVISION_H
#define MM_ORDER_REVISION_H

#include "cli/stating.h"

/* Changes the terms; MM_E_USAGE and the like where they cannot be so. */
typedef enum mm_error mm_order_change(const struct mm_invocation *invocation,
    struct mm_arena *arena, struct mm_order_claim *terms);

/* Of the order that the first operand names. */
enum mm_error mm_order_revise(const struct mm_invocation *invocation,
    mm_order_change *change) mm_must_use;

#define MM_REVISION_RESULTS \
	MM_STATED_RESULTS ", order, revision, units, reissue, until, closed"

#endif
