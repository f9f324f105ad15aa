/* MCUboot images are made, signed and judged as the vendor's tool does it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/mcuboot_room.h"

enum { COLUMNS = 5 };

/* Calls `row` for each line of an index; returns how many there were. */
static size_t
walk(const char *name, void (*row)(char *columns[COLUMNS]))
{
	mm_auto(buffer) text = {0};
	char *line, *rest = NULL;
	size_t count = 0;

	load(name, &text);
	mm_buffer_add(&text, "", 1);
	for (line = strtok_r((char *)text.data, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *columns[COLUMNS] = {line};

		if (line[0] == '#')
			continue;
		for (size_t i = 1; i < COLUMNS && columns[i - 1] != NULL; i++) {
			columns[i] = strchr(columns[i - 1], '\t');
			if (columns[i] != NULL)
				*columns[i]++ = '\0';
		}
		row(columns);
		count++;
	}
	return count;
}

/* --- making --- */

static uint64_t
number_of(const char *text)
{
	uint64_t value;

	assert_int_equal(
	    mm_mcuboot_number_read(mm_span_text(text), UINT32_MAX, &value),
	    MM_OK);
	return value;
}

static void
set_counter(struct mm_mcuboot_making *making, const char *text)
{
	making->counted = true;
	making->counter = strcmp(text, "auto") == 0
			      ? mm_mcuboot_counter_of(&making->version)
			      : number_of(text);
}

static void
set_version(struct mm_mcuboot_making *making, const char *text)
{
	assert_int_equal(
	    mm_mcuboot_version_read(mm_span_text(text), &making->version),
	    MM_OK);
}

static void
set_custom(struct mm_mcuboot_making *making, struct mm_arena *arena,
    const char *type, const char *value)
{
	char text[128];
	struct mm_span copy;

	snprintf(text, sizeof(text), "%s=%s", type, value);
	copy = mm_arena_copy(arena, mm_span_text(text));
	assert_int_equal(mm_mcuboot_custom_read(copy, arena, making), MM_OK);
}

/* The next word of a command line, quotes taken off; NULL at its end. */
static char *
next_word(char **line)
{
	char *word = *line, *end;

	while (*word == ' ')
		word++;
	if (*word == '\0')
		return NULL;
	if (*word == '"')
		end = strchr(++word, '"');
	else
		end = word + strcspn(word, " ");
	assert_non_null(end);
	*line = *end == '\0' ? end : end + 1;
	*end = '\0';
	return word;
}

/* imgtool's arguments as they stand in the index. */
static void
read_arguments(
    char *line, struct mm_mcuboot_making *making, struct mm_arena *arena)
{
	char *word, *value;

	while ((word = next_word(&line)) != NULL) {
		if (strcmp(word, "--pad-header") == 0)
			continue;
		making->pad |= strcmp(word, "--pad") == 0;
		making->confirm |= strcmp(word, "--confirm") == 0;
		if (strcmp(word, "--pad") == 0 ||
		    strcmp(word, "--confirm") == 0)
			continue;
		value = next_word(&line);
		assert_non_null(value);
		if (strcmp(word, "--header-size") == 0)
			making->header = number_of(value);
		else if (strcmp(word, "--slot-size") == 0)
			making->slot = number_of(value);
		else if (strcmp(word, "--align") == 0)
			making->align = number_of(value);
		else if (strcmp(word, "--version") == 0)
			set_version(making, value);
		else if (strcmp(word, "--security-counter") == 0)
			set_counter(making, value);
		else if (strcmp(word, "--dependencies") == 0)
			assert_int_equal(mm_mcuboot_dependencies_read(
					     mm_span_text(value), making),
			    MM_OK);
		else if (strcmp(word, "--custom-tlv") == 0)
			set_custom(making, arena, value, next_word(&line));
		else if (strncmp(word, "--fix-sig", 9) != 0)
			fail_msg("the vectors have a new argument: %s", word);
	}
}

static void
assert_same(struct mm_span made, struct mm_span wanted, const char *name)
{
	if (made.size != wanted.size)
		fail_msg("%s: %zu bytes instead of %zu", name, made.size,
		    wanted.size);
	for (size_t i = 0; i < made.size; i++)
		if (made.data[i] != wanted.data[i])
			fail_msg("%s: byte %zu differs", name, i);
}

static void
sign_row(const char *row, struct mm_buffer *made)
{
	mm_auto(buffer) result = {0};
	char der[64];

	snprintf(der, sizeof(der), "%s.sig.der", row);
	mm_buffer_init(&result, FILE_MAX);
	sign(made, MM_RESIGN_REFUSE, der, &result);
	mm_buffer_reset(made);
	mm_buffer_add(made, result.data, result.size);
}

static void
make_row(char *columns[COLUMNS])
{
	mm_auto(buffer) payload = {0}, made = {0}, wanted = {0};
	mm_auto(arena) arena = {0};
	struct mm_mcuboot_making making;

	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&made, FILE_MAX);
	load(columns[2], &payload);
	load(columns[4], &wanted);
	making = usual_making(mm_buffer_span(&payload));
	read_arguments(columns[3], &making, &arena);
	assert_int_equal(mm_mcuboot_make(&making, &made), MM_OK);
	if (strncmp(columns[0], "fix_", 4) == 0)
		sign_row(columns[0], &made);
	assert_same(mm_buffer_span(&made), mm_buffer_span(&wanted), columns[0]);
}

static void
images_are_the_vendors_byte_for_byte(void **state)
{
	(void)state;
	assert_int_equal(walk("exact.tsv", make_row), 10);
}

/* --- verifying --- */

static void
verify_row(char *columns[COLUMNS])
{
	bool good = strcmp(columns[1], "ok") == 0;
	mm_auto(buffer) file = {0};
	struct mm_public_key key;
	struct mm_image image;
	uint8_t digest[32];
	enum mm_error error;

	load(columns[3], &file);
	image = image_of(&file);
	if (strcmp(columns[2], "-") == 0) {
		error = mm_mcuboot_digest(&image, digest);
	} else {
		key = load_key(columns[2]);
		error = verify(image.bytes, &key);
	}
	if ((error == MM_OK) != good)
		fail_msg("%s: %s", columns[0], mm_error_name(error));
}

static void
the_vendors_verdicts_are_ours(void **state)
{
	(void)state;
	assert_int_equal(walk("verify.tsv", verify_row), 23);
}

static void
what_is_signed_is_the_payload_of_the_vendor(void **state)
{
	static const char *const rows[][2] = {
	    {"fix_p256.bin", "fix_p256.payload"},
	    {"fix_p256_seccnt.bin", "fix_p256_seccnt.payload"}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		mm_auto(buffer) file = {0}, payload = {0};
		uint8_t digest[32], wanted[32];
		struct mm_image image;

		load(rows[i][0], &file);
		load(rows[i][1], &payload);
		image = image_of(&file);
		assert_int_equal(mm_mcuboot_digest(&image, digest), MM_OK);
		assert_int_equal(
		    mm_hash(mm_buffer_span(&payload), wanted), MM_OK);
		assert_memory_equal(digest, wanted, 32);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(images_are_the_vendors_byte_for_byte),
	    cmocka_unit_test(the_vendors_verdicts_are_ours),
	    cmocka_unit_test(what_is_signed_is_the_payload_of_the_vendor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
