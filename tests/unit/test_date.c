/* The calendar, against the C library's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <time.h>

#include "protocol/date.h"

enum { DAYS = 2932897 /* through 9999-12-31 */ };

static void
each_day_is_the_c_librarys(void **state)
{
	(void)state;
	for (uint64_t day = 0; day < DAYS; day++) {
		struct mm_date date = mm_date_of(day);
		time_t seconds = (time_t)day * MM_DAY;
		struct tm utc;

		assert_non_null(gmtime_r(&seconds, &utc));
		assert_int_equal(date.year, utc.tm_year + 1900);
		assert_int_equal(date.month, utc.tm_mon + 1);
		assert_int_equal(date.day, utc.tm_mday);
		assert_int_equal(mm_days_of(date), day);
	}
}

static void
a_day_too_many_is_the_next_months_first(void **state)
{
	struct mm_date wrong = {2026, 2, 29}, right = {2026, 3, 1};

	(void)state;
	assert_int_equal(mm_days_of(wrong), mm_days_of(right));
}

static void
times_are_written_to_the_second(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} rows[] = {{0, "1970-01-01T00:00:00Z"},
	    {1709251199, "2024-02-29T23:59:59Z"},
	    {253402300798, "9999-12-31T23:59:58Z"},
	    {253402300799, "9999-12-31T23:59:59Z"},
	    {253402300800, "9999-12-31T23:59:59Z"},
	    {UINT64_MAX, "9999-12-31T23:59:59Z"}};
	char text[MM_TIME_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mm_time_text(rows[i].seconds, text);
		assert_string_equal(text, rows[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_day_is_the_c_librarys),
	    cmocka_unit_test(a_day_too_many_is_the_next_months_first),
	    cmocka_unit_test(times_are_written_to_the_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
