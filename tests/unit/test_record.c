#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "hsm/record.h"
#include "tests/unit/softhsm.h"

static struct softhsm place; /* for its directory */
static char path[320];

static int
begin(void **state)
{
	(void)state;
	softhsm_begin(&place);
	snprintf(path, sizeof(path), "%s/record", place.directory);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	softhsm_end(&place);
	return 0;
}

static struct mm_record_state
first(void)
{
	struct mm_record_state state = {
	    .origin = mm_span_text("mint.example/log"), .number = 1};

	memset(state.log_key, 1, 32);
	memset(state.genesis, 2, 32);
	memset(state.policy, 3, 32);
	return state;
}

static struct mm_record *
open_record(bool genesis)
{
	struct mm_record *record = NULL;

	assert_int_equal(mm_record_open(path, genesis, &record), MM_OK);
	return record;
}

static struct mm_record *
begin_record(void)
{
	struct mm_record *record = open_record(true);
	struct mm_record_state state = first();

	assert_null(mm_record_state(record));
	assert_int_equal(mm_record_begin(record, &state), MM_OK);
	return record;
}

static enum mm_error
try_open(bool genesis)
{
	struct mm_record *record = NULL;
	enum mm_error error = mm_record_open(path, genesis, &record);

	assert_int_equal(record == NULL, error != MM_OK);
	mm_record_close(record);
	return error;
}

static void
advance(struct mm_record *record, uint64_t number, uint8_t digest,
    enum mm_error wanted)
{
	uint8_t policy[32];

	memset(policy, digest, sizeof(policy));
	assert_int_equal(mm_record_advance(record, number, policy), wanted);
}

static void
retire(struct mm_record *record, uint64_t key, enum mm_error wanted)
{
	uint8_t hash[32] = {0};

	memcpy(hash, &key, sizeof(key));
	assert_int_equal(mm_record_retire(record, hash), wanted);
}

static bool
is_retired(const struct mm_record *record, uint64_t key)
{
	uint8_t hash[32] = {0};

	memcpy(hash, &key, sizeof(key));
	return mm_record_retired(record, hash);
}

/* By this process, by the next one, and by one that shares the record. */
static void
a_retired_key_stays_retired(void **state)
{
	struct mm_record *one = begin_record(), *other = open_record(false);

	(void)state;
	retire(one, 7, MM_OK);
	retire(one, 7, MM_OK);
	retire(other, 8, MM_OK);
	advance(one, 2, 4, MM_OK);
	assert_int_equal(mm_record_state(one)->retired.count, 2);
	assert_true(is_retired(one, 7) && is_retired(one, 8));
	assert_false(is_retired(one, 9));
	mm_record_close(one);
	mm_record_close(other);
	one = open_record(false);
	assert_int_equal(mm_record_state(one)->number, 2);
	assert_true(is_retired(one, 7) && is_retired(one, 8));
	mm_record_close(one);
}

static void
a_record_without_a_retirement_is_an_older_one(void **state)
{
	struct mm_record *record = begin_record();
	mm_auto(buffer) old = {0};

	(void)state;
	mm_buffer_init(&old, 4096);
	assert_int_equal(mm_file_read(path, 4096, &old), MM_OK);
	retire(record, 7, MM_OK);
	assert_int_equal(
	    mm_file_write(path, mm_buffer_span(&old), 0600, true), MM_OK);
	retire(record, 8, MM_E_TOKEN_RECORD);
	advance(record, 2, 4, MM_E_TOKEN_RECORD);
	assert_true(is_retired(record, 7));
	mm_record_close(record);
}

static void
as_many_keys_retire_as_there_is_room_for(void **state)
{
	struct mm_record *record = begin_record();

	(void)state;
	for (uint64_t i = 1; i <= MM_RECORD_RETIRED_MAX; i++)
		retire(record, i, MM_OK);
	retire(record, MM_RECORD_RETIRED_MAX + 1, MM_E_TOKEN_RECORD);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_RECORD), "room"));
	retire(record, 1, MM_OK);
	mm_record_close(record);
	record = open_record(false);
	assert_true(is_retired(record, MM_RECORD_RETIRED_MAX));
	advance(record, 2, 4, MM_OK);
	mm_record_close(record);
}

static void
what_was_recorded_is_read_again(void **state)
{
	struct mm_record_state was = first();
	const struct mm_record_state *is;
	struct mm_record *record;

	(void)state;
	mm_record_close(begin_record());
	record = open_record(false);
	is = mm_record_state(record);
	assert_true(mm_span_equal(is->origin, was.origin));
	assert_memory_equal(is->log_key, was.log_key, 32);
	assert_memory_equal(is->genesis, was.genesis, 32);
	assert_memory_equal(is->policy, was.policy, 32);
	assert_int_equal(is->number, 1);
	mm_record_close(record);
}

