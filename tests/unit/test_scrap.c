/* What a station gives as the reason of scrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/scrap.h"
#include "protocol/cbor.h"

static void
becomes(const char *text, const char *wanted)
{
	char reason[MM_SCRAP_REASON_SIZE];

	mm_scrap_reason(text, reason);
	assert_string_equal(reason, wanted);
	assert_true(mm_text_ok(mm_span_text(reason)));
}

static void
any_text_becomes_a_reason(void **state)
{
	(void)state;
	becomes("no answer", "no answer");
	becomes("no answer\r\n", "no answer");
	becomes("exit 3\non UART0 \t", "exit 3?on UART0");
	becomes("\x1b[31mred", "?[31mred");
	becomes("\xff\xc3\xa4", "?\xc3\xa4");
	becomes("", "no reason given");
	becomes(" \n", "no reason given");
}

/* At the limit, and with a character that would be cut. */
static void
a_long_text_is_cut(void **state)
{
	char text[MM_SCRAP_REASON_SIZE + 2], reason[MM_SCRAP_REASON_SIZE];

	(void)state;
	for (size_t size = MM_SCRAP_REASON_MAX - 1;
	     size <= MM_SCRAP_REASON_MAX + 1; size++) {
		memset(text, 'x', size);
		text[size] = '\0';
		mm_scrap_reason(text, reason);
		assert_int_equal(strlen(reason),
		    size < MM_SCRAP_REASON_MAX ? size : MM_SCRAP_REASON_MAX);
	}
	text[MM_SCRAP_REASON_MAX - 1] = '\xc3';
	text[MM_SCRAP_REASON_MAX] = '\xa4';
	mm_scrap_reason(text, reason);
	assert_int_equal(strlen(reason), MM_SCRAP_REASON_MAX - 1);
	assert_true(mm_text_ok(mm_span_text(reason)));
}

/* Before anybody is asked. */
static void
what_is_no_reason_is_not_sent(void **state)
{
	const struct mm_appliance nobody = {.identity = "/nowhere"};
	char text[MM_SCRAP_REASON_MAX + 2];
	const char *const reasons[] = {"", "two\nlines", "\xff", text};
	mm_auto(arena) arena = {0};
	struct mm_attested out;

	(void)state;
	mm_arena_init(&arena, 1 << 16);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < MM_COUNT(reasons); i++)
		assert_int_equal(
		    mm_scrap_report(&nobody, mm_span_text("order"),
			mm_span_text("\x01"), reasons[i], &arena, &out),
		    MM_E_RANGE);
	text[MM_SCRAP_REASON_MAX] = '\0';
	assert_int_not_equal(mm_scrap_report(&nobody, mm_span_text("order"),
				 mm_span_text("\x01"), text, &arena, &out),
	    MM_E_RANGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_text_becomes_a_reason),
	    cmocka_unit_test(a_long_text_is_cut),
	    cmocka_unit_test(what_is_no_reason_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
