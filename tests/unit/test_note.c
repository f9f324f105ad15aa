#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log/note.h"
#include "tests/unit/tlog_vectors.h"

static struct mm_vkey
vkey_of(const char *text)
{
	struct mm_vkey vkey;

	assert_int_equal(mm_vkey_decode(mm_span_text(text), &vkey), MM_OK);
	return vkey;
}

/* The pair of a seed in hexadecimal. */
static void
keys_of(const json_t *key, uint8_t public_key[32], uint8_t secret_key[64])
{
	struct mm_span seed = unhex(text_of(key, "seed_hex"));

	assert_int_equal(seed.size, crypto_sign_SEEDBYTES);
	crypto_sign_seed_keypair(public_key, secret_key, seed.data);
	span_free(seed);
}

static enum mm_error
open_text(const char *note, const struct mm_vkey *vkey)
{
	struct mm_checkpoint checkpoint;

	return mm_checkpoint_open(mm_span_text(note), vkey, &checkpoint);
}

/* A note over any text, signed by the vectors' log key. */
static void
sign_text(const char *text, const char *more, struct mm_buffer *out)
{
	json_t *all = vectors(VECTORS "checkpoint.json");
	struct mm_vkey vkey = vkey_of(text_of(member(all, "log_key"), "vkey"));
	uint8_t public_key[32], secret_key[64], line[68];

	keys_of(member(all, "log_key"), public_key, secret_key);
	memcpy(line, vkey.id, 4);
	crypto_sign_detached(
	    line + 4, NULL, (const uint8_t *)text, strlen(text), secret_key);
	mm_buffer_reset(out);
	mm_buffer_printf(out, "%s\n%s\xe2\x80\x94 %s ", text, more, vkey.name);
	mm_base64_write(mm_span(line, sizeof(line)), out);
	mm_buffer_add_text(out, "\n");
	assert_int_equal(out->error, MM_OK);
	json_decref(all);
}

static void
checkpoints_are_signed_as_in_the_vectors(void **state)
{
	json_t *all = vectors(VECTORS "checkpoint.json");
	struct mm_vkey vkey = vkey_of(text_of(member(all, "log_key"), "vkey"));
	uint8_t public_key[32], secret_key[64];
	const json_t *item;
	size_t i;

	(void)state;
	keys_of(member(all, "log_key"), public_key, secret_key);
	json_array_foreach(member(all, "checkpoints"), i, item)
	{
		struct mm_checkpoint made = {.size = number_of(item, "size"),
					 .root = hash_of(item, "root")},
				     read;
		mm_auto(buffer) note = {0};

		mm_buffer_init(&note, MM_NOTE_MAX);
		strcpy(made.origin, text_of(all, "origin"));
		assert_int_equal(
		    mm_checkpoint_sign(&made, &vkey, secret_key, &note), MM_OK);
		assert_true(
		    mm_span_is(mm_buffer_span(&note), text_of(item, "signed")));
		assert_int_equal(
		    mm_checkpoint_open(mm_buffer_span(&note), &vkey, &read),
		    MM_OK);
		assert_int_equal(read.size, made.size);
		assert_hash(read.root, made.root);
		assert_string_equal(read.origin, made.origin);
	}
	json_decref(all);
}

static void
valid_notes_are_accepted(void **state)
{
	json_t *all = vectors(VECTORS "checkpoint.json");
	json_t *cosigned = vectors(VECTORS "cosignature.json");
	json_t *mldsa = vectors(VECTORS "cosignature-mldsa44.json");
	struct mm_vkey vkey = vkey_of(text_of(member(all, "log_key"), "vkey"));
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(member(all, "valid"), i,
	    item) if (open_text(text_of(item, "signed"), &vkey) != MM_OK)
	    fail_msg("%s: %s", text_of(item, "name"),
		mm_why(open_text(text_of(item, "signed"), &vkey)));
	assert_int_equal(
	    open_text(text_of(cosigned, "cosigned_checkpoint"), &vkey), MM_OK);
	assert_int_equal(
	    open_text(
		text_of(mldsa, "checkpoint_with_unknown_mldsa_line"), &vkey),
	    MM_OK);
	json_decref(mldsa);
	json_decref(cosigned);
	json_decref(all);
}

