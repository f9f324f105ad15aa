#include "log/note.h"

#include <gnutls/crypto.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "protocol/text.h"

enum {
	ED25519 = 0x01, /* C2SP signed-note: the type of signature */
	ID_SIZE = 4,
	KEY_SIZE = crypto_sign_PUBLICKEYBYTES,
	SIGNATURE_SIZE = crypto_sign_BYTES,
	BASE64 = sodium_base64_VARIANT_ORIGINAL
};

/* What a signature line begins with: U+2014 and a space. */
static const char dash[] = "\xe2\x80\x94 ";

bool
mm_decimal_read(struct mm_span text, uint64_t *out)
{
	uint64_t value = 0;

	if (text.size == 0 || (text.size > 1 && text.data[0] == '0'))
		return false;
	for (size_t i = 0; i < text.size; i++) {
		uint64_t digit = (uint64_t)text.data[i] - '0';

		if (digit > 9 || value > ((uint64_t)INT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

/*
 * libsodium refuses wrong padding and unused bits that are set, but 1.0.18
 * takes every byte from 0x80 upwards for a `/`.
 */
static bool
base64_decode(struct mm_span text, uint8_t *out, size_t max, size_t *size)
{
	return mm_text_is_ascii(text) &&
	       sodium_base642bin(out, max, (const char *)text.data, text.size,
		   NULL, size, NULL, BASE64) == 0;
}

bool
mm_base64_read(struct mm_span text, uint8_t *out, size_t size)
{
	size_t length;

	if (text.size != sodium_base64_encoded_len(size, BASE64) - 1)
		return false;
	if (size == 0)
		return true;
	return base64_decode(text, out, size, &length) && length == size;
}

void
mm_base64_write(struct mm_span bytes, struct mm_buffer *out)
{
	size_t length = sodium_base64_encoded_len(bytes.size, BASE64);
	uint8_t *place = mm_buffer_grow(out, length);

	if (place == NULL)
		return;
	sodium_bin2base64(
	    (char *)place, length, bytes.data, bytes.size, BASE64);
	out->size--; /* libsodium's NUL */
}

static bool
name_ok(struct mm_span name)
{
	if (name.size == 0 || name.size > MM_ORIGIN_MAX)
		return false;
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = name.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			(c >= '-' && c <= '/'))) /* - . / */
			return false;
	}
	return true;
}

/* C2SP signed-note: the first bytes of SHA-256(name, LF, type, key). */
static void
key_id(struct mm_span name, const uint8_t public_key[KEY_SIZE],
    uint8_t out[ID_SIZE])
{
	uint8_t bytes[MM_ORIGIN_MAX + 2 + KEY_SIZE], digest[32];
	size_t size = name.size;

	memcpy(bytes, name.data, name.size);
	bytes[size++] = '\n';
	bytes[size++] = ED25519;
	memcpy(bytes + size, public_key, KEY_SIZE);
	size += KEY_SIZE;
	gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, size, digest);
	memcpy(out, digest, ID_SIZE);
}

enum mm_error
mm_vkey_init(
    struct mm_vkey *out, struct mm_span name, const uint8_t public_key[32])
{
	struct mm_vkey vkey = {.name = ""};

	if (!name_ok(name))
		return mm_fail(MM_E_VKEY,
		    "a log's name is 1 to %d of a-z 0-9 . / -", MM_ORIGIN_MAX);
	mm_span_string(name, vkey.name, sizeof(vkey.name));
	memcpy(vkey.public_key, public_key, KEY_SIZE);
	key_id(name, public_key, vkey.id);
	*out = vkey;
	return MM_OK;
}

/* The text before the first `end`, which is taken away; false without one. */
static bool
take_until(struct mm_span *text, char end, struct mm_span *out)
{
	const uint8_t *at =
	    text->size > 0 ? memchr(text->data, end, text->size) : NULL;

	if (at == NULL)
		return false;
	*out = mm_span(text->data, (size_t)(at - text->data));
	*text = mm_span(at + 1, text->size - out->size - 1);
	return true;
}

enum mm_error
mm_vkey_decode(struct mm_span text, struct mm_vkey *out)
{
	uint8_t key[1 + KEY_SIZE];
	struct mm_span rest = text, name, id;
	char canonical[MM_VKEY_MAX];
	struct mm_vkey vkey;
	enum mm_error error;

	if (!take_until(&rest, '+', &name) || !take_until(&rest, '+', &id) ||
	    !mm_base64_read(rest, key, sizeof(key)))
		return mm_fail(
		    MM_E_VKEY, "a verifier key is name+id+base64 of 33 bytes");
	if (key[0] != ED25519)
		return mm_fail(MM_E_VKEY,
		    "the verifier key is of type %u, not Ed25519 (1)", key[0]);
	error = mm_vkey_init(&vkey, name, key + 1);
	if (error != MM_OK)
		return error;
	mm_vkey_text(&vkey, canonical);
	if (!mm_span_is(text, canonical))
		return mm_fail(MM_E_VKEY,
		    "the verifier key's id is not that of its name and key");
	*out = vkey;
	return MM_OK;
}

