/*
 * mintmark station enable: an officer lets a disabled principal in again.
 */
#include "cli/principal_switch.h"

static enum mm_error
run(const struct mm_invocation *invocation)
{
	return mm_principal_switch(invocation, false);
}

static const struct mm_cli_option options[] = {MM_STATING_OPTIONS};

const struct mm_command mm_station_enable_command = {
    .noun = "station",
    .verb = "enable",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer lets a disabled principal in again",
    .results = MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
