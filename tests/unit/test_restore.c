/* Restoring a log from its directory, and what the notary says to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "archive_room.h"
#include "log/restore.h"
#include "log/store.h"

/* Copies of the directory that the tests restore from. */
static char copies[2][96];

static int
set_up_copies(void **state)
{
	struct room *room;
	int failed = set_up(state);

	room = *state;
	for (size_t i = 0; i < MM_COUNT(copies); i++)
		snprintf(copies[i], sizeof(copies[i]), "%.64s/copy-%zu",
		    room->world.root, i);
	return failed;
}

static void
close_all(struct room *room)
{
	mm_archive_close(mm_take(room->archive));
	world_close(&room->world);
}

static void
copy_tiles(struct room *room, size_t i)
{
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	world_shell("cp -a @ %", room->world.tiles, copies[i]);
}

/* A log with 300 entries of which a copy is taken, then 200 more. */
static void
two_copies(struct room *room)
{
	begin(room);
	grow(room, 299);
	copy_tiles(room, 0);
	grow(room, 200);
	copy_tiles(room, 1);
}

static enum mm_error
restore(struct room *room, size_t copy, uint64_t *size)
{
	struct mm_vkey vkey = vkey_of(room);

	return mm_log_restore(copies[copy], room->world.state, &vkey, size);
}

static void
lose_store(struct room *room)
{
	close_all(room);
	world_shell("rm -rf @/log.db*", room->world.state, NULL);
}

static void
must_restore(struct room *room, size_t copy, uint64_t size)
{
	uint64_t restored = 0;
	enum mm_error error = restore(room, copy, &restored);

	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
	assert_int_equal(restored, size);
	world_shell("test \"$(ls -A @)\" = log.db", room->world.state, NULL);
}

/* The newest copy: as if nothing had happened. */
static void
the_newest_copy_goes_on(void **state)
{
	struct room *room = *state;
	struct mm_notary_open_answer open;

	two_copies(room);
	lose_store(room);
	must_restore(room, 1, 500);
	world_must_open(&room->world);
	assert_int_equal(world_call(mm_notary_service(room->world.notary),
			     MM_NOTARY_OPEN, NULL, &room->arena, &open),
	    MM_OK);
	assert_int_equal(open.size, 500);
	assert_true(mm_span_equal(open.note, mm_buffer_span(&room->note)));
	/* The directory, made anew from what was restored from a copy. */
	world_shell("rm -rf @ && mkdir @", room->world.tiles, NULL);
	must_open(room);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	world_shell("cd @ && for f in $(find . -type f ! -name .new); do "
		    "cmp $f %/$f || exit 1; done",
	    room->world.tiles, copies[1]);
	/* Receipts asked for again are against the restored checkpoint. */
	assert_int_equal(receipt_size(room, 5, false), 500);
	assert_int_equal(receipt_size(room, 499, false), 500);
	grow(room, 20);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	assert_int_equal(receipt_size(room, 510, false), 520);
	assert_int_equal(receipt_size(room, 5, true), 520);
	assert_tiles_sound(room);
}

/* More than one transaction, and a checkpoint at the end alone. */
static void
a_log_of_many_batches_is_restored(void **state)
{
	struct room *room = *state;
	struct mm_blob blob;

	begin(room);
	grow(room, 4000);
	blob = world_must_put_blob(&room->world, 150000);
	assert_int_equal(world_append_naming(&room->world, &blob), MM_OK);
	grow(room, 4998);
	copy_tiles(room, 0);
	lose_store(room);
	must_restore(room, 0, 9000);
	world_must_open(&room->world);
	world_shell("rm -rf @ && mkdir @", room->world.tiles, NULL);
	must_open(room);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	assert_tiles_sound(room);
	assert_int_equal(receipt_size(room, 1, false), 9000);
	assert_int_equal(receipt_size(room, 5000, false), 9000);
	grow(room, 1);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	assert_tiles_sound(room);
}

static void
an_older_copy_is_refused_by_the_anchor(void **state)
{
	static const char *const words[] = {"300 entries", "500", "newest copy",
	    "published tiles", "--restore", "Never go on",
	    "names its last checkpoint"};
	struct room *room = *state;

	two_copies(room);
	lose_store(room);
	must_restore(room, 0, 300);
	assert_int_equal(world_open(&room->world), MM_E_ROLLBACK);
	for (size_t i = 0; i < MM_COUNT(words); i++)
		if (strstr(mm_why(MM_E_ROLLBACK), words[i]) == NULL)
			fail_msg("no \"%s\" in: %s", words[i],
			    mm_why(MM_E_ROLLBACK));
	/* And by the tiles, which the archive holds it against. */
	assert_int_equal(open_archive(room), MM_E_ROLLBACK);
}

/* The anchor is of an hour ago: the copy holds all that it has seen. */
static void
a_copy_newer_than_the_anchor_goes_on(void **state)
{
	struct room *room = *state;
	char aside[128];

	snprintf(aside, sizeof(aside), "%s/aside", room->world.root);
	begin(room);
	grow(room, 299);
	copy_tiles(room, 0);
	close_all(room);
	world_shell("cp -a @ %", room->world.anchor, aside);
	world_must_open(&room->world);
	must_open(room);
	grow(room, 200);
	copy_tiles(room, 1);
	lose_store(room);
	world_shell("rm -rf @ && mv % @", room->world.anchor, aside);
	must_restore(room, 1, 500);
	world_must_open(&room->world);
	must_open(room);
	grow(room, 1);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	assert_tiles_sound(room);
}

