/*
 * The journal of a run, whatever happens to it: torn, damaged, another key,
 * a full or failing disk, an end at each of its writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/produce_journal.h"
#include "tests/unit/log_faults.h"

enum {
	COPIES = 2,
	SLOTS_AT = COPIES * MM_JOURNAL_HEAD,
	FILE_SIZE = SLOTS_AT + MM_JOURNAL_SLOTS * MM_JOURNAL_SLOT,
	MANY_CALLS = 64
};

static char directory[64], path[80];

static int
set_up(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(directory, sizeof(directory), "%s/mm-run-XXXXXX",
	    base != NULL && strlen(base) < 40 ? base : "/tmp");
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/journal", directory);
	return 0;
}

static int
tear_down(void **state)
{
	char growing[96];

	(void)state;
	fault_disarm();
	snprintf(growing, sizeof(growing), "%s.new", path);
	unlink(growing);
	unlink(path);
	return rmdir(directory);
}

/* ---- a journal */

static uint8_t *
key_of(uint8_t byte)
{
	uint8_t *key = sodium_malloc(MM_SEAL_KEY);

	assert_non_null(key);
	memset(key, byte, MM_SEAL_KEY);
	return key;
}

static struct mm_journal_head
a_head(void)
{
	struct mm_journal_head head = {.order = "batch-7",
	    .profile = "device",
	    .registers = "aws-bulk",
	    .ordinal = 12,
	    .marks = {{34, {1, 2}}, {56, {3}}, {.size = 78}},
	    .made = 9,
	    .scrapped = 2};

	mm_seal_terms_new(false, &head.seal);
	memset(head.template, 5, sizeof(head.template));
	return head;
}

static enum mm_error
try_begin(struct mm_run_journal *journal)
{
	const struct mm_journal_head head = a_head();
	enum mm_error error = mm_run_journal_open(directory, journal);

	if (error == MM_OK)
		error = mm_run_journal_begin(journal, &head, key_of(1));
	return error;
}

static struct mm_run_journal
begun(void)
{
	struct mm_run_journal journal;

	assert_int_equal(try_begin(&journal), MM_OK);
	return journal;
}

static struct mm_run_journal
opened(void)
{
	struct mm_run_journal journal;

	assert_int_equal(mm_run_journal_open(directory, &journal), MM_OK);
	assert_true(journal.head.sequence > 0);
	assert_int_equal(mm_run_journal_unlock(&journal, key_of(1)), MM_OK);
	return journal;
}

/* What was found in the slots: a unit is its first byte, repeated. */
struct found {
	size_t count, slots[MM_JOURNAL_SLOTS];
	uint8_t bytes[MM_JOURNAL_SLOTS];
	enum mm_error answer;
};

static enum mm_error
take(void *self, size_t slot, struct mm_span unit)
{
	struct found *found = self;

	assert_true(unit.size > 0);
	for (size_t i = 1; i < unit.size; i++)
		assert_int_equal(unit.data[i], unit.data[0]);
	found->slots[found->count] = slot;
	found->bytes[found->count++] = unit.data[0];
	return found->answer;
}

static struct found
find(struct mm_run_journal *journal, size_t *torn)
{
	struct found found = {.answer = MM_OK};

	assert_int_equal(mm_slots_open(journal, take, &found, torn), MM_OK);
	return found;
}

static enum mm_error
put(struct mm_run_journal *journal, uint8_t byte, size_t size, size_t *slot)
{
	static uint8_t bytes[MM_JOURNAL_UNIT_MAX + 1];

	memset(bytes, byte, size);
	return mm_slot_put(journal, mm_span(bytes, size), slot);
}

