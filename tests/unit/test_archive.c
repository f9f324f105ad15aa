#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sqlite3.h>

#include "log/archive.h"
#include "log/receipt.h"
#include "log/tile.h"
#include "log/verify.h"
#include "log_faults.h"
#include "log_world.h"

struct room {
	struct world world;
	struct mm_archive *archive;
	struct mm_arena arena;
	struct mm_buffer note; /* the newest */
};

static int
set_up(void **state)
{
	static struct room room;

	/* What is flushed when is not seen from here. */
	faults.lazy = true;
	world_init(&room.world);
	room.archive = NULL;
	mm_arena_init(&room.arena, 64 << 20);
	mm_buffer_init(&room.note, MM_NOTE_MAX);
	*state = &room;
	return 0;
}

static int
tear_down(void **state)
{
	struct room *room = *state;

	fault_disarm();
	mm_archive_close(mm_take(room->archive));
	mm_arena_clear(&room->arena);
	mm_buffer_clear(&room->note);
	world_clear(&room->world);
	return 0;
}

static enum mm_error
open_archive(struct room *room)
{
	struct mm_archive_options options = {
	    .state = room->world.state, .tiles = room->world.tiles};

	return mm_archive_open(&options, &room->archive);
}

static void
must_open(struct room *room)
{
	enum mm_error error = open_archive(room);

	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
}

static void
reopen(struct room *room)
{
	mm_archive_close(mm_take(room->archive));
	must_open(room);
}

static enum mm_error
call(struct room *room, uint64_t type, const void *request, void *answer)
{
	mm_arena_clear(&room->arena);
	return world_call(mm_archive_service(room->archive), type, request,
	    &room->arena, answer);
}

static enum mm_error
publish(struct room *room)
{
	struct mm_archive_publish_request request = {
	    mm_buffer_span(&room->note)};
	struct mm_nothing nothing;

	return call(room, MM_ARCHIVE_PUBLISH, &request, &nothing);
}

static void
keep_note(struct room *room)
{
	mm_buffer_reset(&room->note);
	mm_buffer_add(&room->note, room->world.answer.note.data,
	    room->world.answer.note.size);
}

static void
grow(struct room *room, size_t count)
{
	while (count > 0) {
		size_t some =
		    count < MM_BATCH_ENTRIES ? count : MM_BATCH_ENTRIES;

		world_must_append(&room->world, some);
		count -= some;
	}
	keep_note(room);
}

static void
idle(struct room *room)
{
	struct mm_service service = mm_archive_service(room->archive);

	while (service.idle(service.self))
		;
}

static void
begin(struct room *room)
{
	world_genesis(&room->world);
	keep_note(room);
	must_open(room);
}

static struct mm_vkey
vkey_of(const struct room *room)
{
	struct mm_vkey vkey;
	uint8_t seed[32], public_key[32], secret[64];
	char path[128];
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, 32);
	snprintf(path, sizeof(path), "%s/log.key", room->world.key);
	assert_int_equal(mm_file_read(path, 32, &bytes), MM_OK);
	memcpy(seed, bytes.data, 32);
	crypto_sign_seed_keypair(public_key, secret, seed);
	assert_int_equal(
	    mm_vkey_init(&vkey, mm_span_text(SAMPLE_ORIGIN), public_key),
	    MM_OK);
	return vkey;
}

static uint64_t
published_size(const struct room *room)
{
	struct mm_vkey vkey = vkey_of(room);
	struct mm_checkpoint checkpoint;
	mm_auto(buffer) note = {0};
	char path[128];

	mm_buffer_init(&note, MM_NOTE_MAX);
	snprintf(path, sizeof(path), "%s/checkpoint", room->world.tiles);
	if (access(path, F_OK) < 0)
		return 0;
	assert_int_equal(mm_file_read(path, MM_NOTE_MAX, &note), MM_OK);
	assert_int_equal(
	    mm_checkpoint_open(mm_buffer_span(&note), &vkey, &checkpoint),
	    MM_OK);
	return checkpoint.size;
}

