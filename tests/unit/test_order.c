/* Orders: what they cover, when they end, and which ones are nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/order.h"

enum { UNTIL = 1800000000 };

static struct mm_text_item stations[65], devices[3];
static struct mm_order_claim order;

static struct mm_span
text(const char *string)
{
	return mm_span_text(string);
}

static int
setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(stations); i++)
		stations[i].value = text("station-1");
	devices[0].value = text("A1");
	devices[1].value = text("B2");
	devices[2].value = text("C3");
	order = (struct mm_order_claim){.name = text("o1"),
	    .profile = text("device"),
	    .units = 2,
	    .devices = {.pattern = text("SN-*")},
	    .stations = {stations, 1},
	    .until = UNTIL};
	return 0;
}

static bool
matches(const char *pattern, const char *device)
{
	const struct mm_devices only = {.pattern = text(pattern)};

	return mm_devices_cover(&only, text(device));
}

static void
patterns_match_whole_names(void **state)
{
	static const struct {
		const char *pattern, *device;
		bool match;
	} rows[] = {{"*", "x", true}, {"*", "", true}, {"?", "x", true},
	    {"?", "", false}, {"?", "xy", false}, {"a*", "a", true},
	    {"a*", "ab", true}, {"a*", "ba", false}, {"*a", "ba", true},
	    {"*a", "ab", false}, {"a*b*c", "a1b2c", true},
	    {"a*b*c", "abcbc", true}, {"a*b*c", "acb", false},
	    {"**", "x", true}, {"a**b", "ab", true}, {"?*", "x", true},
	    {"?*", "", false}, {"*?", "xyz", true},
	    {"SN-????", "SN-0001", true}, {"SN-????", "SN-001", false},
	    {"SN-????", "SN-00001", false}, {"abc", "abc", true},
	    {"abc", "abd", false}, {"abc", "ab", false}, {"ab", "abc", false},
	    {"*ab*ab*", "xabyabz", true}, {"*ab*ab*", "xabyaz", false}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++)
		if (matches(rows[i].pattern, rows[i].device) != rows[i].match)
			fail_msg("pattern %s, device %s", rows[i].pattern,
			    rows[i].device);
}

/* What backtracks takes longer than the universe has lasted. */
static void
patterns_cannot_be_made_slow(void **state)
{
	char pattern[65], device[65];
	clock_t start = clock();

	(void)state;
	memset(device, 'a', 64);
	device[64] = '\0';
	for (size_t i = 0; i < 64; i++)
		pattern[i] = i % 2 == 0 ? '*' : 'a';
	pattern[62] = 'b';
	pattern[64] = '\0';
	for (size_t i = 0; i < 1000; i++)
		assert_false(matches(pattern, device));
	assert_true(clock() - start < CLOCKS_PER_SEC);
}

static void
ranges_have_one_length(void **state)
{
	const struct mm_devices range = {
	    .first = text("SN-100"), .last = text("SN-200")};

	(void)state;
	assert_false(mm_devices_cover(&range, text("SN-099")));
	assert_true(mm_devices_cover(&range, text("SN-100")));
	assert_true(mm_devices_cover(&range, text("SN-101")));
	assert_true(mm_devices_cover(&range, text("SN-199")));
	assert_true(mm_devices_cover(&range, text("SN-200")));
	assert_false(mm_devices_cover(&range, text("SN-201")));
	assert_false(mm_devices_cover(&range, text("SN-1000")));
	assert_false(mm_devices_cover(&range, text("SN-10")));
}

static void
ranges_of_two_lengths_hold_nothing(void **state)
{
	const struct mm_devices longer = {
	    .first = text("A"), .last = text("BB")};
	const struct mm_devices shorter = {
	    .first = text("AA"), .last = text("B")};

	(void)state;
	assert_false(mm_devices_cover(&longer, text("A")));
	assert_false(mm_devices_cover(&longer, text("AB")));
	assert_false(mm_devices_cover(&shorter, text("AB")));
	assert_false(mm_devices_cover(&shorter, text("B")));
}

static void
lists_hold_just_these(void **state)
{
	const struct mm_devices list = {.list = {devices, 2}};

	(void)state;
	assert_true(mm_devices_cover(&list, text("A1")));
	assert_true(mm_devices_cover(&list, text("B2")));
	assert_false(mm_devices_cover(&list, text("C3")));
	assert_false(mm_devices_cover(&list, text("A")));
}

static void
no_devices_cover_none(void **state)
{
	const struct mm_devices none = {0};

	(void)state;
	assert_false(mm_devices_cover(&none, text("A1")));
	assert_false(mm_devices_cover(&none, text("")));
}