static void
only_a_genesis_begins_one(void **state)
{
	(void)state;
	assert_int_equal(try_open(false), MM_E_TOKEN_RECORD);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_RECORD), "restore"));
	assert_int_equal(try_open(true), MM_OK);
	assert_int_equal(access(path, F_OK), -1);
}

static void
a_log_has_one_genesis(void **state)
{
	struct mm_record *record = begin_record();
	struct mm_record_state again = first();

	(void)state;
	again.genesis[0] ^= 1;
	assert_int_equal(mm_record_begin(record, &again), MM_E_TOKEN_RECORD);
	assert_int_equal(mm_record_state(record)->genesis[0], 2);
	mm_record_close(record);
}

static void
it_moves_one_up_and_never_down(void **state)
{
	struct mm_record *record = begin_record();

	(void)state;
	advance(record, 3, 4, MM_E_TOKEN_RECORD);
	advance(record, 0, 4, MM_E_TOKEN_RECORD);
	advance(record, 1, 4, MM_E_TOKEN_RECORD);
	advance(record, 1, 3, MM_OK);
	advance(record, 2, 4, MM_OK);
	advance(record, 1, 3, MM_E_TOKEN_RECORD);
	advance(record, 2, 5, MM_E_TOKEN_RECORD);
	advance(record, 2, 4, MM_OK);
	advance(record, 3, 5, MM_OK);
	assert_int_equal(mm_record_state(record)->number, 3);
	mm_record_close(record);
	record = open_record(false);
	assert_int_equal(mm_record_state(record)->number, 3);
	assert_int_equal(mm_record_state(record)->policy[0], 5);
	mm_record_close(record);
}

static void
two_processes_share_one(void **state)
{
	struct mm_record *one = begin_record();
	struct mm_record *other = open_record(false);

	(void)state;
	advance(one, 2, 4, MM_OK);
	advance(other, 2, 9, MM_E_TOKEN_RECORD);
	advance(other, 2, 4, MM_OK);
	advance(other, 3, 5, MM_OK);
	advance(one, 2, 4, MM_E_TOKEN_RECORD);
	mm_record_close(one);
	mm_record_close(other);
}

