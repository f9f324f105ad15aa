/* Which reader reads a file, and what is said of files that none knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <string.h>

#include "signer/image.h"
#include "tests/unit/esp_make.h"
#include "tests/unit/hex.h"

enum { ARENA = 65536 };

/* Reads, and checks that a refusal leaves `facts` alone. */
static enum mm_error
read_as(struct mm_span image, const char *as, struct mm_image_facts *facts)
{
	/* Until the next call: the facts point into it. */
	static struct mm_arena arena;
	struct mm_image_facts before = *facts;
	enum mm_error error;

	mm_arena_clear(&arena);
	mm_arena_init(&arena, ARENA);
	error = mm_image_read(image, mm_span_text(as), &arena, facts);
	if (error != MM_OK)
		assert_memory_equal(&before, facts, sizeof(before));
	return error;
}

static void
facts_are_read_from_the_bytes(void **state)
{
	struct mm_image_facts facts = {0};

	(void)state;
	assert_int_equal(read_as(mm_span_text("abc"), "", &facts), MM_OK);
	assert_int_equal(facts.size, 3);
	assert_int_equal(facts.length, 3);
	assert_int_equal(facts.trailing, 0);
	assert_true(facts.blank);
	/* FIPS 180-2 appendix B.1 */
	assert_hex(mm_span(facts.sha256, 32),
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(mm_span_is(facts.format, "plain"));
}

static void
nothing_is_no_image(void **state)
{
	struct mm_image_facts facts = {.size = 77};

	(void)state;
	assert_int_equal(read_as(mm_span("", 0), "", &facts), MM_E_INSPECTOR);
}

static void
formats_have_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= MM_FORMAT_SECURE_CERT; i++)
		assert_non_null(mm_image_format_name(i));
	assert_null(mm_image_format_name(MM_FORMAT_SECURE_CERT + 1));
	assert_string_equal(
	    mm_image_format_name(MM_FORMAT_ESP_IMAGE), "esp-image");
}

/* What begins so and goes on otherwise is broken, and not plain. */
static void
a_beginning_is_a_promise(void **state)
{
	static const struct {
		uint8_t bytes[4];
		size_t size; /* of the magic */
	} magics[] = {{{0xE9}, 1}, {{0x3D, 0xB8, 0xF3, 0x96}, 4},
	    {{0xAA, 0x50}, 2}, {{0x11, 0xBA, 0x5E, 0xBA}, 4}};
	struct mm_image_facts facts = {0};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(magics); i++) {
		uint8_t file[64];

		memset(file, 0x5A, sizeof(file));
		memcpy(file, magics[i].bytes, magics[i].size);
		assert_int_equal(
		    read_as(mm_span(file, 64), "", &facts), MM_E_IMAGE);
		assert_int_equal(
		    read_as(mm_span(file, magics[i].size), "", &facts),
		    MM_E_IMAGE);
		assert_int_equal(
		    read_as(mm_span(file, 64), "plain", &facts), MM_OK);
		/* One byte less of it promises nothing. */
		file[magics[i].size - 1] ^= 1;
		assert_int_equal(read_as(mm_span(file, 64), "", &facts), MM_OK);
		assert_true(mm_span_is(facts.format, "plain"));
	}
}

static void
a_file_must_be_what_is_wanted(void **state)
{
	static const char *const others[] = {"esp-bootloader", "esp-image",
	    "mcuboot", "partition-table", "secure-cert", "esp", "esp-app2",
	    "PLAIN"};
	struct mm_image_facts facts = {0};
	mm_auto(buffer) app = {0};

	(void)state;
	esp_vector("c3_min.bin", &app);
	assert_int_equal(
	    read_as(mm_buffer_span(&app), "esp-app", &facts), MM_OK);
	assert_int_equal(read_as(mm_buffer_span(&app), "plain", &facts), MM_OK);
	assert_true(mm_span_is(facts.format, "plain"));
	assert_int_equal(facts.esp.count, 0);
	for (size_t i = 0; i < MM_COUNT(others); i++) {
		assert_int_equal(
		    read_as(mm_buffer_span(&app), others[i], &facts),
		    MM_E_IMAGE);
		assert_int_equal(
		    read_as(mm_span_text("abc"), others[i], &facts),
		    MM_E_IMAGE);
	}
}

static void
signatures_behind_plain_files_are_seen(void **state)
{
	static const struct {
		const char *path, *family;
		uint64_t length;
		size_t count;
	} cases[] = {
	    {"tests/vectors/esp/secure_boot_v1/data1000_signed.bin",
		"secure-boot-v1", 1000, 1},
	    {"tests/vectors/esp/secure_boot_v2/rsa_x3.bin", "secure-boot-v2", 0,
		3},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct mm_image_facts facts = {0};
		mm_auto(buffer) file = {0};

		esp_load(cases[i].path, &file);
		assert_int_equal(
		    read_as(mm_buffer_span(&file), "plain", &facts), MM_OK);
		assert_int_equal(facts.signatures.count, cases[i].count);
		for (mm_list_each(const struct mm_signature_block, block,
			 facts.signatures)) {
			assert_true(mm_span_is(block->family, cases[i].family));
			assert_true(block->sound);
		}
		assert_int_equal(facts.length,
		    cases[i].length != 0 ? cases[i].length : facts.size - 4096);
		assert_int_equal(facts.trailing, 0);
	}
}

/* --- the shapes --- */

