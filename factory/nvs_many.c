#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "factory/nvs_parts.h"

#define wrong(...) mm_fail(MM_E_FORMAT, __VA_ARGS__)

enum { NAME_MAX_BYTES = 200, ROWS_MAX = 65536, ARENA = 64 << 20 };

/* A row of the template. */
struct row {
	struct mm_nvs_row row; /* its value, if it is the same for all */
	size_t column;         /* of each device's; NVS_COLUMNS: the same */
	bool repeated;         /* the first device's is for all */
	unsigned line;
	struct row *next;
};

struct mm_nvs_many {
	const struct mm_nvs_source *template, *values;
	struct mm_arena arena;
	struct row *rows;
	struct mm_nvs_rows reader; /* of the values */
	size_t columns, count, at; /* of the values; devices; of them done */
	size_t name_column;        /* NVS_COLUMNS: numbers */
	struct mm_buffer unused;   /* names of columns, ", " between them */
	char name[NAME_MAX_BYTES + 1];
};

/* --- the template --- */

/* As mfg_gen has it, the columns have no names. */
static enum mm_error
read_header(
    const struct mm_nvs_rows *rows, struct mm_nvs_header *header, bool *is_row)
{
	struct mm_span type =
	    rows->count > 1 ? mm_nvs_trim(rows->cells[1]) : mm_span("", 0);
	enum mm_error error;

	*header = (struct mm_nvs_header){{0, 1, 2, 3}};
	*is_row = mm_span_is(type, "namespace") || mm_span_is(type, "data") ||
		  mm_span_is(type, "file");
	error = *is_row ? MM_OK : mm_nvs_header_read(rows, header);
	return error == MM_OK
		   ? MM_OK
		   : mm_fail(error,
			 "%s; a template without the column \"value\", as the "
			 "vendor's mfg_gen has it, has no such line",
			 mm_why(error));
}

static enum mm_error
check_row(const struct mm_nvs_row *row)
{
	if (mm_span_is(row->type, "namespace"))
		return MM_OK;
	if (!mm_span_is(row->type, "data") && !mm_span_is(row->type, "file"))
		return wrong("the type \"%.*s\" is not namespace, data or file",
		    MM_SPAN(row->type));
	if (!mm_nvs_encoding_known(row->encoding))
		return wrong(
		    "there is no encoding \"%.*s\"", MM_SPAN(row->encoding));
	return MM_OK;
}

static enum mm_error
keep_row(struct mm_nvs_many *many, const struct mm_nvs_rows *rows,
    const struct mm_nvs_header *header, struct row ***tail)
{
	struct row *row = mm_arena_alloc(&many->arena, sizeof(*row));
	struct mm_nvs_row read = mm_nvs_row_of(rows, header);
	struct mm_span *spans[] = {
	    &read.key, &read.type, &read.encoding, &read.value};
	enum mm_error error = check_row(&read);

	if (error != MM_OK)
		return error;
	for (size_t i = 0; i < MM_COUNT(spans) && row != NULL; i++) {
		size_t size = spans[i]->size;

		*spans[i] = mm_arena_copy(&many->arena, *spans[i]);
		if (spans[i]->data == NULL && size > 0)
			row = NULL;
	}
	if (row == NULL)
		return mm_fail(MM_E_MEMORY, "the template is too large");
	*row = (struct row){.row = read,
	    .column = NVS_COLUMNS,
	    .repeated = mm_span_is(read.value, "REPEAT"),
	    .line = rows->line};
	**tail = row;
	*tail = &row->next;
	return MM_OK;
}

static enum mm_error
keep_rows(struct mm_nvs_many *many, struct mm_nvs_rows *rows)
{
	struct row **tail = &many->rows;
	struct mm_nvs_header header;
	bool more, is_row = false;
	enum mm_error error = mm_nvs_rows_next(rows, &more);

	if (error == MM_OK && !more)
		return wrong("the template is empty");
	if (error == MM_OK)
		error = read_header(rows, &header, &is_row);
	while (error == MM_OK && more) {
		if (is_row)
			error = keep_row(many, rows, &header, &tail);
		is_row = true;
		if (error == MM_OK)
			error = mm_nvs_rows_next(rows, &more);
	}
	return error;
}

