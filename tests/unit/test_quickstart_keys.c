#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/quickstart_keys.h"
#include "signer/public_key.h"

static struct mm_quickstart_keys keys;

static void
a_list_is_read_in_its_order(void **state)
{
	(void)state;
	assert_int_equal(
	    mm_quickstart_keys_read("sb-1:RSA-3072,sb.2,SB_3:P-256", &keys),
	    MM_OK);
	assert_int_equal(keys.count, 3);
	assert_true(mm_span_is(keys.items[0].name, "sb-1"));
	assert_int_equal(keys.items[0].algorithm, MM_ALGORITHM_RSA3072);
	assert_true(mm_span_is(keys.items[1].name, "sb.2"));
	assert_int_equal(keys.items[1].algorithm, 0);
	assert_true(mm_span_is(keys.items[2].name, "SB_3"));
	assert_int_equal(keys.items[2].algorithm, 0);
	for (size_t i = 0; i < keys.count; i++)
		assert_int_equal(keys.items[i].use, MM_KEY_CODE_SIGNING);
	assert_int_equal(mm_quickstart_keys_read(NULL, &keys), MM_OK);
	assert_int_equal(keys.count, 0);
}

static void
what_is_no_list_is_refused(void **state)
{
	static const struct {
		const char *list, *why;
	} cases[] = {{"", "1 to 64"}, {"a,", "1 to 64"}, {"a,,b", "1 to 64"},
	    {":RSA-3072", "1 to 64"}, {"a b", "1 to 64"}, {"a/b", "1 to 64"},
	    {"a:", "behind the colon"}, {"a:RSA-4096", "behind the colon"},
	    {"a:RSA-3072x", "behind the colon"},
	    {"a:P-256:P-256", "behind the colon"}, {"a,b,a", "\"a\" twice"},
	    {"a,a:RSA-3072", "\"a\" twice"},
	    {"1,2,3,4,5,6,7,8,9", "8 keys at most"}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		assert_int_equal(
		    mm_quickstart_keys_read(cases[i].list, &keys), MM_E_USAGE);
		if (strstr(mm_why(MM_E_USAGE), cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].list, mm_why(MM_E_USAGE));
	}
	assert_int_equal(
	    mm_quickstart_keys_read("1,2,3,4,5,6,7,8", &keys), MM_OK);
	assert_int_equal(keys.count, MM_QUICKSTART_KEYS);
}

static void
a_name_has_1_to_64_characters(void **state)
{
	char name[MM_NAME_MAX + 2];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[MM_NAME_MAX + 1] = '\0';
	assert_int_equal(mm_quickstart_keys_read(name, &keys), MM_E_USAGE);
	name[MM_NAME_MAX] = '\0';
	assert_int_equal(mm_quickstart_keys_read(name, &keys), MM_OK);
	assert_int_equal(keys.items[0].name.size, MM_NAME_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_list_is_read_in_its_order),
	    cmocka_unit_test(what_is_no_list_is_refused),
	    cmocka_unit_test(a_name_has_1_to_64_characters)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
