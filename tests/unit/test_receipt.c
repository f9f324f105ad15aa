#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log/receipt.h"
#include "tests/unit/tlog_vectors.h"

enum { ARENA_MAX = 1 << 20, ENTRY_LIMIT = 49146, TEXT_LIMIT = 131072 };

static struct mm_vkey
log_vkey(const json_t *all)
{
	struct mm_vkey vkey;

	assert_int_equal(
	    mm_vkey_decode(mm_span_text(text_of(all, "log_vkey")), &vkey),
	    MM_OK);
	return vkey;
}

/* What somebody does who brings the entry along. */
static enum mm_error
check(struct mm_span text, struct mm_span entry, const struct mm_vkey *vkey)
{
	struct mm_checkpoint checkpoint;
	struct mm_receipt receipt;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA_MAX);
	error = mm_receipt_decode(text, &arena, &receipt);
	if (error != MM_OK)
		return error;
	return mm_receipt_verify(&receipt, vkey, entry, &checkpoint);
}

static void
valid_receipts_are_accepted(void **state)
{
	json_t *all = vectors(VECTORS "proof.json");
	struct mm_vkey vkey = log_vkey(all);
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(member(all, "valid"), i, item)
	{
		struct mm_span text = mm_span_text(text_of(item, "proof_text"));
		struct mm_span entry = unhex(text_of(item, "entry_hex"));
		struct mm_checkpoint checkpoint;
		struct mm_receipt receipt;
		mm_auto(arena) arena = {0};

		mm_arena_init(&arena, ARENA_MAX);
		assert_int_equal(
		    mm_receipt_decode(text, &arena, &receipt), MM_OK);
		assert_int_equal(receipt.index, number_of(item, "index"));
		assert_int_equal(
		    mm_receipt_verify(&receipt, &vkey, entry, &checkpoint),
		    MM_OK);
		assert_int_equal(checkpoint.size, number_of(item, "size"));
		span_free(entry);
	}
	json_decref(all);
}

/* What is read and written again is the same text. */
static void
receipts_have_one_encoding(void **state)
{
	json_t *all = vectors(VECTORS "proof.json");
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(member(all, "valid"), i, item)
	{
		struct mm_span text = mm_span_text(text_of(item, "proof_text"));
		struct mm_receipt receipt;
		mm_auto(arena) arena = {0};
		mm_auto(buffer) made = {0};

		/* The one form that we read and do not write. */
		if (strcmp(text_of(item, "name"), "size8-extra-empty") == 0)
			continue;
		mm_arena_init(&arena, ARENA_MAX);
		mm_buffer_init(&made, TEXT_LIMIT);
		assert_int_equal(
		    mm_receipt_decode(text, &arena, &receipt), MM_OK);
		assert_int_equal(mm_receipt_encode(&receipt, &made), MM_OK);
		assert_true(mm_span_equal(mm_buffer_span(&made), text));
	}
	json_decref(all);
}

static enum mm_error
expected(const char *name)
{
	static const struct {
		const char *name;
		enum mm_error error;
	} named[] = {{"wrong-index", MM_E_PROOF},
	    {"index-out-of-range", MM_E_PROOF}, {"swap-hashes", MM_E_PROOF},
	    {"drop-hash", MM_E_PROOF}, {"extra-hash", MM_E_PROOF},
	    {"checkpoint-other-size", MM_E_PROOF}, {"wrong-entry", MM_E_PROOF},
	    {"checkpoint-forged", MM_E_NOTE_SIGNATURE},
	    {"two-blank-lines", MM_E_NOTE_SIGNATURE}};

	for (size_t i = 0; i < MM_COUNT(named); i++)
		if (strcmp(named[i].name, name) == 0)
			return named[i].error;
	return MM_E_RECEIPT;
}

static void
invalid_receipts_are_refused(void **state)
{
	json_t *all = vectors(VECTORS "proof.json");
	struct mm_vkey vkey = log_vkey(all);
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(member(all, "invalid"), i, item)
	{
		struct mm_span text = mm_span_text(text_of(item, "proof_text"));
		struct mm_span entry = unhex(text_of(item, "entry_hex"));
		enum mm_error error = check(text, entry, &vkey);

		if (error != expected(text_of(item, "name")))
			fail_msg("%s: %s", text_of(item, "name"),
			    mm_error_name(error));
		span_free(entry);
	}
	json_decref(all);
}

