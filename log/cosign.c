#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "log/line.h"

/* C2SP tlog-cosignature: what a witness signs. */
static enum mm_error
signed_message(struct mm_span text, uint64_t time, struct mm_buffer *out)
{
	mm_buffer_printf(out, "cosignature/v1\ntime %" PRIu64 "\n", time);
	mm_buffer_add(out, text.data, text.size);
	return out->error;
}

static uint64_t
read_time(const uint8_t bytes[8])
{
	uint64_t time = 0;

	for (size_t i = 0; i < 8; i++)
		time = time << 8 | bytes[i];
	return time;
}

static enum mm_error
wrong(const struct mm_witness *witness, const char *why)
{
	return mm_fail(
	    MM_E_COSIGNATURE, "the line of %s %s", witness->vkey.name, why);
}

static enum mm_error
verify(struct mm_span text, const struct mm_witness *witness,
    const struct mm_line *line, uint64_t *time)
{
	mm_auto(buffer) message = {0};
	enum mm_error error;

	if (line->size != MM_LINE_COSIGNATURE)
		return wrong(witness, "is no cosignature/v1");
	*time = read_time(line->signature);
	if (*time == 0 || *time > INT64_MAX)
		return wrong(witness, "has no time");
	mm_buffer_init(&message, 2 * MM_NOTE_MAX);
	error = signed_message(text, *time, &message);
	if (error != MM_OK)
		return mm_fail(error, "no memory for a cosignature");
	if (crypto_sign_verify_detached(line->signature + 8, message.data,
		message.size, witness->vkey.public_key) != 0)
		return wrong(witness, "does not verify");
	return MM_OK;
}

/* The witness that a line is by; `count` where it is nobody's we know. */
static size_t
find_witness(const struct mm_line *line, const struct mm_witness *witnesses,
    size_t count)
{
	size_t i = 0;

	while (i < count && !mm_line_is_by(line, &witnesses[i].vkey))
		i++;
	return i;
}

/* Keys count, not names: one who signs under two names is one. */
static bool
is_counted(const struct mm_cosignatures *counted,
    const struct mm_witness *witnesses, size_t witness)
{
	for (size_t i = 0; i < counted->count; i++)
		if (memcmp(witnesses[counted->items[i].witness].vkey.public_key,
			witnesses[witness].vkey.public_key,
			sizeof(witnesses[witness].vkey.public_key)) == 0)
			return true;
	return false;
}

/* What has been read of a note's lines. */
struct reading {
	struct mm_span text; /* of the note */
	const struct mm_witness *witnesses;
	size_t count;                          /* of witnesses */
	size_t seen[MM_NOTE_LINES_MAX], lines; /* whose lines there were */
	struct mm_cosignatures found;
};

static bool
was_seen(const struct reading *reading, size_t witness)
{
	for (size_t i = 0; i < reading->lines; i++)
		if (reading->seen[i] == witness)
			return true;
	return false;
}

static enum mm_error
read_line(struct reading *reading, const struct mm_line *line)
{
	struct mm_cosignatures *found = &reading->found;
	size_t i = find_witness(line, reading->witnesses, reading->count);
	bool counted;
	uint64_t time = 0;
	enum mm_error error = MM_OK;

	if (i < reading->count && was_seen(reading, i))
		return wrong(&reading->witnesses[i], "is there twice");
	if (reading->lines == MM_NOTE_LINES_MAX)
		return mm_fail(MM_E_NOTE, "the note has too many signatures");
	reading->seen[reading->lines++] = i;
	if (i == reading->count)
		return MM_OK;
	error = verify(reading->text, &reading->witnesses[i], line, &time);
	counted = is_counted(found, reading->witnesses, i);
	if (error == MM_OK && !counted)
		found->items[found->count++] = (struct mm_cosignature){i, time};
	return error;
}

enum mm_error
mm_cosignatures_open(struct mm_span note, const struct mm_witness *witnesses,
    size_t count, struct mm_cosignatures *out)
{
	struct reading reading = {.witnesses = witnesses, .count = count};
	struct mm_span lines;
	enum mm_error error = mm_note_split(note, &reading.text, &lines);

	while (error == MM_OK && lines.size > 0) {
		struct mm_line line;

		error = mm_line_next(&lines, &line);
		if (error == MM_OK)
			error = read_line(&reading, &line);
	}
	if (error == MM_OK)
		*out = reading.found;
	return error;
}