static void
flip(off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static bool
slots_are_zero(void)
{
	static uint8_t all[FILE_SIZE];
	int fd = open(path, O_RDONLY);

	assert_int_equal(read(fd, all, sizeof(all)), sizeof(all));
	close(fd);
	return sodium_is_zero(all + SLOTS_AT, sizeof(all) - SLOTS_AT);
}

/* ---- the header */

static void
assert_same(const struct mm_journal_head *a, const struct mm_journal_head *b)
{
	assert_string_equal(a->order, b->order);
	assert_string_equal(a->profile, b->profile);
	assert_memory_equal(a->template, b->template, sizeof(a->template));
	assert_memory_equal(a->run, b->run, sizeof(a->run));
	assert_string_equal(a->registers, b->registers);
	assert_memory_equal(a->marks, b->marks, sizeof(a->marks));
	assert_memory_equal(a->seal.salt, b->seal.salt, sizeof(a->seal.salt));
	assert_int_equal(a->seal.passphrase, b->seal.passphrase);
	assert_int_equal(a->seal.operations, b->seal.operations);
	assert_int_equal(a->seal.memory, b->seal.memory);
	assert_int_equal(a->sequence, b->sequence);
	assert_int_equal(a->ordinal, b->ordinal);
	assert_int_equal(a->made, b->made);
	assert_int_equal(a->scrapped, b->scrapped);
}

static void
what_is_committed_is_read(void **state)
{
	struct mm_run_journal journal = begun();
	struct mm_journal_head head = journal.head;

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		struct mm_run_journal again = opened();

		assert_same(&again.head, &journal.head);
		mm_run_journal_clear(&again);
		head.ordinal++;
		head.marks[i % MM_RUN_FILES].size += 100;
		head.marks[i % MM_RUN_FILES].tail[31]++;
		assert_int_equal(mm_run_journal_commit(&journal, &head), MM_OK);
	}
	mm_run_journal_clear(&journal);
}

static void
names_of_every_length(void **state)
{
	static const size_t sizes[] = {1, 63, 64};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		struct mm_run_journal journal = begun();
		struct mm_journal_head head = journal.head;
		struct mm_run_journal again;

		memset(head.order, 'x', sizes[i]);
		head.order[sizes[i]] = '\0';
		assert_int_equal(mm_run_journal_commit(&journal, &head), MM_OK);
		again = opened();
		assert_string_equal(again.head.order, head.order);
		mm_run_journal_clear(&again);
		mm_run_journal_clear(&journal);
		unlink(path);
	}
}

static void
there_is_none_yet(void **state)
{
	struct mm_run_journal journal;

	(void)state;
	assert_int_equal(mm_run_journal_open(directory, &journal), MM_OK);
	assert_int_equal(journal.head.sequence, 0);
	mm_run_journal_clear(&journal);
}

static void
a_torn_header_leaves_the_other(void **state)
{
	struct mm_run_journal journal = begun();
	uint64_t newest = journal.head.sequence;
	off_t copy = (off_t)(newest % COPIES) * MM_JOURNAL_HEAD;

	(void)state;
	mm_run_journal_clear(&journal);
	for (off_t at = 0; at < MM_JOURNAL_HEAD; at += 7) {
		flip(copy + at);
		journal = opened();
		assert_int_equal(journal.head.sequence, newest - 1);
		mm_run_journal_clear(&journal);
		flip(copy + at);
	}
	journal = opened();
	assert_int_equal(journal.head.sequence, newest);
	mm_run_journal_clear(&journal);
}

static void
assert_damaged(void)
{
	struct mm_run_journal journal;

	assert_int_equal(mm_run_journal_open(directory, &journal), MM_E_FORMAT);
	assert_non_null(strstr(mm_why(MM_E_FORMAT), "damaged"));
	mm_run_journal_clear(&journal);
}

static void
two_torn_headers_are_told(void **state)
{
	struct mm_run_journal journal = begun();

	(void)state;
	mm_run_journal_clear(&journal);
	flip(20);
	flip(MM_JOURNAL_HEAD + 20);
	assert_damaged();
}