static struct mm_span
note_of(const json_t *vector)
{
	const char *text = json_string_value(json_object_get(vector, "signed"));

	return text != NULL ? mm_span(strdup(text), strlen(text))
			    : unhex(text_of(vector, "signed_hex"));
}

static void
invalid_notes_are_refused(void **state)
{
	json_t *all = vectors(VECTORS "checkpoint.json");
	struct mm_vkey vkey = vkey_of(text_of(member(all, "log_key"), "vkey"));
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(member(all, "invalid"), i, item)
	{
		struct mm_checkpoint out = {.size = 4711};
		struct mm_span note = note_of(item);

		if (mm_checkpoint_open(note, &vkey, &out) == MM_OK)
			fail_msg("accepted: %s", text_of(item, "name"));
		assert_int_equal(out.size, 4711);
		span_free(note);
	}
	json_decref(all);
}

/* Each fault has its own error, of which the vectors do not tell. */
static void
refusals_are_named(void **state)
{
	static const struct {
		const char *name;
		enum mm_error error;
	} named[] = {{"size-changed", MM_E_NOTE_SIGNATURE},
	    {"sig-truncated", MM_E_NOTE_SIGNATURE},
	    {"sig-extended", MM_E_NOTE_SIGNATURE},
	    {"wrong-key-id", MM_E_NOTE_KEY},
	    {"name-mismatch-key", MM_E_NOTE_KEY}, {"no-signature", MM_E_NOTE},
	    {"no-blank-line", MM_E_NOTE}, {"no-final-newline", MM_E_NOTE},
	    {"crlf-signed", MM_E_NOTE}, {"invalid-utf8", MM_E_NOTE},
	    {"good-good-dup", MM_E_NOTE}, {"sig-noncanonical-b64", MM_E_NOTE},
	    {"leading-zero-size", MM_E_CHECKPOINT},
	    {"size-over-i63", MM_E_CHECKPOINT}, {"root-short", MM_E_CHECKPOINT},
	    {"root-long", MM_E_CHECKPOINT},
	    {"root-noncanonical-b64", MM_E_CHECKPOINT},
	    {"two-lines", MM_E_CHECKPOINT}, {"empty-origin", MM_E_CHECKPOINT},
	    {"empty-extension", MM_E_CHECKPOINT}};
	json_t *all = vectors(VECTORS "checkpoint.json");
	struct mm_vkey vkey = vkey_of(text_of(member(all, "log_key"), "vkey"));
	const json_t *item;
	size_t i, found = 0;

	(void)state;
	json_array_foreach(member(all, "invalid"), i,
	    item) for (size_t j = 0; j < MM_COUNT(named); j++)
	{
		struct mm_span note = note_of(item);
		struct mm_checkpoint out;

		if (strcmp(named[j].name, text_of(item, "name")) == 0)
			assert_int_equal(
			    (found++, mm_checkpoint_open(note, &vkey, &out)),
			    named[j].error);
		span_free(note);
	}
	assert_int_equal(found, MM_COUNT(named));
	json_decref(all);
}

static void
a_checkpoint_of_another_log_is_refused(void **state)
{
	json_t *all = vectors(VECTORS "checkpoint.json");
	struct mm_vkey vkey = vkey_of(text_of(member(all, "log_key"), "vkey"));
	mm_auto(buffer) note = {0};

	(void)state;
	mm_buffer_init(&note, MM_NOTE_MAX);
	sign_text("other.example.com/log\n0\n"
		  "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
	    "", &note);
	mm_buffer_add(&note, "", 1);
	assert_int_equal(
	    open_text((const char *)note.data, &vkey), MM_E_CHECKPOINT_ORIGIN);
	sign_text("log.example.com/test\n0\n"
		  "dziFphNIniTOLPdhmdakI/BC5LvxLX7s7pEu8nbGVwE=\n",
	    "", &note);
	mm_buffer_add(&note, "", 1);
	assert_int_equal(
	    open_text((const char *)note.data, &vkey), MM_E_CHECKPOINT);
	json_decref(all);
}

