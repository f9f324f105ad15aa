/* Witnesses' lines under a checkpoint: C2SP tlog-cosignature v1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log/note.h"
#include "tests/unit/tlog_vectors.h"

/* The vectors' witnesses and log, and notes of theirs. */
struct fixture {
	json_t *all;
	struct mm_vkey log;
	struct mm_witness witnesses[2];
	uint8_t secret_keys[2][64];
	uint64_t times[2];
	struct mm_span cosigned;      /* with the lines of both */
	struct mm_buffer signed_note; /* with the log's line alone */
};

static int
set_up(void **state)
{
	static struct fixture fixture;
	const char *cosigned, *end;
	json_t *item;
	size_t i;

	fixture = (struct fixture){.all = vectors(VECTORS "cosignature.json")};
	assert_int_equal(
	    mm_vkey_decode(
		mm_span_text(text_of(fixture.all, "log_vkey")), &fixture.log),
	    MM_OK);
	json_array_foreach(member(fixture.all, "witnesses"), i, item)
	{
		struct mm_span seed = unhex(text_of(item, "seed_hex"));
		uint8_t public_key[32];

		assert_int_equal(
		    mm_witness_decode(mm_span_text(text_of(item, "vkey")),
			&fixture.witnesses[i]),
		    MM_OK);
		crypto_sign_seed_keypair(
		    public_key, fixture.secret_keys[i], seed.data);
		fixture.times[i] = number_of(item, "timestamp");
		span_free(seed);
	}
	cosigned = text_of(fixture.all, "cosigned_checkpoint");
	fixture.cosigned = mm_span_text(cosigned);
	end = strstr(cosigned, "\n\xe2\x80\x94 witness");
	assert_non_null(end);
	mm_buffer_init(&fixture.signed_note, MM_NOTE_MAX);
	mm_buffer_add(
	    &fixture.signed_note, cosigned, (size_t)(end - cosigned) + 1);
	*state = &fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	mm_buffer_clear(&fixture->signed_note);
	json_decref(fixture->all);
	return 0;
}

static struct mm_span
plain(const struct fixture *fixture)
{
	return mm_buffer_span(&fixture->signed_note);
}

static enum mm_error
open_note(const struct fixture *fixture, struct mm_span note,
    struct mm_cosignatures *out)
{
	return mm_cosignatures_open(
	    note, fixture->witnesses, MM_COUNT(fixture->witnesses), out);
}

static void
witnesses_cosign_as_in_the_vectors(void **state)
{
	struct fixture *fixture = *state;
	mm_auto(buffer) lines = {0}, note = {0};

	mm_buffer_init(&lines, MM_NOTE_MAX);
	mm_buffer_init(&note, MM_NOTE_MAX);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
		    mm_cosign(plain(fixture), &fixture->witnesses[i],
			fixture->secret_keys[i], fixture->times[i], &lines),
		    MM_OK);
	assert_true(mm_span_is(mm_buffer_span(&lines),
	    text_of(member(fixture->all, "witness_add_checkpoint"),
		"response_200_body")));
	assert_int_equal(
	    mm_note_add_lines(plain(fixture), mm_buffer_span(&lines), &note),
	    MM_OK);
	assert_true(mm_span_equal(mm_buffer_span(&note), fixture->cosigned));
}

static void
cosignatures_are_read(void **state)
{
	struct fixture *fixture = *state;
	struct mm_cosignatures found;
	struct mm_checkpoint checkpoint;

	assert_int_equal(
	    mm_checkpoint_open(fixture->cosigned, &fixture->log, &checkpoint),
	    MM_OK);
	assert_int_equal(checkpoint.size, 8);
	assert_int_equal(open_note(fixture, fixture->cosigned, &found), MM_OK);
	assert_int_equal(found.count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(found.items[i].witness, i);
		assert_int_equal(found.items[i].time, fixture->times[i]);
	}
	assert_int_equal(open_note(fixture, plain(fixture), &found), MM_OK);
	assert_int_equal(found.count, 0);
	/* Whom nobody asked about is nobody. */
	assert_int_equal(mm_cosignatures_open(fixture->cosigned,
			     &fixture->witnesses[1], 1, &found),
	    MM_OK);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.items[0].time, fixture->times[1]);
	assert_int_equal(
	    mm_cosignatures_open(fixture->cosigned, NULL, 0, &found), MM_OK);
	assert_int_equal(found.count, 0);
}