static void
assert_tiles_sound(const struct room *room)
{
	struct mm_tile_walk walk = mm_tile_walk(0, room->world.size);
	struct mm_vkey vkey = vkey_of(room);
	struct mm_log_report report;
	struct mm_tile tile;
	enum mm_error error;

	assert_int_equal(published_size(room), room->world.size);
	error = mm_log_verify(room->world.tiles, &vkey, &report);
	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
	assert_int_equal(report.size, room->world.size);
	while (mm_tile_next(&walk, &tile)) {
		char name[MM_TILE_PATH_MAX], path[256];
		struct stat info;

		mm_tile_path(&tile, name);
		snprintf(path, sizeof(path), "%s/%s", room->world.tiles, name);
		if (stat(path, &info) < 0)
			fail_msg("%s is missing", name);
		if (tile.level != MM_TILE_ENTRIES)
			assert_int_equal(
			    info.st_size, tile.width * MM_HASH_SIZE);
	}
}

static void
publishes_checkpoint_and_tiles(void **state)
{
	static const size_t steps[] = {253, 1, 1, 1, 1800};
	struct room *room = *state;

	begin(room);
	for (size_t i = 0; i < MM_COUNT(steps); i++) {
		grow(room, steps[i]);
		assert_int_equal(publish(room), MM_OK);
		idle(room);
		assert_tiles_sound(room);
	}
}

static void
passes_over_checkpoints_that_wait(void **state)
{
	struct room *room = *state;

	begin(room);
	for (size_t i = 0; i < 10; i++) {
		grow(room, 3);
		assert_int_equal(publish(room), MM_OK);
	}
	idle(room);
	assert_tiles_sound(room);
}

static void
drops_partial_tiles_once_full(void **state)
{
	struct room *room = *state;
	char path[160];

	begin(room);
	snprintf(
	    path, sizeof(path), "%s/tile/entries/000.p", room->world.tiles);
	grow(room, 99);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	assert_int_equal(access(path, F_OK), 0);
	grow(room, 155);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	assert_int_equal(access(path, F_OK), 0);
	grow(room, 1);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	assert_int_equal(access(path, F_OK), -1);
	assert_tiles_sound(room);
}

static void
digest_of_tiles(const struct room *room, char out[128])
{
	char command[256];
	FILE *pipe;

	snprintf(command, sizeof(command),
	    "cd %s && find . -type f ! -name .new | sort | xargs sha256sum | "
	    "sha256sum",
	    room->world.tiles);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_non_null(fgets(out, 128, pipe));
	pclose(pipe);
}

static void
what_is_deleted_or_damaged_comes_back(void **state)
{
	static const char *const harm[] = {"rm -rf @",
	    "rm -rf @/tile @/checkpoint", "rm -rf @/tile/1",
	    "rm @/tile/entries/001", "truncate -s 100 @/tile/0/000",
	    "echo x > @/checkpoint",
	    ("printf x | dd of=@/tile/entries/000 bs=1 seek=500 "
	     "conv=notrunc status=none")};
	struct room *room = *state;
	char before[128], after[128];

	begin(room);
	grow(room, 700);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	digest_of_tiles(room, before);
	for (size_t i = 0; i < MM_COUNT(harm); i++) {
		world_shell(harm[i], room->world.tiles, NULL);
		reopen(room);
		assert_int_equal(publish(room), MM_OK);
		idle(room);
		digest_of_tiles(room, after);
		assert_string_equal(before, after);
	}
	/* And while it runs: with the next checkpoint. */
	world_shell("rm -rf @", room->world.tiles, NULL);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	digest_of_tiles(room, after);
	assert_string_equal(before, after);
}

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

/* The notary is behind what it has signed: the tiles show it. */
static void
a_store_behind_its_tiles_is_refused(void **state)
{
	struct room *room = *state;
	struct world *world = &room->world;
	char aside[128];

	snprintf(aside, sizeof(aside), "%s/aside", world->root);
	begin(room);
	mm_archive_close(mm_take(room->archive));
	world_close(world);
	world_shell("cp -a @ %", world->state, aside);
	world_must_open(world);
	must_open(room);
	grow(room, 5);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	mm_archive_close(mm_take(room->archive));
	world_close(world);
	world_shell("rm -rf @ && mv % @", world->state, aside);
	assert_int_equal(open_archive(room), MM_E_ROLLBACK);
}

