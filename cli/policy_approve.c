/*
 * mintmark policy approve: an officer signs a policy that waits. What people
 * wrote is compiled again here: it must give the document that is signed.
 */
#include "cli/approve.h"

static enum mm_error
run(const struct mm_invocation *invocation)
{
	return mm_approve(invocation, MM_STATEMENT_POLICY);
}

static const struct mm_cli_option options[] = {MM_APPROVE_OPTIONS};

const struct mm_command mm_policy_approve_command = {
    .noun = "policy",
    .verb = "approve",
    .operands = "PAYLOAD|SUBJECT",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer signs a policy that waits",
    .results = MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
