#include <stdio.h>
#include <string.h>

#include "cli/entry_json.h"

enum { STEP = 2 };

static void print_members(const json_t *object, int depth, bool begun);

static void
indent(int depth)
{
	printf("%*s", depth * STEP, "");
}

/* Text of several lines stands below its name. */
static void
print_lines(const char *text, int depth)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");

		putchar('\n');
		indent(depth + 1);
		printf("| %.*s", (int)length, text);
		text += length + (text[length] == '\n');
	}
	putchar('\n');
}

static void
print_scalar(const json_t *value, int depth)
{
	if (json_is_integer(value))
		printf(
		    " %" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
	else if (json_is_boolean(value))
		printf(" %s\n", json_is_true(value) ? "yes" : "no");
	else if (strchr(json_string_value(value), '\n') != NULL)
		print_lines(json_string_value(value), depth);
	else
		printf(" %s\n", json_string_value(value));
}

static void
print_array(const json_t *array, int depth)
{
	const json_t *item;
	size_t i;

	putchar('\n');
	json_array_foreach(array, i, item)
	{
		indent(depth + 1);
		putchar('-');
		if (json_is_object(item)) {
			putchar(' ');
			print_members(item, depth + 2, true);
		} else {
			print_scalar(item, depth + 1);
		}
	}
}

/* `begun`: the first one's place in its line is reached already. */
static void
print_members(const json_t *object, int depth, bool begun)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (!begun)
			indent(depth);
		begun = false;
		printf("%s:", key);
		if (json_is_array(value)) {
			print_array(value, depth);
		} else if (json_is_object(value)) {
			putchar('\n');
			print_members(value, depth + 1, false);
		} else {
			print_scalar(value, depth);
		}
	}
}

void
mm_entry_print(const json_t *entry)
{
	print_members(entry, 0, false);
}
