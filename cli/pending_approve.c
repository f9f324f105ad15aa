/*
 * mintmark pending approve: an officer signs a statement of any kind that
 * waits.
 */
#include "cli/approve.h"

static enum mm_error
run(const struct mm_invocation *invocation)
{
	return mm_approve(invocation, 0);
}

static const struct mm_cli_option options[] = {MM_APPROVE_OPTIONS};

const struct mm_command mm_pending_approve_command = {
    .noun = "pending",
    .verb = "approve",
    .operands = "PAYLOAD|SUBJECT",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer signs a statement of any kind that waits",
    .about = "A release is better approved by `mintmark release approve`, "
	     "which holds every\ndigest against an image of your own.",
    .results = MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