/* A sound receipt of entry 5 of 8 with the entry in it. */
static void
sound(struct mm_buffer *out, struct mm_vkey *vkey)
{
	json_t *all = vectors(VECTORS "proof.json");
	const json_t *item;
	size_t i;

	*vkey = log_vkey(all);
	json_array_foreach(member(all, "valid"), i, item)
	{
		struct mm_receipt receipt;
		mm_auto(arena) arena = {0};

		if (strcmp(text_of(item, "name"), "size8-mid") != 0)
			continue;
		mm_arena_init(&arena, ARENA_MAX);
		assert_int_equal(
		    mm_receipt_decode(mm_span_text(text_of(item, "proof_text")),
			&arena, &receipt),
		    MM_OK);
		receipt.entry = mm_span_text("entry 5");
		assert_int_equal(mm_receipt_encode(&receipt, out), MM_OK);
	}
	json_decref(all);
}

static void
a_receipt_stands_by_itself(void **state)
{
	const struct mm_span none = {NULL, 0};
	struct mm_vkey vkey;
	mm_auto(buffer) text = {0};

	(void)state;
	mm_buffer_init(&text, TEXT_LIMIT);
	sound(&text, &vkey);
	assert_int_equal(check(mm_buffer_span(&text), none, &vkey), MM_OK);
	assert_int_equal(
	    check(mm_buffer_span(&text), mm_span_text("entry 4"), &vkey),
	    MM_E_PROOF);
}