static enum mm_error
read_template(struct mm_nvs_many *many)
{
	struct mm_nvs_rows *rows = calloc(1, sizeof(*rows));
	enum mm_error error;

	if (rows == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a CSV's row");
	mm_nvs_rows_init(rows, many->template->text, true);
	error = keep_rows(many, rows);
	error = mm_nvs_in_line(
	    error, many->template->name, rows->line > 0 ? rows->line : 1);
	mm_nvs_rows_clear(rows);
	free(rows);
	return error;
}

/* --- columns --- */

/* The nth column of this name; NVS_COLUMNS: there is none. */
static size_t
find_column(const struct mm_nvs_rows *rows, struct mm_span name, size_t nth)
{
	for (size_t i = 0; i < rows->count; i++)
		if (mm_span_equal(mm_nvs_trim(rows->cells[i]), name) &&
		    nth-- == 0)
			return i;
	return NVS_COLUMNS;
}

static bool
takes_value(const struct row *row)
{
	return !mm_span_is(row->row.type, "namespace") &&
	       (row->row.value.size == 0 || row->repeated);
}

static enum mm_error
join_columns(struct mm_nvs_many *many)
{
	for (struct row *row = many->rows; row != NULL; row = row->next) {
		size_t nth = 0;

		if (!takes_value(row))
			continue;
		for (struct row *r = many->rows; r != row; r = r->next)
			nth += takes_value(r) &&
			       mm_span_equal(r->row.key, row->row.key);
		row->column = find_column(&many->reader, row->row.key, nth);
		if (row->column == NVS_COLUMNS)
			return mm_nvs_in_line(
			    wrong("the key \"%.*s\" has no value here, and "
				  "%s has no column of its name%s",
				MM_SPAN(row->row.key), many->values->name,
				nth > 0 ? " for each row of it" : ""),
			    many->template->name, row->line);
	}
	return MM_OK;
}

/* How many rows take a column of this name. */
static size_t
count_takers(const struct mm_nvs_many *many, struct mm_span name)
{
	size_t count = 0;

	for (const struct row *row = many->rows; row != NULL; row = row->next)
		count += takes_value(row) && mm_span_equal(row->row.key, name);
	return count;
}

/* A column's name, where nothing takes it: what is there twice is one too
 * many, and what nobody names may be misspelt. */
static enum mm_error
check_column(struct mm_nvs_many *many, size_t column)
{
	const struct mm_nvs_rows *rows = &many->reader;
	struct mm_span name = mm_nvs_trim(rows->cells[column]);
	size_t before = 0, takers = count_takers(many, name);

	if (name.size == 0)
		return MM_OK;
	for (size_t i = 0; i < column; i++)
		before += mm_span_equal(mm_nvs_trim(rows->cells[i]), name);
	if (before > 0 && before >= takers)
		return wrong("the column \"%.*s\" is there %zu times, and the "
			     "template takes %zu of them: remove one, or give "
			     "it another name",
		    MM_SPAN(name), before + 1, takers);
	if (takers > 0 || column == many->name_column)
		return MM_OK;
	mm_buffer_printf(&many->unused, "%s%.*s",
	    many->unused.size > 0 ? ", " : "", MM_SPAN(name));
	return many->unused.error;
}

static enum mm_error
check_columns(struct mm_nvs_many *many)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < many->columns && error == MM_OK; i++)
		error = check_column(many, i);
	return mm_nvs_in_line(error, many->values->name, many->reader.line);
}

static enum mm_error
next_cells(struct mm_nvs_many *many, bool *more)
{
	enum mm_error error = mm_nvs_rows_next(&many->reader, more);

	if (error == MM_OK && *more && many->reader.count != many->columns)
		return wrong("there are %zu cells, and %zu in the first line: "
			     "a value with a comma in it stands in quotes",
		    many->reader.count, many->columns);
	return error;
}