enum mm_error
mm_cosign(struct mm_span note, const struct mm_witness *witness,
    const uint8_t secret_key[64], uint64_t time, struct mm_buffer *out)
{
	uint8_t signature[MM_LINE_COSIGNATURE];
	mm_auto(buffer) message = {0};
	struct mm_span text, lines;
	enum mm_error error = mm_note_split(note, &text, &lines);

	if (error != MM_OK)
		return error;
	if (time == 0 || time > INT64_MAX)
		return mm_fail(MM_E_RANGE, "a cosignature has a time");
	/* libsodium keeps the public key behind the seed. */
	if (memcmp(secret_key + 32, witness->vkey.public_key, 32) != 0)
		return mm_fail(MM_E_NOTE_KEY,
		    "the secret key is not that of %s", witness->vkey.name);
	mm_buffer_init(&message, 2 * MM_NOTE_MAX);
	error = signed_message(text, time, &message);
	if (error != MM_OK)
		return mm_fail(error, "no memory for a cosignature");
	for (unsigned i = 0; i < 8; i++)
		signature[i] = (uint8_t)(time >> (56 - 8 * i));
	crypto_sign_detached(
	    signature + 8, NULL, message.data, message.size, secret_key);
	mm_line_write(
	    &witness->vkey, mm_span(signature, sizeof(signature)), out);
	return out->error;
}

enum mm_error
mm_note_lines(struct mm_span note, struct mm_span *out)
{
	struct mm_span text, lines, rest;
	enum mm_error error = mm_note_split(note, &text, &lines);

	rest = lines;
	while (error == MM_OK && rest.size > 0) {
		struct mm_line line;

		error = mm_line_next(&rest, &line);
	}
	if (error == MM_OK)
		*out = lines;
	return error;
}

/* Whether lines that are sound have one by the same name and key id. */
static bool
has_line_by(struct mm_span lines, const struct mm_line *wanted)
{
	while (lines.size > 0) {
		struct mm_line line;

		if (mm_line_next(&lines, &line) != MM_OK)
			return false;
		if (mm_span_equal(line.name, wanted->name) &&
		    memcmp(line.id, wanted->id, MM_LINE_ID) == 0)
			return true;
	}
	return false;
}

static size_t
count_lines(struct mm_span lines)
{
	struct mm_span line;
	size_t count = 0;

	while (mm_take_until(&lines, '\n', &line))
		count++;
	return count;
}

/* Appends the lines that `whole`, a sound note, lacks. */
static enum mm_error
add_lacking(struct mm_buffer *whole, struct mm_span lines)
{
	struct mm_span had;
	enum mm_error error = MM_OK;

	while (lines.size > 0) {
		struct mm_line line;

		error = mm_line_next(&lines, &line);
		if (error == MM_OK)
			error = mm_note_lines(mm_buffer_span(whole), &had);
		if (error != MM_OK)
			return error;
		if (has_line_by(had, &line))
			continue;
		if (count_lines(had) == MM_NOTE_LINES_MAX)
			return mm_fail(
			    MM_E_NOTE, "the note has too many signatures");
		mm_buffer_add(whole, line.text.data, line.text.size);
		if (whole->error != MM_OK)
			return mm_fail(MM_E_NOTE, "the note is too long");
	}
	/* What was added is printable, too. */
	return mm_note_lines(mm_buffer_span(whole), &had);
}

enum mm_error
mm_note_add_lines(
    struct mm_span note, struct mm_span lines, struct mm_buffer *out)
{
	mm_auto(buffer) whole = {0};
	enum mm_error error;

	mm_buffer_init(&whole, MM_NOTE_MAX);
	mm_buffer_add(&whole, note.data, note.size);
	if (whole.error != MM_OK)
		return mm_fail(MM_E_NOTE, "the note is too long");
	error = add_lacking(&whole, lines);
	if (error == MM_OK)
		mm_buffer_add(out, whole.data, whole.size);
	return error == MM_OK ? out->error : error;
}