/* Another algorithm's line, of 3 KB, is somebody else's. */
static void
lines_of_unknown_types_are_ignored(void **state)
{
	struct fixture *fixture = *state;
	json_t *mldsa = vectors(VECTORS "cosignature-mldsa44.json");
	struct mm_span note =
	    mm_span_text(text_of(mldsa, "checkpoint_with_unknown_mldsa_line"));
	struct mm_cosignatures found;
	struct mm_checkpoint checkpoint;
	struct mm_span lines;

	assert_int_equal(
	    mm_checkpoint_open(note, &fixture->log, &checkpoint), MM_OK);
	assert_int_equal(open_note(fixture, note, &found), MM_OK);
	assert_int_equal(found.count, 0);
	assert_int_equal(mm_note_lines(note, &lines), MM_OK);
	assert_true(lines.size > 3000);
	json_decref(mldsa);
}

/* The line as `bytes` behind the key id, under the plain note. */
static void
with_line(const struct fixture *fixture, const char *name, const uint8_t id[4],
    struct mm_span bytes, struct mm_buffer *out)
{
	mm_auto(buffer) all = {0};

	mm_buffer_init(&all, 1024);
	mm_buffer_add(&all, id, 4);
	mm_buffer_add(&all, bytes.data, bytes.size);
	mm_buffer_reset(out);
	mm_buffer_add(
	    out, fixture->signed_note.data, fixture->signed_note.size);
	mm_buffer_printf(out, "\xe2\x80\x94 %s ", name);
	mm_base64_write(mm_buffer_span(&all), out);
	mm_buffer_add_text(out, "\n");
	assert_int_equal(out->error, MM_OK);
}

/* A cosignature by witness 0 as it ought to be, or with another time. */
static void
sign_at(const struct fixture *fixture, uint64_t time, uint8_t out[72])
{
	mm_auto(buffer) message = {0};
	const char *text = text_of(fixture->all, "checkpoint_text");

	mm_buffer_init(&message, 4096);
	mm_buffer_printf(&message, "cosignature/v1\ntime %llu\n%s",
	    (unsigned long long)time, text);
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(time >> (56 - 8 * i));
	crypto_sign_detached(
	    out + 8, NULL, message.data, message.size, fixture->secret_keys[0]);
}

static enum mm_error
open_bytes(const struct fixture *fixture, struct mm_span bytes)
{
	const struct mm_vkey *vkey = &fixture->witnesses[0].vkey;
	struct mm_cosignatures found = {.count = 4711};
	mm_auto(buffer) note = {0};
	enum mm_error error;

	mm_buffer_init(&note, MM_NOTE_MAX);
	with_line(fixture, vkey->name, vkey->id, bytes, &note);
	error = open_note(fixture, mm_buffer_span(&note), &found);
	assert_int_equal(found.count, error == MM_OK ? 1 : 4711);
	return error;
}

static void
a_known_witnesss_wrong_line_refuses_the_note(void **state)
{
	struct fixture *fixture = *state;
	uint8_t line[73] = {0};
	static const uint64_t bad_times[] = {
	    0, (uint64_t)INT64_MAX + 1, UINT64_MAX};

	sign_at(fixture, 1700000000, line);
	assert_int_equal(open_bytes(fixture, mm_span(line, 72)), MM_OK);
	assert_int_equal(
	    open_bytes(fixture, mm_span(line, 71)), MM_E_COSIGNATURE);
	assert_int_equal(
	    open_bytes(fixture, mm_span(line, 73)), MM_E_COSIGNATURE);
	/* A log's signature without a time. */
	assert_int_equal(
	    open_bytes(fixture, mm_span(line + 8, 64)), MM_E_COSIGNATURE);
	for (size_t i = 0; i < 72; i++) {
		line[i] ^= 1;
		assert_int_equal(
		    open_bytes(fixture, mm_span(line, 72)), MM_E_COSIGNATURE);
		line[i] ^= 1;
	}
	for (size_t i = 0; i < MM_COUNT(bad_times); i++) {
		sign_at(fixture, bad_times[i], line);
		assert_int_equal(
		    open_bytes(fixture, mm_span(line, 72)), MM_E_COSIGNATURE);
	}
	sign_at(fixture, INT64_MAX, line);
	assert_int_equal(open_bytes(fixture, mm_span(line, 72)), MM_OK);
}

/* Whoever has another name or id is a stranger, with whatever bytes. */
static void
a_strangers_line_may_be_anything(void **state)
{
	struct fixture *fixture = *state;
	const struct mm_vkey *vkey = &fixture->witnesses[0].vkey;
	struct mm_cosignatures found;
	mm_auto(buffer) note = {0};
	uint8_t id[4];

	mm_buffer_init(&note, MM_NOTE_MAX);
	memcpy(id, vkey->id, 4);
	id[0] ^= 1;
	with_line(fixture, vkey->name, id, mm_span_text("x"), &note);
	assert_int_equal(
	    open_note(fixture, mm_buffer_span(&note), &found), MM_OK);
	assert_int_equal(found.count, 0);
	with_line(fixture, "other.example", vkey->id, mm_span_text("x"), &note);
	assert_int_equal(
	    open_note(fixture, mm_buffer_span(&note), &found), MM_OK);
	assert_int_equal(found.count, 0);
}

