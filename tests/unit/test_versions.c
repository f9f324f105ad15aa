/* Versions: which is the higher one, and what is none at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "policy/rules.h"

static int
compare(uint64_t versions, const char *a, const char *b)
{
	int order = 77;

	if (mm_version_compare(
		versions, mm_span_text(a), mm_span_text(b), &order) != MM_OK)
		fail_msg("%s", mm_why(MM_E_FORMAT));
	return order < 0 ? -1 : order > 0;
}

/* Each against each, both ways round. */
static void
expect_ascending(uint64_t versions, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++) {
			int wanted = i < j ? -1 : i > j;

			if (compare(versions, list[i], list[j]) != wanted)
				fail_msg("%s and %s", list[i], list[j]);
		}
}
#define ASCENDING(versions, list) \
	expect_ascending(versions, list, MM_COUNT(list))

static void
expect_malformed(uint64_t versions, const char *good, const char *bad)
{
	int order = 77;

	if (mm_version_compare(versions, mm_span_text(bad), mm_span_text(good),
		&order) != MM_E_FORMAT ||
	    mm_version_compare(versions, mm_span_text(good), mm_span_text(bad),
		&order) != MM_E_FORMAT)
		fail_msg("\"%s\" is taken", bad);
	assert_int_equal(order, 77);
	assert_int_equal(compare(versions, good, good), 0);
}

/* semver.org 11, and around it. */
static void
semver_has_its_precedence(void **state)
{
	static const char *const list[] = {"0.0.0", "0.0.4", "1.0.0-0",
	    "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
	    "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.9.0",
	    "1.10.0", "1.11.0", "2.0.0", "2.1.0", "2.1.1",
	    "18446744073709551615.0.0", "18446744073709551616.0.0",
	    "99999999999999999999999.999.9"};
	/* A word is above every number: "--" is one. */
	static const char *const words[] = {"1.0.0-9", "1.0.0-10", "1.0.0--",
	    "1.0.0-0a", "1.0.0-A", "1.0.0-Z", "1.0.0-a", "1.0.0-z"};

	(void)state;
	ASCENDING(MM_VERSIONS_SEMVER, list);
	ASCENDING(MM_VERSIONS_SEMVER, words);
}

static void
semver_passes_over_builds_and_a_v(void **state)
{
	(void)state;
	assert_int_equal(
	    compare(MM_VERSIONS_SEMVER, "1.0.0+1", "1.0.0+20.007.-"), 0);
	assert_int_equal(compare(MM_VERSIONS_SEMVER, "v1.0.0", "1.0.0"), 0);
	assert_int_equal(
	    compare(MM_VERSIONS_SEMVER, "v1.0.0-a+b", "1.0.0-a"), 0);
}

