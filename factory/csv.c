#include "factory/csv.h"

#include <errno.h>
#include <string.h>

/* Cells end where these bytes stand in a row that was read: nothing that a
 * cell may hold is one of them. */
enum { CELL_END = '\0' };

static enum mm_error
fault(const struct mm_csv *csv, const char *what)
{
	return mm_fail(MM_E_FORMAT, "%s, line %llu: %s", csv->path,
	    (unsigned long long)csv->line, what);
}

static void
put(struct mm_buffer *row, int c)
{
	const uint8_t byte = (uint8_t)c;

	mm_buffer_add(row, &byte, 1);
}

static int
next_byte(struct mm_csv *csv)
{
	int c = fgetc(csv->file);

	csv->lines += c == '\n';
	return c;
}

/* After a cell: the comma, the end of the line or of the file. */
static bool
is_end(struct mm_csv *csv, int *c)
{
	if (*c == '\r') {
		int after = next_byte(csv);

		if (after != '\n') {
			ungetc(after, csv->file);
			return false;
		}
		*c = '\n';
	}
	return *c == ',' || *c == '\n' || *c == EOF;
}

/* The opening quote is read. */
static enum mm_error
quoted(struct mm_csv *csv, struct mm_buffer *row, int *end)
{
	for (;;) {
		int c = next_byte(csv);

		if (c == EOF)
			return fault(csv, "a quoted cell has no end");
		if (c == '\0')
			return fault(csv, "there is a NUL in it");
		if (c != '"') {
			put(row, c);
			continue;
		}
		c = next_byte(csv);
		if (c == '"') {
			put(row, c);
			continue;
		}
		*end = c;
		return is_end(csv, end)
			   ? MM_OK
			   : fault(csv, "text comes after a closing quote");
	}
}

static enum mm_error
bare(struct mm_csv *csv, struct mm_buffer *row, int first, int *end)
{
	int c = first;

	while (!is_end(csv, &c)) {
		if (c == '\0')
			return fault(csv, "there is a NUL in it");
		if (c == '"')
			return fault(csv,
			    "a quote stands inside a cell; quote the "
			    "whole cell and double the quote");
		if (c == '\r')
			return fault(csv, "a CR stands without its LF");
		put(row, c);
		c = next_byte(csv);
	}
	*end = c;
	return MM_OK;
}

static enum mm_error
read_cell(struct mm_csv *csv, struct mm_buffer *row, int *end)
{
	int c = next_byte(csv);
	enum mm_error error;

	if (c == '"')
		error = quoted(csv, row, end);
	else
		error = bare(csv, row, c, end);
	put(row, CELL_END);
	return error;
}

/* The cells of one line, each ended by CELL_END; how many there are. */
static enum mm_error
read_line(struct mm_csv *csv, struct mm_buffer *row, size_t *count)
{
	int end = ',';
	enum mm_error error = MM_OK;

	mm_buffer_reset(row);
	*count = 0;
	while (error == MM_OK && end == ',') {
		if (++*count > MM_CSV_COLUMNS)
			return fault(csv, "it has more than 64 cells");
		error = read_cell(csv, row, &end);
	}
	if (ferror(csv->file) != 0)
		return mm_fail(MM_E_FILE, "cannot read %s: %s", csv->path,
		    strerror(errno));
	if (error == MM_OK && row->error == MM_E_MEMORY)
		return mm_fail(MM_E_MEMORY, "no memory for a row");
	if (error == MM_OK && row->error != MM_OK)
		return fault(csv, "the row has more than 65536 bytes");
	return error;
}

static bool
more_lines(struct mm_csv *csv)
{
	int c = fgetc(csv->file);

	if (c != EOF)
		ungetc(c, csv->file);
	return c != EOF;
}

/* The next line that is not empty. */
static enum mm_error
read_some(struct mm_csv *csv, struct mm_buffer *row, size_t *count, bool *more)
{
	enum mm_error error = MM_OK;

	*more = false;
	while (error == MM_OK && !*more && more_lines(csv)) {
		csv->line = csv->lines + 1;
		error = read_line(csv, row, count);
		*more = *count > 1 || row->size > 1;
		if (csv->comments && error == MM_OK && row->data[0] == '#')
			*more = false;
	}
	if (error == MM_OK && ferror(csv->file) != 0)
		return mm_fail(MM_E_FILE, "cannot read %s: %s", csv->path,
		    strerror(errno));
	return error;
}

