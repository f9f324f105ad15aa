/* Blobs in the store, and the store of the version that had none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "log/store.h"
#include "log_faults.h"

enum { SIZE = 150000, PIECE = 65536 };

struct fixture {
	char directory[64], path[80];
	struct mm_store *store;
	uint8_t bytes[SIZE];
	struct mm_blob blob; /* `bytes` */
};

static struct mm_blob
blob_of(struct mm_span bytes)
{
	struct mm_blob blob = {.size = bytes.size};

	crypto_hash_sha256(blob.sha256, bytes.data, bytes.size);
	return blob;
}

static void
must(enum mm_error error)
{
	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
}

static int
set_up(void **state)
{
	static struct fixture fixture;
	const char *base = getenv("TMPDIR");
	const struct mm_store_identity identity = {.origin = "log.example.com"};

	memset(&fixture, 0, sizeof(fixture));
	snprintf(fixture.directory, sizeof(fixture.directory),
	    "%s/mm-blob-XXXXXX",
	    base != NULL && strlen(base) < 40 ? base : "/tmp");
	if (mkdtemp(fixture.directory) == NULL)
		return -1;
	snprintf(
	    fixture.path, sizeof(fixture.path), "%s/log.db", fixture.directory);
	for (size_t i = 0; i < SIZE; i++)
		fixture.bytes[i] = (uint8_t)(i / 256 + i);
	fixture.blob = blob_of(mm_span(fixture.bytes, SIZE));
	must(mm_store_create(fixture.directory, &identity, &fixture.store));
	*state = &fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[96];

	fault_disarm();
	mm_store_close(mm_take(fixture->store));
	snprintf(command, sizeof(command), "rm -rf %s", fixture->directory);
	return system(command);
}

static void
reopen(struct fixture *fixture)
{
	mm_store_close(mm_take(fixture->store));
	must(mm_store_open(fixture->directory, &fixture->store));
}

static enum mm_error
put(struct fixture *fixture, size_t from, size_t to)
{
	return mm_store_put_blob(fixture->store, &fixture->blob, from,
	    mm_span(fixture->bytes + from, to - from));
}