static void
semver_refuses_the_rest(void **state)
{
	/* Mostly semver.org's list. */
	static const char *const bad[] = {"", "v", "1", "1.2", "1.2.3.4",
	    "1.2.3-", "1.2.3+", "1.2.3-+", "1.2.3-0123", "1.2.3-0123.0123",
	    "1.1.2+.123", "+invalid", "-invalid", "alpha", "alpha.1",
	    "1.0.0-alpha_beta", "1.0.0-alpha..", "1.0.0-alpha..1", "1.0.0-.a",
	    "01.1.1", "1.01.1", "1.1.01", "1.2.3.DEV", "1.2-SNAPSHOT",
	    "1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788", "-1.0.3-gamma+b7718",
	    "9.8.7+meta+meta", "9.8.7-whatever+meta+meta", "1.2.3 ", " 1.2.3",
	    "vv1.2.3", "V1.2.3", "1..3", "1.2.", ".1.2", "1.2.3\n",
	    "1.2.3-\xc3\xa4", "0x1.2.3", "1,2,3", "00.0.0"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		expect_malformed(MM_VERSIONS_SEMVER, "1.2.3", bad[i]);
}

static void
dotted_counts_what_git_describes(void **state)
{
	static const char *const list[] = {"v0.9", "1.0-1-gabcd", "1.0.1",
	    "v1.2.3", "v1.2.3-1-gabcdef0", "v1.2.3-9-g0000", "1.2.3-10-gffff",
	    "v1.2.3-99999999999999999999-gabcd", "1.2.4", "1.10", "2024.01.05",
	    "2024.1.6", "2024.1.6.0.0.0.0.1"};

	(void)state;
	ASCENDING(MM_VERSIONS_DOTTED, list);
	assert_int_equal(compare(MM_VERSIONS_DOTTED, "1.2", "v1.2.0"), 0);
	assert_int_equal(
	    compare(MM_VERSIONS_DOTTED, "1.2-3-gaaaa", "1.2-3-gbbbb"), 0);
	assert_int_equal(
	    compare(MM_VERSIONS_DOTTED, "1.2-3-gaaaa-dirty", "1.2-3-gaaaa"), 0);
	assert_int_equal(compare(MM_VERSIONS_DOTTED, "1.2-dirty", "1.2"), 0);
}

static void
dotted_refuses_the_rest(void **state)
{
	static const char *const bad[] = {"", "v", "a", "abcdef0", "1.", ".1",
	    "1..2", "1.2-", "1.2-rc1", "1.2-3", "1.2-3-", "1.2-3-g",
	    "1.2-3-gabc", "1.2-3-gABCD", "1.2-03-gabcd", "1.2-3-habcd",
	    "1.2-3-gabcd-", "1.2-dirt", "1.2-dirty-dirty", "1.2-dirty-3-gabcd",
	    "1.2+3", "1.2 ", "1.2.3.4.5.6.7.8.9",
	    ("1-1-g"
	     "0123456789012345678901234567890123456789012345678901234567890123"
	     "4")};

	(void)state;
	assert_int_equal(
	    compare(MM_VERSIONS_DOTTED, "1.2.3.4.5.6.7.8", "1.2.3.4.5.6.7"), 1);
	assert_int_equal(
	    compare(MM_VERSIONS_DOTTED,
		"1-1-g012345678901234567890123456789012345678901234567890123456"
		"7890123",
		"1-1-g0123"),
	    0);
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		expect_malformed(MM_VERSIONS_DOTTED, "1.2", bad[i]);
}

static void
numbers_are_of_any_length(void **state)
{
	static const char *const list[] = {"0", "1", "9", "10", "4294967296",
	    "18446744073709551615", "18446744073709551616",
	    "100000000000000000000000000000000000000000000000000000000000000"};
	static const char *const bad[] = {
	    "", "00", "01", "v1", "1.0", "-1", "+1", "1 ", "1a", "0x1", "1-2"};

	(void)state;
	ASCENDING(MM_VERSIONS_NUMBER, list);
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		expect_malformed(MM_VERSIONS_NUMBER, "1", bad[i]);
}

static void
mcuboot_counts_all_four(void **state)
{
	static const char *const list[] = {"0", "0.0.0+1", "0.0.1", "0.1", "1",
	    "1.2.3", "1.2.3+4", "1.2.3+4294967295", "1.2.4", "1.2.65535",
	    "1.255.0", "255.255.65535+4294967295"};
	static const char *const bad[] = {"", "256", "1.256", "1.2.65536",
	    "1.2.3+4294967296", "01", "1.02", "1.2.03", "1.2.3+04", "1+4",
	    "1.2+4", "1.2.3.4", "1.2.3-4", "1.2.3+", "v1.2.3", "1.", "1.2.3+4 ",
	    "1.2.3+4+5"};

	(void)state;
	ASCENDING(MM_VERSIONS_MCUBOOT, list);
	assert_int_equal(compare(MM_VERSIONS_MCUBOOT, "1", "1.0.0+0"), 0);
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		expect_malformed(MM_VERSIONS_MCUBOOT, "1.2.3", bad[i]);
}

static void
any_text_has_no_order(void **state)
{
	int order;

	(void)state;
	assert_int_equal(mm_version_compare(MM_VERSIONS_ANY, mm_span_text("1"),
			     mm_span_text("2"), &order),
	    MM_E_FORMAT);
	assert_int_equal(mm_version_compare(MM_VERSIONS_WAYS, mm_span_text("1"),
			     mm_span_text("2"), &order),
	    MM_E_FORMAT);
}

static void
a_text_has_a_limit(void **state)
{
	char text[257];
	int order;

	(void)state;
	memset(text, '1', sizeof(text));
	assert_int_equal(mm_version_compare(MM_VERSIONS_NUMBER,
			     mm_span(text, 255), mm_span(text, 254), &order),
	    MM_OK);
	assert_true(order > 0);
	assert_int_equal(mm_version_compare(MM_VERSIONS_NUMBER,
			     mm_span(text, 256), mm_span(text, 254), &order),
	    MM_E_FORMAT);
}

static void
ways_have_names(void **state)
{
	static const char *const names[] = {
	    "any", "semver", "dotted", "number", "mcuboot"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(names); i++)
		assert_string_equal(mm_versions_name(i), names[i]);
	assert_null(mm_versions_name(MM_COUNT(names)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(semver_has_its_precedence),
	    cmocka_unit_test(semver_passes_over_builds_and_a_v),
	    cmocka_unit_test(semver_refuses_the_rest),
	    cmocka_unit_test(dotted_counts_what_git_describes),
	    cmocka_unit_test(dotted_refuses_the_rest),
	    cmocka_unit_test(numbers_are_of_any_length),
	    cmocka_unit_test(mcuboot_counts_all_four),
	    cmocka_unit_test(any_text_has_no_order),
	    cmocka_unit_test(a_text_has_a_limit),
	    cmocka_unit_test(ways_have_names)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
