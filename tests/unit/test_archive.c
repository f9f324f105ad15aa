#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "archive_room.h"
#include "protocol/message.h"

static void
refuses_checkpoints_that_are_not_stored(void **state)
{
	struct room *room = *state;
	mm_auto(buffer) older = {0};
	struct mm_archive_publish_request request;
	struct mm_nothing nothing;

	mm_buffer_init(&older, MM_NOTE_MAX);
	begin(room);
	mm_buffer_add(&older, room->note.data, room->note.size);
	grow(room, 5);
	assert_int_equal(publish(room), MM_OK);
	assert_int_equal(publish(room), MM_OK);
	request.note = mm_buffer_span(&older);
	assert_int_equal(
	    call(room, MM_ARCHIVE_PUBLISH, &request, &nothing), MM_E_RANGE);
	room->note.data[room->note.size - 5] ^= 1;
	assert_int_not_equal(publish(room), MM_OK);
	request.note = mm_span_text("nonsense");
	assert_int_equal(
	    call(room, MM_ARCHIVE_PUBLISH, &request, &nothing), MM_E_NOTE);
	idle(room);
	assert_tiles_sound(room);
}

static void
gives_entries_as_many_as_fit(void **state)
{
	struct room *room = *state;
	struct mm_archive_entries_request beyond = {0, 1};
	struct mm_archive_entries_answer answer = {.from = 0};
	struct mm_bytes_item items[5];
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, 65535);
	begin(room);
	grow(room, 99);
	assert_int_equal(entries(room, 0, 1).entries.count, 1);
	assert_int_equal(entries(room, 0, 1000).entries.count, 100);
	assert_int_equal(entries(room, 99, 5).entries.count, 1);
	assert_int_equal(entries(room, 100, 5).entries.count, 0);
	beyond.from = 101;
	assert_int_equal(
	    call(room, MM_ARCHIVE_ENTRIES, &beyond, &answer), MM_E_NOT_FOUND);
	world_entry(&room->world, 1, 16384, &bytes);
	for (size_t i = 0; i < MM_COUNT(items); i++)
		items[i].value = mm_buffer_span(&bytes);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
		    world_append(&room->world, items, MM_COUNT(items), NULL, 0),
		    MM_OK);
	/* 120 KiB hold seven of 16.6 KB. */
	assert_int_equal(entries(room, 100, 50).entries.count, 7);
	assert_int_equal(entries(room, 107, 50).entries.count, 7);
	assert_int_equal(entries(room, 114, 50).entries.count, 1);
}

static void
receipts_are_of_the_entrys_own_batch_or_the_newest(void **state)
{
	struct room *room = *state;
	struct mm_archive_receipt_answer answer;

	begin(room);
	grow(room, 4);
	grow(room, 3);
	assert_int_equal(receipt(room, 7, false, &answer), MM_E_NOT_FOUND);
	assert_int_equal(publish(room), MM_OK);
	assert_int_equal(receipt_size(room, 0, false), 1);
	assert_int_equal(receipt_size(room, 1, false), 5);
	assert_int_equal(receipt_size(room, 4, false), 5);
	assert_int_equal(receipt_size(room, 5, false), 8);
	assert_int_equal(receipt_size(room, 7, false), 8);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(receipt_size(room, i, true), 8);
	assert_int_equal(receipt(room, 8, false, &answer), MM_E_NOT_FOUND);
	assert_int_equal(receipt(room, 8, true, &answer), MM_E_NOT_FOUND);
	grow(room, 2);
	assert_int_equal(receipt_size(room, 7, true), 8);
	assert_int_equal(publish(room), MM_OK);
	assert_int_equal(receipt_size(room, 7, true), 10);
	assert_int_equal(receipt_size(room, 7, false), 8);
}

static void
receipts_are_of_a_size_that_was_published(void **state)
{
	struct room *room = *state;
	struct mm_archive_receipt_answer answer;

	begin(room);
	grow(room, 4);
	assert_int_equal(receipt_under(room, 0, 5, &answer), MM_E_NOT_FOUND);
	assert_int_equal(publish(room), MM_OK);
	assert_int_equal(receipt_under(room, 0, 5, &answer), MM_OK);
	grow(room, 3);
	assert_int_equal(receipt_under(room, 0, 8, &answer), MM_E_NOT_FOUND);
	assert_int_equal(publish(room), MM_OK);
	for (uint64_t size = 0; size < 10; size++)
		for (uint64_t i = 0; i < 10; i++) {
			bool stored = size == 1 || size == 5 || size == 8;
			enum mm_error error =
			    receipt_under(room, i, size, &answer);

			assert_int_equal(
			    error, stored && i < size ? MM_OK : MM_E_NOT_FOUND);
			if (error == MM_OK)
				assert_int_equal(
				    verified_size(room, i, &answer), size);
		}
	assert_int_equal(receipt_under(room, 0, 4, &answer), MM_E_NOT_FOUND);
	assert_non_null(strstr(
	    mm_why(MM_E_NOT_FOUND), "no checkpoint of 4 entries is stored"));
}