/* An advance waits for whoever holds the lock. */
static void
it_moves_under_the_lock(void **state)
{
	struct mm_record *record = begin_record();
	int directory =
	    open(place.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(flock(directory, LOCK_EX), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct mm_record *own = NULL;

		ualarm(50000, 0);
		_exit((int)mm_record_open(path, false, &own));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
	close(directory);
	advance(record, 2, 4, MM_OK);
	mm_record_close(record);
}

static void
a_record_replaced_by_an_older_one_is_noticed(void **state)
{
	struct mm_record *record = begin_record();
	mm_auto(buffer) old = {0};

	(void)state;
	mm_buffer_init(&old, 4096);
	assert_int_equal(mm_file_read(path, 4096, &old), MM_OK);
	advance(record, 2, 4, MM_OK);
	assert_int_equal(
	    mm_file_write(path, mm_buffer_span(&old), 0600, true), MM_OK);
	advance(record, 2, 4, MM_E_TOKEN_RECORD);
	advance(record, 3, 5, MM_E_TOKEN_RECORD);
	assert_int_equal(unlink(path), 0);
	advance(record, 3, 5, MM_E_TOKEN_RECORD);
	assert_int_equal(mm_record_state(record)->number, 2);
	mm_record_close(record);
}

static void
a_damaged_record_is_refused(void **state)
{
	mm_auto(buffer) whole = {0};
	uint8_t extra = 0;

	(void)state;
	mm_record_close(begin_record());
	mm_buffer_init(&whole, 4096);
	assert_int_equal(mm_file_read(path, 4096, &whole), MM_OK);
	for (size_t size = 0; size < whole.size; size++) {
		assert_int_equal(
		    mm_file_write(path, mm_span(whole.data, size), 0600, true),
		    MM_OK);
		assert_int_equal(try_open(false), MM_E_TOKEN_RECORD);
		assert_int_equal(try_open(true), MM_E_TOKEN_RECORD);
	}
	mm_buffer_add(&whole, &extra, 1);
	assert_int_equal(
	    mm_file_write(path, mm_buffer_span(&whole), 0600, true), MM_OK);
	assert_int_equal(try_open(false), MM_E_TOKEN_RECORD);
}

static void
a_file_that_others_could_change_is_refused(void **state)
{
	char link[340];

	(void)state;
	mm_record_close(begin_record());
	assert_int_equal(chmod(path, 0620), 0);
	assert_int_equal(try_open(false), MM_E_TOKEN_RECORD);
	assert_int_equal(chmod(path, 0602), 0);
	assert_int_equal(try_open(false), MM_E_TOKEN_RECORD);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(try_open(false), MM_OK);
	assert_int_equal(chmod(place.directory, 0770), 0);
	assert_int_equal(try_open(false), MM_E_TOKEN_RECORD);
	assert_int_equal(chmod(place.directory, 0700), 0);
	snprintf(link, sizeof(link), "%s.link", path);
	assert_int_equal(rename(path, link), 0);
	assert_int_equal(symlink(link, path), 0);
	assert_int_equal(try_open(false), MM_E_TOKEN_RECORD);
	assert_int_equal(try_open(true), MM_E_TOKEN_RECORD);
}

static void
a_temporary_of_a_crash_does_not_matter(void **state)
{
	struct mm_record *record = begin_record();
	char temporary[340];

	(void)state;
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	write_text(temporary, "half a rec", 0600);
	advance(record, 2, 4, MM_OK);
	assert_int_equal(access(temporary, F_OK), -1);
	mm_record_close(record);
}

/* On failure nothing has changed, and it goes on when the cause is gone. */
static void
a_move_that_cannot_be_written_is_none(void **state)
{
	struct mm_record *record = begin_record();
	char temporary[340];

	(void)state;
	/* A directory in the temporary's place cannot be unlinked. */
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	assert_int_equal(mkdir(temporary, 0700), 0);
	advance(record, 2, 4, MM_E_TOKEN_RECORD);
	assert_int_equal(mm_record_state(record)->number, 1);
	assert_int_equal(rmdir(temporary), 0);
	advance(record, 2, 4, MM_OK);
	mm_record_close(record);
}

static void
an_origin_may_be_as_long_as_a_note_allows(void **state)
{
	struct mm_record *record = open_record(true);
	struct mm_record_state long_one = first();
	char origin[MM_ORIGIN_MAX + 1];

	(void)state;
	memset(origin, 'a', sizeof(origin));
	long_one.origin = mm_span(origin, MM_ORIGIN_MAX + 1);
	assert_int_equal(mm_record_begin(record, &long_one), MM_E_RANGE);
	long_one.origin.size = MM_ORIGIN_MAX;
	assert_int_equal(mm_record_begin(record, &long_one), MM_OK);
	advance(record, 2, 4, MM_OK);
	mm_record_close(record);
	record = open_record(false);
	assert_true(
	    mm_span_equal(mm_record_state(record)->origin, long_one.origin));
	mm_record_close(record);
}

static void
a_path_names_a_file_in_a_directory(void **state)
{
	char real[320];

	(void)state;
	strcpy(real, path);
	snprintf(path, sizeof(path), "%s/", place.directory);
	assert_int_equal(try_open(true), MM_E_SETTING);
	snprintf(path, sizeof(path), "%s/none/record", place.directory);
	assert_int_equal(try_open(true), MM_E_TOKEN_RECORD);
	strcpy(path, real);
}

static void
what_was_not_begun_does_not_move(void **state)
{
	struct mm_record *record = open_record(true);

	(void)state;
	advance(record, 1, 3, MM_E_TOKEN_RECORD);
	retire(record, 1, MM_E_TOKEN_RECORD);
	assert_int_equal(access(path, F_OK), -1);
	mm_record_close(record);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {CASE(a_retired_key_stays_retired),
	    CASE(a_record_without_a_retirement_is_an_older_one),
	    CASE(as_many_keys_retire_as_there_is_room_for),
	    CASE(what_was_recorded_is_read_again),
	    CASE(only_a_genesis_begins_one), CASE(a_log_has_one_genesis),
	    CASE(it_moves_one_up_and_never_down), CASE(two_processes_share_one),
	    CASE(it_moves_under_the_lock),
	    CASE(a_record_replaced_by_an_older_one_is_noticed),
	    CASE(a_damaged_record_is_refused),
	    CASE(a_file_that_others_could_change_is_refused),
	    CASE(a_temporary_of_a_crash_does_not_matter),
	    CASE(a_move_that_cannot_be_written_is_none),
	    CASE(a_path_names_a_file_in_a_directory),
	    CASE(what_was_not_begun_does_not_move),
	    CASE(an_origin_may_be_as_long_as_a_note_allows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