static void
signature_lines_end_at_their_limit(void **state)
{
	static const char text[] =
	    "log.example.com/test\n0\n"
	    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
	static const char grease[] =
	    "\xe2\x80\x94 grease.invalid AAAAAAECAwQ=\n";
	json_t *all = vectors(VECTORS "checkpoint.json");
	struct mm_vkey vkey = vkey_of(text_of(member(all, "log_key"), "vkey"));
	mm_auto(buffer) note = {0}, lines = {0};

	(void)state;
	mm_buffer_init(&note, MM_NOTE_MAX);
	mm_buffer_init(&lines, MM_NOTE_MAX);
	for (size_t i = 1; i < MM_NOTE_LINES_MAX + 2; i++) {
		mm_buffer_add(&lines, "", 1);
		sign_text(text, (const char *)lines.data, &note);
		mm_buffer_add(&note, "", 1);
		assert_int_equal(open_text((const char *)note.data, &vkey),
		    i <= MM_NOTE_LINES_MAX ? MM_OK : MM_E_NOTE);
		lines.size--;
		mm_buffer_add_text(&lines, grease);
	}
	json_decref(all);
}

static void
a_note_ends_at_its_limit(void **state)
{
	static const char text[] =
	    "log.example.com/test\n0\n"
	    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
	static const char tail[] = " AAAAAAECAwQ=\n";
	json_t *all = vectors(VECTORS "checkpoint.json");
	struct mm_vkey vkey = vkey_of(text_of(member(all, "log_key"), "vkey"));

	(void)state;
	for (size_t size = MM_NOTE_MAX - 1; size <= MM_NOTE_MAX + 1; size++) {
		struct mm_checkpoint out;
		size_t filling;
		mm_auto(buffer) note = {0};

		mm_buffer_init(&note, size);
		sign_text(text, "", &note);
		/* A line by somebody unknown fills the note up. */
		mm_buffer_add_text(&note, "\xe2\x80\x94 ");
		filling = size - note.size - strlen(tail);
		memset(mm_buffer_grow(&note, filling), 'n', filling);
		mm_buffer_add_text(&note, tail);
		assert_int_equal(note.size, size);
		assert_int_equal(
		    mm_checkpoint_open(mm_buffer_span(&note), &vkey, &out),
		    size <= MM_NOTE_MAX ? MM_OK : MM_E_NOTE);
	}
	json_decref(all);
}

static void
bad_vkeys_are_refused(void **state)
{
	static const char *const bad[] = {"", "+", "++", "a+b+c",
	    "log.example.com/test+EF76A2A5+"
	    "AfTCZMKm9gyYaYFQzrFYi5gQtHqSOrD5ZDa1jhGPWpGT",
	    "log.example.com/test+ef76a2a5+"
	    "AfTCZMKm9gyYaYFQzrFYi5gQtHqSOrD5ZDa1jhGPWpGT\n",
	    "log.example.com/test+ef76a2a5 "
	    "AfTCZMKm9gyYaYFQzrFYi5gQtHqSOrD5ZDa1jhGPWpGT"};
	json_t *all = vectors(VECTORS "checkpoint.json");
	json_t *cosigned = vectors(VECTORS "cosignature.json");
	struct mm_vkey vkey;
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(member(all, "vkeys_invalid"), i, item)
	    assert_int_equal(
		mm_vkey_decode(mm_span_text(text_of(item, "vkey")), &vkey),
		MM_E_VKEY);
	for (i = 0; i < MM_COUNT(bad); i++)
		assert_int_equal(
		    mm_vkey_decode(mm_span_text(bad[i]), &vkey), MM_E_VKEY);
	/* A witness's key is not a log's. */
	json_array_foreach(member(cosigned, "witnesses"), i, item)
	    assert_int_equal(
		mm_vkey_decode(mm_span_text(text_of(item, "vkey")), &vkey),
		MM_E_VKEY);
	json_decref(cosigned);
	json_decref(all);
}

