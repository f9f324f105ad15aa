/* Orders: what they cover, when they end, and which ones are nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
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
expect_range(const char *first, const char *last, uint64_t count,
    const char *const *inside, const char *const *outside)
{
	const struct mm_devices range = {
	    .first = text(first), .last = text(last)};

	if (mm_devices_count(&range) != count)
		fail_msg("%s to %s holds %llu", first, last,
		    (unsigned long long)mm_devices_count(&range));
	for (; *inside != NULL; inside++)
		if (!mm_devices_cover(&range, text(*inside)))
			fail_msg("%s to %s lacks %s", first, last, *inside);
	for (; *outside != NULL; outside++)
		if (mm_devices_cover(&range, text(*outside)))
			fail_msg("%s to %s holds %s", first, last, *outside);
}

#define IDS(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

static void
ranges_of_addresses_are_hexadecimal(void **state)
{
	(void)state;
	expect_range("24:6F:28:00:00:00", "24:6F:28:00:13:87", 5000,
	    IDS("24:6F:28:00:00:00", "24:6F:28:00:00:0A", "24:6F:28:00:0F:FF",
		"24:6F:28:00:13:86", "24:6F:28:00:13:87"),
	    IDS("24:6F:28:00:13:88", "24:6F:27:FF:FF:FF", "24:6f:28:00:00:00",
		"24:6F:28:00:00:0a", "24:6F:28:00:00:0G", "24-6F-28-00-00-00",
		"24:6F:28:00:00:::", "24:6F:28:00:00:0-", "246F28000000",
		"24:6F:28:00:00:00:00", "24:6F:28:00:00::0",
		"24:6F:28:00:1:000"));
	/* Digits alone in what varies make it no decimal one. */
	expect_range("24:6F:28:00:00:00", "24:6F:28:00:00:99", 154,
	    IDS("24:6F:28:00:00:8F", "24:6F:28:00:00:99"),
	    IDS("24:6F:28:00:00:9A"));
	/* Nor in all of it: A-F then. */
	expect_range("24-62-28-00-00-00", "24-62-28-00-00-10", 17,
	    IDS("24-62-28-00-00-0F"), IDS("24-62-28-00-00-0f"));
	expect_range("246f28000008", "246f28000010", 9, IDS("246f2800000f"),
	    IDS("246f2800000F"));
	expect_range("246F28000000", "246F28000010", 17, IDS("246F2800000A"),
	    IDS("246F2800000a"));
	expect_range("24:6F:28:FF:FE:00:00:00", "24:6F:28:FF:FE:00:01:00", 257,
	    IDS("24:6F:28:FF:FE:00:00:FF"), IDS("24:6F:28:FF:FE:00:01:01"));
	/* No address: one pair too few, a hyphen between colons. */
	expect_range("24:62:28:00:00", "24:62:28:00:10", 11,
	    IDS("24:62:28:00:09"), IDS("24:62:28:00:0A"));
	expect_range("24:62:28-00:00:00", "24:62:28-00:00:10", 11,
	    IDS("24:62:28-00:00:09"), IDS("24:62:28-00:00:0A"));
}

static void
ranges_of_serials_are_decimal(void **state)
{
	(void)state;
	expect_range("lamp-0001", "lamp-0999", 999,
	    IDS("lamp-0001", "lamp-0009", "lamp-0010", "lamp-0999"),
	    IDS("lamp-0000", "lamp-1000", "lamp-000A", "lamp-00A0", "Lamp-0001",
		"lamp_0001", "lamp-00001", "lamp-01"));
	expect_range("A0001", "A0010", 10, IDS("A0009"), IDS("A000A"));
	expect_range("202400000001", "202400000010", 10, IDS("202400000009"),
	    IDS("20240000000A"));
	/* A separator in what varies stands where it stands. */
	expect_range("L1-98", "L2-01", 4, IDS("L1-99", "L2-00"),
	    IDS("L1--9", "L1_99", "L2-02", "L1-9A"));
	expect_range("X1", "X1", 1, IDS("X1"), IDS("X0", "X2"));
}

