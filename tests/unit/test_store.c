#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "log/store_parts.h"
#include "log_faults.h"

enum { BATCH_MAX = 64, NODES_MAX = 2 * BATCH_MAX + 64 };

struct fixture {
	char directory[64], path[80];
	struct mm_store_identity identity;
	struct mm_store *store;
	struct mm_frontier frontier;
	struct mm_hash nodes[NODES_MAX];
	size_t node_count;
};

static int
set_up(void **state)
{
	static struct fixture fixture;
	const char *base = getenv("TMPDIR");

	fixture = (struct fixture){.identity = {.origin = "log.example.com"}};
	memset(fixture.identity.log_key, 9, 32);
	snprintf(fixture.directory, sizeof(fixture.directory),
	    "%s/mm-store-XXXXXX",
	    base != NULL && strlen(base) < 40 ? base : "/tmp");
	if (mkdtemp(fixture.directory) == NULL)
		return -1;
	snprintf(
	    fixture.path, sizeof(fixture.path), "%s/log.db", fixture.directory);
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
must(enum mm_error error)
{
	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
}

static void
create(struct fixture *fixture)
{
	must(mm_store_create(
	    fixture->directory, &fixture->identity, &fixture->store));
}

static void
reopen(struct fixture *fixture)
{
	mm_store_close(mm_take(fixture->store));
	must(mm_store_open(fixture->directory, &fixture->store));
}

static enum mm_error
keep(void *self, unsigned level, uint64_t n, const struct mm_hash *hash)
{
	struct fixture *fixture = self;

	assert_int_equal(mm_store_number(level, n),
	    mm_store_number(0, fixture->frontier.size) + level);
	fixture->nodes[fixture->node_count++] = *hash;
	return MM_OK;
}

/* Entry i is "entry i" and then zeros up to `size`. */
static struct mm_span
entry(uint64_t i, size_t size, uint8_t out[65535])
{
	memset(out, 0, size);
	snprintf((char *)out, 32, "entry %llu", (unsigned long long)i);
	return mm_span(out, size);
}

static enum mm_error
append(struct fixture *fixture, size_t count, size_t size, struct mm_span note)
{
	static uint8_t bytes[BATCH_MAX][65535];
	struct mm_bytes_item items[BATCH_MAX];
	struct mm_frontier former = fixture->frontier;
	struct mm_store_batch batch = {.first = former.size,
	    .entries = {items, count},
	    .nodes = fixture->nodes,
	    .note = note};
	enum mm_error error;

	fixture->node_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct mm_hash leaf;

		items[i].value = entry(former.size + i, size, bytes[i]);
		leaf = mm_leaf_hash(items[i].value);
		must(mm_frontier_append(
		    &fixture->frontier, &leaf, keep, fixture));
	}
	batch.node_count = fixture->node_count;
	batch.root = mm_frontier_root(&fixture->frontier);
	error = mm_store_append(fixture->store, &batch);
	if (error != MM_OK)
		fixture->frontier = former;
	return error;
}

static struct mm_span
nothing(void)
{
	return mm_span(NULL, 0);
}

/* The store is whole and has the fixture's frontier. */
static void
assert_sound(struct fixture *fixture, struct mm_store *store)
{
	struct mm_tree tree = mm_store_tree(store);
	uint64_t size = fixture->frontier.size, count;
	struct mm_store_checkpoint newest;
	struct mm_hash root, wanted = mm_frontier_root(&fixture->frontier);

	must(mm_store_count(store, &count));
	assert_int_equal(count, size);
	must(mm_store_newest(store, &newest));
	assert_int_equal(newest.size, size);
	must(mm_tree_root(&tree, size, &root));
	assert_true(mm_hash_equal(&root, &wanted));
	for (uint64_t i = 0; i < size; i++) {
		struct mm_span found;

		must(mm_store_entry_checked(store, i, &found));
	}
}

static void
numbers_nodes_in_the_order_of_their_completion(void **state)
{
	uint64_t next = 0;

	(void)state;
	for (uint64_t i = 0; i < 5000; i++)
		for (unsigned level = 0;; level++) {
			assert_int_equal(
			    mm_store_number(level, i >> level), next++);
			if (((i >> level) & 1) == 0)
				break;
		}
}