/* As in a restored log, whose old checkpoints were never given out by it. */
static void
a_checkpoint_without_a_note_is_none(void **state)
{
	struct room *room = *state;
	struct mm_archive_receipt_answer answer;

	begin(room);
	grow(room, 4);
	grow(room, 3);
	assert_int_equal(publish(room), MM_OK);
	assert_int_equal(receipt_under(room, 0, 5, &answer), MM_OK);
	mm_archive_close(mm_take(room->archive));
	world_close(&room->world);
	run_sql(room, "UPDATE checkpoint SET note = NULL WHERE size = 5");
	must_open(room);
	assert_int_equal(publish(room), MM_OK);
	assert_int_equal(receipt_under(room, 0, 5, &answer), MM_E_NOT_FOUND);
	assert_int_equal(receipt_under(room, 0, 8, &answer), MM_OK);
	assert_int_equal(publish(room), MM_OK);
}

static void
a_damaged_entry_is_never_served(void **state)
{
	struct room *room = *state;
	struct mm_archive_entries_request request = {3, 5};
	struct mm_archive_entries_answer answer = {.from = 0};
	struct mm_archive_receipt_answer found;

	begin(room);
	grow(room, 9);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	mm_archive_close(mm_take(room->archive));
	world_close(&room->world);
	run_sql(room, "UPDATE entry SET bytes = x'a0' WHERE idx = 3");
	must_open(room);
	assert_int_equal(publish(room), MM_OK);
	assert_int_equal(
	    call(room, MM_ARCHIVE_ENTRIES, &request, &answer), MM_E_LOG_WRONG);
	assert_int_equal(entries(room, 0, 10).entries.count, 3);
	assert_int_equal(entries(room, 4, 10).entries.count, 6);
	assert_int_equal(receipt(room, 3, false, &found), MM_E_LOG_WRONG);
	assert_int_equal(receipt(room, 4, false, &found), MM_OK);
	assert_tiles_sound(room);
}

static void
a_damaged_tree_gives_no_receipt(void **state)
{
	struct room *room = *state;
	struct mm_archive_receipt_answer found;

	begin(room);
	grow(room, 9);
	assert_int_equal(publish(room), MM_OK);
	mm_archive_close(mm_take(room->archive));
	world_close(&room->world);
	/* The leaf of entry 1, which entry 0 is proven by. */
	run_sql(room, "UPDATE node SET hash = zeroblob(32) WHERE n = 1");
	must_open(room);
	assert_int_equal(publish(room), MM_OK);
	assert_int_equal(receipt(room, 0, false, &found), MM_OK);
	assert_int_equal(receipt(room, 0, true, &found), MM_E_LOG_WRONG);
}

/* Genesis: the archive is there first. */
static void
waits_for_a_log(void **state)
{
	struct room *room = *state;
	struct mm_archive_entries_request request = {0, 1};
	struct mm_archive_entries_answer answer = {.from = 0};

	must_open(room);
	idle(room);
	assert_int_equal(
	    call(room, MM_ARCHIVE_ENTRIES, &request, &answer), MM_E_STARTING);
	world_genesis(&room->world);
	keep_note(room);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	assert_tiles_sound(room);
}

static void
knows_the_newest_note_after_a_restart(void **state)
{
	struct room *room = *state;

	begin(room);
	grow(room, 5);
	mm_archive_close(mm_take(room->archive));
	world_close(&room->world);
	world_must_open(&room->world);
	must_open(room);
	assert_int_equal(receipt_size(room, 5, false), 6);
	idle(room);
	assert_tiles_sound(room);
}

static enum mm_error
consistency(
    struct room *room, uint64_t older, struct mm_consistency_answer *out)
{
	struct mm_consistency_request request = {older};

	*out = (struct mm_consistency_answer){.checkpoint = {NULL, 0}};
	return call(room, MM_ARCHIVE_CONSISTENCY, &request, out);
}

/* The proof that the log with this root became the newest one. */
static void
assert_consistent(struct room *room, uint64_t older, struct mm_hash root)
{
	struct mm_consistency_answer answer;
	struct mm_vkey vkey = vkey_of(room);
	struct mm_checkpoint checkpoint;
	struct mm_proof proof;

	assert_int_equal(consistency(room, older, &answer), MM_OK);
	assert_int_equal(
	    mm_checkpoint_open(answer.checkpoint, &vkey, &checkpoint), MM_OK);
	assert_true(
	    mm_span_equal(answer.checkpoint, mm_buffer_span(&room->note)));
	assert_int_equal(mm_proof_from_list(&answer.proof, &proof), MM_OK);
	if (older == 0)
		assert_int_equal(proof.count, 0);
	assert_int_equal(mm_consistency_check(older, checkpoint.size, &proof,
			     &root, &checkpoint.root),
	    MM_OK);
}

static struct mm_hash
root_now(const struct room *room)
{
	struct mm_vkey vkey = vkey_of(room);
	struct mm_checkpoint checkpoint;

	assert_int_equal(
	    mm_checkpoint_open(mm_buffer_span(&room->note), &vkey, &checkpoint),
	    MM_OK);
	return checkpoint.root;
}