static enum mm_error
read_columns(struct mm_nvs_many *many, const char *name)
{
	bool more;
	enum mm_error error;

	mm_nvs_rows_init(&many->reader, many->values->text, false);
	error = mm_nvs_rows_next(&many->reader, &more);
	if (error != MM_OK)
		return error;
	if (!more)
		return wrong("there is nothing here; the first line names the "
			     "columns");
	many->columns = many->reader.count;
	many->name_column =
	    name != NULL ? find_column(&many->reader, mm_span_text(name), 0)
			 : NVS_COLUMNS;
	if (name != NULL && many->name_column == NVS_COLUMNS)
		return wrong("there is no column \"%s\" to name the images "
			     "by",
		    name);
	return MM_OK;
}

/* --- names --- */

static bool
is_name_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static enum mm_error
name_device(struct mm_nvs_many *many, size_t number)
{
	struct mm_span cell;

	if (many->name_column == NVS_COLUMNS) {
		snprintf(many->name, sizeof(many->name), "%zu", number);
		return MM_OK;
	}
	cell = mm_nvs_trim(many->reader.cells[many->name_column]);
	if (cell.size == 0 || cell.size > NAME_MAX_BYTES)
		return wrong("an image's name has 1 to %d characters, not %zu",
		    NAME_MAX_BYTES, cell.size);
	for (size_t i = 0; i < cell.size; i++)
		many->name[i] =
		    is_name_byte(cell.data[i]) ? (char)cell.data[i] : '_';
	many->name[cell.size] = '\0';
	if (many->name[0] == '.')
		many->name[0] = '_';
	return MM_OK;
}

/* A name by its keyed hash. */
struct known {
	uint64_t hash;
	unsigned line;
};