static void
keeps_batches_over_a_restart(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	assert_string_equal(
	    mm_store_identity(fixture->store)->origin, "log.example.com");
	assert_sound(fixture, fixture->store);
	for (size_t count = 1; count < 40; count += 7) {
		must(append(fixture, count, 100, nothing()));
		reopen(fixture);
		assert_sound(fixture, fixture->store);
	}
	assert_memory_equal(mm_store_identity(fixture->store)->log_key,
	    fixture->identity.log_key, 32);
}

static void
gives_a_checkpoint_its_note_with_the_next_batch(void **state)
{
	struct fixture *fixture = *state;
	struct mm_store_checkpoint found;

	create(fixture);
	must(append(fixture, 3, 50, nothing()));
	must(mm_store_newest_noted(fixture->store, &found));
	assert_int_equal(found.size, 0);
	must(append(fixture, 2, 50, mm_span_text("note of 3")));
	must(mm_store_newest_noted(fixture->store, &found));
	assert_int_equal(found.size, 3);
	assert_true(mm_span_is(found.note, "note of 3"));
	must(mm_store_newest(fixture->store, &found));
	assert_int_equal(found.size, 5);
	assert_int_equal(found.note.size, 0);
	for (uint64_t i = 0; i < 5; i++) {
		must(mm_store_covering(fixture->store, i, &found));
		assert_int_equal(found.size, i < 3 ? 3 : 5);
	}
	assert_int_equal(
	    mm_store_covering(fixture->store, 5, &found), MM_E_NOT_FOUND);
	must(mm_store_note(fixture->store, 5, mm_span_text("note of 5")));
	must(mm_store_note(fixture->store, 5, mm_span_text("note of 5")));
	assert_int_equal(
	    mm_store_note(fixture->store, 5, mm_span_text("another")),
	    MM_E_LOG_WRONG);
	assert_int_equal(
	    mm_store_note(fixture->store, 4, mm_span_text("note of 4")),
	    MM_E_LOG_WRONG);
}

static void
takes_the_largest_entry(void **state)
{
	struct fixture *fixture = *state;
	struct mm_span found;

	create(fixture);
	must(append(fixture, 1, 65535, nothing()));
	must(mm_store_entry_checked(fixture->store, 0, &found));
	assert_int_equal(found.size, 65535);
	assert_int_equal(
	    mm_store_entry(fixture->store, 1, &found), MM_E_NOT_FOUND);
}

