/*
 * mintmark order reopen: an officer opens a closed order again.
 */
#include "cli/order_revision.h"
#include "cli/order_terms.h"

static enum mm_error
reopen_terms(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_order_claim *terms)
{
	(void)arena;
	if (!terms->closed)
		return mm_fail(MM_E_USAGE,
		    "order %.*s is not closed; `order extend` gives it more "
		    "time or units",
		    MM_SPAN(terms->name));
	terms->closed = false;
	return mm_order_until(invocation, &terms->until);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	return mm_order_revise(invocation, reopen_terms);
}

static const struct mm_cli_option options[] = {
    MM_STATING_OPTIONS,
    {"until", "DAYS|TIME", "how long it is open (as it was)", false},
};

const struct mm_command mm_order_reopen_command = {
    .noun = "order",
    .verb = "reopen",
    .operands = "ORDER",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer opens a closed order again",
    .results = MM_REVISION_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