/* Every bit of a receipt counts, and so does its end. */
static void
altered_receipts_are_refused(void **state)
{
	const struct mm_span none = {NULL, 0};
	struct mm_vkey vkey;
	mm_auto(buffer) text = {0};

	(void)state;
	mm_buffer_init(&text, TEXT_LIMIT);
	sound(&text, &vkey);
	for (size_t bit = 0; bit < text.size * 8; bit++) {
		text.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		if (check(mm_buffer_span(&text), none, &vkey) == MM_OK)
			fail_msg("bit %zu", bit);
		text.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	for (size_t size = 0; size < text.size; size++)
		assert_int_not_equal(
		    check(mm_span(text.data, size), none, &vkey), MM_OK);
	mm_buffer_add(&text, "\n", 1);
	assert_int_not_equal(check(mm_buffer_span(&text), none, &vkey), MM_OK);
}

static void
without_any_entry_nothing_is_proven(void **state)
{
	json_t *all = vectors(VECTORS "proof.json");
	struct mm_vkey vkey = log_vkey(all);
	const json_t *first = json_array_get(member(all, "valid"), 0);

	(void)state;
	assert_int_equal(check(mm_span_text(text_of(first, "proof_text")),
			     mm_span(NULL, 0), &vkey),
	    MM_E_RECEIPT);
	json_decref(all);
}

static void
entries_end_at_their_limit(void **state)
{
	static uint8_t entry[ENTRY_LIMIT + 1];
	struct mm_receipt receipt = {.note = mm_span_text("note\n")}, read;

	(void)state;
	for (size_t size = ENTRY_LIMIT - 1; size <= ENTRY_LIMIT + 1; size++) {
		bool fits = size <= ENTRY_LIMIT;
		mm_auto(buffer) text = {0};
		mm_auto(arena) arena = {0};

		mm_buffer_init(&text, TEXT_LIMIT);
		mm_arena_init(&arena, ARENA_MAX);
		receipt.entry = mm_span(entry, size);
		assert_int_equal(mm_receipt_encode(&receipt, &text),
		    fits ? MM_OK : MM_E_RANGE);
		assert_int_equal(text.size > 0, fits);
		if (!fits)
			continue;
		assert_int_equal(
		    mm_receipt_decode(mm_buffer_span(&text), &arena, &read),
		    MM_OK);
		assert_true(mm_span_equal(read.entry, receipt.entry));
	}
}

static void
hashes_and_text_end_at_their_limits(void **state)
{
	static const char hash[] =
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
	static const char head[] = "c2sp.org/tlog-proof@v1\nindex 0\n";

	(void)state;
	for (size_t count = 62; count <= 64; count++)
		for (size_t size = TEXT_LIMIT - 1; size <= TEXT_LIMIT + 1;
		     size++) {
			struct mm_receipt receipt;
			size_t filling;
			mm_auto(arena) arena = {0};
			mm_auto(buffer) text = {0};

			mm_arena_init(&arena, ARENA_MAX);
			mm_buffer_init(&text, TEXT_LIMIT + 1);
			mm_buffer_add_text(&text, head);
			for (size_t i = 0; i < count; i++)
				mm_buffer_add_text(&text, hash);
			mm_buffer_add_text(&text, "\n");
			filling = size - text.size;
			memset(mm_buffer_grow(&text, filling), 'x', filling);
			assert_int_equal(
			    mm_receipt_decode(
				mm_buffer_span(&text), &arena, &receipt),
			    count <= MM_PROOF_MAX && size <= TEXT_LIMIT
				? MM_OK
				: MM_E_RECEIPT);
		}
}

static void
short_of_memory_is_said(void **state)
{
	struct mm_receipt receipt = {.index = 4711};
	struct mm_vkey vkey;
	mm_auto(buffer) text = {0};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_buffer_init(&text, TEXT_LIMIT);
	mm_arena_init(&arena, 6);
	sound(&text, &vkey);
	assert_int_equal(
	    mm_receipt_decode(mm_buffer_span(&text), &arena, &receipt),
	    MM_E_MEMORY);
	assert_int_equal(receipt.index, 4711);
}

/* With a memory that knows the checkpoint every byte of a receipt counts as
 * much as without. */
static void
one_after_the_other(void **state)
{
	json_t *all = vectors(VECTORS "proof.json");
	struct mm_vkey vkey = log_vkey(all), other = vkey;
	struct mm_receipt_memory memory = {.there = false};
	const json_t *item;
	size_t i;

	(void)state;
	other.id[0] ^= 1;
	json_array_foreach(member(all, "valid"), i, item)
	{
		struct mm_span text = mm_span_text(text_of(item, "proof_text"));
		struct mm_span entry = unhex(text_of(item, "entry_hex"));
		uint8_t note[TEXT_LIMIT];
		enum mm_error known;
		size_t refused = 0;
		struct mm_checkpoint first, again;
		struct mm_receipt receipt;
		mm_auto(arena) arena = {0};

		mm_arena_init(&arena, ARENA_MAX);
		assert_int_equal(
		    mm_receipt_decode(text, &arena, &receipt), MM_OK);
		assert_int_equal(mm_receipt_verify_next(
				     &receipt, &vkey, entry, &memory, &first),
		    MM_OK);
		assert_true(memory.there);
		assert_int_equal(first.size, number_of(item, "size"));
		assert_int_equal(mm_receipt_verify_next(
				     &receipt, &vkey, entry, &memory, &again),
		    MM_OK);
		assert_memory_equal(&first, &again, sizeof(first));
		/* Out of the memory: no key would open it but the log's. */
		assert_int_not_equal(
		    mm_receipt_verify(&receipt, &other, entry, &again), MM_OK);
		assert_int_equal(mm_receipt_verify_next(
				     &receipt, &other, entry, &memory, &again),
		    MM_OK);
		receipt.index ^= 1;
		assert_int_equal(mm_receipt_verify_next(
				     &receipt, &vkey, entry, &memory, &again),
		    MM_E_PROOF);
		receipt.index ^= 1;
		memcpy(note, receipt.note.data, receipt.note.size);
		receipt.note.data = note;
		for (size_t at = 0; at < receipt.note.size; at++) {
			note[at] ^= 1;
			known =
			    mm_receipt_verify(&receipt, &vkey, entry, &again);
			/* A second time, too: what failed is not kept. */
			for (int twice = 0; twice < 2; twice++)
				assert_int_equal(
				    mm_receipt_verify_next(&receipt, &vkey,
					entry, &memory, &again),
				    known);
			refused += known != MM_OK;
			note[at] ^= 1;
		}
		/* The rest is the lines of others. */
		assert_true(refused > 150);
		assert_int_equal(mm_receipt_verify_next(
				     &receipt, &vkey, entry, &memory, &again),
		    MM_OK);
		span_free(entry);
	}
	json_decref(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(valid_receipts_are_accepted),
	    cmocka_unit_test(receipts_have_one_encoding),
	    cmocka_unit_test(invalid_receipts_are_refused),
	    cmocka_unit_test(a_receipt_stands_by_itself),
	    cmocka_unit_test(altered_receipts_are_refused),
	    cmocka_unit_test(without_any_entry_nothing_is_proven),
	    cmocka_unit_test(entries_end_at_their_limit),
	    cmocka_unit_test(hashes_and_text_end_at_their_limits),
	    cmocka_unit_test(short_of_memory_is_said),
	    cmocka_unit_test(one_after_the_other)};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