static void
run_sql(const struct fixture *fixture, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void
assert_refused(struct fixture *fixture, enum mm_error wanted)
{
	struct mm_store *store = NULL;

	assert_int_equal(mm_store_open(fixture->directory, &store), wanted);
	assert_null(store);
}

static void
refuses_what_is_not_its_own(void **state)
{
	struct fixture *fixture = *state;
	int fd;

	assert_refused(fixture, MM_E_NOT_FOUND);
	fd = open(fixture->path, O_CREAT | O_WRONLY, 0600);
	assert_refused(fixture, MM_E_STATE);
	assert_int_equal(write(fd, "this is a text, not a database\n", 31), 31);
	close(fd);
	assert_refused(fixture, MM_E_STATE);
	unlink(fixture->path);
	run_sql(fixture, "CREATE TABLE entry (idx INTEGER PRIMARY KEY)");
	assert_refused(fixture, MM_E_STATE);
	assert_int_equal(mm_store_create(fixture->directory, &fixture->identity,
			     &fixture->store),
	    MM_E_STATE);
	unlink(fixture->path);
	create(fixture);
	mm_store_close(mm_take(fixture->store));
	run_sql(fixture, "PRAGMA user_version = 3");
	assert_refused(fixture, MM_E_STATE);
	run_sql(fixture, "PRAGMA user_version = 2");
	reopen(fixture);
}

static void
refuses_a_symbolic_link(void **state)
{
	struct fixture *fixture = *state;
	char away[96];

	create(fixture);
	mm_store_close(mm_take(fixture->store));
	snprintf(away, sizeof(away), "%s.away", fixture->path);
	assert_int_equal(rename(fixture->path, away), 0);
	assert_int_equal(symlink(away, fixture->path), 0);
	assert_refused(fixture, MM_E_STATE);
}

static void
refuses_a_truncated_file(void **state)
{
	struct fixture *fixture = *state;
	char wal[96];

	create(fixture);
	for (size_t i = 0; i < 10; i++)
		must(append(fixture, 8, 4000, nothing()));
	reopen(fixture);
	mm_store_close(mm_take(fixture->store));
	snprintf(wal, sizeof(wal), "%s-wal", fixture->path);
	for (off_t size = 64; size < 100000; size *= 5) {
		assert_int_equal(truncate(fixture->path, size), 0);
		unlink(wal);
		assert_refused(fixture, MM_E_STATE);
	}
}

static void
a_damaged_entry_is_never_given(void **state)
{
	struct fixture *fixture = *state;
	struct mm_span found;

	create(fixture);
	must(append(fixture, 3, 50, nothing()));
	mm_store_close(mm_take(fixture->store));
	run_sql(fixture, "UPDATE entry SET bytes = x'00' WHERE idx = 1");
	run_sql(fixture, "DELETE FROM node WHERE n = 3");
	must(mm_store_open(fixture->directory, &fixture->store));
	must(mm_store_entry_checked(fixture->store, 0, &found));
	assert_int_equal(
	    mm_store_entry_checked(fixture->store, 1, &found), MM_E_LOG_WRONG);
	assert_int_equal(
	    mm_store_entry_checked(fixture->store, 2, &found), MM_E_LOG_WRONG);
}

/* Runs `work` in a child, as another user where that is possible. */
static void
in_child(struct fixture *fixture, void (*work)(struct fixture *fixture),
    bool other_user)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* A failed assertion must not go on with the next test. */
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		if (other_user && geteuid() == 0 &&
		    (setresgid(65534, 65534, 65534) < 0 ||
			setresuid(65534, 65534, 65534) < 0))
			_exit(1);
		work(fixture);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
read_all(struct fixture *fixture)
{
	struct mm_store *reader = NULL;

	must(mm_store_open_reader(fixture->directory, &reader));
	assert_sound(fixture, reader);
	assert_int_not_equal(
	    mm_store_note(reader, 1, mm_span_text("note")), MM_OK);
	mm_store_close(reader);
}

static void
allow(struct fixture *fixture, mode_t directory, mode_t files)
{
	static const char *const names[] = {"", "-wal", "-shm"};
	char path[96];

	assert_int_equal(chmod(fixture->directory, directory), 0);
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s%s", fixture->path, names[i]);
		assert_int_equal(chmod(path, files), 0);
	}
}

/* Beside the writer, after it ended, and after it was killed. */
static void
reads_without_permission_to_write(void **state)
{
	struct fixture *fixture = *state;
	struct mm_store *reader;

	assert_int_equal(
	    mm_store_open_reader(fixture->directory, &reader), MM_E_NOT_FOUND);
	create(fixture);
	must(append(fixture, 5, 1000, nothing()));
	allow(fixture, 0555, 0444);
	in_child(fixture, read_all, true);
	must(append(fixture, 5, 1000, nothing()));
	in_child(fixture, read_all, true);
	mm_store_close(mm_take(fixture->store));
	in_child(fixture, read_all, true);
	allow(fixture, 0755, 0644);
}

static void
write_and_die(struct fixture *fixture)
{
	must(mm_store_open(fixture->directory, &fixture->store));
	must(append(fixture, 5, 1000, nothing()));
	_exit(0);
}

static void
reads_after_the_writer_was_killed(void **state)
{
	struct fixture *fixture = *state;
	struct mm_hash leaf;
	uint8_t bytes[65535];

	create(fixture);
	must(append(fixture, 1, 1000, nothing()));
	mm_store_close(mm_take(fixture->store));
	in_child(fixture, write_and_die, false);
	for (uint64_t i = 1; i < 6; i++) {
		leaf = mm_leaf_hash(entry(i, 1000, bytes));
		must(mm_frontier_append(&fixture->frontier, &leaf, NULL, NULL));
	}
	allow(fixture, 0555, 0444);
	in_child(fixture, read_all, true);
	allow(fixture, 0755, 0644);
	reopen(fixture);
	assert_sound(fixture, fixture->store);
}