static struct mm_archive_entries_answer
entries(struct room *room, uint64_t from, uint64_t count)
{
	struct mm_archive_entries_request request = {from, count};
	struct mm_archive_entries_answer answer = {.from = 0};
	mm_auto(buffer) message = {0};

	assert_int_equal(
	    call(room, MM_ARCHIVE_ENTRIES, &request, &answer), MM_OK);
	mm_buffer_init(&message, MM_CHANNEL_MAX);
	assert_int_equal(
	    mm_packet_encode(MM_ARCHIVE_ENTRIES, 1,
		&mm_archive_entries_answer_shape, &answer, &message),
	    MM_OK);
	assert_int_equal(answer.from, from);
	return answer;
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

static enum mm_error
receipt(struct room *room, uint64_t index, bool newest,
    struct mm_archive_receipt_answer *out)
{
	struct mm_archive_receipt_request request = {index, newest};

	*out = (struct mm_archive_receipt_answer){.entry = {NULL, 0}};
	return call(room, MM_ARCHIVE_RECEIPT, &request, out);
}

/* The size of the checkpoint that the verified receipt is bound to. */
static uint64_t
receipt_size(struct room *room, uint64_t index, bool newest)
{
	struct mm_archive_receipt_answer answer;
	struct mm_vkey vkey = vkey_of(room);
	struct mm_checkpoint checkpoint;
	struct mm_receipt found = {.index = index};
	enum mm_error error = receipt(room, index, newest, &answer);

	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
	found.entry = answer.entry;
	found.note = answer.note;
	assert_int_equal(
	    mm_proof_from_list(&answer.proof, &found.proof), MM_OK);
	assert_int_equal(
	    mm_receipt_verify(&found, &vkey, answer.entry, &checkpoint), MM_OK);
	return checkpoint.size;
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
run_sql(struct room *room, const char *sql)
{
	sqlite3 *db;
	int keep = 1;
	char path[128];

	snprintf(path, sizeof(path), "%s/log.db", room->world.state);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
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

static void
closing_writes_what_is_due(void **state)
{
	struct room *room = *state;

	begin(room);
	idle(room);
	grow(room, 50);
	assert_int_equal(publish(room), MM_OK);
	mm_archive_close(mm_take(room->archive));
	assert_tiles_sound(room);
}

/* Without room for tiles: reads go on, and later the tiles come. */
static void
a_failure_to_write_tiles_stops_no_reads(void **state)
{
	struct room *room = *state;
	struct mm_service service;

	begin(room);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	grow(room, 50);
	assert_int_equal(publish(room), MM_OK);
	service = mm_archive_service(room->archive);
	fault_arm(FAULT_FAIL, 1, ENOSPC);
	faults.lasting = true;
	idle(room);
	assert_true(faults.struck);
	assert_false(service.idle(service.self));
	assert_int_equal(published_size(room), 1);
	assert_int_equal(receipt_size(room, 50, true), 51);
	assert_int_equal(entries(room, 0, 100).entries.count, 51);
	fault_disarm();
	idle(room);
	assert_tiles_sound(room);
}

/* The checkpoint stays the old one until all its files are there. */
static void
a_kill_at_any_write_leaves_a_sound_directory(void **state)
{
	struct room *room = *state;
	struct world *world = &room->world;

	begin(room);
	grow(room, 299);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	mm_archive_close(mm_take(room->archive));
	grow(room, 300);
	for (long at = 1; published_size(room) < world->size; at++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			setenv("CMOCKA_TEST_ABORT", "1", 1);
			must_open(room);
			assert_int_equal(publish(room), MM_OK);
			fault_arm(FAULT_BEFORE, at, 0);
			idle(room);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_true(at < 100);
	}
	assert_tiles_sound(room);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {T(publishes_checkpoint_and_tiles),
	    T(passes_over_checkpoints_that_wait),
	    T(drops_partial_tiles_once_full),
	    T(what_is_deleted_or_damaged_comes_back),
	    T(refuses_checkpoints_that_are_not_stored),
	    T(a_store_behind_its_tiles_is_refused),
	    T(gives_entries_as_many_as_fit),
	    T(receipts_are_of_the_entrys_own_batch_or_the_newest),
	    T(a_damaged_entry_is_never_served),
	    T(a_damaged_tree_gives_no_receipt), T(waits_for_a_log),
	    T(knows_the_newest_note_after_a_restart),
	    T(closing_writes_what_is_due),
	    T(a_failure_to_write_tiles_stops_no_reads),
	    T(a_kill_at_any_write_leaves_a_sound_directory)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
