/*
 * mintmark station disable: an officer shuts a principal out, from its next
 * request on.
 */
#include "cli/principal_switch.h"

static enum mm_error
run(const struct mm_invocation *invocation)
{
	return mm_principal_switch(invocation, true);
}

static const struct mm_cli_option options[] = {MM_STATING_OPTIONS};

const struct mm_command mm_station_disable_command = {
    .noun = "station",
    .verb = "disable",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer shuts a principal out, from its next request on",
    .results = MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