static int
by_hash(const void *left, const void *right)
{
	const struct known *a = left, *b = right;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

/* Where names differ in capitals only, so do files on some systems not. */
static uint64_t
hash_name(const char *name, const uint8_t key[crypto_shorthash_KEYBYTES])
{
	uint8_t lower[NAME_MAX_BYTES];
	uint64_t hash;
	size_t size = strlen(name);

	for (size_t i = 0; i < size; i++)
		lower[i] = name[i] >= 'A' && name[i] <= 'Z'
			       ? (uint8_t)(name[i] | 0x20)
			       : (uint8_t)name[i];
	crypto_shorthash((uint8_t *)&hash, lower, size, key);
	return hash;
}

static enum mm_error
check_unique(struct mm_buffer *names, unsigned *line)
{
	struct known *known = (struct known *)(void *)names->data;
	size_t count = names->size / sizeof(*known);

	if (names->error != MM_OK)
		return mm_fail(MM_E_RANGE, "there are too many devices");
	if (count == 0)
		return wrong("there is no device here, only names of columns");
	qsort(known, count, sizeof(*known), by_hash);
	for (size_t i = 1; i < count; i++) {
		if (known[i].hash != known[i - 1].hash)
			continue;
		*line = known[i].line;
		return wrong("the image would have the name of line %u's: take "
			     "a column in which each device differs",
		    known[i - 1].line);
	}
	return MM_OK;
}

static enum mm_error
know_names(struct mm_nvs_many *many, struct mm_buffer *names)
{
	uint8_t key[crypto_shorthash_KEYBYTES];
	enum mm_error error = MM_OK;
	bool more = true;

	crypto_shorthash_keygen(key);
	while (error == MM_OK) {
		struct known known = {0};

		error = next_cells(many, &more);
		if (error != MM_OK || !more)
			break;
		error = name_device(many, ++many->count);
		known.hash = hash_name(many->name, key);
		known.line = many->reader.line;
		mm_buffer_add(names, &known, sizeof(known));
	}
	return error;
}

/* --- all of it --- */

static enum mm_error
keep_repeated(struct mm_nvs_many *many)
{
	for (struct row *row = many->rows; row != NULL; row = row->next) {
		struct mm_span cell;

		if (!row->repeated)
			continue;
		cell = many->reader.cells[row->column];
		row->row.value = mm_arena_copy(&many->arena, cell);
		if (cell.size > 0 && row->row.value.data == NULL)
			return mm_fail(MM_E_MEMORY, "a value is too large");
		row->column = NVS_COLUMNS;
	}
	return MM_OK;
}

static enum mm_error
read_values(struct mm_nvs_many *many, const char *name)
{
	mm_auto(buffer) names = {0};
	unsigned line = 0;
	bool more = false;
	enum mm_error error = read_columns(many, name);

	mm_buffer_init(&names, MM_NVS_VALUES_MAX);
	if (error == MM_OK)
		error = know_names(many, &names);
	if (error == MM_OK)
		error = check_unique(&names, &line);
	if (error != MM_OK)
		return mm_nvs_in_line(error, many->values->name,
		    line > 0 ? line : many->reader.line);
	error = read_columns(many, name);
	if (error == MM_OK)
		error = join_columns(many);
	if (error == MM_OK)
		error = check_columns(many);
	if (error == MM_OK)
		error = next_cells(many, &more);
	return error == MM_OK ? keep_repeated(many) : error;
}

enum mm_error
mm_nvs_many_new(const struct mm_nvs_source *template,
    const struct mm_nvs_source *values, const char *name,
    struct mm_nvs_many **out)
{
	struct mm_nvs_many *many = calloc(1, sizeof(*many));
	enum mm_error error;

	if (many == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a template");
	many->template = template;
	many->values = values;
	mm_arena_init(&many->arena, ARENA);
	mm_buffer_init(&many->unused, MM_NVS_VALUES_MAX);
	error = read_template(many);
	if (error == MM_OK)
		error = read_values(many, name);
	if (error != MM_OK) {
		mm_nvs_many_free(many);
		return error;
	}
	mm_nvs_many_rewind(many);
	*out = many;
	return MM_OK;
}

void
mm_nvs_many_free(struct mm_nvs_many *many)
{
	if (many == NULL)
		return;
	mm_nvs_rows_clear(&many->reader);
	mm_arena_clear(&many->arena);
	mm_buffer_clear(&many->unused);
	free(many);
}

size_t
mm_nvs_many_count(const struct mm_nvs_many *many)
{
	return many->count;
}

struct mm_span
mm_nvs_many_unused(const struct mm_nvs_many *many)
{
	return mm_buffer_span(&many->unused);
}

void
mm_nvs_many_rewind(struct mm_nvs_many *many)
{
	mm_nvs_rows_init(&many->reader, many->values->text, false);
	many->at = 0;
}

static enum mm_error
add_row(struct mm_nvs_many *many, struct mm_nvs *nvs, const struct row *row)
{
	struct mm_nvs_row filled = row->row;

	if (row->column == NVS_COLUMNS)
		return mm_nvs_in_line(
		    mm_nvs_add(nvs, &filled, many->template->beside),
		    many->template->name, row->line);
	filled.value = many->reader.cells[row->column];
	return mm_nvs_in_line(mm_nvs_add(nvs, &filled, many->values->beside),
	    many->values->name, many->reader.line);
}

enum mm_error
mm_nvs_many_next(
    struct mm_nvs_many *many, struct mm_nvs *nvs, const char **name)
{
	bool more = false;
	enum mm_error error = MM_OK;

	mm_nvs_reset(nvs);
	*name = NULL;
	if (many->at == 0) /* the names of the columns */
		error = next_cells(many, &more);
	if (error == MM_OK)
		error = next_cells(many, &more);
	if (error != MM_OK)
		return mm_nvs_in_line(
		    error, many->values->name, many->reader.line);
	if (!more)
		return MM_OK;
	error = name_device(many, ++many->at);
	for (const struct row *row = many->rows; row != NULL && error == MM_OK;
	     row = row->next)
		error = add_row(many, nvs, row);
	if (error == MM_OK)
		*name = many->name;
	return error;
}
