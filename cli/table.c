#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CELL = 256, COLUMNS = 16, GAP = 2 };

static void write_cell(const json_t *value, char out[CELL]);

static void
write_list(const json_t *list, char out[CELL])
{
	char item[CELL];
	size_t used = 0, i;
	const json_t *value;

	json_array_foreach(list, i, value)
	{
		int size;

		write_cell(value, item);
		size = snprintf(
		    out + used, CELL - used, "%s%s", i > 0 ? "," : "", item);
		used += (size_t)size;
		if (used >= CELL)
			break;
	}
	if (used == 0)
		snprintf(out, CELL, "-");
}

/* What is longer than a cell is cut there: --json has all of it. */
static void
write_cell(const json_t *value, char out[CELL])
{
	if (json_is_array(value))
		write_list(value, out);
	else if (json_is_string(value))
		snprintf(out, CELL, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(out, CELL, "%" JSON_INTEGER_FORMAT,
		    json_integer_value(value));
	else if (json_is_boolean(value))
		snprintf(out, CELL, "%s", json_is_true(value) ? "yes" : "no");
	else
		snprintf(out, CELL, "-");
}

/* Columns of a terminal that a text takes: its code points. */
static int
width_of(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static void
print_cell(const char *text, int width, bool last)
{
	fputs(text, stdout);
	if (last)
		putchar('\n');
	else
		printf("%*s", width - width_of(text) + GAP, "");
}

static void
print_rows(const json_t *rows, const char *const *columns, size_t count)
{
	int widths[COLUMNS] = {0};
	char cell[CELL];
	const json_t *row;
	size_t i;

	for (size_t c = 0; c < count; c++)
		widths[c] = width_of(columns[c]);
	json_array_foreach(rows, i, row)
	{
		for (size_t c = 0; c < count; c++) {
			write_cell(json_object_get(row, columns[c]), cell);
			if (width_of(cell) > widths[c])
				widths[c] = width_of(cell);
		}
	}
	for (size_t c = 0; c < count; c++)
		print_cell(columns[c], widths[c], c + 1 == count);
	json_array_foreach(rows, i, row)
	{
		for (size_t c = 0; c < count; c++) {
			write_cell(json_object_get(row, columns[c]), cell);
			print_cell(cell, widths[c], c + 1 == count);
		}
	}
}

void
mm_table_print(const struct mm_invocation *invocation, const char *key,
    json_t *rows, const char *const *columns, size_t count)
{
	if (invocation->json) {
		mm_print(invocation, json_pack("{s:o}", key, rows));
		return;
	}
	if (count > COLUMNS)
		count = COLUMNS;
	if (json_array_size(rows) > 0)
		print_rows(rows, columns, count);
	json_decref(rows);
}
