/* A ledger reads its facts in order, however little memory it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "audit/ledger.h"

static const char *
work(void)
{
	const char *parent = getenv("TMPDIR");

	return parent != NULL ? parent : P_tmpdir;
}

/* Facts of few names, so that many are about one thing. */
static struct mm_fact
make_fact(uint64_t n, uint64_t names)
{
	uint64_t mixed = (n * UINT64_C(0x9e3779b97f4a7c15)) % names;
	struct mm_fact fact = {
	    .index = n, .kind = (uint32_t)(n % 3), .value = (uint32_t)n};

	for (size_t i = 0; i < sizeof(mixed); i++)
		fact.name[i] = (uint8_t)(mixed >> 8 * (7 - i));
	fact.name[15] = (uint8_t)mixed;
	return fact;
}

static int
compare(const void *one, const void *other)
{
	const struct mm_fact *a = one, *b = other;
	int names = memcmp(a->name, b->name, sizeof(a->name));

	return names != 0 ? names
			  : (a->index > b->index) - (a->index < b->index);
}

struct expected {
	const struct mm_fact *facts;
	size_t at, count;
};

static enum mm_error
expect(void *self, const struct mm_fact *fact)
{
	struct expected *expected = self;

	assert_true(expected->at < expected->count);
	if (memcmp(fact, &expected->facts[expected->at], sizeof(*fact)) != 0)
		fail_msg("fact %zu is another one", expected->at);
	expected->at++;
	return MM_OK;
}

/* Adds facts in an order of no order, and reads them, twice. */
static void
sorts(size_t count, uint64_t names, size_t memory)
{
	struct mm_fact *facts = malloc((count + 1) * sizeof(*facts));
	struct mm_ledger *ledger;

	assert_non_null(facts);
	assert_int_equal(mm_ledger_new(work(), memory, &ledger), MM_OK);
	for (size_t i = 0; i < count; i++) {
		facts[i] = make_fact(i * 7919 % count, names);
		assert_int_equal(mm_ledger_add(ledger, &facts[i]), MM_OK);
	}
	qsort(facts, count, sizeof(*facts), compare);
	for (int i = 0; i < 2; i++) {
		struct expected expected = {facts, 0, count};

		assert_int_equal(
		    mm_ledger_read(ledger, expect, &expected), MM_OK);
		assert_int_equal(expected.at, count);
	}
	mm_ledger_free(ledger);
	free(facts);
}

static void
a_million_facts_are_sorted_in_little_memory(void **state)
{
	(void)state;
	sorts(1000000, 1000, 1 << 20);
	sorts(1000000, 1000003, 1 << 16);
}

/* So little that runs are merged in several passes. */
static void
runs_are_merged_in_passes(void **state)
{
	(void)state;
	sorts(100000, 997, 0);
}

static void
the_edges_of_memory_are_no_edges(void **state)
{
	static const size_t counts[] = {
	    0, 1, 2, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(counts); i++) {
		sorts(counts[i], 97, 0);
		sorts(counts[i], 97, 1 << 20);
	}
}

static enum mm_error
refuse_third(void *self, const struct mm_fact *fact)
{
	(void)fact;
	return ++*(int *)self == 3 ? MM_E_LOG_WRONG : MM_OK;
}

static void
a_reader_may_end_it(void **state)
{
	(void)state;
	for (size_t memory = 0; memory <= 1 << 20; memory += 1 << 20) {
		struct mm_ledger *ledger;
		int told = 0;

		assert_int_equal(mm_ledger_new(work(), memory, &ledger), MM_OK);
		for (uint64_t i = 0; i < 2000; i++) {
			struct mm_fact fact = make_fact(i, 97);

			assert_int_equal(mm_ledger_add(ledger, &fact), MM_OK);
		}
		assert_int_equal(mm_ledger_read(ledger, refuse_third, &told),
		    MM_E_LOG_WRONG);
		assert_int_equal(told, 3);
		mm_ledger_free(ledger);
	}
}

static enum mm_error
add_many(struct mm_ledger *ledger, uint64_t count)
{
	enum mm_error error = MM_OK;

	for (uint64_t i = 0; i < count && error == MM_OK; i++) {
		struct mm_fact fact = make_fact(i, 97);

		error = mm_ledger_add(ledger, &fact);
	}
	return error;
}

/* A limit of the file's size stands in for that of the disk. */
static void
a_full_disk_is_told(void **state)
{
	struct rlimit former, small = {.rlim_cur = 20000};
	struct mm_ledger *ledger;
	enum mm_error error;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &former), 0);
	small.rlim_max = former.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(mm_ledger_new(work(), 0, &ledger), MM_OK);
	error = add_many(ledger, 10000);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &former), 0);
	assert_int_equal(error, MM_E_DISK_FULL);
	mm_ledger_free(ledger);
}

static void
a_directory_that_is_not_there_is_told(void **state)
{
	struct mm_ledger *ledger;

	(void)state;
	assert_int_equal(mm_ledger_new("/nowhere/at/all", 0, &ledger), MM_OK);
	assert_int_equal(add_many(ledger, 10000), MM_E_FILE);
	mm_ledger_free(ledger);
}

/* The ledger's file, by what the system says that we have open. */
static int
open_the_file(void)
{
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *one;
	int fd = -1;

	assert_non_null(directory);
	while (fd < 0 && (one = readdir(directory)) != NULL) {
		char path[300], target[4096];
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/self/fd/%s", one->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		if (length <= 0)
			continue;
		target[length] = '\0';
		if (strstr(target, "(deleted)") != NULL &&
		    strncmp(target, work(), strlen(work())) == 0)
			fd = open(path, O_RDWR | O_CLOEXEC);
	}
	closedir(directory);
	return fd;
}

static void
a_file_that_lost_its_end_is_told(void **state)
{
	struct mm_ledger *ledger;
	int fd;

	(void)state;
	assert_int_equal(mm_ledger_new(work(), 0, &ledger), MM_OK);
	assert_int_equal(add_many(ledger, 10000), MM_OK);
	assert_int_equal(
	    mm_ledger_read(ledger, refuse_third, &(int){-1000000}), MM_OK);
	fd = open_the_file();
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8192 * 3 + 5), 0);
	close(fd);
	assert_int_equal(
	    mm_ledger_read(ledger, refuse_third, &(int){-1000000}), MM_E_FILE);
	mm_ledger_free(ledger);
}

static size_t
count_files(void)
{
	DIR *directory = opendir(work());
	size_t count = 0;

	assert_non_null(directory);
	for (const struct dirent *one = readdir(directory); one != NULL;
	     one = readdir(directory))
		count += strncmp(one->d_name, ".mintmark.", 10) == 0;
	closedir(directory);
	return count;
}

static void
nothing_is_seen_of_it(void **state)
{
	size_t before = count_files();
	struct mm_ledger *ledger;

	(void)state;
	assert_int_equal(mm_ledger_new(NULL, 0, &ledger), MM_OK);
	assert_int_equal(add_many(ledger, 10000), MM_OK);
	assert_int_equal(count_files(), before);
	mm_ledger_free(ledger);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_million_facts_are_sorted_in_little_memory),
	    cmocka_unit_test(runs_are_merged_in_passes),
	    cmocka_unit_test(the_edges_of_memory_are_no_edges),
	    cmocka_unit_test(a_reader_may_end_it),
	    cmocka_unit_test(a_full_disk_is_told),
	    cmocka_unit_test(a_directory_that_is_not_there_is_told),
	    cmocka_unit_test(a_file_that_lost_its_end_is_told),
	    cmocka_unit_test(nothing_is_seen_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
