#include "log/note.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "log/line.h"

static void
checkpoint_text(const struct mm_checkpoint *checkpoint, struct mm_buffer *out)
{
	mm_buffer_printf(
	    out, "%s\n%" PRIu64 "\n", checkpoint->origin, checkpoint->size);
	mm_base64_write(mm_span(checkpoint->root.bytes, MM_HASH_SIZE), out);
	mm_buffer_add_text(out, "\n");
}

enum mm_error
mm_checkpoint_sign(const struct mm_checkpoint *checkpoint,
    const struct mm_vkey *vkey, const uint8_t secret_key[64],
    struct mm_buffer *out)
{
	uint8_t signature[MM_LINE_SIGNATURE];
	mm_auto(buffer) note = {0};

	mm_buffer_init(&note, MM_NOTE_MAX);
	if (strcmp(checkpoint->origin, vkey->name) != 0)
		return mm_fail(MM_E_CHECKPOINT_ORIGIN,
		    "the key of %s does not sign for %s", vkey->name,
		    checkpoint->origin);
	if (checkpoint->size > INT64_MAX)
		return mm_fail(MM_E_RANGE, "the log is too large");
	/* libsodium keeps the public key behind the seed. */
	if (memcmp(secret_key + 32, vkey->public_key,
		sizeof(vkey->public_key)) != 0)
		return mm_fail(MM_E_NOTE_KEY,
		    "the secret key is not that of %s", vkey->name);
	checkpoint_text(checkpoint, &note);
	if (note.error != MM_OK)
		return note.error;
	crypto_sign_detached(signature, NULL, note.data, note.size, secret_key);
	mm_buffer_add_text(&note, "\n");
	mm_line_write(vkey, mm_span(signature, sizeof(signature)), &note);
	if (note.error != MM_OK)
		return note.error;
	mm_buffer_add(out, note.data, note.size);
	return out->error;
}

static enum mm_error
bad_note(const char *why)
{
	return mm_fail(MM_E_NOTE, "the note %s", why);
}

/* Finds the one line by `vkey`; a second one is refused, whatever it says. */
static enum mm_error
find_line(struct mm_span lines, const struct mm_vkey *vkey, struct mm_line *out)
{
	size_t count = 0, ours = 0;

	while (lines.size > 0) {
		struct mm_line line;
		enum mm_error error = mm_line_next(&lines, &line);

		if (error != MM_OK)
			return error;
		if (++count > MM_NOTE_LINES_MAX)
			return bad_note("has too many signatures");
		if (!mm_line_is_by(&line, vkey))
			continue;
		if (++ours > 1)
			return bad_note("has two signatures by one key");
		*out = line;
	}
	if (count == 0)
		return bad_note("has no signature");
	if (ours == 0)
		return mm_fail(MM_E_NOTE_KEY,
		    "%s has not signed the note: is the key that of its log?",
		    vkey->name);
	return MM_OK;
}

/* The text of a note that `vkey` has signed. */
static enum mm_error
note_open(struct mm_span note, const struct mm_vkey *vkey, struct mm_span *text)
{
	struct mm_span lines;
	struct mm_line line;
	enum mm_error error = mm_note_split(note, text, &lines);

	if (error == MM_OK)
		error = find_line(lines, vkey, &line);
	if (error != MM_OK)
		return error;
	if (line.size != MM_LINE_SIGNATURE ||
	    crypto_sign_verify_detached(
		line.signature, text->data, text->size, vkey->public_key) != 0)
		return mm_fail(MM_E_NOTE_SIGNATURE,
		    "the signature by %s does not verify", vkey->name);
	return MM_OK;
}

static enum mm_error
bad_checkpoint(const char *why)
{
	return mm_fail(MM_E_CHECKPOINT, "the checkpoint %s", why);
}

/* Extension lines are not ours, but the format has them; none is empty. */
static enum mm_error
extensions_check(struct mm_span text)
{
	struct mm_span line;

	while (mm_take_until(&text, '\n', &line))
		if (line.size == 0)
			return bad_checkpoint("has an empty line");
	return MM_OK;
}

static enum mm_error
checkpoint_decode(struct mm_span text, struct mm_checkpoint *out)
{
	const struct mm_frontier nothing = {.size = 0};
	struct mm_hash empty = mm_frontier_root(&nothing);
	struct mm_span origin, size, root;

	if (!mm_take_until(&text, '\n', &origin) ||
	    !mm_take_until(&text, '\n', &size) ||
	    !mm_take_until(&text, '\n', &root))
		return bad_checkpoint("has fewer than three lines");
	if (origin.size == 0 || origin.size > MM_ORIGIN_MAX)
		return bad_checkpoint("has no origin or too long a one");
	if (!mm_decimal_read(size, &out->size))
		return bad_checkpoint("has a size that is not canonical");
	if (!mm_base64_read(root, out->root.bytes, MM_HASH_SIZE))
		return bad_checkpoint("has a root that is not 32 bytes");
	if (out->size == 0 && !mm_hash_equal(&out->root, &empty))
		return bad_checkpoint("has a root but no entries");
	mm_span_string(origin, out->origin, sizeof(out->origin));
	return extensions_check(text);
}

enum mm_error
mm_checkpoint_open(
    struct mm_span note, const struct mm_vkey *vkey, struct mm_checkpoint *out)
{
	struct mm_checkpoint checkpoint;
	struct mm_span text;
	enum mm_error error = note_open(note, vkey, &text);

	if (error == MM_OK)
		error = checkpoint_decode(text, &checkpoint);
	if (error != MM_OK)
		return error;
	if (strcmp(checkpoint.origin, vkey->name) != 0)
		return mm_fail(MM_E_CHECKPOINT_ORIGIN,
		    "the checkpoint is of %s, not of %s", checkpoint.origin,
		    vkey->name);
	*out = checkpoint;
	return MM_OK;
}
