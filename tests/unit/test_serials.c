/* Serial numbers of a command line: hex however it is written, one way at a
 * time, none twice, in their order; a list's fault by its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/serials.h"
#include "tests/unit/command_line.h"
#include "tests/unit/text_file.h"

static struct mm_arena arena;

static enum mm_error
read_words(const char *words, struct mm_list *out)
{
	struct mm_invocation invocation =
	    command_line(&mm_cert_revoke_command, words);

	mm_arena_clear(&arena);
	mm_arena_init(&arena, 1 << 22);
	return mm_serials_read(&invocation, &arena, out);
}

static enum mm_error
read_list(const char *text, struct mm_list *out)
{
	char words[400];

	text_file_write(text);
	snprintf(words, sizeof(words), "--list\n%s", text_path);
	return read_words(words, out);
}

static void
has(const struct mm_list *list, size_t i, const char *bytes, size_t size)
{
	assert_true(i < list->count);
	assert_true(
	    mm_span_equal(mm_list_at(*list, struct mm_bytes_item, i)->value,
		mm_span((const uint8_t *)bytes, size)));
}

#define TWENTY "0102030405060708090a0b0c0d0e0f1011121314"

static void
test_said(void **state)
{
	struct mm_list list;

	(void)state;
	assert_int_equal(
	    read_words("--serial\n00:0A:ff\n--serial\n01", &list), MM_OK);
	assert_int_equal(list.count, 2);
	has(&list, 0, "\x0a\xff", 2);
	has(&list, 1, "\x01", 1);
	assert_int_equal(read_words("--serial\n" TWENTY, &list), MM_OK);
	assert_int_equal(
	    mm_list_at(list, struct mm_bytes_item, 0)->value.size, 20);
	/* A zero in front, as DER has it. */
	assert_int_equal(read_words("--serial\n00" TWENTY, &list), MM_OK);
	assert_int_equal(read_words("--serial\n15" TWENTY, &list), MM_E_USAGE);
	assert_int_equal(read_words("--serial\n00", &list), MM_E_USAGE);
	assert_int_equal(read_words("--serial\n1", &list), MM_E_USAGE);
	assert_int_equal(read_words("--serial\n0x01", &list), MM_E_USAGE);
	assert_int_equal(read_words("--serial\n", &list), MM_E_USAGE);
}

static void
test_one_way(void **state)
{
	struct mm_list list;

	(void)state;
	assert_int_equal(read_words("", &list), MM_E_USAGE);
	assert_int_equal(
	    read_words("--serial\n01\n--device\nx", &list), MM_E_USAGE);
	assert_int_equal(
	    read_words("--serial\n01\n--list\nx", &list), MM_E_USAGE);
	assert_int_equal(
	    read_words("--serial\n01\n--profile\nx", &list), MM_E_USAGE);
	assert_int_equal(read_words("--device\n", &list), MM_E_USAGE);
}

static void
test_a_list(void **state)
{
	struct mm_list list;

	(void)state;
	assert_int_equal(
	    read_list("# a comment\n03\r\n\n00:02\n01", &list), MM_OK);
	assert_int_equal(list.count, 3);
	has(&list, 0, "\x03", 1);
	has(&list, 1, "\x02", 1);
	has(&list, 2, "\x01", 1);
	assert_int_equal(read_list("", &list), MM_E_FORMAT);
	assert_int_equal(read_list("# none\n\n", &list), MM_E_FORMAT);
	assert_int_equal(read_list("01\n\nx\n", &list), MM_E_FORMAT);
	assert_non_null(strstr(mm_why(MM_E_FORMAT), ":3:"));
	assert_int_equal(read_list("02\n01\n0002\n", &list), MM_E_FORMAT);
	assert_non_null(strstr(mm_why(MM_E_FORMAT), "02 is there twice"));
	assert_int_equal(
	    read_words("--list\n/nowhere/at/all", &list), MM_E_FILE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_said),
	    cmocka_unit_test(test_one_way),
	    cmocka_unit_test(test_a_list),
	};
	int failed;

	failed =
	    cmocka_run_group_tests(tests, text_file_setup, text_file_teardown);
	mm_arena_clear(&arena);
	return failed;
}