static void
two_lines_by_one_witness_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct mm_cosignatures found;
	mm_auto(buffer) note = {0};

	mm_buffer_init(&note, MM_NOTE_MAX);
	mm_buffer_add(&note, fixture->cosigned.data, fixture->cosigned.size);
	assert_int_equal(
	    open_note(fixture, mm_buffer_span(&note), &found), MM_OK);
	assert_int_equal(mm_cosign(plain(fixture), &fixture->witnesses[1],
			     fixture->secret_keys[1], 1800000000, &note),
	    MM_OK);
	assert_int_equal(open_note(fixture, mm_buffer_span(&note), &found),
	    MM_E_COSIGNATURE);
}

/* C2SP: the message holds no name, so two names of one key are one witness. */
static void
keys_are_counted_not_names(void **state)
{
	struct fixture *fixture = *state;
	struct mm_witness three[3] = {
	    fixture->witnesses[0], fixture->witnesses[1]};
	struct mm_cosignatures found;
	mm_auto(buffer) note = {0};

	mm_buffer_init(&note, MM_NOTE_MAX);
	assert_int_equal(
	    mm_witness_init(&three[2], mm_span_text("another.example/name"),
		fixture->witnesses[0].vkey.public_key),
	    MM_OK);
	mm_buffer_add(&note, fixture->cosigned.data, fixture->cosigned.size);
	assert_int_equal(mm_cosign(plain(fixture), &three[2],
			     fixture->secret_keys[0], 1700000009, &note),
	    MM_OK);
	assert_int_equal(
	    mm_cosignatures_open(mm_buffer_span(&note), three, 3, &found),
	    MM_OK);
	assert_int_equal(found.count, 2);
	/* And a wrong line under the second name is still wrong. */
	note.data[note.size - 10] ^= 1;
	assert_int_not_equal(
	    mm_cosignatures_open(mm_buffer_span(&note), three, 3, &found),
	    MM_OK);
}

static void
cosigning_has_its_limits(void **state)
{
	struct fixture *fixture = *state;
	const struct mm_witness *witness = &fixture->witnesses[0];
	mm_auto(buffer) out = {0};

	mm_buffer_init(&out, MM_NOTE_MAX);
	assert_int_equal(mm_cosign(plain(fixture), witness,
			     fixture->secret_keys[1], 1, &out),
	    MM_E_NOTE_KEY);
	assert_int_equal(mm_cosign(plain(fixture), witness,
			     fixture->secret_keys[0], 0, &out),
	    MM_E_RANGE);
	assert_int_equal(
	    mm_cosign(plain(fixture), witness, fixture->secret_keys[0],
		(uint64_t)INT64_MAX + 1, &out),
	    MM_E_RANGE);
	assert_int_equal(mm_cosign(mm_span_text("nonsense\n"), witness,
			     fixture->secret_keys[0], 1, &out),
	    MM_E_NOTE);
	assert_int_equal(out.size, 0);
	assert_int_equal(mm_cosign(plain(fixture), witness,
			     fixture->secret_keys[0], INT64_MAX, &out),
	    MM_OK);
}

static void
witnesses_keys_are_of_their_own_type(void **state)
{
	struct fixture *fixture = *state;
	const json_t *item;
	size_t i;
	struct mm_witness witness;
	struct mm_vkey vkey;
	char text[MM_VKEY_MAX];

	json_array_foreach(member(fixture->all, "witnesses"), i, item)
	{
		const char *known = text_of(item, "vkey");
		struct mm_span id = unhex(text_of(item, "key_id_hex"));

		assert_memory_equal(fixture->witnesses[i].vkey.id, id.data, 4);
		mm_witness_text(&fixture->witnesses[i], text);
		assert_string_equal(text, known);
		assert_int_equal(
		    mm_vkey_decode(mm_span_text(known), &vkey), MM_E_VKEY);
		span_free(id);
	}
	assert_int_equal(
	    mm_witness_decode(
		mm_span_text(text_of(fixture->all, "log_vkey")), &witness),
	    MM_E_VKEY);
	mm_vkey_text(&fixture->witnesses[0].vkey, text);
	assert_int_equal(
	    mm_witness_decode(mm_span_text(text), &witness), MM_E_VKEY);
	assert_int_equal(mm_witness_init(&witness, mm_span_text("Upper"),
			     fixture->log.public_key),
	    MM_E_VKEY);
}

