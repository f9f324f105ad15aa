/* The directory of tiles, as the archive writes and reviews it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "archive_room.h"

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

/* What a start looks for is what was published before it: a partial form that
 * the first checkpoint drops is not missing. */
static void
a_start_leaves_no_partial_form_of_a_full_tile(void **state)
{
	struct room *room = *state;
	char path[160];

	begin(room);
	snprintf(
	    path, sizeof(path), "%s/tile/entries/000.p", room->world.tiles);
	grow(room, 199);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	assert_int_equal(access(path, F_OK), 0);
	grow(room, 100);
	reopen(room);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	assert_int_equal(access(path, F_OK), -1);
	assert_tiles_sound(room);
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
	assert_int_not_equal(service.idle(service.self), 0);
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

static void
run_on_blobs(struct room *room)
{
	assert_int_equal(publish(room), MM_OK);
	idle(room);
}

static enum mm_error
append_blob(struct room *room, size_t size)
{
	struct mm_blob blob = world_must_put_blob(&room->world, size);
	enum mm_error error = world_append_naming(&room->world, &blob);

	keep_note(room);
	return error;
}

static size_t
count_blobs(const struct room *room)
{
	char path[128];
	DIR *directory;
	size_t count = 0;

	snprintf(path, sizeof(path), "%s/blob", room->world.tiles);
	directory = opendir(path);
	if (directory == NULL)
		return 0;
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count - 2;
}

static void
blobs_are_published_with_their_entries(void **state)
{
	struct room *room = *state;

	begin(room);
	/* Stored, but nobody names it yet. */
	world_must_put_blob(&room->world, 10);
	run_on_blobs(room);
	assert_int_equal(count_blobs(room), 0);
	assert_int_equal(append_blob(room, 200000), MM_OK);
	assert_int_equal(count_blobs(room), 0);
	run_on_blobs(room);
	assert_int_equal(count_blobs(room), 1);
	assert_tiles_sound(room);
	grow(room, 300);
	assert_int_equal(append_blob(room, 10), MM_OK);
	assert_int_equal(append_blob(room, 65536), MM_OK);
	assert_int_equal(append_blob(room, 200000), MM_OK);
	run_on_blobs(room);
	assert_int_equal(count_blobs(room), 3);
	assert_tiles_sound(room);
}

/* No checkpoint before all that it covers, wherever the process ends. */
static void
a_kill_never_leaves_a_checkpoint_without_its_blobs(void **state)
{
	struct room *room = *state;

	begin(room);
	run_on_blobs(room);
	mm_archive_close(mm_take(room->archive));
	assert_int_equal(append_blob(room, 200000), MM_OK);
	assert_int_equal(append_blob(room, 10), MM_OK);
	for (long at = 1; published_size(room) < room->world.size; at++) {
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

static void
blobs_that_are_deleted_or_damaged_come_back(void **state)
{
	static const char *const harm[] = {"rm -rf @/blob",
	    "for f in @/blob/*; do truncate -s -1 $f; done", "rm -rf @",
	    "rm -rf @/blob @/checkpoint",
	    ("for f in @/blob/*; do printf x | dd of=$f bs=1 seek=5 "
	     "conv=notrunc status=none; done")};
	struct room *room = *state;
	char before[128], after[128];

	begin(room);
	assert_int_equal(append_blob(room, 200000), MM_OK);
	grow(room, 20);
	assert_int_equal(append_blob(room, 10), MM_OK);
	run_on_blobs(room);
	digest_of_tiles(room, before);
	for (size_t i = 0; i < MM_COUNT(harm); i++) {
		world_shell(harm[i], room->world.tiles, NULL);
		reopen(room);
		run_on_blobs(room);
		digest_of_tiles(room, after);
		assert_string_equal(before, after);
	}
}

/* In which the slow review begins and ends a round over a few files. */
enum { ROUND_MS = 3700000 };

static enum mm_error
publish_again(struct room *room)
{
	idle_for(room, ROUND_MS);
	return publish(room);
}

/* Bits that rot in a file that nobody reads: threat 17. */
static void
the_review_mends_what_rots_in_the_directory(void **state)
{
	static const char *const harm[] = {
	    ("printf x | dd of=@/tile/entries/001 bs=1 seek=500 conv=notrunc "
	     "status=none"),
	    ("printf x | dd of=@/tile/0/000 bs=1 seek=77 conv=notrunc "
	     "status=none"),
	    ("printf x | dd of=@/tile/1/000.p/2 bs=1 seek=7 conv=notrunc "
	     "status=none"),
	    "rm -rf @/tile", "truncate -s 0 @/tile/0/001"};
	struct room *room = *state;
	char before[128], after[128];

	begin(room);
	grow(room, 699);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	/* The widths of other checkpoints are gone with the next one. */
	digest_of_tiles(room, before);
	for (size_t i = 0; i < MM_COUNT(harm); i++) {
		world_shell(harm[i], room->world.tiles, NULL);
		assert_int_equal(publish_again(room), MM_OK);
		digest_of_tiles(room, after);
		assert_string_equal(before, after);
	}
}

static void
rot_store(struct room *room, const char *sql)
{
	/* The archive's SQLite sees what changes under it. */
	world_close(&room->world);
	run_sql(room, sql);
	world_must_open(&room->world);
}

/* Damage of the store is found by nobody's asking, and told at PUBLISH. */
static void
the_review_finds_what_rots_in_the_store(void **state)
{
	static const struct {
		const char *sql;
		const char *word;
	} rows[] = {
	    {"UPDATE entry SET bytes = zeroblob(length(bytes)) WHERE idx = 300",
		"entry 300 is damaged"},
	    /* Leaf 100, of which entry 100 is not any more. */
	    {"UPDATE node SET hash = zeroblob(32) WHERE n = 197",
		"entry 100 is damaged"},
	    /* Above leaves 0 and 1. */
	    {"UPDATE node SET hash = zeroblob(32) WHERE n = 2",
		"subtree 0 of level 1"},
	    {"UPDATE piece SET bytes = zeroblob(length(bytes)) WHERE at > 0",
		"a stored blob is damaged"},
	    {"DELETE FROM piece WHERE at > 0", "a piece of a blob"}};

	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		struct room *room;

		if (i > 0) {
			tear_down(state);
			set_up(state);
		}
		room = *state;
		begin(room);
		assert_int_equal(append_blob(room, 200000), MM_OK);
		grow(room, 698);
		assert_int_equal(publish(room), MM_OK);
		idle(room);
		assert_int_equal(publish_again(room), MM_OK);
		rot_store(room, rows[i].sql);
		assert_int_equal(publish_again(room), MM_E_LOG_WRONG);
		if (strstr(mm_why(MM_E_LOG_WRONG), rows[i].word) == NULL)
			fail_msg("%s", mm_why(MM_E_LOG_WRONG));
		/* The files stay what they were, and serve a restore. */
		assert_tiles_sound(room);
		/* The log goes on being published, and says so each time. */
		grow(room, 1);
		assert_int_equal(publish(room), MM_E_LOG_WRONG);
		idle(room);
		assert_int_equal(published_size(room), room->world.size);
	}
}

/* How many times the archive wakes in ten hours where nothing happens. */
static void
the_review_keeps_its_pace(void **state)
{
	struct room *room = *state;
	struct mm_service service;
	int64_t end;
	size_t steps = 0;

	begin(room);
	grow(room, 99);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	service = mm_archive_service(room->archive);
	end = ahead_ms + 10 * (int64_t)ROUND_MS;
	for (; ahead_ms < end; steps++) {
		int wait = service.idle(service.self);

		assert_true(wait >= 0);
		ahead_ms += wait;
	}
	/*
	 * Six quick looks an hour and a round over two files, and as many
	 * times again to find that nothing is due.
	 */
	assert_in_range(steps, 60, 300);
}

/* Beside reviewing, a checkpoint is written as soon as it may. */
static void
the_review_does_not_hold_up_a_checkpoint(void **state)
{
	struct room *room = *state;

	begin(room);
	grow(room, 999);
	assert_int_equal(publish(room), MM_OK);
	idle_for(room, 10000);
	grow(room, 1);
	assert_int_equal(publish(room), MM_OK);
	idle_for(room, 199);
	assert_int_equal(published_size(room), 1001);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {T(publishes_checkpoint_and_tiles),
	    T(passes_over_checkpoints_that_wait),
	    T(drops_partial_tiles_once_full),
	    T(a_start_leaves_no_partial_form_of_a_full_tile),
	    T(what_is_deleted_or_damaged_comes_back),
	    T(a_store_behind_its_tiles_is_refused),
	    T(closing_writes_what_is_due),
	    T(a_failure_to_write_tiles_stops_no_reads),
	    T(a_kill_at_any_write_leaves_a_sound_directory),
	    T(blobs_are_published_with_their_entries),
	    T(a_kill_never_leaves_a_checkpoint_without_its_blobs),
	    T(blobs_that_are_deleted_or_damaged_come_back),
	    T(the_review_mends_what_rots_in_the_directory),
	    T(the_review_finds_what_rots_in_the_store),
	    T(the_review_keeps_its_pace),
	    T(the_review_does_not_hold_up_a_checkpoint)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
