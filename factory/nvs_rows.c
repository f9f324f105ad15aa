#include <string.h>

#include "factory/nvs_parts.h"

static struct mm_span
cut(struct mm_span text, size_t from)
{
	return mm_span(text.data + from, text.size - from);
}

struct mm_span
mm_nvs_trim(struct mm_span text)
{
	while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = cut(text, 1);
	while (text.size > 0 && (text.data[text.size - 1] == ' ' ||
				    text.data[text.size - 1] == '\t'))
		text.size--;
	return text;
}

void
mm_nvs_rows_init(struct mm_nvs_rows *rows, struct mm_span text, bool comments)
{
	/* The byte order mark of UTF-8, which editors put first. */
	if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
		text = cut(text, 3);
	rows->rest = text;
	rows->comments = comments;
	rows->line = 0;
	rows->next = 1;
	rows->count = 0;
}

void
mm_nvs_rows_clear(struct mm_nvs_rows *rows)
{
	mm_flash_secret_clear(&rows->copy);
}

enum mm_error
mm_nvs_in_line(enum mm_error error, const char *name, unsigned line)
{
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s line %u: %s", name, line,
				    mm_why(error));
}

/* --- characters --- */

/* RFC 3629: bytes of the character; 0: this is none. */
static size_t
utf8_size(const uint8_t *at, size_t left)
{
	uint32_t point;
	size_t size = at[0] < 0x80                    ? 1
		      : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
		      : (at[0] & 0xf0) == 0xe0        ? 3
		      : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
						      : 0;

	if (size < 2 || size > left)
		return size > left ? 0 : size;
	point = at[0] & (0x7fU >> size);
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (at[i] & 0x3fU);
	}
	if ((size == 3 && (point < 0x800 || point >> 11 == 0x1b)) ||
	    (size == 4 && (point < 0x10000 || point > 0x10ffff)))
		return 0;
	return size;
}

bool
mm_nvs_is_text(struct mm_span bytes)
{
	for (size_t i = 0, size; i < bytes.size; i += size) {
		size = utf8_size(bytes.data + i, bytes.size - i);
		if (size == 0 || bytes.data[i] == '\0')
			return false;
	}
	return true;
}

/* Bytes of the line end here: LF, CR LF or CR; 0: there is none. */
static size_t
line_end(struct mm_span at)
{
	if (at.size > 1 && at.data[0] == '\r' && at.data[1] == '\n')
		return 2;
	return at.size > 0 && (at.data[0] == '\r' || at.data[0] == '\n') ? 1
									 : 0;
}

/* --- cells --- */

/* The vendor's generator takes such a line for a comment and drops it out of
 * the value: neither that nor another image than its own will do. */
static enum mm_error
check_line(const struct mm_nvs_rows *rows, struct mm_span at)
{
	size_t size = line_end(at);

	if (!rows->comments || size == 0 || at.size == size ||
	    at.data[size] != '#')
		return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "a line of a quoted value begins with #, as comments do, and "
	    "Espressif's generator would drop it: put the value into a file "
	    "(type file)");
}

/* Up to the quote that closes; `copied` where it is not as it stands. */
static enum mm_error
take_quoted(struct mm_nvs_rows *rows, struct mm_span *cell, bool *copied)
{
	struct mm_span at = cut(rows->rest, 1);
	const uint8_t *begin = at.data;
	enum mm_error error;

	for (; at.size > 0; at = cut(at, 1)) {
		bool quote = at.data[0] == '"';

		if (quote && (at.size == 1 || at.data[1] != '"'))
			break;
		if (quote) {
			*copied = true;
			at = cut(at, 1);
		}
		error = check_line(rows, at);
		if (error != MM_OK)
			return error;
		*copied = *copied || at.data[0] == '\r';
		rows->next += at.data[0] == '\n' ||
			      (at.data[0] == '\r' && line_end(at) == 1);
	}
	if (at.size == 0)
		return mm_fail(
		    MM_E_FORMAT, "the quote that opens here does not close");
	*cell = mm_span(begin, (size_t)(at.data - begin));
	rows->rest = cut(at, 1);
	if (rows->rest.size > 0 && rows->rest.data[0] != ',' &&
	    line_end(rows->rest) == 0)
		return mm_fail(MM_E_FORMAT,
		    "something follows a closing quote: a quote within a "
		    "quoted cell is written twice");
	return MM_OK;
}