static void
facts_pass(const struct mm_image_facts *facts)
{
	struct mm_image_facts back;
	mm_auto(buffer) one = {0};
	mm_auto(buffer) two = {0};
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&one, ARENA);
	mm_buffer_init(&two, ARENA);
	assert_int_equal(
	    mm_shape_encode(&mm_image_facts_shape, facts, &one), MM_OK);
	assert_int_equal(mm_shape_decode(&mm_image_facts_shape,
			     mm_buffer_span(&one), &arena, &back),
	    MM_OK);
	assert_int_equal(
	    mm_shape_encode(&mm_image_facts_shape, &back, &two), MM_OK);
	assert_true(mm_span_equal(mm_buffer_span(&one), mm_buffer_span(&two)));
}

/* How many files of a directory are of the format. */
static size_t
pass_all(const char *directory, const char *format)
{
	DIR *files = opendir(directory);
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(files);
	while ((entry = readdir(files)) != NULL) {
		struct mm_image_facts facts = {0};
		mm_auto(buffer) file = {0};
		char path[512];

		if (strstr(entry->d_name, ".bin") == NULL)
			continue;
		snprintf(
		    path, sizeof(path), "%s/%.200s", directory, entry->d_name);
		esp_load(path, &file);
		if (read_as(mm_buffer_span(&file), format, &facts) != MM_OK)
			continue;
		facts_pass(&facts);
		count++;
	}
	closedir(files);
	return count;
}

static void
all_facts_pass_between_processes(void **state)
{
	(void)state;
	assert_int_equal(pass_all("tests/vectors/esp/app_image", "esp-app"), 9);
	assert_true(pass_all("tests/vectors/esp/mcuboot", "mcuboot") > 8);
	assert_true(pass_all("tests/vectors/esp/partition_table",
			"partition-table") > 3);
	assert_true(
	    pass_all("tests/vectors/esp/secure_cert", "secure-cert") > 3);
	assert_true(pass_all("tests/vectors/esp/secure_boot_v2", "plain") > 20);
}

/* --- hashing --- */

static void
prefixes_are_hashed_in_one_pass(void **state)
{
	struct mm_prefix_hash prefixes[] = {{.size = 0}, {.size = 1},
	    {.size = 1, .fill = 5000}, {.size = 3}, {.size = 3, .fill = 1}};
	uint8_t text[8192], wanted[32];

	(void)state;
	assert_int_equal(mm_hash_prefixes(mm_span_text("h"),
			     mm_span_text("abc"), prefixes, 5),
	    MM_OK);
	for (size_t i = 0; i < MM_COUNT(prefixes); i++) {
		size_t size = 1 + (size_t)prefixes[i].size;

		memcpy(text, "habc", 4);
		memset(text + size, 0xFF, (size_t)prefixes[i].fill);
		size += (size_t)prefixes[i].fill;
		assert_int_equal(mm_hash(mm_span(text, size), wanted), MM_OK);
		assert_memory_equal(prefixes[i].out, wanted, 32);
	}
}

/* Byte by byte, of blocks whole and begun; the hash is what it is without. */
static void
a_prefix_is_summed_while_it_is_hashed(void **state)
{
	enum { SIZE = 100001 };
	static const uint64_t sizes[] = {
	    0, 1, 63, 64, 16383, 16384, 16385, 65536, SIZE - 1, SIZE};
	static uint8_t bytes[SIZE];
	struct mm_prefix_hash sums[MM_COUNT(sizes)], hashes[MM_COUNT(sizes)];
	struct mm_span file = mm_span(bytes, SIZE), head = mm_span_text("h");
	uint8_t sum = 0;

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * i >> 3);
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		hashes[i] =
		    (struct mm_prefix_hash){.size = sizes[i], .fill = i};
		sums[i] = hashes[i];
		sums[i].summed = sizes[i] < SIZE && sizes[i] != 64;
	}
	assert_int_equal(
	    mm_hash_prefixes(head, file, sums, MM_COUNT(sums)), MM_OK);
	assert_int_equal(
	    mm_hash_prefixes(head, file, hashes, MM_COUNT(hashes)), MM_OK);
	for (size_t i = 0, at = 0; i < MM_COUNT(sums); i++) {
		for (; at < sums[i].size; at++)
			sum ^= bytes[at];
		assert_int_equal(sums[i].sum, sums[i].summed ? sum : 0);
		assert_int_equal(mm_xor(mm_span(bytes, at)), sum);
		assert_memory_equal(sums[i].out, hashes[i].out, 32);
	}
	assert_int_equal(mm_xor((struct mm_span){0}), 0);
}

static void
prefixes_lie_inside_and_ascend(void **state)
{
	struct mm_prefix_hash over[] = {{.size = 4}};
	struct mm_prefix_hash back[] = {{.size = 2}, {.size = 1}};

	(void)state;
	assert_int_equal(
	    mm_hash_prefixes((struct mm_span){0}, mm_span_text("abc"), over, 1),
	    MM_E_INSPECTOR);
	assert_int_equal(
	    mm_hash_prefixes((struct mm_span){0}, mm_span_text("abc"), back, 2),
	    MM_E_INSPECTOR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(facts_are_read_from_the_bytes),
	    cmocka_unit_test(nothing_is_no_image),
	    cmocka_unit_test(formats_have_names),
	    cmocka_unit_test(a_beginning_is_a_promise),
	    cmocka_unit_test(a_file_must_be_what_is_wanted),
	    cmocka_unit_test(signatures_behind_plain_files_are_seen),
	    cmocka_unit_test(all_facts_pass_between_processes),
	    cmocka_unit_test(prefixes_are_hashed_in_one_pass),
	    cmocka_unit_test(a_prefix_is_summed_while_it_is_hashed),
	    cmocka_unit_test(prefixes_lie_inside_and_ascend)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