/* `count` lines of strangers. */
static void
strangers(size_t count, struct mm_buffer *out)
{
	for (size_t i = 0; i < count; i++)
		mm_buffer_printf(
		    out, "\xe2\x80\x94 stranger-%zu AAAAAAAA\n", i);
}

static void
lines_are_added_where_they_lack(void **state)
{
	struct fixture *fixture = *state;
	mm_auto(buffer) lines = {0}, note = {0}, full = {0}, again = {0};
	struct mm_span found;

	mm_buffer_init(&lines, MM_NOTE_MAX);
	mm_buffer_init(&note, MM_NOTE_MAX);
	mm_buffer_init(&full, MM_NOTE_MAX);
	mm_buffer_init(&again, MM_NOTE_MAX);
	/* What is there already stays, also against a newer one. */
	assert_int_equal(mm_cosign(plain(fixture), &fixture->witnesses[0],
			     fixture->secret_keys[0], 1800000000, &lines),
	    MM_OK);
	assert_int_equal(
	    mm_note_add_lines(fixture->cosigned, mm_buffer_span(&lines), &note),
	    MM_OK);
	assert_true(mm_span_equal(mm_buffer_span(&note), fixture->cosigned));
	assert_int_equal(mm_note_lines(mm_buffer_span(&note), &found), MM_OK);
	mm_buffer_reset(&again);
	assert_int_equal(
	    mm_note_add_lines(plain(fixture), found, &again), MM_OK);
	assert_true(mm_span_equal(mm_buffer_span(&again), fixture->cosigned));
	/* 32 lines and no more; the same ones again are no more. */
	mm_buffer_reset(&lines);
	strangers(31, &lines);
	assert_int_equal(
	    mm_note_add_lines(plain(fixture), mm_buffer_span(&lines), &full),
	    MM_OK);
	mm_buffer_reset(&again);
	assert_int_equal(mm_note_add_lines(mm_buffer_span(&full),
			     mm_buffer_span(&lines), &again),
	    MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&again), mm_buffer_span(&full)));
	mm_buffer_reset(&lines);
	strangers(32, &lines);
	assert_int_equal(
	    mm_note_add_lines(plain(fixture), mm_buffer_span(&lines), &again),
	    MM_E_NOTE);
	assert_int_equal(
	    mm_note_add_lines(plain(fixture), mm_span(NULL, 0), &note), MM_OK);
}

static void
what_is_no_line_is_not_added(void **state)
{
	static const char *const rows[] = {"nonsense\n", "\n",
	    "\xe2\x80\x94 name AAAAAAAA", "\xe2\x80\x94 name AAAAAAAA\r\n",
	    "\xe2\x80\x94 name \n", "\xe2\x80\x94  AAAAAAAA\n",
	    "\xe2\x80\x94 na+me AAAAAAAA\n", "\xe2\x80\x94 name AAAA\n",
	    "\xe2\x80\x94 name AAAAAAB\n", "- name AAAAAAAA\n",
	    "\xe2\x80\x94 name AAAAAAAA\n\n",
	    "\xe2\x80\x94 na\x01me AAAAAAAA\n",
	    "\xe2\x80\x94 na\xffme AAAAAAAA\n"};
	struct fixture *fixture = *state;
	struct mm_span lines;

	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		mm_auto(buffer) out = {0};

		mm_buffer_init(&out, MM_NOTE_MAX);
		if (mm_note_add_lines(plain(fixture), mm_span_text(rows[i]),
			&out) != MM_E_NOTE)
			fail_msg("accepted: row %zu", i);
		assert_int_equal(out.size, 0);
	}
	assert_int_equal(
	    mm_note_lines(mm_span_text("a\nb\n"), &lines), MM_E_NOTE);
	assert_int_equal(
	    mm_note_lines(mm_span_text("a\n\nb\n"), &lines), MM_E_NOTE);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(witnesses_cosign_as_in_the_vectors), T(cosignatures_are_read),
	    T(lines_of_unknown_types_are_ignored),
	    T(a_known_witnesss_wrong_line_refuses_the_note),
	    T(a_strangers_line_may_be_anything),
	    T(two_lines_by_one_witness_are_refused),
	    T(keys_are_counted_not_names), T(cosigning_has_its_limits),
	    T(witnesses_keys_are_of_their_own_type),
	    T(lines_are_added_where_they_lack),
	    T(what_is_no_line_is_not_added)};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
