#include "log/line.h"

#include <string.h>

#include "protocol/text.h"

/* What a signature line begins with: U+2014 and a space. */
static const char dash[] = "\xe2\x80\x94 ";

bool
mm_take_until(struct mm_span *text, char end, struct mm_span *out)
{
	const uint8_t *at =
	    text->size > 0 ? memchr(text->data, end, text->size) : NULL;

	if (at == NULL)
		return false;
	*out = mm_span(text->data, (size_t)(at - text->data));
	*text = mm_span(at + 1, text->size - out->size - 1);
	return true;
}

static enum mm_error
bad_note(const char *why)
{
	return mm_fail(MM_E_NOTE, "the note %s", why);
}

/* C2SP signed-note: UTF-8, and no control character but the newline. */
static enum mm_error
note_check(struct mm_span note)
{
	struct mm_span line;

	if (note.size > MM_NOTE_MAX)
		return bad_note("is too long");
	if (note.size == 0 || note.data[note.size - 1] != '\n')
		return bad_note("does not end in a newline");
	while (mm_take_until(&note, '\n', &line))
		if (!mm_text_ok(line))
			return bad_note("has bytes that are not printable");
	return MM_OK;
}

/* The split is at the last empty line. */
enum mm_error
mm_note_split(struct mm_span note, struct mm_span *text, struct mm_span *lines)
{
	enum mm_error error = note_check(note);

	for (size_t at = note.size; error == MM_OK && at-- > 1;) {
		if (note.data[at] != '\n' || note.data[at - 1] != '\n')
			continue;
		*text = mm_span(note.data, at);
		*lines = mm_span(note.data + at + 1, note.size - at - 1);
		return MM_OK;
	}
	return error != MM_OK
		   ? error
		   : bad_note("has no empty line before its signatures");
}

/* Whose line it is stands in its first bytes, whatever its length. */
static enum mm_error
line_decode(struct mm_span text, struct mm_line *out)
{
	size_t max = text.size / 4 * 3, size;
	mm_autofree uint8_t *bytes = malloc(max + 1);

	if (bytes == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a signature line");
	if (text.size <= strlen(dash) ||
	    memcmp(text.data, dash, strlen(dash)) != 0)
		return bad_note("has a line that is no signature");
	text = mm_span(text.data + strlen(dash), text.size - strlen(dash));
	if (!mm_take_until(&text, ' ', &out->name) || out->name.size == 0 ||
	    memchr(out->name.data, '+', out->name.size) != NULL)
		return bad_note("has a signature without a name");
	if (!mm_base64_decode(text, bytes, max, &size) || size <= MM_LINE_ID)
		return bad_note("has a signature that is not base64");
	out->size = size - MM_LINE_ID;
	memcpy(out->id, bytes, MM_LINE_ID);
	if (out->size <= sizeof(out->signature))
		memcpy(out->signature, bytes + MM_LINE_ID, out->size);
	return MM_OK;
}

enum mm_error
mm_line_next(struct mm_span *lines, struct mm_line *out)
{
	struct mm_line line = {.size = 0};
	const uint8_t *start = lines->data;
	struct mm_span text;
	enum mm_error error;

	if (!mm_take_until(lines, '\n', &text))
		return bad_note("has a line without an end");
	error = line_decode(text, &line);
	if (error != MM_OK)
		return error;
	line.text = mm_span(start, text.size + 1);
	*out = line;
	return MM_OK;
}

bool
mm_line_is_by(const struct mm_line *line, const struct mm_vkey *vkey)
{
	return mm_span_is(line->name, vkey->name) &&
	       memcmp(line->id, vkey->id, MM_LINE_ID) == 0;
}

void
mm_line_write(
    const struct mm_vkey *vkey, struct mm_span signature, struct mm_buffer *out)
{
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, MM_LINE_ID + MM_LINE_COSIGNATURE);
	mm_buffer_add(&bytes, vkey->id, MM_LINE_ID);
	mm_buffer_add(&bytes, signature.data, signature.size);
	if (bytes.error != MM_OK) {
		out->error = bytes.error;
		return;
	}
	mm_buffer_printf(out, "%s%s ", dash, vkey->name);
	mm_base64_write(mm_buffer_span(&bytes), out);
	mm_buffer_add_text(out, "\n");
}