static void
ranges_with_letters_are_hexadecimal(void **state)
{
	(void)state;
	expect_range("00fe", "0102", 5, IDS("00fe", "00ff", "0100", "0102"),
	    IDS("00fd", "0103", "00FF", "00fg"));
	expect_range("SN-00FE", "SN-0102", 5, IDS("SN-00FF", "SN-0101"),
	    IDS("SN-00ff", "sn-00FF"));
	expect_range("SN.F0.FF", "SN.F1.01", 3, IDS("SN.F1.00"),
	    IDS("SN.F0-FF", "SN.F0.fF"));
}

/* 66 characters make up an id. */
static void
other_ranges_go_by_bytes(void **state)
{
	(void)state;
	expect_range("S0", "T0", 67, IDS("S0", "Sz", "SA", "T-", "T."),
	    IDS("S-", "S.", "T1", "U0"));
	expect_range("A-1", "A_1", 39 * 66 + 1, IDS("A-2", "AB0", "A:1"),
	    IDS("A_2", "Aa1"));
}

/* A number would have two names. */
static void
ranges_of_two_cases_are_refused(void **state)
{
	static const char *const rows[][2] = {{"00aF", "0100"},
	    {"00ae", "00AF"}, {"SN-0a", "SN-1F"},
	    {"246f28AA0000", "246f28AA0001"}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		order.units = 1;
		order.devices = (struct mm_devices){
		    .first = text(rows[i][0]), .last = text(rows[i][1])};
		if (mm_span_compare(order.devices.first, order.devices.last) >
		    0)
			order.devices =
			    (struct mm_devices){.first = order.devices.last,
				.last = order.devices.first};
		assert_false(
		    mm_devices_cover(&order.devices, order.devices.first));
		assert_int_equal(mm_devices_count(&order.devices), 0);
		assert_int_equal(mm_order_sound(&order), MM_E_STATEMENT);
		assert_non_null(strstr(mm_why(MM_E_STATEMENT), "one case"));
	}
}

static void
addresses_in_small_letters_are_refused(void **state)
{
	static const char *const rows[][2] = {
	    {"24:6F:28:00:00:00", "24:6F:28:00:00:0f"},
	    {"24:6f:28:00:00:00", "24:6f:28:00:00:0f"}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		order.units = 1;
		order.devices = (struct mm_devices){
		    .first = text(rows[i][0]), .last = text(rows[i][1])};
		assert_int_equal(mm_order_sound(&order), MM_E_STATEMENT);
		assert_non_null(strstr(mm_why(MM_E_STATEMENT), "one name"));
	}
}

