/*
 * Limits a minute: as many as allowed, not one more, and the time to wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/minute.h"

enum { BEGIN = 1000 };

static void
as_many_as_allowed_and_no_more(void **unused)
{
	struct mm_minute minute = {.sum = 0};

	(void)unused;
	for (int i = 0; i < 5; i++)
		assert_int_equal(mm_minute_take(&minute, 5, BEGIN), 0);
	assert_int_equal(mm_minute_take(&minute, 5, BEGIN), 60);
	assert_int_equal(minute.sum, 5);
}

static void
the_wait_is_the_real_one(void **unused)
{
	struct mm_minute minute = {.sum = 0};

	(void)unused;
	assert_int_equal(mm_minute_take(&minute, 2, BEGIN), 0);
	assert_int_equal(mm_minute_take(&minute, 2, BEGIN + 10), 0);
	assert_int_equal(mm_minute_take(&minute, 2, BEGIN + 20), 40);
	assert_int_equal(mm_minute_take(&minute, 2, BEGIN + 59), 1);
	assert_int_equal(mm_minute_take(&minute, 2, BEGIN + 60), 0);
	/* Now the second of them is the oldest. */
	assert_int_equal(mm_minute_take(&minute, 2, BEGIN + 60), 10);
	assert_int_equal(mm_minute_take(&minute, 2, BEGIN + 70), 0);
}

static void
a_lower_limit_waits_for_more(void **unused)
{
	struct mm_minute minute = {.sum = 0};

	(void)unused;
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(mm_minute_take(&minute, 4, BEGIN + i), 0);
	/* Two of the four have to go. */
	assert_int_equal(mm_minute_take(&minute, 3, BEGIN + 4), 57);
	assert_int_equal(mm_minute_take(&minute, 3, BEGIN + 60), 1);
	assert_int_equal(mm_minute_take(&minute, 3, BEGIN + 61), 0);
}

static void
never_more_in_any_minute(void **unused)
{
	struct mm_minute minute = {.sum = 0};
	unsigned taken[600] = {0};

	(void)unused;
	for (uint64_t i = 0; i < 600; i++)
		for (int tries = 0; tries < 3; tries++)
			taken[i] += mm_minute_take(&minute, 7, BEGIN + i) == 0;
	for (size_t from = 0; from + 60 <= 600; from++) {
		unsigned sum = 0;

		for (size_t i = from; i < from + 60; i++)
			sum += taken[i];
		assert_int_equal(sum, 7);
	}
}

static void
a_long_silence_forgets_all(void **unused)
{
	struct mm_minute minute = {.sum = 0};

	(void)unused;
	for (int i = 0; i < 3; i++)
		assert_int_equal(mm_minute_take(&minute, 3, BEGIN), 0);
	assert_int_equal(mm_minute_take(&minute, 3, BEGIN + 100000), 0);
	assert_int_equal(minute.sum, 1);
	/* A clock that steps back is taken for one that stands. */
	assert_int_equal(mm_minute_take(&minute, 3, BEGIN), 0);
	assert_int_equal(minute.second, BEGIN + 100000);
}

static void
without_a_limit_there_is_always_room(void **unused)
{
	struct mm_minute minute = {.sum = 0};

	(void)unused;
	for (int i = 0; i < 100000; i++)
		assert_int_equal(mm_minute_take(&minute, 0, BEGIN), 0);
	assert_int_equal(minute.sum, 100000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_many_as_allowed_and_no_more),
	    cmocka_unit_test(the_wait_is_the_real_one),
	    cmocka_unit_test(a_lower_limit_waits_for_more),
	    cmocka_unit_test(never_more_in_any_minute),
	    cmocka_unit_test(a_long_silence_forgets_all),
	    cmocka_unit_test(without_a_limit_there_is_always_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
