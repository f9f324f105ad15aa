#include <string.h>

#include "factory/unit_images_parts.h"

/* A text in the cell of a CSV, or a path. */
enum { TEXT_MAX = 2 * MM_NVS_BLOB_MAX + MM_NVS_PAGE };

static enum mm_error
lone_brace(size_t at)
{
	return mm_fail(MM_E_FORMAT,
	    "there is a brace at character %zu of the text that is no "
	    "{name}; a brace by itself is written twice",
	    at + 1);
}

static bool
is_brace(uint8_t c)
{
	return c == '{' || c == '}';
}

/* The next piece from `at` on: text up to a brace, one of two braces, a
 * name. */
static enum mm_error
next_piece(struct mm_span text, size_t *at, struct unit_piece *out)
{
	const uint8_t *bytes = text.data;
	size_t begin = *at, end = begin;

	if (!is_brace(bytes[begin])) {
		while (end < text.size && !is_brace(bytes[end]))
			end++;
		*out = (struct unit_piece){
		    mm_span(bytes + begin, end - begin), false};
		*at = end;
		return MM_OK;
	}
	if (begin + 1 < text.size && bytes[begin + 1] == bytes[begin]) {
		*out = (struct unit_piece){mm_span(bytes + begin, 1), false};
		*at = begin + 2;
		return MM_OK;
	}
	for (end = begin + 1; end < text.size && !is_brace(bytes[end]);)
		end++;
	if (bytes[begin] == '}' || end == begin + 1 || end == text.size ||
	    bytes[end] != '}')
		return lone_brace(begin);
	*out = (struct unit_piece){
	    mm_span(bytes + begin + 1, end - begin - 1), true};
	*at = end + 1;
	return MM_OK;
}

static enum mm_error
cut(struct mm_span text, struct unit_piece *pieces, size_t *count)
{
	enum mm_error error = MM_OK;

	*count = 0;
	for (size_t at = 0; at < text.size && error == MM_OK;) {
		struct unit_piece piece;

		error = next_piece(text, &at, &piece);
		if (error == MM_OK && pieces != NULL)
			pieces[*count] = piece;
		*count += error == MM_OK;
	}
	return error;
}

enum mm_error
mm_unit_text_read(
    struct mm_span text, struct mm_arena *arena, struct unit_text *out)
{
	struct unit_text read = {.pieces = NULL};
	struct unit_piece *pieces;
	enum mm_error error = cut(text, NULL, &read.count);

	if (error != MM_OK)
		return error;
	pieces = mm_arena_alloc(arena, (read.count + 1) * sizeof(*pieces));
	if (pieces == NULL)
		return mm_fail(MM_E_MEMORY, "the rows are too large");
	error = cut(text, pieces, &read.count);
	for (size_t i = 0; i < read.count; i++)
		read.named = read.named || pieces[i].name;
	read.pieces = pieces;
	if (error == MM_OK)
		*out = read;
	return error;
}

struct mm_span
mm_unit_text_alone(const struct unit_text *text)
{
	return text->count == 1 && text->pieces[0].name ? text->pieces[0].bytes
							: mm_span(NULL, 0);
}

/* What stands there: the text itself or the name's value. */
static enum mm_error
value_of(const struct unit_piece *piece, const struct mm_label_values *values,
    struct mm_span *out)
{
	const struct mm_label_value *found = NULL;

	*out = piece->bytes;
	if (!piece->name)
		return MM_OK;
	if (values != NULL)
		found = mm_label_value(values, piece->bytes);
	if (found == NULL)
		return mm_fail(MM_E_USAGE,
		    "it names {%.*s}, and there is no such value: say --value "
		    "%.*s=..., have a `value` or a column of that name, or "
		    "write a brace by itself twice",
		    MM_SPAN(piece->bytes), MM_SPAN(piece->bytes));
	if (found->value.size == 0)
		return mm_fail(MM_E_USAGE,
		    "it names {%.*s}, and that value is empty",
		    MM_SPAN(piece->bytes));
	*out = found->value;
	return MM_OK;
}

enum mm_error
mm_unit_text_fill(const struct unit_text *text,
    const struct mm_label_values *values, struct mm_flash_secret *room,
    struct mm_span *out)
{
	struct mm_span value;
	size_t size = 0;
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < text->count && error == MM_OK; i++) {
		error = value_of(&text->pieces[i], values, &value);
		if (error == MM_OK && value.size > TEXT_MAX - size)
			error = mm_fail(MM_E_RANGE,
			    "the value has more than %d bytes", TEXT_MAX);
		size += error == MM_OK ? value.size : 0;
	}
	if (error == MM_OK)
		error = mm_nvs_secret_fit(room, size);
	size = 0;
	for (size_t i = 0; i < text->count && error == MM_OK; i++) {
		error = value_of(&text->pieces[i], values, &value);
		if (error == MM_OK && value.size > 0)
			memcpy(room->data + size, value.data, value.size);
		size += value.size;
	}
	if (error == MM_OK)
		*out = mm_span(room->data, size);
	return error;
}
