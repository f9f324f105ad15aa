/* Which time an entry gets, at each edge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/clock.h"

enum { T = 1800000000, BOOT = 1000, WEEK = 7 * 24 * 3600 };

static enum mm_error
judge(const struct mm_clock *clock, uint64_t real, uint64_t boot, uint64_t *out)
{
	*out = 1;
	return mm_clock_judge(clock, real, boot, out);
}

static void
the_clock_is_the_time(void **state)
{
	struct mm_clock clock;
	uint64_t out;

	(void)state;
	mm_clock_init(&clock, T, BOOT, T - 5, false);
	assert_int_equal(judge(&clock, T + 10, BOOT + 10, &out), MM_OK);
	assert_int_equal(out, T + 10);
}

static void
two_seconds_back_get_the_last_entrys_time(void **state)
{
	struct mm_clock clock;
	uint64_t out;

	(void)state;
	mm_clock_init(&clock, T, BOOT, T, false);
	for (uint64_t back = 0; back <= 2; back++) {
		assert_int_equal(judge(&clock, T - back, BOOT, &out), MM_OK);
		assert_int_equal(out, T);
	}
	assert_int_equal(judge(&clock, T - 3, BOOT, &out), MM_E_CLOCK_BEHIND);
	assert_int_equal(out, 1);
}

static void
behind_is_never_accepted(void **state)
{
	struct mm_clock clock;
	uint64_t out;

	(void)state;
	mm_clock_init(&clock, T - 3, BOOT, T, true);
	assert_int_equal(judge(&clock, T - 3, BOOT, &out), MM_E_CLOCK_BEHIND);
	/* It goes on by itself when the clock has caught up. */
	assert_int_equal(judge(&clock, T - 2, BOOT + 1, &out), MM_OK);
	assert_int_equal(out, T);
}

static void
the_clocks_may_drift_a_minute(void **state)
{
	struct mm_clock clock;
	uint64_t out;

	(void)state;
	mm_clock_init(&clock, T, BOOT, T - 1000, false);
	assert_int_equal(judge(&clock, T + 160, BOOT + 100, &out), MM_OK);
	assert_int_equal(
	    judge(&clock, T + 161, BOOT + 100, &out), MM_E_CLOCK_JUMPED);
	assert_int_equal(judge(&clock, T + 40, BOOT + 100, &out), MM_OK);
	assert_int_equal(
	    judge(&clock, T + 39, BOOT + 100, &out), MM_E_CLOCK_JUMPED);
	assert_int_equal(out, 1);
}

static void
a_start_after_a_week_needs_a_word(void **state)
{
	struct mm_clock clock;
	uint64_t out;

	(void)state;
	mm_clock_init(&clock, T + WEEK, BOOT, T, false);
	assert_int_equal(judge(&clock, T + WEEK, BOOT, &out), MM_OK);
	mm_clock_init(&clock, T + WEEK + 1, BOOT, T, false);
	assert_int_equal(
	    judge(&clock, T + WEEK + 1, BOOT, &out), MM_E_CLOCK_JUMPED);
	mm_clock_init(&clock, T + WEEK + 1, BOOT, T, true);
	assert_int_equal(judge(&clock, T + WEEK + 1, BOOT, &out), MM_OK);
	/* Nor is that word good for later jumps. */
	assert_int_equal(
	    judge(&clock, T + WEEK + 63, BOOT + 1, &out), MM_E_CLOCK_JUMPED);
}

static void
an_empty_log_has_no_gap(void **state)
{
	struct mm_clock clock;
	uint64_t out;

	(void)state;
	mm_clock_init(&clock, T, BOOT, 0, false);
	assert_int_equal(judge(&clock, T, BOOT, &out), MM_OK);
	assert_int_equal(out, T);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_clock_is_the_time),
	    cmocka_unit_test(two_seconds_back_get_the_last_entrys_time),
	    cmocka_unit_test(behind_is_never_accepted),
	    cmocka_unit_test(the_clocks_may_drift_a_minute),
	    cmocka_unit_test(a_start_after_a_week_needs_a_word),
	    cmocka_unit_test(an_empty_log_has_no_gap)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
