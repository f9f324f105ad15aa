/*
 * mintmark ceremony approve: an officer signs a ceremony that waits.
 */
#include "cli/approve.h"

static enum mm_error
run(const struct mm_invocation *invocation)
{
	return mm_approve(invocation, MM_STATEMENT_CEREMONY);
}

static const struct mm_cli_option options[] = {MM_APPROVE_OPTIONS};

const struct mm_command mm_ceremony_approve_command = {
    .noun = "ceremony",
    .verb = "approve",
    .operands = "PAYLOAD",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "another officer signs a ceremony that waits",
    .about = "PAYLOAD is 8 or more digits of it, as `mintmark pending list` "
	     "has it. When it is in\nforce, `mintmark ceremony fetch --at "
	     "INDEX` has what it made.",
    .results = MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
