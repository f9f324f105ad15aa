/*
 * mintmark order close: an officer ends an order before its time.
 */
#include "cli/order_revision.h"

static enum mm_error
close_terms(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_order_claim *terms)
{
	(void)invocation;
	(void)arena;
	if (terms->closed)
		return mm_fail(MM_E_ORDER_CLOSED, "order %.*s is closed",
		    MM_SPAN(terms->name));
	terms->closed = true;
	return MM_OK;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	return mm_order_revise(invocation, close_terms);
}

static const struct mm_cli_option options[] = {
    MM_STATING_OPTIONS,
};

const struct mm_command mm_order_close_command = {
    .noun = "order",
    .verb = "close",
    .operands = "ORDER",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer ends an order before its time",
    .results = MM_REVISION_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