static void
another_size_is_told(void **state)
{
	static const off_t sizes[] = {
	    0, MM_JOURNAL_HEAD, FILE_SIZE - 1, FILE_SIZE + 1};
	struct mm_run_journal journal;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		journal = begun();
		mm_run_journal_clear(&journal);
		assert_int_equal(truncate(path, sizes[i]), 0);
		assert_damaged();
		unlink(path);
	}
}

static void
another_key_is_told(void **state)
{
	struct mm_run_journal journal = begun();

	(void)state;
	mm_run_journal_clear(&journal);
	assert_int_equal(mm_run_journal_open(directory, &journal), MM_OK);
	assert_int_equal(
	    mm_run_journal_unlock(&journal, key_of(2)), MM_E_PASSPHRASE);
	assert_non_null(strstr(mm_why(MM_E_PASSPHRASE), "run key"));
	mm_run_journal_clear(&journal);
}

/* ---- slots */

static void
a_unit_comes_back(void **state)
{
	static const size_t sizes[] = {
	    1, 2, 4095, 16000, MM_JOURNAL_UNIT_MAX - 1, MM_JOURNAL_UNIT_MAX};
	struct mm_run_journal journal = begun();
	size_t slot, torn;
	struct found found;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		assert_int_equal(
		    put(&journal, (uint8_t)(10 + i), sizes[i], &slot), MM_OK);
		assert_int_equal(slot, i);
	}
	assert_int_equal(put(&journal, 1, 0, &slot), MM_E_RANGE);
	assert_int_equal(
	    put(&journal, 1, MM_JOURNAL_UNIT_MAX + 1, &slot), MM_E_RANGE);
	assert_int_equal(mm_slots_sync(&journal), MM_OK);
	mm_run_journal_clear(&journal);
	journal = opened();
	found = find(&journal, &torn);
	assert_int_equal(torn, 0);
	assert_int_equal(found.count, MM_COUNT(sizes));
	for (size_t i = 0; i < found.count; i++) {
		assert_int_equal(found.slots[i], i);
		assert_int_equal(found.bytes[i], 10 + i);
	}
	mm_run_journal_clear(&journal);
}

static void
so_many_slots_and_no_more(void **state)
{
	struct mm_run_journal journal = begun();
	size_t slot;

	(void)state;
	for (size_t i = 0; i < MM_JOURNAL_SLOTS; i++) {
		assert_int_equal(mm_slots_free(&journal), MM_JOURNAL_SLOTS - i);
		assert_int_equal(put(&journal, 3, 100, &slot), MM_OK);
	}
	assert_int_equal(mm_slots_free(&journal), 0);
	assert_int_equal(put(&journal, 3, 100, &slot), MM_E_RANGE);
	assert_int_equal(mm_slot_clear(&journal, 77), MM_OK);
	assert_int_equal(put(&journal, 4, 100, &slot), MM_OK);
	assert_int_equal(slot, 77);
	for (size_t i = 0; i < MM_JOURNAL_SLOTS; i++)
		assert_int_equal(mm_slot_clear(&journal, i), MM_OK);
	assert_true(slots_are_zero());
	mm_run_journal_clear(&journal);
}

static void
drop_torn(struct mm_run_journal *journal)
{
	int own = open(directory, O_RDONLY | O_DIRECTORY);

	assert_int_equal(mm_slots_drop_torn(journal, own), MM_OK);
	assert_int_equal(unlinkat(own, MM_JOURNAL_TORN, 0), 0);
	close(own);
}