void
mm_vkey_text(const struct mm_vkey *vkey, char out[MM_VKEY_MAX])
{
	uint8_t key[1 + KEY_SIZE] = {ED25519};
	char id[2 * ID_SIZE + 1];
	char base64[sodium_base64_ENCODED_LEN(1 + KEY_SIZE, BASE64)];

	memcpy(key + 1, vkey->public_key, KEY_SIZE);
	sodium_bin2hex(id, sizeof(id), vkey->id, ID_SIZE);
	sodium_bin2base64(base64, sizeof(base64), key, sizeof(key), BASE64);
	snprintf(out, MM_VKEY_MAX, "%s+%s+%s", vkey->name, id, base64);
}

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
	uint8_t line[ID_SIZE + SIGNATURE_SIZE];
	mm_auto(buffer) note = {0};

	mm_buffer_init(&note, MM_NOTE_MAX);
	if (strcmp(checkpoint->origin, vkey->name) != 0)
		return mm_fail(MM_E_CHECKPOINT_ORIGIN,
		    "the key of %s does not sign for %s", vkey->name,
		    checkpoint->origin);
	if (checkpoint->size > INT64_MAX)
		return mm_fail(MM_E_RANGE, "the log is too large");
	/* libsodium keeps the public key behind the seed. */
	if (memcmp(secret_key + 32, vkey->public_key, KEY_SIZE) != 0)
		return mm_fail(MM_E_NOTE_KEY,
		    "the secret key is not that of %s", vkey->name);
	checkpoint_text(checkpoint, &note);
	if (note.error != MM_OK)
		return note.error;
	memcpy(line, vkey->id, ID_SIZE);
	crypto_sign_detached(
	    line + ID_SIZE, NULL, note.data, note.size, secret_key);
	mm_buffer_printf(&note, "\n%s%s ", dash, vkey->name);
	mm_base64_write(mm_span(line, sizeof(line)), &note);
	mm_buffer_add_text(&note, "\n");
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

/* C2SP signed-note: UTF-8, and no control character but the newline. */
static enum mm_error
note_check(struct mm_span note)
{
	struct mm_span line;

	if (note.size > MM_NOTE_MAX)
		return bad_note("is too long");
	if (note.size == 0 || note.data[note.size - 1] != '\n')
		return bad_note("does not end in a newline");
	while (take_until(&note, '\n', &line))
		if (!mm_text_ok(line))
			return bad_note("has bytes that are not printable");
	return MM_OK;
}

/* The signed text keeps its newline; the split is at the last empty line. */
static enum mm_error
note_split(
    struct mm_span note, struct mm_span *text, struct mm_span *signatures)
{
	for (size_t at = note.size; at-- > 1;) {
		if (note.data[at] != '\n' || note.data[at - 1] != '\n')
			continue;
		*text = mm_span(note.data, at);
		*signatures = mm_span(note.data + at + 1, note.size - at - 1);
		return MM_OK;
	}
	return bad_note("has no empty line before its signatures");
}

/* One signature line: `— name base64(id, signature)`. */
struct line {
	struct mm_span name;
	uint8_t id[ID_SIZE];
	uint8_t signature[SIGNATURE_SIZE];
	size_t size; /* of the signature, which is kept only where it fits */
};

/* Whose line it is stands in its first bytes, whatever its length. */
static enum mm_error
line_decode(struct mm_span text, struct line *out)
{
	size_t max = text.size / 4 * 3, size;
	mm_autofree uint8_t *bytes = malloc(max + 1);

	if (bytes == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a signature line");
	if (text.size <= strlen(dash) ||
	    memcmp(text.data, dash, strlen(dash)) != 0)
		return bad_note("has a line that is no signature");
	text = mm_span(text.data + strlen(dash), text.size - strlen(dash));
	if (!take_until(&text, ' ', &out->name) || out->name.size == 0 ||
	    memchr(out->name.data, '+', out->name.size) != NULL)
		return bad_note("has a signature without a name");
	if (!base64_decode(text, bytes, max, &size) || size <= ID_SIZE)
		return bad_note("has a signature that is not base64");
	out->size = size - ID_SIZE;
	memcpy(out->id, bytes, ID_SIZE);
	if (out->size == SIGNATURE_SIZE)
		memcpy(out->signature, bytes + ID_SIZE, SIGNATURE_SIZE);
	return MM_OK;
}

/* Finds the one line by `vkey`; a second one is refused, whatever it says. */
static enum mm_error
find_line(struct mm_span lines, const struct mm_vkey *vkey, struct line *out)
{
	size_t count = 0, ours = 0;
	struct mm_span text;

	while (take_until(&lines, '\n', &text)) {
		struct line line;
		enum mm_error error = line_decode(text, &line);

		if (error != MM_OK)
			return error;
		if (++count > MM_NOTE_LINES_MAX)
			return bad_note("has too many signatures");
		if (!mm_span_is(line.name, vkey->name) ||
		    memcmp(line.id, vkey->id, ID_SIZE) != 0)
			continue;
		if (++ours > 1)
			return bad_note("has two signatures by one key");
		*out = line;
	}
	if (count == 0)
		return bad_note("has no signature");
	if (ours == 0)
		return mm_fail(
		    MM_E_NOTE_KEY, "%s has not signed the note", vkey->name);
	return MM_OK;
}

/* The text of a note that `vkey` has signed. */
static enum mm_error
note_open(struct mm_span note, const struct mm_vkey *vkey, struct mm_span *text)
{
	struct mm_span signatures;
	struct line line;
	enum mm_error error = note_check(note);

	if (error == MM_OK)
		error = note_split(note, text, &signatures);
	if (error == MM_OK)
		error = find_line(signatures, vkey, &line);
	if (error != MM_OK)
		return error;
	if (line.size != SIGNATURE_SIZE ||
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

	while (take_until(&text, '\n', &line))
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

	if (!take_until(&text, '\n', &origin) ||
	    !take_until(&text, '\n', &size) || !take_until(&text, '\n', &root))
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