static void
a_reader_follows_the_writer(void **state)
{
	struct fixture *fixture = *state;
	struct mm_store *reader = NULL;

	create(fixture);
	must(mm_store_open_reader(fixture->directory, &reader));
	for (size_t i = 0; i < 20; i++) {
		must(append(fixture, 7, 3000, nothing()));
		assert_sound(fixture, reader);
	}
	reopen(fixture);
	must(append(fixture, 1, 100, nothing()));
	assert_sound(fixture, reader);
	mm_store_close(reader);
}

/* What the reader's pauses do to the index of the write-ahead log. */
static struct {
	int shm;        /* -1: nothing */
	int mend_after; /* so many pauses; 0: never */
	uint8_t header[96];
	int pauses;
} index_of_wal = {.shm = -1};

int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
	if (fds != NULL || index_of_wal.shm < 0)
		return (int)syscall(SYS_poll, fds, count, timeout);
	if (++index_of_wal.pauses == index_of_wal.mend_after)
		assert_int_equal(
		    syscall(SYS_pwrite64, index_of_wal.shm, index_of_wal.header,
			sizeof(index_of_wal.header), 0),
		    sizeof(index_of_wal.header));
	return 0;
}

/* Both copies of the header, as in the middle of a commit. */
static void
break_index(struct fixture *fixture, int mend_after)
{
	uint8_t broken[96];
	char path[96];

	snprintf(path, sizeof(path), "%s-shm", fixture->path);
	index_of_wal.shm = open(path, O_RDWR | O_CLOEXEC);
	assert_true(index_of_wal.shm >= 0);
	index_of_wal.mend_after = mend_after;
	index_of_wal.pauses = 0;
	assert_int_equal(pread(index_of_wal.shm, index_of_wal.header,
			     sizeof(index_of_wal.header), 0),
	    sizeof(index_of_wal.header));
	memset(broken, 0xa5, sizeof(broken));
	assert_int_equal(
	    syscall(SYS_pwrite64, index_of_wal.shm, broken, sizeof(broken), 0),
	    sizeof(broken));
}

static void
read_broken_index(struct fixture *fixture)
{
	struct mm_store *reader = NULL;
	struct mm_span found;

	must(mm_store_open_reader(fixture->directory, &reader));
	assert_sound(fixture, reader);
	break_index(fixture, 3);
	must(mm_store_entry(reader, 3, &found));
	assert_int_equal(index_of_wal.pauses, 3);
	close(mm_take_fd(index_of_wal.shm));
	assert_sound(fixture, reader);
	break_index(fixture, 0);
	assert_int_equal(mm_store_entry(reader, 3, &found), MM_E_STORE);
	close(mm_take_fd(index_of_wal.shm));
	mm_store_close(reader);
}

/* Has the store open until the other end of the pair is closed. */
static pid_t
start_writer(struct fixture *fixture, int ends[2])
{
	pid_t pid;
	char byte = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		close(ends[0]);
		must(mm_store_open(fixture->directory, &fixture->store));
		assert_int_equal(write(ends[1], &byte, 1), 1);
		assert_int_equal(read(ends[1], &byte, 1), 0);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	return pid;
}

/* A commit that ends just now is waited for; a writer that has gone is not. */
static void
a_reader_waits_for_a_commit_that_ends(void **state)
{
	struct fixture *fixture = *state;
	int ends[2], status;
	pid_t writer;

	create(fixture);
	must(append(fixture, 7, 3000, nothing()));
	mm_store_close(mm_take(fixture->store));
	/* In one process SQLite shares the index, and its right to write. */
	writer = start_writer(fixture, ends);
	read_broken_index(fixture);
	close(ends[0]);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_int_equal(status, 0);
	reopen(fixture);
	assert_sound(fixture, fixture->store);
}

