/*
 * A command line, read by the rows of a command that is there.
 */
#ifndef MM_TEST_COMMAND_LINE_H
#define MM_TEST_COMMAND_LINE_H

#include <stdio.h>
#include <string.h>

#include "cli/command.h"

/* "--units\n5": a word a line; it stays until the next call. Options that
 * must be said are not missed. */
static inline struct mm_invocation
command_line(const struct mm_command *command, const char *lines)
{
	static char text[4096];
	static struct mm_command relaxed;
	static struct mm_cli_option options[MM_OPTIONS_MAX];
	struct mm_invocation invocation;
	char *words[32], *rest = text, *word;
	int count = 0;

	snprintf(text, sizeof(text), "%s", lines);
	while ((word = strsep(&rest, "\n")) != NULL && count < 32)
		words[count++] = word;
	if (lines[0] == '\0')
		count = 0;
	relaxed = *command;
	for (size_t i = 0; i < command->option_count; i++) {
		options[i] = command->options[i];
		if (options[i].times == MM_OPTION_MUST)
			options[i].times = MM_OPTION_MAY;
	}
	relaxed.options = options;
	relaxed.operand_min = 0;
	assert_int_equal(
	    mm_invocation_read(&relaxed, count, words, &invocation), MM_OK);
	return invocation;
}

#endif
