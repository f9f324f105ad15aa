/*
 * mintmark ceremony prepare: a ceremony's file becomes the payloads that the
 * officers sign, each on a computer of its own.
 */
#include <sodium.h>
#include <string.h>

#include "cli/ceremony_plan.h"
#include "cli/ceremony_report.h"

enum { ARENA = 32 << 20 };

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *path = mm_option(invocation, "out");
	struct mm_ceremony_plan *plan = NULL;
	mm_auto(arena) arena = {0};
	enum mm_error error = mm_output_check(invocation, path);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK && strcmp(path, "-") == 0)
		error = mm_fail(MM_E_USAGE, "the payloads are a file");
	if (error == MM_OK) {
		plan = mm_arena_alloc(&arena, sizeof(*plan));
		error = plan != NULL
			    ? mm_ceremony_plan_read(invocation->operands[0],
				  MM_CEREMONY_BIRTH, &arena, plan)
			    : mm_fail(MM_E_MEMORY, "no memory for a ceremony");
	}
	if (error == MM_OK)
		error = mm_ceremony_plan_write(invocation, plan, path, &arena);
	return error == MM_OK ? mm_ceremony_report(invocation, path, &arena)
			      : error;
}

static const struct mm_cli_option options[] = {
    {"out", "PAYLOADS", "where what the officers sign goes", true},
};

const struct mm_command mm_ceremony_prepare_command = {
    .noun = "ceremony",
    .verb = "prepare",
    .operands = "FILE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "what officers sign for a new mint, from a file",
    .about = "FILE is like conf/ceremony.conf of the sources. Bring PAYLOADS "
	     "to the officers:\neach signs it with `mintmark ceremony sign`; "
	     "then `mintmark ceremony run`.",
    .results = MM_CEREMONY_REPORT_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