/* Held, a reader sees one state; nested, until the last release. */
static void
a_held_reader_sees_one_state(void **state)
{
	struct fixture *fixture = *state;
	struct mm_store *reader = NULL;
	uint64_t count = 0;

	create(fixture);
	must(append(fixture, 7, 100, nothing()));
	must(mm_store_open_reader(fixture->directory, &reader));
	must(mm_store_hold(reader));
	must(mm_store_count(reader, &count));
	assert_int_equal(count, 7);
	must(append(fixture, 3, 100, nothing()));
	must(mm_store_hold(reader));
	must(mm_store_count(reader, &count));
	assert_int_equal(count, 7);
	mm_store_release(reader);
	must(mm_store_count(reader, &count));
	assert_int_equal(count, 7);
	mm_store_release(reader);
	assert_sound(fixture, reader);
	mm_store_close(reader);
}

/* Breaks off one statement. */
static int
break_off(void *count)
{
	return (*(int *)count)-- > 0;
}

/* What does not end is not what the next one begins in. */
static void
a_release_that_fails_ends_it_all_the_same(void **state)
{
	struct fixture *fixture = *state;
	struct mm_store *reader = NULL;
	uint64_t count = 0;
	int breaks = 1;

	create(fixture);
	must(append(fixture, 7, 100, nothing()));
	must(mm_store_open_reader(fixture->directory, &reader));
	must(mm_store_hold(reader));
	must(mm_store_count(reader, &count));
	sqlite3_progress_handler(reader->db, 1, break_off, &breaks);
	mm_store_release(reader);
	assert_true(breaks <= 0);
	sqlite3_progress_handler(reader->db, 0, NULL, NULL);
	must(append(fixture, 3, 100, nothing()));
	must(mm_store_hold(reader));
	must(mm_store_count(reader, &count));
	assert_int_equal(count, 10);
	mm_store_release(reader);
	assert_sound(fixture, reader);
	mm_store_close(reader);
}

static void
assert_locked(struct fixture *fixture)
{
	struct mm_store *second;

	if (mm_store_open(fixture->directory, &second) != MM_E_LOCKED)
		_exit(1);
}

static void
a_second_writer_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct mm_store *second;

	create(fixture);
	assert_int_equal(
	    mm_store_open(fixture->directory, &second), MM_E_LOCKED);
	in_child(fixture, assert_locked, false);
	must(append(fixture, 1, 100, nothing()));
}

static off_t
size_of(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 ? info.st_size : 0;
}

static void
the_write_ahead_log_stays_bounded(void **state)
{
	struct fixture *fixture = *state;
	struct mm_store *reader = NULL;
	char wal[96];
	off_t most = 0;

	create(fixture);
	must(mm_store_open_reader(fixture->directory, &reader));
	snprintf(wal, sizeof(wal), "%s-wal", fixture->path);
	for (size_t i = 0; i < 40; i++) {
		must(append(fixture, 32, 16000, nothing()));
		if (size_of(wal) > most)
			most = size_of(wal);
	}
	assert_true(most > 1 << 20);
	assert_true(most < 20 << 20);
	mm_store_tidy(fixture->store);
	assert_sound(fixture, reader);
	mm_store_close(reader);
}

/* ENOSPC at any write: nothing has changed, and later it goes on. */
static void
a_full_disk_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	bool struck = true;

	create(fixture);
	for (long at = 1; struck; at++) {
		enum mm_error error;

		fault_arm(FAULT_FAIL, at, ENOSPC);
		faults.flushes = false;
		faults.lasting = true;
		error = append(fixture, 5, 3000, nothing());
		struck = faults.struck;
		assert_int_equal(error, struck ? MM_E_DISK_FULL : MM_OK);
		fault_disarm();
		assert_sound(fixture, fixture->store);
		must(append(fixture, 2, 100, nothing()));
		assert_sound(fixture, fixture->store);
	}
	reopen(fixture);
	assert_sound(fixture, fixture->store);
}