/* Numbers one by one, up to different ends. */
static void
counts_are_what_is_covered(void **state)
{
	static const char *const formats[] = {"24:6F:28:00:%02X:%02X",
	    "24-62-28-00-%02X-%02X", "246f2800%02x%02x"};

	(void)state;
	for (size_t f = 0; f < MM_COUNT(formats); f++)
		for (unsigned last = 0; last < 1000; last += 37) {
			char first_text[32], last_text[32], id[32];
			struct mm_devices range;
			uint64_t inside = 0;

			/* A format of our own table. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(
			    first_text, sizeof(first_text), formats[f], 0U, 7U);
			snprintf(last_text, sizeof(last_text), formats[f],
			    (last + 7) >> 8, (last + 7) & 255);
			range = (struct mm_devices){
			    .first = text(first_text), .last = text(last_text)};
			for (unsigned i = 0; i < 2000; i++) {
				snprintf(id, sizeof(id), formats[f], i >> 8,
				    i & 255);
				inside += mm_devices_cover(&range, text(id));
			}
#pragma GCC diagnostic pop
			assert_int_equal(inside, last + 1);
			assert_int_equal(mm_devices_count(&range), inside);
		}
}

static void
counts_end_where_nobody_counts(void **state)
{
	static const char zeros[] = "0000000000000000000000000000000000000000";
	static const char nines[] = "9999999999999999999999999999999999999999";
	const struct mm_devices range = {
	    .first = text(zeros), .last = text(nines)};
	const struct mm_devices star = {.pattern = text("SN-*")};
	const struct mm_devices marks = {.pattern = text("SN-??")};
	const struct mm_devices many = {.pattern = text("????????????????")};
	const struct mm_devices list = {.list = {devices, 3}};
	const struct mm_devices none = {0};

	(void)state;
	assert_true(mm_devices_count(&range) == UINT64_MAX);
	assert_true(mm_devices_count(&star) == UINT64_MAX);
	assert_int_equal(mm_devices_count(&marks), 66 * 66);
	assert_true(mm_devices_count(&many) == UINT64_MAX);
	assert_int_equal(mm_devices_count(&list), 3);
	assert_int_equal(mm_devices_count(&none), 0);
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
	    MM_E_ORDER_OTHERS);
	assert_int_equal(
	    mm_order_check(&order, profile, text("XN-1"), station, UNTIL),
	    MM_E_ORDER_COVER);
	assert_int_equal(
	    mm_order_check(&order, profile, id, text("station-2"), UNTIL),
	    MM_E_ORDER_OTHERS);
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
closed_orders_say_by_which_revision(void **state)
{
	struct mm_span profile = text("device"), id = text("SN-1");

	(void)state;
	order.revision = 3;
	assert_int_equal(
	    mm_order_check(&order, profile, id, text(""), UNTIL), MM_OK);
	order.closed = true;
	assert_int_equal(mm_order_check(&order, profile, id, text(""), UNTIL),
	    MM_E_ORDER_CLOSED);
	assert_non_null(
	    strstr(mm_why(MM_E_ORDER_CLOSED), "closed by its revision 3"));
	assert_int_equal(mm_order_open(&order, 0), MM_E_ORDER_CLOSED);
	assert_int_equal(
	    mm_order_cover(&order, profile, id, text("station-1")), MM_OK);
}

static void
ended_orders_say_when(void **state)
{
	(void)state;
	order.until = 1709251199;
	assert_int_equal(mm_order_open(&order, order.until), MM_OK);
	assert_int_equal(
	    mm_order_open(&order, order.until + 1), MM_E_ORDER_CLOSED);
	assert_non_null(strstr(
	    mm_why(MM_E_ORDER_CLOSED), "ended at 2024-02-29T23:59:59Z"));
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
	expect_unsound("the device id has");
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
addresses_are_counted_exactly(void **state)
{
	(void)state;
	order.devices = (struct mm_devices){.first = text("24:6F:28:00:00:00"),
	    .last = text("24:6F:28:00:13:87")};
	order.units = 4999;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.units = 5000;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.units = 5001;
	expect_unsound("only 5000");
}

static void
reissues_are_as_many_as_units_at_most(void **state)
{
	(void)state;
	order.units = 100;
	order.reissue = 99;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.reissue = 100;
	assert_int_equal(mm_order_sound(&order), MM_OK);
	order.reissue = 101;
	expect_unsound("more reissues than units");
}

static void
a_new_order_is_open(void **state)
{
	(void)state;
	order.closed = true;
	expect_unsound("new order cannot be closed");
	order.revision = 1;
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
	expect_unsound("the device id has");
	devices[1].value = mm_span("a\0b", 3);
	expect_unsound("the device id has");
	order.devices =
	    (struct mm_devices){.first = text("A1"), .last = text("A")};
	expect_unsound("length");
	order.devices.last = text("A0");
	expect_unsound("before it begins");
	order.devices.last = text("A\n");
	expect_unsound("the device id has");
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
	    TEST(ranges_of_addresses_are_hexadecimal),
	    TEST(ranges_of_serials_are_decimal),
	    TEST(ranges_with_letters_are_hexadecimal),
	    TEST(other_ranges_go_by_bytes),
	    TEST(ranges_of_two_cases_are_refused),
	    TEST(addresses_in_small_letters_are_refused),
	    TEST(counts_are_what_is_covered),
	    TEST(counts_end_where_nobody_counts),
	    TEST(closed_orders_say_by_which_revision),
	    TEST(ended_orders_say_when),
	    TEST(addresses_are_counted_exactly),
	    TEST(reissues_are_as_many_as_units_at_most),
	    TEST(a_new_order_is_open), TEST(ranges_of_two_lengths_hold_nothing),
	    TEST(lists_hold_just_these), TEST(no_devices_cover_none),
	    TEST(covers_profile_device_and_station),
	    TEST(is_over_after_its_end), TEST(devices_have_exactly_one_form),
	    TEST(units_have_bounds), TEST(units_fit_the_names),
	    TEST(stations_have_bounds),
	    TEST(refuses_an_order_without_end_or_name),
	    TEST(refuses_devices_that_cannot_be)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
