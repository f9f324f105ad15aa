#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/anchor.h"

enum { SLOT_DISTANCE = 4096, SLOT_SIZE = 512 };

struct fixture {
	char directory[64], path[80];
};

static int
set_up(void **state)
{
	static struct fixture fixture;
	const char *base = getenv("TMPDIR");

	snprintf(fixture.directory, sizeof(fixture.directory),
	    "%s/mm-anchor-XXXXXX",
	    base != NULL && strlen(base) < 40 ? base : "/tmp");
	if (mkdtemp(fixture.directory) == NULL)
		return -1;
	snprintf(
	    fixture.path, sizeof(fixture.path), "%s/anchor", fixture.directory);
	*state = &fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	unlink(fixture->path);
	return rmdir(fixture->directory);
}

static struct mm_anchored
at(uint64_t size)
{
	struct mm_anchored anchored = {.size = size, .time = 1000 + size};

	memset(anchored.log_key, 7, sizeof(anchored.log_key));
	memset(anchored.root.bytes, (int)size, sizeof(anchored.root.bytes));
	return anchored;
}

static struct mm_anchor *
created(const struct fixture *fixture)
{
	struct mm_anchored first = at(0);
	struct mm_anchor *anchor = NULL;

	assert_int_equal(
	    mm_anchor_create(fixture->directory, &first, &anchor), MM_OK);
	return anchor;
}

static void
move(struct mm_anchor *anchor, uint64_t size)
{
	struct mm_anchored next = at(size);

	assert_int_equal(mm_anchor_move(anchor, &next), MM_OK);
}

static void
assert_stands_at(const struct fixture *fixture, uint64_t size)
{
	struct mm_anchor *anchor = NULL;
	struct mm_anchored wanted = at(size);

	assert_int_equal(mm_anchor_open(fixture->directory, &anchor), MM_OK);
	assert_int_equal(mm_anchor_last(anchor)->size, size);
	assert_int_equal(mm_anchor_last(anchor)->time, wanted.time);
	assert_true(mm_hash_equal(&mm_anchor_last(anchor)->root, &wanted.root));
	assert_memory_equal(
	    mm_anchor_last(anchor)->log_key, wanted.log_key, 32);
	mm_anchor_close(anchor);
}

static void
damage(const struct fixture *fixture, off_t offset)
{
	uint8_t byte;
	int fd = open(fixture->path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	close(fd);
}

static void
remembers_where_it_was_moved(void **state)
{
	struct fixture *fixture = *state;
	struct mm_anchor *anchor = created(fixture);

	mm_anchor_close(anchor);
	assert_stands_at(fixture, 0);
	for (uint64_t size = 1; size < 6; size++) {
		assert_int_equal(
		    mm_anchor_open(fixture->directory, &anchor), MM_OK);
		move(anchor, size);
		mm_anchor_close(anchor);
		assert_stands_at(fixture, size);
	}
}

static void
only_moves_forwards_in_its_log(void **state)
{
	struct mm_anchor *anchor = created(*state);
	struct mm_anchored next = at(5);

	move(anchor, 5);
	move(anchor, 5);
	next.root.bytes[0] ^= 1;
	assert_int_equal(mm_anchor_move(anchor, &next), MM_E_ROLLBACK);
	next = at(4);
	assert_int_equal(mm_anchor_move(anchor, &next), MM_E_ROLLBACK);
	next = at(6);
	next.log_key[31] ^= 1;
	assert_int_equal(mm_anchor_move(anchor, &next), MM_E_ROLLBACK);
	assert_int_equal(mm_anchor_last(anchor)->size, 5);
	mm_anchor_close(anchor);
}

/* Moved 3 times: sequences 2, 3, 4, the newest of them in slot 0. */
static void
a_torn_slot_leaves_the_other(void **state)
{
	struct fixture *fixture = *state;
	struct mm_anchor *anchor = created(fixture);

	move(anchor, 10);
	move(anchor, 20);
	move(anchor, 30);
	mm_anchor_close(anchor);
	assert_stands_at(fixture, 30);
	damage(fixture, 100);
	assert_stands_at(fixture, 20);
	damage(fixture, 100);
	damage(fixture, SLOT_DISTANCE + SLOT_SIZE - 1);
	assert_stands_at(fixture, 30);
}

static void
every_bit_of_a_slot_counts(void **state)
{
	struct fixture *fixture = *state;
	struct mm_anchor *anchor = created(fixture);

	move(anchor, 10);
	move(anchor, 20);
	move(anchor, 30);
	mm_anchor_close(anchor);
	for (off_t i = 0; i < SLOT_SIZE; i++) {
		damage(fixture, i);
		assert_stands_at(fixture, 20);
		damage(fixture, i);
	}
	assert_stands_at(fixture, 30);
}

static void
two_bad_slots_stop_the_start(void **state)
{
	struct fixture *fixture = *state;
	struct mm_anchor *anchor = created(fixture);

	mm_anchor_close(anchor);
	damage(fixture, 0);
	damage(fixture, SLOT_DISTANCE);
	assert_int_equal(
	    mm_anchor_open(fixture->directory, &anchor), MM_E_ROLLBACK);
	assert_int_equal(truncate(fixture->path, 0), 0);
	assert_int_equal(
	    mm_anchor_open(fixture->directory, &anchor), MM_E_ROLLBACK);
}

static void
a_missing_anchor_is_not_made(void **state)
{
	struct fixture *fixture = *state;
	struct mm_anchor *anchor;

	assert_int_equal(
	    mm_anchor_open(fixture->directory, &anchor), MM_E_NOT_FOUND);
	assert_int_equal(access(fixture->path, F_OK), -1);
}

static void
an_anchor_is_never_made_over_another(void **state)
{
	struct fixture *fixture = *state;
	struct mm_anchored first = at(0);
	struct mm_anchor *anchor = created(fixture), *second;

	move(anchor, 3);
	mm_anchor_close(anchor);
	assert_int_equal(
	    mm_anchor_create(fixture->directory, &first, &second), MM_E_STATE);
	assert_stands_at(fixture, 3);
}

static void
a_symbolic_link_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct mm_anchor *anchor;

	assert_int_equal(symlink("/dev/null", fixture->path), 0);
	assert_int_equal(
	    mm_anchor_open(fixture->directory, &anchor), MM_E_STATE);
}

static void
a_second_holder_is_refused_until_the_first_dies(void **state)
{
	struct fixture *fixture = *state;
	struct mm_anchor *anchor = NULL, *second;
	int ready[2], status;
	pid_t pid;
	char byte;

	mm_anchor_close(created(fixture));
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (mm_anchor_open(fixture->directory, &anchor) != MM_OK ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(
	    mm_anchor_open(fixture->directory, &second), MM_E_LOCKED);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_stands_at(fixture, 0);
	close(ready[0]);
	close(ready[1]);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {T(remembers_where_it_was_moved),
	    T(only_moves_forwards_in_its_log), T(a_torn_slot_leaves_the_other),
	    T(every_bit_of_a_slot_counts), T(two_bad_slots_stop_the_start),
	    T(a_missing_anchor_is_not_made),
	    T(an_anchor_is_never_made_over_another),
	    T(a_symbolic_link_is_refused),
	    T(a_second_holder_is_refused_until_the_first_dies)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
