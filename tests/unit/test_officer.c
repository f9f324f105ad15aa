/* The officer's key file: closed to others, read back as it was, and
 * nothing else taken for one; a statement made with it verifies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <time.h>

#include "cli/officer.h"
#include "tests/unit/text_file.h"

/* Writes a key, and what stands in its file. */
static struct mm_officer_key *
write_key(char line[128])
{
	struct mm_officer_key *key = mm_officer_new();
	FILE *file;

	assert_non_null(key);
	unlink(text_path);
	assert_int_equal(mm_officer_write(key, text_path), MM_OK);
	file = fopen(text_path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, 128, file));
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
	return key;
}

static void
refused(enum mm_error error)
{
	struct mm_officer_key *key = NULL;

	assert_int_equal(mm_officer_read(text_path, &key), error);
	assert_null(key);
}

static void
test_a_key_is_read_as_it_was_written(void **state)
{
	char line[128];
	struct mm_officer_key *key = write_key(line), *back;
	struct stat info;

	(void)state;
	assert_int_equal(stat(text_path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_int_equal(strncmp(line, "mintmark-officer-unprotected ", 29), 0);
	assert_int_equal(mm_officer_read(text_path, &back), MM_OK);
	assert_memory_equal(key, back, sizeof(*key));
	mm_officer_free(back);
	mm_officer_free(key);
}

static void
test_a_file_that_is_there_is_kept(void **state)
{
	char line[128];
	struct mm_officer_key *key = write_key(line);

	(void)state;
	assert_int_equal(mm_officer_write(key, text_path), MM_E_EXISTS);
	mm_officer_free(key);
}

static void
test_a_file_that_others_can_read(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0601, 0660};
	char line[128];

	(void)state;
	mm_officer_free(write_key(line));
	for (size_t i = 0; i < MM_COUNT(modes); i++) {
		chmod(text_path, modes[i]);
		refused(MM_E_FILE);
	}
}

static void
test_what_is_no_regular_file(void **state)
{
	(void)state;
	unlink(text_path);
	refused(MM_E_FILE);
	assert_int_equal(mkdir(text_path, 0700), 0);
	refused(MM_E_FILE);
	rmdir(text_path);
	assert_int_equal(symlink("/dev/null", text_path), 0);
	refused(MM_E_FILE);
	unlink(text_path);
}

static void
changed_is_refused(const char *line, size_t at, char with)
{
	char other[128];

	snprintf(other, sizeof(other), "%s", line);
	other[at] = with;
	text_file_write(other);
	refused(MM_E_FORMAT);
}

static void
test_what_is_no_key(void **state)
{
	char line[128], other[160];
	size_t size;

	(void)state;
	mm_officer_free(write_key(line));
	size = strlen(line);
	text_file_write("");
	refused(MM_E_FORMAT);
	snprintf(other, sizeof(other), "%.*s", (int)size - 1, line);
	text_file_write(other);
	refused(MM_E_FORMAT);
	snprintf(other, sizeof(other), "%s\n", line);
	text_file_write(other);
	refused(MM_E_FORMAT);
	changed_is_refused(line, 0, 'M');
	changed_is_refused(line, 28, '-');
	changed_is_refused(line, 40, '!');
	changed_is_refused(line, 40, '\x80');
	changed_is_refused(line, size - 2, 'A'); /* padding */
	changed_is_refused(line, size - 1, ' ');
}

static void
test_a_statement_verifies(void **state)
{
	static const uint8_t digest[32] = {1};
	struct mm_policy_claim body = {.number = 2};
	struct mm_statement statement;
	struct mm_claim claim;
	uint64_t now = (uint64_t)time(NULL);
	struct mm_officer_key *key = mm_officer_new();
	mm_auto(buffer) bytes = {0};
	mm_auto(arena) arena = {0};
	uint8_t kid[MM_KID_SIZE];

	(void)state;
	memcpy(body.sha256, digest, sizeof(digest));
	mm_buffer_init(&bytes, MM_STATEMENT_MAX);
	mm_arena_init(&arena, MM_STATEMENT_MAX);
	assert_int_equal(mm_officer_state(key, mm_span_text("log.example/a"),
			     MM_STATEMENT_POLICY, &body, &bytes),
	    MM_OK);
	assert_int_equal(
	    mm_statement_decode(mm_buffer_span(&bytes), &statement), MM_OK);
	assert_int_equal(
	    mm_statement_verify(&statement, key->public_key), MM_OK);
	mm_kid(key->public_key, kid);
	assert_true(mm_span_equal(statement.kid, mm_span(kid, sizeof(kid))));
	assert_int_equal(
	    mm_shape_decode(&mm_claim_shape, statement.payload, &arena, &claim),
	    MM_OK);
	assert_int_equal(claim.kind, MM_STATEMENT_POLICY);
	assert_true(mm_span_is(claim.origin, "log.example/a"));
	assert_true(claim.time <= now && claim.time + 60 > now);
	assert_int_equal(claim.expiry - claim.time, 7 * 86400);
	mm_officer_free(key);
}

static void
test_a_body_out_of_bounds(void **state)
{
	const struct mm_order_claim nameless = {.units = 1};
	struct mm_officer_key *key = mm_officer_new();
	mm_auto(buffer) bytes = {0};

	(void)state;
	mm_buffer_init(&bytes, MM_STATEMENT_MAX);
	assert_int_equal(mm_officer_state(key, mm_span_text("log.example/a"),
			     MM_STATEMENT_ORDER, &nameless, &bytes),
	    MM_E_RANGE);
	assert_int_equal(bytes.size, 0);
	mm_officer_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_key_is_read_as_it_was_written),
	    cmocka_unit_test(test_a_file_that_is_there_is_kept),
	    cmocka_unit_test(test_a_file_that_others_can_read),
	    cmocka_unit_test(test_what_is_no_regular_file),
	    cmocka_unit_test(test_what_is_no_key),
	    cmocka_unit_test(test_a_statement_verifies),
	    cmocka_unit_test(test_a_body_out_of_bounds),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(
	    tests, text_file_setup, text_file_teardown);
}