static enum mm_error
put_all(struct fixture *fixture)
{
	for (size_t at = 0; at < SIZE; at += PIECE) {
		size_t end = at + PIECE < SIZE ? at + PIECE : SIZE;
		enum mm_error error = put(fixture, at, end);

		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

static bool
has_blob(struct fixture *fixture)
{
	struct mm_span piece;
	uint64_t size;
	enum mm_error error = mm_store_blob(
	    fixture->store, fixture->blob.sha256, 0, &size, &piece);

	if (error == MM_E_NOT_FOUND)
		return false;
	must(error);
	return true;
}

static void
assert_whole(struct fixture *fixture)
{
	struct mm_span piece;

	for (size_t at = 0; at < SIZE; at += piece.size) {
		uint64_t size = 0;

		must(mm_store_blob(
		    fixture->store, fixture->blob.sha256, at, &size, &piece));
		assert_int_equal(size, SIZE);
		assert_true(piece.size >= 1 && piece.size <= PIECE);
		assert_memory_equal(
		    piece.data, fixture->bytes + at, piece.size);
	}
}

static void
pieces_make_a_blob(void **state)
{
	struct fixture *fixture = *state;
	struct mm_span piece;
	uint64_t size;

	must(put(fixture, 0, PIECE));
	assert_false(has_blob(fixture));
	must(put(fixture, PIECE, 2 * PIECE));
	must(put(fixture, 2 * PIECE, SIZE - 1));
	assert_false(has_blob(fixture));
	must(put(fixture, SIZE - 1, SIZE));
	assert_whole(fixture);
	reopen(fixture);
	assert_whole(fixture);
	/* From anywhere in it, and not behind it. */
	must(mm_store_blob(
	    fixture->store, fixture->blob.sha256, 777, &size, &piece));
	assert_memory_equal(piece.data, fixture->bytes + 777, piece.size);
	assert_int_equal(piece.size, PIECE - 777);
	must(mm_store_blob(
	    fixture->store, fixture->blob.sha256, SIZE - 1, &size, &piece));
	assert_int_equal(piece.size, 1);
	assert_int_equal(mm_store_blob(fixture->store, fixture->blob.sha256,
			     SIZE, &size, &piece),
	    MM_E_RANGE);
}

static void
pieces_come_in_order_and_may_come_again(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(put(fixture, 1, 100), MM_E_RANGE);
	must(put(fixture, 0, 1000));
	assert_int_equal(put(fixture, 1001, 1100), MM_E_RANGE);
	must(put(fixture, 0, 1000));
	must(put(fixture, 500, 700));
	must(put(fixture, 900, 2000));
	must(put(fixture, 2000, 2000 + PIECE));
	assert_int_equal(put(fixture, SIZE - 10, SIZE), MM_E_RANGE);
	must(put(fixture, 2000 + PIECE, 2000 + 2 * PIECE));
	must(put(fixture, 2000 + 2 * PIECE, SIZE));
	assert_whole(fixture);
}

static void
wrong_bytes_are_forgotten(void **state)
{
	struct fixture *fixture = *state;

	fixture->bytes[70000] ^= 1;
	assert_int_equal(put_all(fixture), MM_E_BLOB);
	assert_false(has_blob(fixture));
	/* From the start, and with the right ones. */
	fixture->bytes[70000] ^= 1;
	assert_int_equal(put(fixture, PIECE, 2 * PIECE), MM_E_RANGE);
	must(put_all(fixture));
	assert_whole(fixture);
}

static void
a_whole_blob_cannot_change(void **state)
{
	struct fixture *fixture = *state;
	struct mm_blob other = fixture->blob;

	must(put_all(fixture));
	memset(fixture->bytes + 100, 0, 100);
	must(put(fixture, 0, 1000));
	must(put_all(fixture));
	other.size--;
	assert_int_equal(mm_store_put_blob(fixture->store, &other, 0,
			     mm_span(fixture->bytes, 1000)),
	    MM_E_BLOB);
	for (size_t i = 100; i < 200; i++)
		fixture->bytes[i] = (uint8_t)(i / 256 + i);
	assert_whole(fixture);
}

static void
sizes_have_limits(void **state)
{
	static uint8_t much[PIECE + 1];
	struct fixture *fixture = *state;
	struct mm_blob blob = fixture->blob;

	blob.size = 0;
	assert_int_equal(
	    mm_store_put_blob(fixture->store, &blob, 0, mm_span(much, 1)),
	    MM_E_RANGE);
	blob.size = (64 << 20) + 1;
	assert_int_equal(
	    mm_store_put_blob(fixture->store, &blob, 0, mm_span(much, 1)),
	    MM_E_RANGE);
	blob.size = 64 << 20;
	must(mm_store_put_blob(fixture->store, &blob, 0, mm_span(much, PIECE)));
	assert_int_equal(mm_store_put_blob(fixture->store, &blob, PIECE,
			     mm_span(much, PIECE + 1)),
	    MM_E_RANGE);
	assert_int_equal(
	    mm_store_put_blob(fixture->store, &blob, PIECE, mm_span(much, 0)),
	    MM_E_RANGE);
	blob = fixture->blob;
	assert_int_equal(mm_store_put_blob(
			     fixture->store, &blob, SIZE - 5, mm_span(much, 6)),
	    MM_E_RANGE);
	assert_int_equal(mm_store_put_blob(fixture->store, &blob, UINT64_MAX,
			     mm_span(much, 1)),
	    MM_E_RANGE);
}

static void
run_sql(struct fixture *fixture, const char *sql)
{
	sqlite3 *db;
	char *why = NULL;
	int keep = 1;

	assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s", why);
	sqlite3_close(db);
}

static sqlite3_int64
ask_sql(struct fixture *fixture, const char *sql)
{
	sqlite3_stmt *statement;
	sqlite3_int64 found;
	sqlite3 *db;
	int keep = 1;

	assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	assert_int_equal(
	    sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	found = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return found;
}

static void
what_is_unfinished_is_forgotten_at_open(void **state)
{
	struct fixture *fixture = *state;
	struct mm_blob small = blob_of(mm_span_text("small"));

	must(mm_store_put_blob(
	    fixture->store, &small, 0, mm_span_text("small")));
	must(put(fixture, 0, PIECE));
	reopen(fixture);
	assert_false(has_blob(fixture));
	assert_int_equal(put(fixture, PIECE, 2 * PIECE), MM_E_RANGE);
	mm_store_close(mm_take(fixture->store));
	assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM piece"), 1);
	assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM blob"), 1);
	must(mm_store_open(fixture->directory, &fixture->store));
	must(put_all(fixture));
	assert_whole(fixture);
}

/* One more entry, "entry N", with its leaf and what it completes. */
static enum mm_error
append(struct fixture *fixture, struct mm_frontier *frontier,
    const struct mm_store_named *named)
{
	char text[32];
	struct mm_bytes_item item = {
	    .value =
		mm_span(text, (size_t)snprintf(text, sizeof(text), "entry %llu",
				  (unsigned long long)frontier->size))};
	struct mm_hash leaf = mm_leaf_hash(item.value);
	struct mm_store_batch batch = {.first = frontier->size,
	    .entries = {&item, 1},
	    .nodes = &leaf,
	    .node_count = 1,
	    .blobs = {named, named != NULL ? 1 : 0}};
	struct mm_frontier next = *frontier;
	enum mm_error error;

	must(mm_frontier_append(&next, &leaf, NULL, NULL));
	batch.root = mm_frontier_root(&next);
	/* Nodes above the leaves are not what these tests are about. */
	error = mm_store_append(fixture->store, &batch);
	if (error == MM_OK)
		*frontier = next;
	return error;
}

static void
an_entrys_blob_must_be_whole(void **state)
{
	struct fixture *fixture = *state;
	struct mm_frontier frontier = {.size = 0};
	struct mm_store_named named = {0, fixture->blob};
	struct mm_store_named found;
	uint64_t count;

	assert_int_equal(append(fixture, &frontier, &named), MM_E_BLOB);
	must(put(fixture, 0, PIECE));
	assert_int_equal(append(fixture, &frontier, &named), MM_E_BLOB);
	must(put(fixture, PIECE, 2 * PIECE));
	must(put(fixture, 2 * PIECE, SIZE));
	named.blob.size++;
	assert_int_equal(append(fixture, &frontier, &named), MM_E_BLOB);
	named.blob.size--;
	must(mm_store_count(fixture->store, &count));
	assert_int_equal(count, 0);
	assert_int_equal(
	    mm_store_next_blob(fixture->store, 0, &found), MM_E_NOT_FOUND);
	must(append(fixture, &frontier, &named));
	must(mm_store_next_blob(fixture->store, 0, &found));
	assert_int_equal(found.index, 0);
	assert_int_equal(found.blob.size, SIZE);
	assert_memory_equal(found.blob.sha256, fixture->blob.sha256, 32);
	assert_int_equal(
	    mm_store_next_blob(fixture->store, 1, &found), MM_E_NOT_FOUND);
}

static void
the_first_entry_that_names_a_blob_counts(void **state)
{
	struct fixture *fixture = *state;
	struct mm_frontier frontier = {.size = 0};
	struct mm_store_named named = {0, fixture->blob};
	struct mm_store_named found;
	struct mm_blob small = blob_of(mm_span_text("small"));

	must(put_all(fixture));
	must(mm_store_put_blob(
	    fixture->store, &small, 0, mm_span_text("small")));
	must(append(fixture, &frontier, &named));
	named = (struct mm_store_named){1, small};
	/* Entry 1 makes two nodes; the second one has another number. */
	must(append(fixture, &frontier, &named));
	must(mm_store_next_blob(fixture->store, 1, &found));
	assert_int_equal(found.index, 1);
	assert_int_equal(found.blob.size, 5);
	mm_store_close(mm_take(fixture->store));
	run_sql(fixture, "INSERT INTO node VALUES (2, zeroblob(32))");
	must(mm_store_open(fixture->directory, &fixture->store));
	named = (struct mm_store_named){2, fixture->blob};
	must(append(fixture, &frontier, &named));
	must(mm_store_next_blob(fixture->store, 0, &found));
	assert_int_equal(found.index, 0);
	assert_int_equal(
	    mm_store_next_blob(fixture->store, 2, &found), MM_E_NOT_FOUND);
}

/* Killed at each write and flush: whole, or as if it had never come. */
static void
a_kill_leaves_a_blob_whole_or_none(void **state)
{
	struct fixture *fixture = *state;
	bool complete = false;

	for (long at = 1; !complete; at++) {
		int status;
		pid_t pid;

		mm_store_close(mm_take(fixture->store));
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			setenv("CMOCKA_TEST_ABORT", "1", 1);
			must(
			    mm_store_open(fixture->directory, &fixture->store));
			fault_arm(FAULT_AFTER, at, 0);
			must(put_all(fixture));
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		must(mm_store_open(fixture->directory, &fixture->store));
		complete = has_blob(fixture);
		if (complete)
			assert_whole(fixture);
		else
			assert_int_equal(
			    put(fixture, PIECE, 2 * PIECE), MM_E_RANGE);
		assert_true(at < 200);
	}
	must(put_all(fixture));
	assert_whole(fixture);
}

static void
a_full_disk_may_be_tried_again(void **state)
{
	struct fixture *fixture = *state;
	bool struck = true;

	faults.flushes = false;
	for (long at = 1; struck; at++) {
		enum mm_error error;

		fault_arm(FAULT_FAIL, at, ENOSPC);
		faults.flushes = false;
		error = put_all(fixture);
		struck = faults.struck;
		fault_disarm();
		assert_int_equal(error, struck ? MM_E_DISK_FULL : MM_OK);
		assert_true(at < 400);
	}
	assert_whole(fixture);
}

static void
a_failed_flush_breaks_the_store(void **state)
{
	struct fixture *fixture = *state;

	must(put(fixture, 0, PIECE));
	fault_arm(FAULT_FAIL, 1, EIO);
	faults.writes = false;
	assert_int_equal(put(fixture, PIECE, 2 * PIECE), MM_E_STORE);
	fault_disarm();
	assert_int_equal(put(fixture, PIECE, 2 * PIECE), MM_E_STORE);
}

static void
a_missing_piece_is_seen(void **state)
{
	struct fixture *fixture = *state;
	struct mm_span piece;
	uint64_t size;

	must(put_all(fixture));
	mm_store_close(mm_take(fixture->store));
	run_sql(fixture, "DELETE FROM piece WHERE at > 0");
	must(mm_store_open(fixture->directory, &fixture->store));
	must(mm_store_blob(
	    fixture->store, fixture->blob.sha256, 0, &size, &piece));
	assert_int_equal(mm_store_blob(fixture->store, fixture->blob.sha256,
			     PIECE, &size, &piece),
	    MM_E_LOG_WRONG);
}

static void
make_version_1(struct fixture *fixture)
{
	mm_store_close(mm_take(fixture->store));
	run_sql(fixture, "BEGIN; DROP TABLE piece; DROP TABLE blob; "
			 "PRAGMA user_version = 1; COMMIT");
}

static void
a_store_of_version_1_goes_on(void **state)
{
	struct fixture *fixture = *state;
	struct mm_frontier frontier = {.size = 0};
	struct mm_store_named named = {1, fixture->blob};
	struct mm_store *reader = NULL;
	struct mm_span found;

	must(append(fixture, &frontier, NULL));
	make_version_1(fixture);
	/* Who reads waits until the writer has come. */
	assert_int_equal(
	    mm_store_open_reader(fixture->directory, &reader), MM_E_STARTING);
	must(mm_store_open(fixture->directory, &fixture->store));
	must(mm_store_open_reader(fixture->directory, &reader));
	must(mm_store_entry_checked(reader, 0, &found));
	assert_true(mm_span_is(found, "entry 0"));
	mm_store_close(reader);
	must(put_all(fixture));
	must(append(fixture, &frontier, &named));
	reopen(fixture);
	assert_whole(fixture);
	must(mm_store_entry_checked(fixture->store, 1, &found));
	mm_store_close(mm_take(fixture->store));
	assert_int_equal(ask_sql(fixture, "PRAGMA user_version"), 2);
	must(mm_store_open(fixture->directory, &fixture->store));
}

/* Killed on the way: version 1 still, or version 2 already. */
static void
a_kill_while_upgrading_harms_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct mm_frontier frontier = {.size = 0};
	bool complete = false;

	must(append(fixture, &frontier, NULL));
	make_version_1(fixture);
	for (long at = 1; !complete; at++) {
		int status;
		sqlite3_int64 version;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			setenv("CMOCKA_TEST_ABORT", "1", 1);
			fault_arm(FAULT_AFTER, at, 0);
			must(
			    mm_store_open(fixture->directory, &fixture->store));
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		version = ask_sql(fixture, "PRAGMA user_version");
		assert_true(version == 1 || version == 2);
		complete = version == 2;
		assert_true(at < 100);
	}
	must(mm_store_open(fixture->directory, &fixture->store));
	must(put_all(fixture));
	assert_whole(fixture);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {T(pieces_make_a_blob),
	    T(pieces_come_in_order_and_may_come_again),
	    T(wrong_bytes_are_forgotten), T(a_whole_blob_cannot_change),
	    T(sizes_have_limits), T(what_is_unfinished_is_forgotten_at_open),
	    T(an_entrys_blob_must_be_whole),
	    T(the_first_entry_that_names_a_blob_counts),
	    T(a_kill_leaves_a_blob_whole_or_none),
	    T(a_full_disk_may_be_tried_again),
	    T(a_failed_flush_breaks_the_store), T(a_missing_piece_is_seen),
	    T(a_store_of_version_1_goes_on),
	    T(a_kill_while_upgrading_harms_nothing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
