#include "factory/nvs_parts.h"

static const char *const column_names[NVS_C] = {
    [NVS_C_KEY] = "key",
    [NVS_C_TYPE] = "type",
    [NVS_C_ENCODING] = "encoding",
    [NVS_C_VALUE] = "value",
};

static enum mm_error
find_column(const struct mm_nvs_rows *rows, const char *name, size_t *out)
{
	*out = NVS_COLUMNS;
	for (size_t i = 0; i < rows->count; i++) {
		if (!mm_span_is(mm_nvs_trim(rows->cells[i]), name))
			continue;
		if (*out != NVS_COLUMNS)
			return mm_fail(MM_E_FORMAT,
			    "the column \"%s\" is there twice", name);
		*out = i;
	}
	return MM_OK;
}

enum mm_error
mm_nvs_header_read(const struct mm_nvs_rows *rows, struct mm_nvs_header *out)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < NVS_C && error == MM_OK; i++) {
		error = find_column(rows, column_names[i], &out->at[i]);
		if (error == MM_OK && out->at[i] == NVS_COLUMNS)
			error = mm_fail(MM_E_FORMAT,
			    "the column \"%s\" is missing: the first line is "
			    "key,type,encoding,value",
			    column_names[i]);
	}
	return error;
}

static struct mm_span
cell(const struct mm_nvs_rows *rows, size_t at)
{
	return at < rows->count ? rows->cells[at] : mm_span("", 0);
}

struct mm_nvs_row
mm_nvs_row_of(
    const struct mm_nvs_rows *rows, const struct mm_nvs_header *header)
{
	return (struct mm_nvs_row){
	    .key = cell(rows, header->at[NVS_C_KEY]),
	    .type = mm_nvs_trim(cell(rows, header->at[NVS_C_TYPE])),
	    .encoding = mm_nvs_trim(cell(rows, header->at[NVS_C_ENCODING])),
	    .value = cell(rows, header->at[NVS_C_VALUE]),
	};
}

enum mm_error
mm_nvs_add(struct mm_nvs *nvs, const struct mm_nvs_row *row, const char *beside)
{
	return mm_span_is(row->type, "namespace")
		   ? mm_nvs_namespace(nvs, row->key)
		   : mm_nvs_value(nvs, row, beside);
}

/* Nothing but commas from this cell on, as spreadsheets leave them. */
static bool
is_empty_from(const struct mm_nvs_rows *rows, size_t first)
{
	for (size_t i = first; i < rows->count; i++)
		if (mm_nvs_trim(rows->cells[i]).size > 0)
			return false;
	return true;
}

/* What is done with each row. */
struct each {
	mm_nvs_row_taker *take;
	void *context;
};

static enum mm_error
take_row(const struct each *each, const struct mm_nvs_rows *rows,
    const struct mm_nvs_header *header, size_t columns)
{
	struct mm_nvs_row row = mm_nvs_row_of(rows, header);

	if (is_empty_from(rows, 0))
		return MM_OK;
	if (!is_empty_from(rows, columns))
		return mm_fail(MM_E_FORMAT,
		    "there are %zu cells, and %zu in the first line: a value "
		    "with a comma in it stands in quotes",
		    rows->count, columns);
	if (header->at[NVS_C_VALUE] >= rows->count &&
	    !mm_span_is(row.type, "namespace"))
		return mm_fail(MM_E_FORMAT,
		    "the row ends before its value: an empty value has a "
		    "comma before it, too");
	return each->take(each->context, &row, rows->line);
}

static enum mm_error
take_rows(const struct each *each, struct mm_nvs_rows *rows)
{
	struct mm_nvs_header header;
	size_t columns;
	bool more;
	enum mm_error error = mm_nvs_rows_next(rows, &more);

	if (error == MM_OK && !more)
		return mm_fail(MM_E_FORMAT,
		    "there is nothing here; the first line is "
		    "key,type,encoding,value");
	if (error == MM_OK)
		error = mm_nvs_header_read(rows, &header);
	if (error != MM_OK)
		return error;
	columns = rows->count;
	while (error == MM_OK) {
		error = mm_nvs_rows_next(rows, &more);
		if (error != MM_OK || !more)
			break;
		error = take_row(each, rows, &header, columns);
	}
	return error;
}

enum mm_error
mm_nvs_csv_each(
    const struct mm_nvs_source *source, mm_nvs_row_taker *take, void *context)
{
	const struct each each = {take, context};
	struct mm_nvs_rows *rows;
	enum mm_error error;

	if (source->text.size > MM_NVS_CSV_MAX)
		return mm_fail(MM_E_RANGE, "%s has %zu bytes; %d are the limit",
		    source->name, source->text.size, MM_NVS_CSV_MAX);
	rows = calloc(1, sizeof(*rows));
	if (rows == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a CSV's row");
	mm_nvs_rows_init(rows, source->text, true);
	error = take_rows(&each, rows);
	error = mm_nvs_in_line(
	    error, source->name, rows->line > 0 ? rows->line : 1);
	mm_nvs_rows_clear(rows);
	free(rows);
	return error;
}

struct adding {
	struct mm_nvs *nvs;
	const char *beside;
};

static enum mm_error
add_row(void *context, const struct mm_nvs_row *row, unsigned line)
{
	const struct adding *adding = context;

	(void)line;
	return mm_nvs_add(adding->nvs, row, adding->beside);
}

enum mm_error
mm_nvs_csv(struct mm_nvs *nvs, const struct mm_nvs_source *source)
{
	struct adding adding = {nvs, source->beside};
	enum mm_error error = mm_nvs_csv_each(source, add_row, &adding);

	/* A value that could not be decoded has left nothing in the image, but
	 * what is missing must be missed. */
	if (nvs->error == MM_OK)
		nvs->error = error;
	return error;
}