static void
vkeys_go_to_text_and_back(void **state)
{
	static const char *const keys[] = {"log_key", "second_key",
	    "same_pair_other_name", "c2sp_signed_note_example"};
	json_t *all = vectors(VECTORS "checkpoint.json");

	(void)state;
	for (size_t i = 0; i < MM_COUNT(keys); i++) {
		const char *text = text_of(member(all, keys[i]), "vkey");
		struct mm_vkey vkey = vkey_of(text), made;
		char back[MM_VKEY_MAX];

		mm_vkey_text(&vkey, back);
		assert_string_equal(back, text);
		assert_int_equal(mm_vkey_init(&made, mm_span_text(vkey.name),
				     vkey.public_key),
		    MM_OK);
		assert_memory_equal(&made, &vkey, sizeof(made));
	}
	json_decref(all);
}

static void
names_of_logs_have_limits(void **state)
{
	static const char *const bad[] = {
	    "", "A", "a b", "a+b", "a\n", "\xc3\xa4", "a_b", "a:b", "a,b"};
	const uint8_t key[32] = {1};
	char name[MM_ORIGIN_MAX + 1], text[MM_VKEY_MAX];
	struct mm_vkey vkey, back;

	(void)state;
	memset(name, 'a', sizeof(name));
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		assert_int_equal(
		    mm_vkey_init(&vkey, mm_span_text(bad[i]), key), MM_E_VKEY);
	assert_int_equal(
	    mm_vkey_init(&vkey, mm_span(name, MM_ORIGIN_MAX + 1), key),
	    MM_E_VKEY);
	assert_int_equal(
	    mm_vkey_init(&vkey, mm_span(name, MM_ORIGIN_MAX - 1), key), MM_OK);
	assert_int_equal(
	    mm_vkey_init(&vkey, mm_span(name, MM_ORIGIN_MAX), key), MM_OK);
	mm_vkey_text(&vkey, text);
	assert_int_equal(mm_vkey_decode(mm_span_text(text), &back), MM_OK);
	assert_int_equal(
	    mm_vkey_init(&vkey, mm_span_text("a.z/0-9"), key), MM_OK);
}

static void
a_key_signs_for_its_own_log_only(void **state)
{
	json_t *all = vectors(VECTORS "checkpoint.json");
	struct mm_vkey vkey = vkey_of(text_of(member(all, "log_key"), "vkey"));
	struct mm_vkey other =
	    vkey_of(text_of(member(all, "second_key"), "vkey"));
	struct mm_checkpoint checkpoint = {.origin = "log.example.com/test"};
	uint8_t public_key[32], secret_key[64];
	mm_auto(buffer) note = {0};

	(void)state;
	mm_buffer_init(&note, MM_NOTE_MAX);
	keys_of(member(all, "log_key"), public_key, secret_key);
	assert_int_equal(
	    mm_checkpoint_sign(&checkpoint, &other, secret_key, &note),
	    MM_E_NOTE_KEY);
	checkpoint.size = (uint64_t)INT64_MAX + 1;
	assert_int_equal(
	    mm_checkpoint_sign(&checkpoint, &vkey, secret_key, &note),
	    MM_E_RANGE);
	strcpy(checkpoint.origin, "log.example.com/tesu");
	assert_int_equal(
	    mm_checkpoint_sign(&checkpoint, &vkey, secret_key, &note),
	    MM_E_CHECKPOINT_ORIGIN);
	assert_int_equal(note.size, 0);
	json_decref(all);
}

static void
decimals_are_canonical(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {{"0", true, 0}, {"9", true, 9}, {"10", true, 10},
	    {"9223372036854775806", true, INT64_MAX - 1},
	    {"9223372036854775807", true, INT64_MAX},
	    {"9223372036854775808", false, 0},
	    {"18446744073709551615", false, 0},
	    {"18446744073709551616", false, 0},
	    {"99999999999999999999999", false, 0}, {"", false, 0},
	    {"00", false, 0}, {"01", false, 0}, {"+1", false, 0},
	    {"-1", false, 0}, {" 1", false, 0}, {"1 ", false, 0},
	    {"0x1", false, 0}, {"1_0", false, 0}, {"/", false, 0},
	    {":", false, 0}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		uint64_t value = 4711;

		assert_int_equal(
		    mm_decimal_read(mm_span_text(cases[i].text), &value),
		    cases[i].ok);
		assert_int_equal(value, cases[i].ok ? cases[i].value : 4711);
	}
}