/* Its bytes are kept, whole and for nobody else. */
static void
assert_torn_is_kept(struct mm_run_journal *journal)
{
	static uint8_t was[MM_JOURNAL_SLOT], kept[MM_JOURNAL_SLOT + 1];
	int own = open(directory, O_RDONLY | O_DIRECTORY);
	struct stat info;
	int fd;

	assert_int_equal(
	    pread(journal->fd, was, sizeof(was), SLOTS_AT), MM_JOURNAL_SLOT);
	assert_int_equal(mm_slots_drop_torn(journal, own), MM_OK);
	fd = openat(own, MM_JOURNAL_TORN, O_RDONLY);
	assert_int_equal(read(fd, kept, sizeof(kept)), MM_JOURNAL_SLOT);
	assert_memory_equal(kept, was, sizeof(was));
	assert_int_equal(fstat(fd, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(unlinkat(own, MM_JOURNAL_TORN, 0), 0);
	close(fd);
	close(own);
}

/* Whichever byte of it is another, the slot does not open; it is cleared when
 * that is wanted, and not before. */
static void
a_torn_slot_is_kept_and_cleared(void **state)
{
	enum { SIZE = 50, ALL = MM_SEAL_NONCE + 4 + SIZE + MM_SEAL_TAG };

	(void)state;
	for (off_t at = 0; at < ALL; at++) {
		struct mm_run_journal journal = begun();
		struct found found;
		size_t slot, torn;

		assert_int_equal(put(&journal, 1, SIZE, &slot), MM_OK);
		assert_int_equal(put(&journal, 2, SIZE, &slot), MM_OK);
		mm_run_journal_clear(&journal);
		flip(SLOTS_AT + at);
		journal = opened();
		found = find(&journal, &torn);
		assert_int_equal(torn, 1);
		assert_int_equal(found.count, 1);
		assert_int_equal(found.bytes[0], 2);
		assert_int_equal(mm_slots_free(&journal), MM_JOURNAL_SLOTS - 2);
		assert_torn_is_kept(&journal);
		assert_int_equal(mm_slots_free(&journal), MM_JOURNAL_SLOTS - 1);
		assert_int_equal(
		    mm_slot_clear(&journal, found.slots[0]), MM_OK);
		assert_true(slots_are_zero());
		mm_run_journal_clear(&journal);
		unlink(path);
	}
}

/* What is good in one slot, or in one run, is nothing in another. */
static void
a_slot_is_bound_to_its_place(void **state)
{
	static uint8_t bytes[MM_JOURNAL_SLOT];
	struct mm_run_journal journal = begun();
	struct found found;
	size_t slot, torn;
	int fd;

	(void)state;
	assert_int_equal(put(&journal, 1, 60, &slot), MM_OK);
	mm_run_journal_clear(&journal);
	fd = open(path, O_RDWR);
	assert_int_equal(
	    pread(fd, bytes, sizeof(bytes), SLOTS_AT), sizeof(bytes));
	assert_int_equal(
	    pwrite(fd, bytes, sizeof(bytes), SLOTS_AT + 5 * MM_JOURNAL_SLOT),
	    sizeof(bytes));
	close(fd);
	journal = opened();
	found = find(&journal, &torn);
	assert_int_equal(found.count, 1);
	assert_int_equal(torn, 1);
	mm_run_journal_clear(&journal);
	unlink(path);

	journal = begun();
	fd = open(path, O_RDWR);
	assert_int_equal(
	    pwrite(fd, bytes, sizeof(bytes), SLOTS_AT), sizeof(bytes));
	close(fd);
	found = find(&journal, &torn);
	assert_int_equal(found.count, 0);
	assert_int_equal(torn, 1);
	mm_run_journal_clear(&journal);
}

static void
the_finder_may_stop(void **state)
{
	struct mm_run_journal journal = begun();
	struct found found = {.answer = MM_E_FORMAT};
	size_t slot, torn;

	(void)state;
	assert_int_equal(put(&journal, 1, 60, &slot), MM_OK);
	assert_int_equal(put(&journal, 1, 60, &slot), MM_OK);
	assert_int_equal(
	    mm_slots_open(&journal, take, &found, &torn), MM_E_FORMAT);
	assert_int_equal(found.count, 1);
	mm_run_journal_clear(&journal);
}

/* No byte of a unit stands in the file. */
static void
a_unit_is_sealed(void **state)
{
	static uint8_t all[FILE_SIZE];
	struct mm_run_journal journal = begun();
	size_t slot;
	int fd;

	(void)state;
	assert_int_equal(put(&journal, 'k', 5000, &slot), MM_OK);
	mm_run_journal_clear(&journal);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, all, sizeof(all)), sizeof(all));
	close(fd);
	assert_null(memmem(all, sizeof(all), "kkkkkkkk", 8));
}

