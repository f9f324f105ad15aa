#include "cli/row.h"

#include <inttypes.h>
#include <string.h>

#include "cli/json_value.h"

static const char *const states[] = {[MM_ROW_NONE] = "",
    [MM_ROW_UNSIGNED] = "unsigned",
    [MM_ROW_SIGNED] = "signed",
    [MM_ROW_VOID] = "void",
    [MM_ROW_REFUSED] = "refused",
    [MM_ROW_REVOKED] = "revoked"};

static void
time_cell(uint64_t value, char out[MM_ROW_TEXT])
{
	mm_time_text(value, out);
}

static void
kind_cell(uint64_t value, char out[MM_ROW_TEXT])
{
	snprintf(out, MM_ROW_TEXT, "%s", mm_entry_kind_name(value));
}

static void
state_cell(uint64_t value, char out[MM_ROW_TEXT])
{
	snprintf(out, MM_ROW_TEXT, "%s", states[value]);
}

/* The columns, in their order; `size` 0: a number. */
static const struct column {
	const char *name;
	size_t offset, size;
	void (*cell)(uint64_t value, char out[MM_ROW_TEXT]);
	int width; /* in the table */
} columns[] = {
#define NUMBER(member, cell, width) \
	{ \
#member, offsetof(struct mm_row, member), 0, cell, width \
	}
#define TEXT(member, width) \
	{ \
#member, offsetof(struct mm_row, member), \
		    sizeof(((struct mm_row *)0)->member), NULL, width \
	}
    NUMBER(index, NULL, 8),
    NUMBER(time, time_cell, 20),
    NUMBER(kind, kind_cell, 11),
    TEXT(what, 20),
    TEXT(profile, 10),
    TEXT(serial, 40),
    TEXT(order, 12),
    TEXT(station, 12),
    NUMBER(state, state_cell, 8),
    TEXT(reason, 22),
    NUMBER(count, NULL, 5),
#undef NUMBER
#undef TEXT
};

static uint64_t
number_of(const struct mm_row *row, const struct column *column)
{
	uint64_t value;

	memcpy(&value, (const char *)row + column->offset, sizeof(value));
	return value;
}

/* The column's text; numbers that have none are written out. */
static const char *
text_of(const struct mm_row *row, const struct column *column,
    char space[MM_ROW_TEXT])
{
	if (column->size > 0)
		return (const char *)row + column->offset;
	if (column->cell != NULL)
		column->cell(number_of(row, column), space);
	else
		snprintf(
		    space, MM_ROW_TEXT, "%" PRIu64, number_of(row, column));
	return space;
}

/* --- CSV --- */

static void
csv_cell(const char *text, FILE *out)
{
	bool formula = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;

	if (!formula && strpbrk(text, ",\"\r\n") == NULL) {
		fputs(text, out);
		return;
	}
	fputs(formula ? "\"'" : "\"", out);
	for (; *text != '\0'; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void
csv_head(FILE *out)
{
	for (size_t i = 0; i < MM_COUNT(columns); i++)
		fprintf(out, i > 0 ? ",%s" : "%s", columns[i].name);
	fputs("\r\n", out);
}

static void
csv_row(const struct mm_row *row, FILE *out)
{
	char space[MM_ROW_TEXT];

	for (size_t i = 0; i < MM_COUNT(columns); i++) {
		if (i > 0)
			fputc(',', out);
		csv_cell(text_of(row, &columns[i], space), out);
	}
	fputs("\r\n", out);
}

/* --- JSON --- */

static void
json_row(const struct mm_row *row, FILE *out)
{
	json_t *object = json_object();

	for (size_t i = 0; i < MM_COUNT(columns); i++) {
		const struct column *column = &columns[i];
		bool number = column->size == 0 && column->cell == NULL;
		char space[MM_ROW_TEXT];

		json_object_set_new(object, column->name,
		    number ? mm_json_number(number_of(row, column))
			   : json_string(text_of(row, column, space)));
	}
	json_dumpf(object, out, JSON_COMPACT);
	fputc('\n', out);
	json_decref(object);
}

/* --- for people --- */

static void
table_cell(const struct column *column, const char *text, bool last, FILE *out)
{
	if (last)
		fprintf(out, "%s\n", text);
	else
		fprintf(out, "%-*s  ", column->width, text);
}

static void
table_head(FILE *out)
{
	for (size_t i = 0; i < MM_COUNT(columns); i++)
		table_cell(&columns[i], columns[i].name,
		    i + 1 == MM_COUNT(columns), out);
}

static void
table_row(const struct mm_row *row, FILE *out)
{
	char space[MM_ROW_TEXT];

	for (size_t i = 0; i < MM_COUNT(columns); i++)
		table_cell(&columns[i], text_of(row, &columns[i], space),
		    i + 1 == MM_COUNT(columns), out);
}

const struct mm_row_format mm_row_csv = {"csv", csv_head, csv_row},
			   mm_row_json = {"json", NULL, json_row},
			   mm_row_table = {"table", table_head, table_row};

/* --- a file of our own: numbers, then texts with their length --- */

bool
mm_row_put(const struct mm_row *row, FILE *file)
{
	for (size_t i = 0; i < MM_COUNT(columns); i++) {
		const struct column *column = &columns[i];
		const char *at = (const char *)row + column->offset;
		size_t size = column->size > 0 ? strlen(at) : sizeof(uint64_t);

		if (column->size > 0)
			fputc((int)size, file);
		fwrite(at, 1, size, file);
	}
	return ferror(file) == 0;
}

bool
mm_row_get(FILE *file, struct mm_row *out)
{
	*out = (struct mm_row){.index = 0};
	for (size_t i = 0; i < MM_COUNT(columns); i++) {
		const struct column *column = &columns[i];
		char *at = (char *)out + column->offset;
		int size =
		    column->size > 0 ? fgetc(file) : (int)sizeof(uint64_t);

		if (size < 0 ||
		    fread(at, 1, (size_t)size, file) != (size_t)size)
			return false;
	}
	return true;
}