static void
base64_is_canonical(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		bool ok;
	} cases[] = {{"", 0, true}, {"AA==", 1, true}, {"AB==", 1, false},
	    {"AAA=", 2, true}, {"AAB=", 2, false}, {"AAAA", 3, true},
	    {"AAAA", 2, false}, {"AAAA", 4, false}, {"AA", 1, false},
	    {"AA=", 1, false}, {"A===", 1, false}, {"AA==", 2, false},
	    {"AA=A", 2, false}, {"AA\n=", 2, false}, {"-_-_", 3, false},
	    {"+/+/", 3, true}, {"AAA\n", 3, false}, {" AAA", 3, false},
	    {"AAAA", 0, false}, {"====", 1, false}, {"AAA\x80", 3, false},
	    {"\xaf\xff\xc3\xa4", 3, false}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		uint8_t out[8];
		mm_auto(buffer) back = {0};

		mm_buffer_init(&back, 64);
		assert_int_equal(mm_base64_read(mm_span_text(cases[i].text),
				     out, cases[i].size),
		    cases[i].ok);
		if (!cases[i].ok)
			continue;
		mm_base64_write(mm_span(out, cases[i].size), &back);
		assert_true(mm_span_is(mm_buffer_span(&back), cases[i].text));
	}
}

static struct mm_checkpoint
checkpoint_named(const json_t *all, const char *name)
{
	struct mm_vkey vkey = vkey_of(text_of(all, "vkey"));
	struct mm_checkpoint checkpoint;

	assert_int_equal(mm_checkpoint_open(mm_span_text(text_of(all, name)),
			     &vkey, &checkpoint),
	    MM_OK);
	return checkpoint;
}

/* A fork, a split view and a rollback: each signed, none consistent. */
static void
misbehaviour_is_seen(void **state)
{
	json_t *all = vectors(VECTORS "misbehaviour.json");
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(member(all, "cases"), i, item)
	{
		struct mm_checkpoint older =
		    checkpoint_named(all, text_of(item, "older"));
		struct mm_checkpoint newer =
		    checkpoint_named(all, text_of(item, "newer"));
		struct mm_proof proof = proof_of(item, "proof");
		bool fine = strcmp(text_of(item, "expect"), "consistent") == 0;

		assert_int_equal(mm_consistency_check(older.size, newer.size,
				     &proof, &older.root, &newer.root),
		    fine ? MM_OK : MM_E_PROOF);
		if (json_object_get(item, "older_root_in_B") == NULL)
			continue;
		/* The evidence: the newer tree has another older root. */
		older.root = hash_of(item, "older_root_in_B");
		assert_int_equal(mm_consistency_check(older.size, newer.size,
				     &proof, &older.root, &newer.root),
		    MM_OK);
	}
	assert_int_equal(i, 5);
	json_decref(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(checkpoints_are_signed_as_in_the_vectors),
	    cmocka_unit_test(valid_notes_are_accepted),
	    cmocka_unit_test(invalid_notes_are_refused),
	    cmocka_unit_test(refusals_are_named),
	    cmocka_unit_test(a_checkpoint_of_another_log_is_refused),
	    cmocka_unit_test(signature_lines_end_at_their_limit),
	    cmocka_unit_test(a_note_ends_at_its_limit),
	    cmocka_unit_test(bad_vkeys_are_refused),
	    cmocka_unit_test(vkeys_go_to_text_and_back),
	    cmocka_unit_test(names_of_logs_have_limits),
	    cmocka_unit_test(a_key_signs_for_its_own_log_only),
	    cmocka_unit_test(decimals_are_canonical),
	    cmocka_unit_test(base64_is_canonical),
	    cmocka_unit_test(misbehaviour_is_seen)};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