static void
the_log_only_grows_and_proves_it(void **state)
{
	struct room *room = *state;
	struct mm_consistency_answer answer;
	struct mm_hash roots[8];
	uint64_t sizes[8];

	begin(room);
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		sizes[i] = room->world.size;
		roots[i] = root_now(room);
		assert_int_equal(publish(room), MM_OK);
		for (size_t j = 0; j <= i; j++)
			assert_consistent(room, sizes[j], roots[j]);
		assert_consistent(room, 0, roots[0]);
		assert_int_equal(
		    consistency(room, sizes[i] + 1, &answer), MM_E_BEHIND);
		grow(room, i * i + 1);
	}
	/* What is stored but not published is nothing to prove yet. */
	assert_int_equal(
	    consistency(room, room->world.size, &answer), MM_E_BEHIND);
	assert_int_equal(consistency(room, sizes[7], &answer), MM_OK);
}

static void
a_damaged_tree_gives_no_consistency(void **state)
{
	struct room *room = *state;
	struct mm_consistency_answer answer;
	struct mm_hash root;

	begin(room);
	grow(room, 9);
	root = root_now(room);
	assert_int_equal(publish(room), MM_OK);
	assert_consistent(room, 10, root);
	mm_archive_close(mm_take(room->archive));
	world_close(&room->world);
	/* The leaf of entry 1, and the subtree of four, which lie in it. */
	run_sql(room, "UPDATE node SET hash = zeroblob(32) WHERE n IN (1, 6)");
	must_open(room);
	assert_int_equal(publish(room), MM_OK);
	assert_int_equal(consistency(room, 1, &answer), MM_E_LOG_WRONG);
	assert_int_equal(consistency(room, 5, &answer), MM_E_LOG_WRONG);
	/* That rests on other subtrees. */
	assert_int_equal(consistency(room, 9, &answer), MM_OK);
	/* From then on nothing more should be signed. */
	assert_int_equal(publish(room), MM_E_LOG_WRONG);
}

static void
nothing_published_proves_nothing(void **state)
{
	struct room *room = *state;
	struct mm_consistency_answer answer;

	must_open(room);
	assert_int_equal(consistency(room, 0, &answer), MM_E_STARTING);
	world_genesis(&room->world);
	keep_note(room);
	assert_int_equal(publish(room), MM_OK);
	assert_int_equal(consistency(room, 0, &answer), MM_OK);
}

static enum mm_error
blob(struct room *room, const struct mm_blob *wanted, uint64_t offset,
    struct mm_blob_answer *out)
{
	struct mm_blob_request request = {.offset = offset};

	memcpy(request.sha256, wanted->sha256, sizeof(request.sha256));
	*out = (struct mm_blob_answer){.size = 0};
	return call(room, MM_ARCHIVE_BLOB, &request, out);
}

static void
gives_blobs_piece_by_piece(void **state)
{
	struct room *room = *state;
	struct mm_blob wanted, other;
	struct mm_blob_answer answer;
	mm_autofree uint8_t *bytes = world_blob_bytes(200000);

	begin(room);
	wanted = world_must_put_blob(&room->world, 200000);
	assert_int_equal(world_append_naming(&room->world, &wanted), MM_OK);
	for (uint64_t at = 0; at < wanted.size; at += answer.data.size) {
		mm_auto(buffer) message = {0};

		assert_int_equal(blob(room, &wanted, at, &answer), MM_OK);
		assert_int_equal(answer.size, wanted.size);
		assert_memory_equal(
		    answer.data.data, bytes + at, answer.data.size);
		mm_buffer_init(&message, MM_CHANNEL_MAX);
		assert_int_equal(mm_packet_encode(MM_ARCHIVE_BLOB, 1,
				     &mm_blob_answer_shape, &answer, &message),
		    MM_OK);
	}
	assert_int_equal(blob(room, &wanted, wanted.size, &answer), MM_E_RANGE);
	other = wanted;
	other.sha256[0] ^= 1;
	assert_int_equal(blob(room, &other, 0, &answer), MM_E_NOT_FOUND);
	/* Half of one is none. */
	other = (struct mm_blob){.size = 9};
	assert_int_equal(
	    world_put_piece(&room->world, &other, 0, mm_span_text("piece")),
	    MM_OK);
	assert_int_equal(blob(room, &other, 0, &answer), MM_E_NOT_FOUND);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(refuses_checkpoints_that_are_not_stored),
	    T(gives_entries_as_many_as_fit),
	    T(receipts_are_of_the_entrys_own_batch_or_the_newest),
	    T(receipts_are_of_a_size_that_was_published),
	    T(a_checkpoint_without_a_note_is_none),
	    T(a_damaged_entry_is_never_served),
	    T(a_damaged_tree_gives_no_receipt), T(waits_for_a_log),
	    T(knows_the_newest_note_after_a_restart),
	    T(the_log_only_grows_and_proves_it),
	    T(a_damaged_tree_gives_no_consistency),
	    T(nothing_published_proves_nothing), T(gives_blobs_piece_by_piece)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
