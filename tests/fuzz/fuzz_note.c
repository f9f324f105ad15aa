/*
 * Notes, verifier keys, numbers and base64 from anybody. The bytes are taken
 * as a note, and as a text that the log's key has signed: else the fuzzer
 * would never come past the signature.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "log/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mm_vkey vkey;
static uint8_t secret_key[64];

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
keys(void)
{
	static const uint8_t seed[32] = {1};
	uint8_t public_key[32];

	if (vkey.name[0] != '\0')
		return;
	crypto_sign_seed_keypair(public_key, secret_key, seed);
	must(mm_vkey_init(&vkey, mm_span_text("log.example.com/fuzz"),
		 public_key) == MM_OK);
}

/* What is accepted has one form: written again, it is the same. */
static void
vkey_comes_back(struct mm_span text)
{
	struct mm_vkey read;
	char back[MM_VKEY_MAX];

	if (mm_vkey_decode(text, &read) != MM_OK)
		return;
	mm_vkey_text(&read, back);
	must(mm_span_is(text, back));
}

static void
base64_comes_back(struct mm_span text)
{
	uint8_t bytes[48];

	for (size_t size = 0; size <= sizeof(bytes); size++) {
		mm_auto(buffer) back = {0};

		mm_buffer_init(&back, 128);
		if (!mm_base64_read(text, bytes, size))
			continue;
		mm_base64_write(mm_span(bytes, size), &back);
		must(mm_span_equal(mm_buffer_span(&back), text));
	}
}

static void
signed_text(struct mm_span text)
{
	struct mm_checkpoint checkpoint;
	uint8_t line[4 + 64];
	mm_auto(buffer) note = {0}, again = {0};

	mm_buffer_init(&note, 2 * MM_NOTE_MAX);
	mm_buffer_init(&again, MM_NOTE_MAX);
	memcpy(line, vkey.id, 4);
	crypto_sign_detached(line + 4, NULL, text.data, text.size, secret_key);
	mm_buffer_add(&note, text.data, text.size);
	mm_buffer_printf(&note, "\n\xe2\x80\x94 %s ", vkey.name);
	mm_base64_write(mm_span(line, sizeof(line)), &note);
	mm_buffer_add_text(&note, "\n");
	if (note.error != MM_OK || mm_checkpoint_open(mm_buffer_span(&note),
				       &vkey, &checkpoint) != MM_OK)
		return;
	must(mm_checkpoint_sign(&checkpoint, &vkey, secret_key, &again) ==
	     MM_OK);
	/* Extension lines are read and not written. */
	must(again.size <= note.size);
	if (again.size == note.size)
		must(memcmp(again.data, note.data, note.size) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mm_span bytes = mm_span(data, size);
	struct mm_checkpoint checkpoint;
	uint64_t number;

	keys();
	if (mm_checkpoint_open(bytes, &vkey, &checkpoint) == MM_OK)
		must(strcmp(checkpoint.origin, vkey.name) == 0);
	if (mm_decimal_read(bytes, &number))
		must(number <= INT64_MAX && size <= 19);
	vkey_comes_back(bytes);
	base64_comes_back(bytes);
	signed_text(bytes);
	return 0;
}