static void
covers_profile_device_and_station(void **state)
{
	struct mm_span profile = text("device"), id = text("SN-1");
	struct mm_span station = text("station-1");

	(void)state;
	assert_int_equal(
	    mm_order_check(&order, profile, id, station, UNTIL), MM_OK);
	assert_int_equal(
	    mm_order_check(&order, profile, id, text(""), UNTIL), MM_OK);
	assert_int_equal(
	    mm_order_check(&order, text("devic"), id, station, UNTIL),
	    MM_E_ORDER_COVER);
	assert_int_equal(
	    mm_order_check(&order, profile, text("XN-1"), station, UNTIL),
	    MM_E_ORDER_COVER);
	assert_int_equal(
	    mm_order_check(&order, profile, id, text("station-2"), UNTIL),
	    MM_E_ORDER_COVER);
}

static void
is_over_after_its_end(void **state)
{
	struct mm_span profile = text("device"), id = text("SN-1");

	(void)state;
	assert_int_equal(
	    mm_order_check(&order, profile, id, text(""), UNTIL - 1), MM_OK);
	assert_int_equal(
	    mm_order_check(&order, profile, id, text(""), UNTIL), MM_OK);
	assert_int_equal(
	    mm_order_check(&order, profile, id, text(""), UNTIL + 1),
	    MM_E_ORDER_CLOSED);
}

static void
expect_unsound(const char *why)
{
	assert_int_equal(mm_order_sound(&order), MM_E_STATEMENT);
	if (strstr(mm_why(MM_E_STATEMENT), why) == NULL)
		fail_msg(
		    "\"%s\" does not say \"%s\"", mm_why(MM_E_STATEMENT), why);
}

static void
devices_have_exactly_one_form(void **state)
{
	(void)state;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.devices.list = (struct mm_list){devices, 2};
	expect_unsound("exactly one");
	order.devices.pattern.size = 0;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.devices.first = text("A");
	expect_unsound("exactly one");
	order.devices.list.count = 0;
	expect_unsound("no device id");
	order.devices.first.size = 0;
	expect_unsound("exactly one");
}

static void
units_have_bounds(void **state)
{
	(void)state;
	order.units = 0;
	expect_unsound("units");
	order.units = 1;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.units = 10000000;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.units = 10000001;
	expect_unsound("units");
}

static void
units_fit_the_names(void **state)
{
	(void)state;
	order.devices = (struct mm_devices){.list = {devices, 3}};
	order.units = 3;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.units = 4;
	expect_unsound("only 3");
	order.devices = (struct mm_devices){.pattern = text("SN-?")};
	order.units = 66;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.units = 67;
	expect_unsound("only 66");
	order.devices =
	    (struct mm_devices){.first = text("S0"), .last = text("S9")};
	order.units = 10;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.units = 11;
	expect_unsound("only 10");
	order.devices =
	    (struct mm_devices){.first = text("Sz"), .last = text("T-")};
	order.units = 2;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.units = 3;
	expect_unsound("only 2");
	order.devices = (struct mm_devices){
	    .first = text("A00000000000000"), .last = text("B00000000000000")};
	order.units = 10000000;
	assert_int_equal(mm_order_sound(&order), MM_OK);
}

static void
stations_have_bounds(void **state)
{
	(void)state;
	order.stations.count = 0;
	expect_unsound("1 to 64 stations");
	order.stations.count = 64;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.stations.count = 65;
	expect_unsound("1 to 64 stations");
	order.stations.count = 1;
	stations[0].value.size = 0;
	expect_unsound("station's name");
	stations[0].value = text("a\nb");
	expect_unsound("station's name");
}

static void
refuses_an_order_without_end_or_name(void **state)
{
	(void)state;
	order.until = 0;
	expect_unsound("no end");
	order.until = 1;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.name.size = 0;
	expect_unsound("name");
	order.name = text("a\x1b[2J");
	expect_unsound("name");
}

static void
refuses_devices_that_cannot_be(void **state)
{
	(void)state;
	order.devices.pattern = text("SN,*");
	expect_unsound("pattern");
	order.devices.pattern = mm_span("a\0*", 3);
	expect_unsound("pattern");
	order.devices = (struct mm_devices){.list = {devices, 2}};
	devices[1].value = text("a,b");
	expect_unsound("valid id");
	devices[1].value = mm_span("a\0b", 3);
	expect_unsound("valid id");
	order.devices =
	    (struct mm_devices){.first = text("A1"), .last = text("A")};
	expect_unsound("length");
	order.devices.last = text("A0");
	expect_unsound("before it begins");
	order.devices.last = text("A\n");
	expect_unsound("no device id");
	order.devices.last = text("A1");
	order.units = 1;
	assert_int_equal(mm_order_sound(&order), MM_OK);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(patterns_match_whole_names),
	    TEST(patterns_cannot_be_made_slow), TEST(ranges_have_one_length),
	    TEST(ranges_of_two_lengths_hold_nothing),
	    TEST(lists_hold_just_these), TEST(no_devices_cover_none),
	    TEST(covers_profile_device_and_station),
	    TEST(is_over_after_its_end), TEST(devices_have_exactly_one_form),
	    TEST(units_have_bounds), TEST(units_fit_the_names),
	    TEST(stations_have_bounds),
	    TEST(refuses_an_order_without_end_or_name),
	    TEST(refuses_devices_that_cannot_be)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
