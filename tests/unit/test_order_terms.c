/* An order's terms as people say them: devices in one way, a time that is to
 * come, reissues as a number or a share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "cli/order_terms.h"
#include "tests/unit/command_line.h"
#include "tests/unit/text_file.h"

enum { DAY = 86400 };

static struct mm_arena arena;

static enum mm_error
devices(const char *words, struct mm_devices *out)
{
	struct mm_invocation invocation =
	    command_line(&mm_order_create_command, words);

	mm_arena_clear(&arena);
	mm_arena_init(&arena, 1 << 22);
	*out = (struct mm_devices){.pattern = {NULL, 0}};
	return mm_order_devices(&invocation, &arena, out);
}

static enum mm_error
listed(const char *text, struct mm_devices *out)
{
	char words[400];

	text_file_write(text);
	snprintf(words, sizeof(words), "--devices\n%s", text_path);
	return devices(words, out);
}

static void
test_devices_in_one_way(void **state)
{
	struct mm_devices out;

	(void)state;
	assert_int_equal(devices("--pattern\nlamp-*", &out), MM_OK);
	assert_true(mm_span_is(out.pattern, "lamp-*"));
	assert_int_equal(devices("--first\na\n--last\nb", &out), MM_OK);
	assert_true(mm_span_is(out.first, "a") && mm_span_is(out.last, "b"));
	assert_int_equal(devices("", &out), MM_E_USAGE);
	assert_int_equal(devices("--first\na", &out), MM_E_USAGE);
	assert_int_equal(devices("--last\na", &out), MM_E_USAGE);
	assert_int_equal(devices("--pattern\n*\n--last\na", &out), MM_E_USAGE);
	assert_int_equal(
	    devices("--pattern\n*\n--first\na\n--last\nb", &out), MM_E_USAGE);
}

static void
test_a_list(void **state)
{
	mm_auto(buffer) text = {0};
	struct mm_devices out;

	(void)state;
	assert_int_equal(listed("a\r\n\nb\nc", &out), MM_OK);
	assert_int_equal(out.list.count, 3);
	assert_true(mm_span_is(
	    mm_list_at(out.list, struct mm_text_item, 0)->value, "a"));
	assert_true(mm_span_is(
	    mm_list_at(out.list, struct mm_text_item, 2)->value, "c"));
	assert_int_equal(listed("\n\n", &out), MM_E_FORMAT);
	assert_int_equal(listed("", &out), MM_E_FORMAT);
	assert_int_equal(listed("a\n\nb\x1b[2J\n", &out), MM_E_DEVICE_ID);
	assert_non_null(strstr(mm_why(MM_E_DEVICE_ID), ":3:"));
	assert_null(strchr(mm_why(MM_E_DEVICE_ID), '\x1b'));
	mm_buffer_init(&text, 1 << 16);
	for (unsigned i = 0; i < 1024; i++)
		mm_buffer_printf(&text, "d%u\n", i);
	mm_buffer_add(&text, (const uint8_t *)"", 1);
	assert_int_equal(listed((const char *)text.data, &out), MM_OK);
	assert_int_equal(out.list.count, 1024);
	text.size--;
	mm_buffer_printf(&text, "one-more\n");
	mm_buffer_add(&text, (const uint8_t *)"", 1);
	assert_int_equal(listed((const char *)text.data, &out), MM_E_RANGE);
}

static enum mm_error
until(const char *said, uint64_t *out)
{
	char words[64];
	struct mm_invocation invocation;

	snprintf(words, sizeof(words), "--until\n%s", said);
	invocation = command_line(
	    &mm_order_create_command, said[0] != '\0' ? words : "");
	*out = 7;
	return mm_order_until(&invocation, out);
}

static void
test_until(void **state)
{
	static const char *const bad[] = {"0", "36501", "1700000000",
	    "2001-01-01T00:00:00Z", "soon", "-1", "+1", " 1", "1d"};
	uint64_t now = (uint64_t)time(NULL), out;

	(void)state;
	assert_int_equal(until("", &out), MM_OK);
	assert_int_equal(out, 7);
	assert_int_equal(until("1", &out), MM_OK);
	assert_in_range(out, now + DAY, now + DAY + 5);
	assert_int_equal(until("36500", &out), MM_OK);
	assert_int_equal(until("2101-01-01T00:00:00Z", &out), MM_OK);
	assert_int_equal(out, 4133980800);
	assert_int_equal(until("4133980800", &out), MM_OK);
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		assert_int_equal(until(bad[i], &out), MM_E_USAGE);
		assert_int_equal(out, 7);
	}
}

static enum mm_error
reissue(const char *said, uint64_t units, uint64_t *out)
{
	char words[64];
	struct mm_invocation invocation;

	snprintf(words, sizeof(words), "--reissue\n%s", said);
	invocation = command_line(&mm_order_create_command, words);
	*out = 7;
	return mm_order_reissue(&invocation, units, out);
}

static void
test_reissue(void **state)
{
	static const struct {
		const char *said;
		uint64_t units, wanted;
	} good[] = {{"0", 5, 0}, {"3", 5, 3}, {"10000000", 5, 10000000},
	    {"0%", 5000, 0}, {"1%", 5000, 50}, {"1%", 99, 0}, {"1%", 199, 1},
	    {"100%", 10000000, 10000000}};
	static const char *const bad[] = {"", "%", "101%", "-1%", "1.5%", "1 %",
	    "1%%", "x", "10000001", "99999999999999999999%"};
	uint64_t out;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(good); i++) {
		assert_int_equal(
		    reissue(good[i].said, good[i].units, &out), MM_OK);
		assert_int_equal(out, good[i].wanted);
	}
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		assert_int_equal(reissue(bad[i], 100, &out), MM_E_USAGE);
		assert_int_equal(out, 7);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_devices_in_one_way),
	    cmocka_unit_test(test_a_list),
	    cmocka_unit_test(test_until),
	    cmocka_unit_test(test_reissue),
	};
	int failed;

	failed =
	    cmocka_run_group_tests(tests, text_file_setup, text_file_teardown);
	mm_arena_clear(&arena);
	return failed;
}
