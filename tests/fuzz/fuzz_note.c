/*
 * Notes, witnesses' lines, verifier keys, numbers and base64 from anybody.
 * The bytes are taken as a note, as a text that the log's key has signed and
 * a witness cosigns, and as the lines under one: else the fuzzer would never
 * come past the signatures.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "log/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mm_vkey vkey;
static struct mm_witness witness;
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
	must(mm_witness_init(&witness, mm_span_text("witness.example/fuzz"),
		 public_key) == MM_OK);
}

/* What is accepted has one form: written again, it is the same. */
static void
vkey_comes_back(struct mm_span text)
{
	struct mm_vkey read;
	struct mm_witness other;
	char back[MM_VKEY_MAX];

	if (mm_vkey_decode(text, &read) == MM_OK) {
		mm_vkey_text(&read, back);
		must(mm_span_is(text, back));
	}
	if (mm_witness_decode(text, &other) == MM_OK) {
		mm_witness_text(&other, back);
		must(mm_span_is(text, back));
	}
}

/* Whatever a note holds: one more cosigner is one more, and then no other. */
static void
cosigned(struct mm_span note)
{
	struct mm_cosignatures before, after;
	mm_auto(buffer) line = {0}, whole = {0}, again = {0};

	mm_buffer_init(&line, 1024);
	mm_buffer_init(&whole, MM_NOTE_MAX);
	mm_buffer_init(&again, MM_NOTE_MAX);
	if (mm_cosignatures_open(note, &witness, 1, &before) != MM_OK ||
	    mm_cosign(note, &witness, secret_key, 1700000000, &line) != MM_OK ||
	    mm_note_add_lines(note, mm_buffer_span(&line), &whole) != MM_OK)
		return;
	must(mm_cosignatures_open(
		 mm_buffer_span(&whole), &witness, 1, &after) == MM_OK);
	must(after.count == 1);
	must((before.count == 1) == (whole.size == note.size));
	must(mm_note_add_lines(mm_buffer_span(&whole), mm_buffer_span(&line),
		 &again) == MM_OK);
	must(mm_span_equal(mm_buffer_span(&again), mm_buffer_span(&whole)));
}

/* Lines from anybody under a good note leave a note that is as good. */
static void
lines_under_a_note(struct mm_span lines)
{
	struct mm_checkpoint checkpoint = {
	    .origin = "log.example.com/fuzz", .size = 7};
	struct mm_checkpoint read;
	struct mm_cosignatures found;
	mm_auto(buffer) note = {0}, whole = {0};

	mm_buffer_init(&note, MM_NOTE_MAX);
	mm_buffer_init(&whole, MM_NOTE_MAX);
	must(
	    mm_checkpoint_sign(&checkpoint, &vkey, secret_key, &note) == MM_OK);
	if (mm_note_add_lines(mm_buffer_span(&note), lines, &whole) != MM_OK)
		return;
	must(mm_checkpoint_open(mm_buffer_span(&whole), &vkey, &read) == MM_OK);
	must(read.size == checkpoint.size);
	if (mm_cosignatures_open(mm_buffer_span(&whole), &witness, 1, &found) ==
	    MM_OK)
		must(found.count <= 1);
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
	cosigned(mm_buffer_span(&note));
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
	cosigned(bytes);
	lines_under_a_note(bytes);
	vkey_comes_back(bytes);
	base64_comes_back(bytes);
	signed_text(bytes);
	return 0;
}