static void
assert_nothing_left(struct room *room)
{
	world_shell("test -z \"$(ls -A @)\"", room->world.state, NULL);
}

static void
a_wrong_copy_leaves_nothing(void **state)
{
	static const struct {
		const char *harm;
		enum mm_error error;
	} rows[] = {
	    {"rm @/checkpoint", MM_E_FILE},
	    {"echo x > @/checkpoint", MM_E_NOTE},
	    {"rm @/tile/entries/000", MM_E_FILE},
	    {"truncate -s -1 @/tile/entries/000", MM_E_BUNDLE},
	    {"truncate -s 0 @/tile/entries/001.p/244", MM_E_BUNDLE},
	    {"cp @/tile/entries/001.p/244 @/tile/entries/000", MM_E_BUNDLE},
	    /* In the middle of a TBS: an entry still, but another one. */
	    {"printf '\\377' | dd of=@/tile/entries/000 bs=1 "
	     "seek=$(($(stat -c %s @/tile/entries/000) - 60)) conv=notrunc "
	     "status=none",
		MM_E_LOG_WRONG},
	};
	struct room *room = *state;
	char harmed[128];

	two_copies(room);
	lose_store(room);
	world_shell("rm -rf % && mv @ %", copies[1], copies[0]);
	snprintf(harmed, sizeof(harmed), "%s/copy-1", room->world.root);
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		uint64_t size = 4711;
		enum mm_error error;

		world_shell("rm -rf % && cp -a @ %", copies[0], harmed);
		world_shell(rows[i].harm, harmed, "%");
		error = restore(room, 1, &size);
		if (error != rows[i].error)
			fail_msg("%s: %d, %s", rows[i].harm, (int)error,
			    mm_why(error));
		assert_int_equal(size, 4711);
		assert_nothing_left(room);
	}
}

static void
another_logs_copy_is_refused(void **state)
{
	struct room *room = *state;
	struct mm_vkey vkey;
	uint8_t secret_key[64];
	uint64_t size;

	two_copies(room);
	lose_store(room);
	sample_keys(&vkey, secret_key);
	assert_int_equal(
	    mm_log_restore(copies[1], room->world.state, &vkey, &size),
	    MM_E_NOTE_KEY);
	assert_nothing_left(room);
}

static void
a_log_that_is_there_stays(void **state)
{
	static const char *const there[] = {"log.db", "log.db-wal"};
	struct room *room = *state;
	uint64_t size;

	two_copies(room);
	close_all(room);
	assert_int_equal(restore(room, 1, &size), MM_E_STATE);
	world_must_open(&room->world);
	world_close(&room->world);
	for (size_t i = 0; i < MM_COUNT(there); i++) {
		world_shell("rm -rf @ && mkdir @", room->world.state, NULL);
		world_shell("echo x > @/%", room->world.state, there[i]);
		assert_int_equal(restore(room, 1, &size), MM_E_STATE);
		world_shell("grep -q x @/%", room->world.state, there[i]);
	}
	assert_int_equal(mm_log_restore(copies[1], "/nonexistent",
			     &(struct mm_vkey){.name = ""}, &size),
	    MM_E_STATE);
}

/* Killed at any write or flush: a second try is as good as the first. */
static void
a_kill_at_any_write_leaves_no_half_log(void **state)
{
	struct room *room = *state;
	bool complete = false;

	two_copies(room);
	lose_store(room);
	for (long at = 1; !complete; at++) {
		char path[128];
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			uint64_t size;

			setenv("CMOCKA_TEST_ABORT", "1", 1);
			fault_arm(FAULT_BEFORE, at, 0);
			assert_int_equal(restore(room, 1, &size), MM_OK);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		snprintf(path, sizeof(path), "%s/log.db", room->world.state);
		complete = access(path, F_OK) == 0;
		assert_true(at < 300);
	}
	world_must_open(&room->world);
}

static void
a_full_disk_leaves_nothing(void **state)
{
	struct room *room = *state;

	two_copies(room);
	lose_store(room);
	for (long at = 1; at < 300; at++) {
		uint64_t size;
		enum mm_error error;

		fault_arm(FAULT_FAIL, at, ENOSPC);
		faults.flushes = false;
		error = restore(room, 1, &size);
		if (!faults.struck)
			break;
		fault_disarm();
		assert_int_equal(error, MM_E_DISK_FULL);
		assert_nothing_left(room);
	}
	fault_disarm();
	world_must_open(&room->world);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up_copies, tear_down)
	const struct CMUnitTest tests[] = {T(the_newest_copy_goes_on),
	    T(a_log_of_many_batches_is_restored),
	    T(an_older_copy_is_refused_by_the_anchor),
	    T(a_copy_newer_than_the_anchor_goes_on),
	    T(a_wrong_copy_leaves_nothing), T(another_logs_copy_is_refused),
	    T(a_log_that_is_there_stays),
	    T(a_kill_at_any_write_leaves_no_half_log),
	    T(a_full_disk_leaves_nothing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
