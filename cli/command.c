#include "cli/command.h"

#include <stdio.h>
#include <string.h>

const char *
mm_option(const struct mm_invocation *invocation, const char *name)
{
	const struct mm_command *command = invocation->command;

	for (size_t i = 0; i < command->option_count; i++)
		if (strcmp(command->options[i].name, name) == 0)
			return invocation->values[i];
	return NULL;
}

const char *
mm_option_nth(
    const struct mm_invocation *invocation, const char *name, size_t n)
{
	const struct mm_command *command = invocation->command;

	for (size_t i = 0; i < invocation->repeated_count; i++) {
		const struct mm_repeated *one = &invocation->repeated[i];

		if (strcmp(command->options[one->row].name, name) == 0 &&
		    n-- == 0)
			return one->value;
	}
	return NULL;
}

static const char *
row_word(const struct mm_cli_option *option, char *out, size_t size)
{
	if (option->value == NULL)
		snprintf(out, size, "--%s", option->name);
	else
		snprintf(out, size, "--%s %s", option->name, option->value);
	return out;
}

void
mm_command_help(const struct mm_command *command)
{
	static const struct {
		const char *before, *after;
	} marks[] = {[MM_OPTION_MAY] = {" [", "]"},
	    [MM_OPTION_MUST] = {" ", ""},
	    [MM_OPTION_REPEATED] = {" [", "]..."}};
	char word[128];

	printf("mintmark %s%s%s", command->noun,
	    command->verb != NULL ? " " : "",
	    command->verb != NULL ? command->verb : "");
	for (size_t i = 0; i < command->option_count; i++)
		printf("%s%s%s", marks[command->options[i].times].before,
		    row_word(&command->options[i], word, sizeof(word)),
		    marks[command->options[i].times].after);
	printf("%s%s\n\n%s\n\n", command->operands[0] != '\0' ? " " : "",
	    command->operands, command->summary);
	if (command->about != NULL)
		printf("%s\n\n", command->about);
	for (size_t i = 0; i < command->option_count; i++)
		printf("  %-26s %s%s\n",
		    row_word(&command->options[i], word, sizeof(word)),
		    command->options[i].help,
		    strcmp(command->options[i].name, "out") == 0 ? " (-o)"
								 : "");
	if (command->results != NULL)
		printf("  %-26s %s\n", "--json", "results as JSON");
	if (command->writes)
		printf("  %-26s %s\n", "--force", "overwrite files that exist");
	if (command->results != NULL)
		printf("\nThe keys of --json:\n%s\n", command->results);
}

/* The one short option there is: where the results go. */
static const char *
long_word(const struct mm_command *command, const char *word)
{
	static const char out[] = "--out";

	if (strcmp(word, "-o") != 0)
		return word;
	for (size_t i = 0; i < command->option_count; i++)
		if (strcmp(command->options[i].name, out + 2) == 0)
			return out;
	return word;
}

/* The row of "--name" or "--name=value"; its value where it is attached. */
static size_t
find_row(
    const struct mm_command *command, const char *word, const char **attached)
{
	const char *name = word + 2, *equal = strchr(name, '=');
	size_t length = equal != NULL ? (size_t)(equal - name) : strlen(name);

	*attached = equal != NULL ? equal + 1 : NULL;
	for (size_t i = 0; i < command->option_count; i++)
		if (strlen(command->options[i].name) == length &&
		    strncmp(command->options[i].name, name, length) == 0)
			return i;
	return SIZE_MAX;
}

/* What an option was given; its first value is the one of its row. */
static enum mm_error
keep_value(struct mm_invocation *out, size_t row, const char *value)
{
	bool repeated = out->command->options[row].times == MM_OPTION_REPEATED;

	if (repeated && out->repeated_count == MM_REPEATED_MAX)
		return mm_fail(MM_E_USAGE, "--%s is said more than %d times",
		    out->command->options[row].name, MM_REPEATED_MAX);
	if (repeated)
		out->repeated[out->repeated_count++] =
		    (struct mm_repeated){row, value};
	if (out->values[row] == NULL)
		out->values[row] = value;
	return MM_OK;
}

/* One option word; `*used` counts the words it took. */
static enum mm_error
read_option(struct mm_invocation *out, int left, char *const *words, int *used)
{
	const char *attached;
	size_t row = find_row(
	    out->command, long_word(out->command, words[0]), &attached);
	const struct mm_cli_option *option;

	*used = 1;
	if (out->command->results != NULL && strcmp(words[0], "--json") == 0) {
		out->json = true;
		return MM_OK;
	}
	if (out->command->writes && strcmp(words[0], "--force") == 0) {
		out->force = true;
		return MM_OK;
	}
	if (row == SIZE_MAX)
		return mm_fail(MM_E_USAGE, "there is no option %s", words[0]);
	option = &out->command->options[row];
	if (out->values[row] != NULL && option->times != MM_OPTION_REPEATED)
		return mm_fail(MM_E_USAGE, "--%s is said twice", option->name);
	if (option->value == NULL) {
		out->values[row] = "";
		return attached == NULL
			   ? MM_OK
			   : mm_fail(MM_E_USAGE, "--%s takes no value",
				 option->name);
	}
	if (attached == NULL && left < 2)
		return mm_fail(
		    MM_E_USAGE, "--%s wants %s", option->name, option->value);
	*used = attached != NULL ? 1 : 2;
	return keep_value(out, row, attached != NULL ? attached : words[1]);
}

static enum mm_error
check_complete(const struct mm_invocation *out)
{
	const struct mm_command *command = out->command;

	for (size_t i = 0; i < command->option_count; i++)
		if (command->options[i].times == MM_OPTION_MUST &&
		    out->values[i] == NULL)
			return mm_fail(MM_E_USAGE, "--%s %s is missing: %s",
			    command->options[i].name, command->options[i].value,
			    command->options[i].help);
	if (out->operand_count < command->operand_min)
		return mm_fail(MM_E_USAGE, "%s is missing", command->operands);
	return MM_OK;
}

enum mm_error
mm_invocation_read(const struct mm_command *command, int count,
    char *const *words, struct mm_invocation *out)
{
	bool options = true;
	int used = 1;

	*out = (struct mm_invocation){.command = command};
	for (int i = 0; i < count; i += used) {
		enum mm_error error = MM_OK;

		used = 1;
		if (options && strcmp(words[i], "--") == 0)
			options = false;
		else if (options &&
			 strncmp(long_word(command, words[i]), "--", 2) == 0)
			error = read_option(out, count - i, words + i, &used);
		else if (options && words[i][0] == '-' && words[i][1] != '\0')
			error = mm_fail(
			    MM_E_USAGE, "there is no option %s", words[i]);
		else if (out->operand_count == command->operand_max)
			error = mm_fail(MM_E_USAGE,
			    "\"%s\" is one word too many", words[i]);
		else
			out->operands[out->operand_count++] = words[i];
		if (error != MM_OK)
			return error;
	}
	return check_complete(out);
}