/* ---- faults */

/* A window's way through the journal; `stage` is how far it came. */
static enum mm_error
window(struct mm_run_journal *journal, volatile int *stage)
{
	struct mm_journal_head head = journal->head;
	size_t slots[2];
	enum mm_error error = put(journal, 21, 300, &slots[0]);

	if (error == MM_OK)
		error = put(journal, 22, 9000, &slots[1]);
	if (error == MM_OK)
		error = mm_slots_sync(journal);
	if (error != MM_OK)
		return error;
	*stage = 1; /* the CSRs leave */
	head.ordinal += 2;
	head.marks[0].size = 1000;
	error = mm_run_journal_commit(journal, &head);
	if (error != MM_OK)
		return error;
	*stage = 2; /* they count */
	for (size_t i = 0; i < MM_COUNT(slots) && error == MM_OK; i++)
		error = mm_slot_clear(journal, slots[i]);
	if (error == MM_OK)
		error = mm_slots_sync(journal);
	if (error == MM_OK)
		*stage = 3;
	return error;
}

/* Whatever ended it: the header is the old one or the new one, no unit whose
 * CSR left is lost before it counts, and nothing is there when all is over. */
static void
assert_sound(int stage)
{
	struct mm_run_journal journal = opened();
	size_t torn;
	struct found found = find(&journal, &torn);
	bool counts = journal.head.marks[0].size == 1000;

	assert_true(counts || journal.head.marks[0].size == 34);
	assert_int_equal(journal.head.ordinal, counts ? 14 : 12);
	if (stage < 1)
		assert_false(counts);
	if (stage >= 2)
		assert_true(counts);
	if (stage >= 1 && !counts)
		assert_int_equal(found.count, 2);
	if (stage >= 3)
		assert_int_equal(found.count + torn, 0);
	for (size_t i = 0; i < found.count; i++) {
		assert_true(found.bytes[i] == 21 || found.bytes[i] == 22);
		assert_int_equal(
		    mm_slot_clear(&journal, found.slots[i]), MM_OK);
	}
	if (torn > 0)
		drop_torn(&journal);
	assert_true(slots_are_zero());
	mm_run_journal_clear(&journal);
}

/* In a process of its own, which ends at the call; false: it came to none. */
static bool
killed_at(enum fault fault, long at, volatile int *stage)
{
	struct mm_run_journal journal = begun();
	int status;
	pid_t child;

	*stage = 0;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		enum mm_error error;

		fault_arm(fault, at, EIO);
		error = window(&journal, stage);
		_exit(error == MM_OK ? 1 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) < 2);
	mm_run_journal_clear(&journal);
	return WEXITSTATUS(status) == 0;
}

static void
an_end_at_each_write(void **state)
{
	static const enum fault ends[] = {
	    FAULT_BEFORE, FAULT_AFTER, FAULT_TORN};
	volatile int *stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long calls = 0;

	(void)state;
	assert_ptr_not_equal(stage, MAP_FAILED);
	for (size_t i = 0; i < MM_COUNT(ends); i++)
		for (long at = 1; at < MANY_CALLS; at++) {
			bool ended = killed_at(ends[i], at, stage);

			assert_sound(*stage);
			unlink(path);
			if (!ended)
				break;
			calls++;
		}
	/* Two slots, sync, header, sync, two clears, sync: thrice. */
	assert_int_equal(calls, 3 * 8);
	munmap((void *)(uintptr_t)stage, sizeof(*stage));
}

