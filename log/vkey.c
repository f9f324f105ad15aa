#include "log/line.h"

#include <gnutls/crypto.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "protocol/text.h"

/* C2SP signed-note: the types of keys, and so of signatures. */
enum key_type {
	ED25519 = 0x01,    /* a log's */
	COSIGNATURE = 0x04 /* a witness's: tlog-cosignature v1 */
};
enum {
	KEY_SIZE = crypto_sign_PUBLICKEYBYTES,
	BASE64 = sodium_base64_VARIANT_ORIGINAL
};

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
bool
mm_base64_decode(struct mm_span text, uint8_t *out, size_t max, size_t *size)
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
	return mm_base64_decode(text, out, size, &length) && length == size;
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
key_id(enum key_type type, struct mm_span name,
    const uint8_t public_key[KEY_SIZE], uint8_t out[MM_LINE_ID])
{
	uint8_t bytes[MM_ORIGIN_MAX + 2 + KEY_SIZE], digest[32];
	size_t size = name.size;

	memcpy(bytes, name.data, name.size);
	bytes[size++] = '\n';
	bytes[size++] = (uint8_t)type;
	memcpy(bytes + size, public_key, KEY_SIZE);
	size += KEY_SIZE;
	gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, size, digest);
	memcpy(out, digest, MM_LINE_ID);
}

static enum mm_error
init_as(enum key_type type, struct mm_span name, const uint8_t public_key[32],
    struct mm_vkey *out)
{
	struct mm_vkey vkey = {.name = ""};

	if (!name_ok(name))
		return mm_fail(MM_E_VKEY,
		    "a key's name is 1 to %d of a-z 0-9 . / -", MM_ORIGIN_MAX);
	mm_span_string(name, vkey.name, sizeof(vkey.name));
	memcpy(vkey.public_key, public_key, KEY_SIZE);
	key_id(type, name, public_key, vkey.id);
	*out = vkey;
	return MM_OK;
}

static void
text_as(enum key_type type, const struct mm_vkey *vkey, char out[MM_VKEY_MAX])
{
	uint8_t key[1 + KEY_SIZE] = {(uint8_t)type};
	char id[2 * MM_LINE_ID + 1];
	char base64[sodium_base64_ENCODED_LEN(1 + KEY_SIZE, BASE64)];

	memcpy(key + 1, vkey->public_key, KEY_SIZE);
	sodium_bin2hex(id, sizeof(id), vkey->id, MM_LINE_ID);
	sodium_bin2base64(base64, sizeof(base64), key, sizeof(key), BASE64);
	snprintf(out, MM_VKEY_MAX, "%s+%s+%s", vkey->name, id, base64);
}

static enum mm_error
decode_as(enum key_type type, struct mm_span text, struct mm_vkey *out)
{
	uint8_t key[1 + KEY_SIZE];
	struct mm_span rest = text, name, id;
	char canonical[MM_VKEY_MAX];
	struct mm_vkey vkey;
	enum mm_error error;

	if (!mm_take_until(&rest, '+', &name) ||
	    !mm_take_until(&rest, '+', &id) ||
	    !mm_base64_read(rest, key, sizeof(key)))
		return mm_fail(
		    MM_E_VKEY, "a verifier key is name+id+base64 of 33 bytes");
	if (key[0] != type)
		return mm_fail(MM_E_VKEY,
		    "the verifier key is of type %u; %s has type %u", key[0],
		    type == ED25519 ? "a log's" : "a witness's", type);
	error = init_as(type, name, key + 1, &vkey);
	if (error != MM_OK)
		return error;
	text_as(type, &vkey, canonical);
	if (!mm_span_is(text, canonical))
		return mm_fail(MM_E_VKEY,
		    "the verifier key's id is not that of its name and key");
	*out = vkey;
	return MM_OK;
}

enum mm_error
mm_vkey_init(
    struct mm_vkey *out, struct mm_span name, const uint8_t public_key[32])
{
	return init_as(ED25519, name, public_key, out);
}

enum mm_error
mm_vkey_decode(struct mm_span text, struct mm_vkey *out)
{
	return decode_as(ED25519, text, out);
}

void
mm_vkey_text(const struct mm_vkey *vkey, char out[MM_VKEY_MAX])
{
	text_as(ED25519, vkey, out);
}

enum mm_error
mm_witness_init(
    struct mm_witness *out, struct mm_span name, const uint8_t public_key[32])
{
	return init_as(COSIGNATURE, name, public_key, &out->vkey);
}

enum mm_error
mm_witness_decode(struct mm_span text, struct mm_witness *out)
{
	return decode_as(COSIGNATURE, text, &out->vkey);
}

void
mm_witness_text(const struct mm_witness *witness, char out[MM_VKEY_MAX])
{
	text_as(COSIGNATURE, &witness->vkey, out);
}