static void
take_cells(const struct mm_buffer *row, size_t count, struct mm_span *cells)
{
	const char *at = (const char *)row->data;

	for (size_t i = 0; i < count; i++) {
		cells[i] = mm_span_text(at);
		at += cells[i].size + 1;
	}
}

static enum mm_error
check_names(const struct mm_csv *csv)
{
	for (size_t i = 0; i < csv->count; i++) {
		if (csv->names[i].size == 0)
			return fault(csv, "a column has no name");
		for (size_t j = 0; j < i; j++)
			if (mm_span_equal(csv->names[i], csv->names[j]))
				return fault(
				    csv, "two columns have the same name");
	}
	return MM_OK;
}

/* A pipe has no way back: what is no BOM there is told by its first byte. */
static enum mm_error
skip_bom(struct mm_csv *csv)
{
	static const unsigned char rest[] = {0xbb, 0xbf};
	unsigned char read[sizeof(rest)];
	int c = fgetc(csv->file);

	if (c != 0xef) {
		ungetc(c, csv->file);
		return MM_OK;
	}
	if (fread(read, 1, sizeof(read), csv->file) == sizeof(read) &&
	    memcmp(read, rest, sizeof(rest)) == 0)
		return MM_OK;
	return fseeko(csv->file, 0, SEEK_SET) == 0
		   ? MM_OK
		   : mm_fail(MM_E_FILE, "cannot read %s: %s", csv->path,
			 strerror(errno));
}

enum mm_error
mm_csv_open(const char *path, struct mm_csv *out)
{
	return mm_csv_take(fopen(path, "re"), path, out);
}

enum mm_error
mm_csv_take(FILE *file, const char *path, struct mm_csv *out)
{
	bool more;
	enum mm_error error;

	*out = (struct mm_csv){.path = path, .file = file};
	mm_buffer_init(&out->head, MM_CSV_ROW);
	mm_buffer_init(&out->row, MM_CSV_ROW);
	if (out->file == NULL)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	error = skip_bom(out);
	if (error == MM_OK)
		error = read_some(out, &out->head, &out->count, &more);
	if (error == MM_OK && !more)
		return mm_fail(MM_E_FORMAT,
		    "%s is empty; its first line names the columns", path);
	if (error != MM_OK)
		return error;
	take_cells(&out->head, out->count, out->names);
	return check_names(out);
}

enum mm_error
mm_csv_next(struct mm_csv *csv, bool *more)
{
	size_t count = 0;
	enum mm_error error = read_some(csv, &csv->row, &count, more);

	if (error != MM_OK || !*more)
		return error;
	if (count != csv->count)
		return mm_fail(MM_E_FORMAT,
		    "%s, line %llu: it has %zu cells, the header has %zu",
		    csv->path, (unsigned long long)csv->line, count,
		    csv->count);
	take_cells(&csv->row, count, csv->cells);
	return MM_OK;
}

void
mm_csv_clear(struct mm_csv *csv)
{
	if (csv == NULL)
		return;
	if (csv->file != NULL)
		fclose(csv->file);
	mm_buffer_clear(&csv->head);
	mm_buffer_clear(&csv->row);
	*csv = (struct mm_csv){.file = NULL};
}

/* --- written --- */

static bool
must_be_quoted(struct mm_span cell)
{
	for (size_t i = 0; i < cell.size; i++)
		if (memchr(",\"\r\n", cell.data[i], 4) != NULL)
			return true;
	return cell.size > 0 &&
	       (cell.data[0] == ' ' || cell.data[cell.size - 1] == ' ');
}

void
mm_csv_cell(struct mm_span cell, struct mm_buffer *out)
{
	if (!must_be_quoted(cell)) {
		mm_buffer_add(out, cell.data, cell.size);
		return;
	}
	mm_buffer_add_text(out, "\"");
	for (size_t i = 0; i < cell.size; i++) {
		if (cell.data[i] == '"')
			mm_buffer_add_text(out, "\"");
		mm_buffer_add(out, &cell.data[i], 1);
	}
	mm_buffer_add_text(out, "\"");
}
