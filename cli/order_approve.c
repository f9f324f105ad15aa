/*
 * mintmark order approve: an officer signs an order that waits.
 */
#include "cli/approve.h"

static enum mm_error
run(const struct mm_invocation *invocation)
{
	return mm_approve(invocation, MM_STATEMENT_ORDER);
}

static const struct mm_cli_option options[] = {MM_APPROVE_OPTIONS};

const struct mm_command mm_order_approve_command = {
    .noun = "order",
    .verb = "approve",
    .operands = "ORDER|PAYLOAD",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer signs an order that waits",
    .results = MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