static void
take_plain(struct mm_nvs_rows *rows, struct mm_span *cell)
{
	size_t size = 0;

	while (size < rows->rest.size && rows->rest.data[size] != ',' &&
	       rows->rest.data[size] != '\n' && rows->rest.data[size] != '\r')
		size++;
	*cell = mm_span(rows->rest.data, size);
	rows->rest = cut(rows->rest, size);
}

static enum mm_error
take_cells(struct mm_nvs_rows *rows, bool copied[NVS_COLUMNS])
{
	for (rows->count = 0;; rows->rest = cut(rows->rest, 1)) {
		struct mm_span *cell = &rows->cells[rows->count];
		enum mm_error error = MM_OK;

		if (rows->count == NVS_COLUMNS)
			return mm_fail(MM_E_FORMAT,
			    "there are more than %d cells", NVS_COLUMNS);
		copied[rows->count] = false;
		if (rows->rest.size > 0 && rows->rest.data[0] == '"')
			error = take_quoted(rows, cell, &copied[rows->count]);
		else
			take_plain(rows, cell);
		if (error != MM_OK)
			return error;
		rows->count++;
		if (rows->rest.size == 0 || rows->rest.data[0] != ',')
			break;
	}
	rows->next++;
	rows->rest = cut(rows->rest, line_end(rows->rest));
	return MM_OK;
}

/* A quoted cell's meaning: doubled quotes once, line ends as LF. */
static struct mm_span
unquote(struct mm_span cell, uint8_t *out)
{
	size_t size = 0;

	while (cell.size > 0) {
		size_t end = line_end(cell);

		out[size++] = end > 0 ? '\n' : cell.data[0];
		cell = cut(cell, end > 0 ? end : cell.data[0] == '"' ? 2 : 1);
	}
	return mm_span(out, size);
}

static enum mm_error
copy_cells(struct mm_nvs_rows *rows, const bool copied[NVS_COLUMNS])
{
	size_t size = 0, used = 0;
	enum mm_error error;

	for (size_t i = 0; i < rows->count; i++)
		size += copied[i] ? rows->cells[i].size : 0;
	if (size == 0)
		return MM_OK;
	error = mm_nvs_secret_fit(&rows->copy, size);
	for (size_t i = 0; i < rows->count && error == MM_OK; i++) {
		if (!copied[i])
			continue;
		rows->cells[i] =
		    unquote(rows->cells[i], rows->copy.data + used);
		used += rows->cells[i].size;
	}
	return error;
}

/* --- rows --- */

/* Passes over a line that is empty or a comment. */
static bool
skip_line(struct mm_nvs_rows *rows)
{
	struct mm_span at = rows->rest;
	bool comment = rows->comments && at.data[0] == '#';

	while (at.size > 0 && line_end(at) == 0 &&
	       (comment || at.data[0] == ' ' || at.data[0] == '\t'))
		at = cut(at, 1);
	if (at.size > 0 && line_end(at) == 0)
		return false;
	rows->rest = cut(at, line_end(at));
	rows->next++;
	return true;
}

enum mm_error
mm_nvs_rows_next(struct mm_nvs_rows *rows, bool *more)
{
	bool copied[NVS_COLUMNS];
	struct mm_span begin;
	enum mm_error error;

	while (rows->rest.size > 0 && skip_line(rows))
		continue;
	*more = rows->rest.size > 0;
	if (!*more)
		return MM_OK;
	rows->line = rows->next;
	begin = rows->rest;
	error = take_cells(rows, copied);
	begin.size -= rows->rest.size;
	if (error == MM_OK && !mm_nvs_is_text(begin))
		error = mm_fail(MM_E_FORMAT,
		    "this is not UTF-8 text: save the file as CSV in UTF-8");
	return error == MM_OK ? copy_cells(rows, copied) : error;
}