static void
a_fault_at_each_write(void **state)
{
	static const int causes[] = {EIO, ENOSPC};
	static const enum fault kinds[] = {FAULT_FAIL, FAULT_LIE};
	long failed = 0;

	(void)state;
	for (long i = 0; i < 4 * MANY_CALLS; i++) {
		struct mm_run_journal journal = begun();
		int cause = causes[i % 2], stage = 0;
		enum mm_error error;
		size_t slot;

		fault_arm(kinds[i / 2 % 2], 1 + i / 4, cause);
		error = window(&journal, &stage);
		fault_disarm();
		if (faults.struck) {
			failed++;
			assert_int_equal(error,
			    cause == ENOSPC ? MM_E_DISK_FULL : MM_E_FILE);
			assert_non_null(strstr(mm_why(error), path));
			/* Never again, and nothing is believed of it. */
			assert_int_not_equal(
			    put(&journal, 1, 10, &slot), MM_OK);
			assert_int_not_equal(mm_slots_sync(&journal), MM_OK);
			assert_int_not_equal(
			    mm_run_journal_commit(&journal, &journal.head),
			    MM_OK);
		} else
			assert_int_equal(error, MM_OK);
		mm_run_journal_clear(&journal);
		assert_sound(stage);
		unlink(path);
		if (!faults.struck)
			break;
	}
	assert_int_equal(failed, 4 * 8);
}

/* It is there whole, or not at all. */
static void
an_end_at_each_write_of_its_birth(void **state)
{
	static const enum fault ends[] = {
	    FAULT_BEFORE, FAULT_AFTER, FAULT_TORN};
	long calls = 0;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(ends); i++)
		for (long at = 1; at < MANY_CALLS; at++) {
			struct mm_run_journal journal;
			int status;
			pid_t child = fork();

			assert_true(child >= 0);
			if (child == 0) {
				fault_arm(ends[i], at, EIO);
				_exit(try_begin(&journal) == MM_OK ? 1 : 2);
			}
			assert_int_equal(waitpid(child, &status, 0), child);
			assert_true(WIFEXITED(status));
			assert_true(WEXITSTATUS(status) < 2);
			assert_int_equal(
			    mm_run_journal_open(directory, &journal), MM_OK);
			if (journal.head.sequence > 0)
				assert_int_equal(
				    mm_run_journal_unlock(&journal, key_of(1)),
				    MM_OK);
			mm_run_journal_clear(&journal);
			if (WEXITSTATUS(status) != 0)
				break;
			calls++;
			/* What is left does not stand in the way. */
			if (access(path, F_OK) < 0) {
				journal = begun();
				mm_run_journal_clear(&journal);
			}
			unlink(path);
		}
	assert_true(calls >= 3 * 5);
}

static void
its_room_is_taken_at_its_birth(void **state)
{
	struct mm_run_journal journal = begun();
	struct stat info;

	(void)state;
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_size, FILE_SIZE);
	assert_true((long)info.st_blocks * 512 >= FILE_SIZE);
	assert_int_equal(info.st_mode & 0777, 0600);
	mm_run_journal_clear(&journal);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {T(there_is_none_yet),
	    T(what_is_committed_is_read), T(names_of_every_length),
	    T(a_torn_header_leaves_the_other), T(two_torn_headers_are_told),
	    T(another_size_is_told), T(another_key_is_told),
	    T(a_unit_comes_back), T(so_many_slots_and_no_more),
	    T(a_torn_slot_is_kept_and_cleared), T(a_slot_is_bound_to_its_place),
	    T(the_finder_may_stop), T(a_unit_is_sealed),
	    T(an_end_at_each_write), T(a_fault_at_each_write),
	    T(an_end_at_each_write_of_its_birth),
	    T(its_room_is_taken_at_its_birth)};
#undef T

	if (sodium_init() < 0)
		return 1;
	faults.lazy = true;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