/* The real thing, where this user may mount. */
static void
fill_a_disk(struct fixture *fixture)
{
	enum mm_error error = MM_OK;
	char filler[96];
	int fd;

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", fixture->directory, "tmpfs", 0, "size=1m") < 0)
		_exit(77);
	create(fixture);
	must(append(fixture, 1, 100, nothing()));
	snprintf(filler, sizeof(filler), "%s/filler", fixture->directory);
	fd = open(filler, O_CREAT | O_WRONLY, 0600);
	while (write(fd, filler, sizeof(filler)) > 0)
		;
	while (error == MM_OK)
		error = append(fixture, 20, 5000, nothing());
	if (error != MM_E_DISK_FULL)
		_exit(2);
	assert_sound(fixture, fixture->store);
	unlink(filler);
	close(fd);
	must(append(fixture, 20, 5000, nothing()));
	assert_sound(fixture, fixture->store);
}

static void
recovers_on_a_disk_that_was_full(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		fill_a_disk(*state);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		print_message("no tmpfs may be mounted here: only simulated\n");
	else
		assert_int_equal(status, 0);
}

/* Whatever a disk says at a flush, or other errors: never tried again. */
static void
fail_at_each(struct fixture *fixture, enum fault fault, bool writes)
{
	bool struck = true;

	for (long at = 1; struck; at++) {
		enum mm_error error;

		fault_arm(fault, at, EIO);
		faults.writes = writes;
		faults.flushes = !writes;
		error = append(fixture, 5, 3000, nothing());
		struck = faults.struck;
		fault_disarm();
		assert_int_equal(error, struck ? MM_E_STORE : MM_OK);
		if (!struck)
			break;
		assert_int_equal(
		    append(fixture, 1, 100, nothing()), MM_E_STORE);
		reopen(fixture);
	}
}

/* What was whole before the failed commit is whole after it. */
static void
a_failed_write_is_fatal(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	must(append(fixture, 3, 100, nothing()));
	fail_at_each(fixture, FAULT_FAIL, true);
	assert_sound(fixture, fixture->store);
}

/*
 * The flush that fails follows the last write: the batch may be there after
 * a restart, and then it is there whole.
 */
static void
a_failed_flush_is_fatal(void **state)
{
	struct fixture *fixture = *state;
	enum mm_error error;
	uint64_t count, before;

	create(fixture);
	must(append(fixture, 3, 100, nothing()));
	before = fixture->frontier.size;
	fault_arm(FAULT_FAIL, 1, EIO);
	faults.writes = false;
	error = append(fixture, 4, 100, nothing());
	assert_true(faults.struck);
	assert_int_equal(error, MM_E_STORE);
	fault_disarm();
	assert_int_equal(append(fixture, 4, 100, nothing()), MM_E_STORE);
	reopen(fixture);
	must(mm_store_count(fixture->store, &count));
	assert_true(count == before || count == before + 4);
}

static void
a_flush_that_fails_at_the_start_stops_it(void **state)
{
	struct fixture *fixture = *state;
	struct mm_store *store;

	create(fixture);
	must(append(fixture, 3, 100, nothing()));
	mm_store_close(mm_take(fixture->store));
	fault_arm(FAULT_FAIL, 1, EIO);
	faults.writes = false;
	assert_int_equal(mm_store_open(fixture->directory, &store), MM_E_STORE);
	assert_true(faults.struck);
	fault_disarm();
	reopen(fixture);
	assert_sound(fixture, fixture->store);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(numbers_nodes_in_the_order_of_their_completion),
	    T(keeps_batches_over_a_restart),
	    T(gives_a_checkpoint_its_note_with_the_next_batch),
	    T(takes_the_largest_entry), T(refuses_what_is_not_its_own),
	    T(refuses_a_symbolic_link), T(refuses_a_truncated_file),
	    T(a_damaged_entry_is_never_given),
	    T(reads_without_permission_to_write),
	    T(reads_after_the_writer_was_killed),
	    T(a_reader_follows_the_writer),
	    T(a_reader_waits_for_a_commit_that_ends),
	    T(a_held_reader_sees_one_state),
	    T(a_release_that_fails_ends_it_all_the_same),
	    T(a_second_writer_is_refused), T(the_write_ahead_log_stays_bounded),
	    T(a_full_disk_changes_nothing), T(recovers_on_a_disk_that_was_full),
	    T(a_failed_write_is_fatal), T(a_failed_flush_is_fatal),
	    T(a_flush_that_fails_at_the_start_stops_it)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
