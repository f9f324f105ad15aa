/* Comments are blanked where libConfuse would count their lines wrongly, and
 * nothing else is changed; what a proposed policy's text may have in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/proposal.h"
#include "protocol/comments.h"

static void
blanked(const char *text, const char *wanted)
{
	mm_auto(buffer) out = {0};

	mm_buffer_init(&out, 4096);
	mm_comments_blank(mm_span_text(text), &out);
	assert_int_equal(out.error, MM_OK);
	assert_int_equal(out.size, strlen(text));
	assert_memory_equal(out.data, wanted, out.size);
}

static void
test_comments(void **state)
{
	(void)state;
	blanked("", "");
	blanked("a = 1\n", "a = 1\n");
	blanked("# x\na\n", "   \na\n");
	blanked("a # x\nb", "a    \nb");
	blanked("#", " ");
	blanked("\t// x\na", "\t    \na");
	blanked("/* x\ny */ a\n", "    \n     a\n");
	blanked("/* never", "        ");
}

static void
test_what_is_no_comment(void **state)
{
	(void)state;
	blanked("a = \"# x\" # y\n", "a = \"# x\"    \n");
	blanked("a = '# x' # y\n", "a = '# x'    \n");
	blanked("a = \"\\\"# x\" # y\n", "a = \"\\\"# x\"    \n");
	blanked("a = \"x\n# y\"\n# z\n", "a = \"x\n# y\"\n   \n");
	blanked("a = \"open # x\n", "a = \"open # x\n");
	blanked("a = \"open\\", "a = \"open\\");
	blanked("u = http://x /* y\n", "u = http://x /* y\n");
	blanked("\"a\" // b\n", "\"a\" // b\n");
}

static void
plain(const char *text, unsigned line)
{
	char wanted[32];

	if (line == 0) {
		assert_int_equal(mm_proposal_plain(mm_span_text(text)), MM_OK);
		return;
	}
	assert_int_equal(mm_proposal_plain(mm_span_text(text)), MM_E_TEXT);
	snprintf(wanted, sizeof(wanted), "line %u ", line);
	assert_non_null(strstr(mm_why(MM_E_TEXT), wanted));
}

static void
test_a_plain_text(void **state)
{
	(void)state;
	plain("", 0);
	plain("a\n\tb\tc\r\n\xc3\xbc\n", 0);
	plain("no end", 0);
	plain("a\r", 0);
	plain("a\rb\n", 1);
	plain("a\r\r\n", 1);
	plain("a\nb\x1b[2J\n", 2);
	plain("a\n\n\x7f", 3);
	plain("\xc2\x9b"
	      "31m\n",
	    1);
	plain("a\n\xe2\x80\xae\n", 2);
	plain("a\n\xff\n", 2);
	assert_int_equal(
	    mm_proposal_plain(mm_span((const uint8_t *)"a\0b", 3)), MM_E_TEXT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_comments),
	    cmocka_unit_test(test_what_is_no_comment),
	    cmocka_unit_test(test_a_plain_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
