/* A passphrase from a file: its first line, from a file that its owner alone
 * can read; how long a new one must be. (The terminal is test_officers.py's.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>

#include "cli/passphrase.h"
#include "tests/unit/command_line.h"
#include "tests/unit/text_file.h"

typedef enum mm_error reader(const struct mm_invocation *invocation,
    const char *prompt, struct mm_passphrase **out);

static enum mm_error
read_by(reader *read, struct mm_passphrase **out)
{
	char line[400];
	struct mm_invocation invocation;

	snprintf(line, sizeof(line), "--passphrase-file\n%s", text_path);
	invocation = command_line(&mm_officer_keygen_command, line);
	*out = NULL;
	return read(&invocation, "a prompt", out);
}

static void
gives(const char *text, const char *wanted)
{
	struct mm_passphrase *passphrase;

	text_file_write(text);
	assert_int_equal(read_by(mm_passphrase_read, &passphrase), MM_OK);
	assert_string_equal(passphrase->text, wanted);
	assert_int_equal(passphrase->size, strlen(wanted));
	mm_passphrase_free(passphrase);
}

static void
refuses(reader *read, const char *text, enum mm_error error)
{
	struct mm_passphrase *passphrase;

	if (text != NULL)
		text_file_write(text);
	assert_int_equal(read_by(read, &passphrase), error);
	assert_null(passphrase);
}

static void
test_the_first_line(void **state)
{
	(void)state;
	gives("one two\n", "one two");
	gives("one two", "one two");
	gives("one two\r\nthree\n", "one two");
	gives(" blanks stay \n", " blanks stay ");
	refuses(mm_passphrase_read, "", MM_E_RANGE);
	refuses(mm_passphrase_read, "\nsecond\n", MM_E_RANGE);
	refuses(mm_passphrase_read, "\r\n", MM_E_RANGE);
}

static void
test_how_long(void **state)
{
	char text[MM_PASSPHRASE_MAX + 2];
	struct mm_passphrase *passphrase;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[MM_PASSPHRASE_MAX + 1] = '\0';
	refuses(mm_passphrase_read, text, MM_E_RANGE);
	text[MM_PASSPHRASE_MAX] = '\0';
	gives(text, text);
	text[MM_PASSPHRASE_MIN] = '\0';
	text_file_write(text);
	assert_int_equal(read_by(mm_passphrase_new, &passphrase), MM_OK);
	mm_passphrase_free(passphrase);
	text[MM_PASSPHRASE_MIN - 1] = '\0';
	refuses(mm_passphrase_new, text, MM_E_RANGE);
	/* An old one may be as short as it is. */
	gives(text, text);
}

static void
test_whose_file(void **state)
{
	static const mode_t modes[] = {0640, 0620, 0610, 0604, 0602, 0601};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(modes); i++) {
		text_file_write("one two three\n");
		assert_int_equal(chmod(text_path, modes[i]), 0);
		refuses(mm_passphrase_read, NULL, MM_E_FILE);
	}
	text_file_write("one two three\n");
	assert_int_equal(chmod(text_path, 0400), 0);
	gives("one two three\n", "one two three");
}

static void
test_what_is_no_file(void **state)
{
	(void)state;
	unlink(text_path);
	refuses(mm_passphrase_read, NULL, MM_E_FILE);
	/* Nobody writes: this must not wait. */
	assert_int_equal(mkfifo(text_path, 0600), 0);
	refuses(mm_passphrase_read, NULL, MM_E_FILE);
	unlink(text_path);
	assert_int_equal(mkdir(text_path, 0700), 0);
	refuses(mm_passphrase_read, NULL, MM_E_FILE);
	assert_int_equal(rmdir(text_path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_first_line),
	    cmocka_unit_test(test_how_long),
	    cmocka_unit_test(test_whose_file),
	    cmocka_unit_test(test_what_is_no_file),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(
	    tests, text_file_setup, text_file_teardown);
}
