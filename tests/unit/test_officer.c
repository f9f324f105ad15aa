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
	assert_int_equal(mm_officer_write(key, NULL, text_path), MM_OK);
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

	bool sealed;

	assert_int_equal(
	    mm_officer_read(text_path, NULL, &sealed, &key), error);
	assert_null(key);
}

static void
test_a_key_is_read_as_it_was_written(void **state)
{
	char line[128];
	struct mm_officer_key *key = write_key(line), *back;
	struct stat info;
	bool sealed;

	(void)state;
	assert_int_equal(stat(text_path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_int_equal(strncmp(line, "mintmark-officer-unprotected ", 29), 0);
	assert_int_equal(
	    mm_officer_read(text_path, NULL, &sealed, &back), MM_OK);
	assert_false(sealed);
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
	assert_int_equal(mm_officer_write(key, NULL, text_path), MM_E_EXISTS);
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

/* --- sealed by a passphrase --- */

static struct mm_passphrase *
passphrase(const char *text)
{
	struct mm_passphrase *out = sodium_malloc(sizeof(*out));

	assert_non_null(out);
	out->size = strlen(text);
	memcpy(out->text, text, out->size + 1);
	return out;
}

static struct mm_officer_key *
write_sealed(const char *text, char line[512])
{
	struct mm_officer_key *key = mm_officer_new();
	struct mm_passphrase *secret = passphrase(text);
	FILE *file;

	unlink(text_path);
	assert_int_equal(mm_officer_write(key, secret, text_path), MM_OK);
	mm_passphrase_free(secret);
	file = fopen(text_path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, 512, file));
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
	return key;
}

static enum mm_error
open_sealed(const char *text, struct mm_officer_key **out)
{
	struct mm_passphrase *secret = passphrase(text);
	bool sealed;
	enum mm_error error = mm_officer_read(text_path, secret, &sealed, out);

	assert_true(sealed);
	mm_passphrase_free(secret);
	return error;
}

static void
test_a_sealed_key_wants_its_passphrase(void **state)
{
	char line[512];
	struct mm_officer_key *key = write_sealed("five words are a key", line);
	struct mm_officer_key *back;
	struct stat info;
	bool sealed;

	(void)state;
	assert_int_equal(stat(text_path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_int_equal(strncmp(line, "mintmark-officer-sealed 1 ", 26), 0);
	assert_int_equal(
	    mm_officer_read(text_path, NULL, &sealed, &back), MM_E_USAGE);
	assert_true(sealed);
	assert_int_equal(
	    open_sealed("five words are a kez", &back), MM_E_PASSPHRASE);
	assert_int_equal(open_sealed("five words are a key", &back), MM_OK);
	assert_memory_equal(key, back, sizeof(*key));
	mm_officer_free(back);
	mm_officer_free(key);
}

/* A byte of each part is another: none of them opens. */
static void
test_a_sealed_key_that_was_changed(void **state)
{
	char line[512], other[512];
	struct mm_officer_key *key = write_sealed("five words are a key", line);
	struct mm_officer_key *back;

	(void)state;
	for (size_t i = 0, word = 0; line[i] != '\0'; i++) {
		if (line[i] != ' ' || ++word < 4)
			continue;
		snprintf(other, sizeof(other), "%s", line);
		other[i + 2] = other[i + 2] == 'A' ? 'B' : 'A';
		text_file_write(other);
		assert_int_equal(open_sealed("five words are a key", &back),
		    MM_E_PASSPHRASE);
	}
	mm_officer_free(key);
}

/* What a file asks of this computer has bounds. */
static void
test_a_sealed_key_that_asks_too_much(void **state)
{
	static const char *const asks[] = {"0 67108864", "65 67108864",
	    "3 4294967297", "3 8191", "3 067108864", "-1 67108864", "3 ",
	    "99999999999999999999 67108864"};
	char line[512], other[600];
	struct mm_officer_key *key = write_sealed("five words are a key", line);
	struct mm_officer_key *back;
	const char *rest = line;

	(void)state;
	for (int word = 0; word < 4; word++)
		rest = strchr(rest, ' ') + 1;
	for (size_t i = 0; i < MM_COUNT(asks); i++) {
		snprintf(other, sizeof(other),
		    "mintmark-officer-sealed 1 %s %s", asks[i], rest);
		text_file_write(other);
		assert_int_equal(
		    open_sealed("five words are a key", &back), MM_E_FORMAT);
	}
	mm_officer_free(key);
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
			     MM_STATEMENT_POLICY, &body, 0, &bytes),
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
			     MM_STATEMENT_ORDER, &nameless, 0, &bytes),
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
	    cmocka_unit_test(test_a_sealed_key_wants_its_passphrase),
	    cmocka_unit_test(test_a_sealed_key_that_was_changed),
	    cmocka_unit_test(test_a_sealed_key_that_asks_too_much),
	    cmocka_unit_test(test_a_statement_verifies),
	    cmocka_unit_test(test_a_body_out_of_bounds),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(
	    tests, text_file_setup, text_file_teardown);
}
