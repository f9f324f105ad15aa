/* Flash encryption: what espsecure made is made here, both ways, whole and in
 * pieces, and what no chip could read is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "factory/flash_encryption.h"
#include "tests/unit/esp_vectors.h"

#define DIRECTORY "flash_encryption"

static const struct mm_chip *
chip_of(const char *name)
{
	const struct mm_chip *chip = mm_chip_named(mm_span_text(name));

	assert_non_null(chip);
	return chip;
}

static struct mm_flash_cipher *
cipher_of(const char *chip, struct mm_span key, uint64_t config)
{
	struct mm_flash_cipher *cipher = NULL;

	assert_int_equal(
	    mm_flash_cipher_new(chip_of(chip), key, config, &cipher), MM_OK);
	assert_non_null(cipher);
	return cipher;
}

/* A chip of the row's scheme that takes a key of this size. */
static const char *
chip_for(const struct vector_row *row, size_t key)
{
	if (strcmp(row->column[2], "esp32") == 0)
		return "esp32";
	return key == 16 ? "esp32c2" : "esp32s3";
}

static void
run_is(struct mm_flash_cipher *cipher, int direction, uint64_t address,
    struct mm_span from, struct mm_span to)
{
	uint8_t out[4096];

	assert_true(from.size <= sizeof(out));
	assert_int_equal(from.size, to.size);
	assert_int_equal(
	    mm_flash_cipher_run(cipher, direction, address, from, out), MM_OK);
	assert_memory_equal(out, to.data, to.size);
	/* in place */
	memcpy(out, from.data, from.size);
	assert_int_equal(mm_flash_cipher_run(cipher, direction, address,
			     mm_span(out, from.size), out),
	    MM_OK);
	assert_memory_equal(out, to.data, to.size);
	/* in pieces, block by block */
	for (size_t at = 0; at < from.size; at += MM_FLASH_BLOCK)
		assert_int_equal(
		    mm_flash_cipher_run(cipher, direction, address + at,
			mm_span(from.data + at, MM_FLASH_BLOCK), out + at),
		    MM_OK);
	assert_memory_equal(out, to.data, to.size);
}

static void
check_row(const struct vector_row *row)
{
	mm_auto(buffer) key = {0}, plain = {0}, cipher = {0};
	struct mm_span k = vector_file(DIRECTORY, row->column[3], &key);
	struct mm_span p = vector_file(DIRECTORY, row->column[6], &plain);
	struct mm_span c = vector_file(DIRECTORY, row->column[7], &cipher);
	uint64_t address = strtoull(row->column[4], NULL, 0);
	uint64_t config = row->column[5][0] == '-'
			      ? MM_FLASH_CRYPT_CONFIG
			      : strtoull(row->column[5], NULL, 0);
	struct mm_flash_cipher *made =
	    cipher_of(chip_for(row, k.size), k, config);

	assert_string_equal(row->column[1], "exact");
	run_is(made, MM_FLASH_ENCRYPT, address, p, c);
	run_is(made, MM_FLASH_DECRYPT, address, c, p);
	mm_flash_cipher_free(made);
}

static void
the_vendors_bytes_both_ways(void **state)
{
	struct vector_index index;
	struct vector_row row;

	(void)state;
	vector_open(&index, DIRECTORY, "cases.tsv");
	while (vector_next(&index, &row))
		check_row(&row);
	assert_int_equal(index.rows, 46);
}

/* --- what FLASH_CRYPT_CONFIG says --- */

static void
run_config(uint64_t config, uint64_t address, uint8_t out[MM_FLASH_BLOCK])
{
	static const uint8_t key[32] = {1, 2, 3}, plain[MM_FLASH_BLOCK];
	struct mm_flash_cipher *made =
	    cipher_of("esp32", mm_span(key, sizeof(key)), config);

	assert_int_equal(mm_flash_cipher_run(made, MM_FLASH_ENCRYPT, address,
			     mm_span(plain, sizeof(plain)), out),
	    MM_OK);
	mm_flash_cipher_free(made);
}

static void
each_bit_of_the_configuration_mixes_its_own_range(void **state)
{
	uint8_t none[MM_FLASH_BLOCK], other[MM_FLASH_BLOCK], seen[4][16];

	(void)state;
	run_config(0, 0, none);
	run_config(0, 0xabcde0, other);
	assert_memory_equal(none, other, sizeof(none));
	for (unsigned i = 0; i < 4; i++) {
		run_config(1U << i, 0xabcde0, seen[i]);
		assert_memory_not_equal(seen[i], none, sizeof(none));
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(seen[i], seen[j], 16);
	}
	/* Both blocks of 32 bytes have one key. */
	run_config(0xf, 0x20, other);
	run_config(0xf, 0x30, none);
	assert_memory_equal(none, other, sizeof(none));
	run_config(0xf, 0x40, none);
	assert_memory_not_equal(none, other, sizeof(none));
}

/* --- refusals --- */

static enum mm_error
take_key(const char *chip, size_t size, uint64_t config)
{
	uint8_t key[128];
	struct mm_flash_cipher *made = NULL;
	enum mm_error error;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	error = mm_flash_cipher_new(
	    chip_of(chip), mm_span(key, size), config, &made);
	assert_true((error == MM_OK) == (made != NULL));
	mm_flash_cipher_free(made);
	return error;
}

static void
a_chip_takes_keys_of_its_sizes_alone(void **state)
{
	static const struct {
		const char *chip;
		size_t sizes[2];
	} rows[] = {{"esp32", {24, 32}}, {"esp32s2", {32, 64}},
	    {"esp32s3", {32, 64}}, {"esp32c2", {16, 32}}, {"esp32c3", {32, 32}},
	    {"esp32c6", {32, 32}}, {"esp32h2", {32, 32}}, {"esp32p4", {32, 64}},
	    {"esp32c5", {32, 32}}, {"esp32c61", {32, 32}},
	    {"esp32h21", {32, 32}}, {"esp32s31", {32, 64}}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++)
		for (size_t size = 0; size <= 65; size++) {
			bool takes = size == rows[i].sizes[0] ||
				     size == rows[i].sizes[1];

			assert_int_equal(take_key(rows[i].chip, size, 0xf),
			    takes ? MM_OK : MM_E_RANGE);
		}
	/* Nobody knows how these do it. */
	assert_int_equal(take_key("esp32h4", 32, 0xf), MM_E_FORMAT);
	assert_int_equal(take_key("esp32e22", 32, 0xf), MM_E_FORMAT);
}

static void
the_configuration_is_four_bits_of_the_first_chip(void **state)
{
	(void)state;
	assert_int_equal(take_key("esp32", 32, 0), MM_OK);
	assert_int_equal(take_key("esp32", 32, 0xf), MM_OK);
	assert_int_equal(take_key("esp32", 32, 0x10), MM_E_RANGE);
	assert_int_equal(take_key("esp32c3", 32, 0), MM_E_RANGE);
}

static void
an_xts_key_of_two_equal_halves_is_none(void **state)
{
	uint8_t key[64];
	struct mm_flash_cipher *made = NULL;

	(void)state;
	memset(key, 7, sizeof(key));
	assert_int_equal(mm_flash_cipher_new(chip_of("esp32s3"),
			     mm_span(key, sizeof(key)), 0xf, &made),
	    MM_E_FORMAT);
	key[63] = 8;
	assert_int_equal(mm_flash_cipher_new(chip_of("esp32s3"),
			     mm_span(key, sizeof(key)), 0xf, &made),
	    MM_OK);
	mm_flash_cipher_free(made);
}

static enum mm_error
run_at(const char *chip, uint64_t address, size_t size)
{
	static const uint8_t key[32] = {1}, plain[64];
	struct mm_flash_cipher *made =
	    cipher_of(chip, mm_span(key, sizeof(key)), 0xf);
	uint8_t out[64], before[64];
	enum mm_error error;

	memset(out, 0xee, sizeof(out));
	memset(before, 0xee, sizeof(before));
	error = mm_flash_cipher_run(
	    made, MM_FLASH_ENCRYPT, address, mm_span(plain, size), out);
	mm_flash_cipher_free(made);
	/* Behind what was asked for, nothing changes; on failure nothing. */
	assert_memory_equal(out + (error == MM_OK ? size : 0), before,
	    sizeof(out) - (error == MM_OK ? size : 0));
	return error;
}

static void
addresses_and_sizes_are_whole_blocks_within_flash(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 49; size++)
		assert_int_equal(run_at("esp32c3", 0x1000, size),
		    size > 0 && size % 16 == 0 ? MM_OK : MM_E_RANGE);
	for (uint64_t at = 0; at <= 33; at++)
		assert_int_equal(
		    run_at("esp32", at, 16), at % 16 == 0 ? MM_OK : MM_E_RANGE);
	assert_int_equal(run_at("esp32", 0xfffff0, 16), MM_OK);
	assert_int_equal(run_at("esp32", 0xfffff0, 32), MM_E_RANGE);
	assert_int_equal(run_at("esp32", 0x1000000, 16), MM_E_RANGE);
	assert_int_equal(run_at("esp32s3", 0xfffffff0, 16), MM_OK);
	assert_int_equal(run_at("esp32s3", 0xfffffff0, 32), MM_E_RANGE);
	assert_int_equal(run_at("esp32s3", 0x100000000, 16), MM_E_RANGE);
	assert_int_equal(run_at("esp32s3", UINT64_MAX - 15, 16), MM_E_RANGE);
}

static void
new_keys_are_whole_and_differ(void **state)
{
	mm_auto(flash_secret) a = {0}, b = {0}, none = {0};
	static const uint8_t zeros[32];

	(void)state;
	assert_int_equal(mm_flash_key_make(chip_of("esp32c3"), &a), MM_OK);
	assert_int_equal(mm_flash_key_make(chip_of("esp32"), &b), MM_OK);
	assert_int_equal(a.size, 32);
	assert_int_equal(b.size, 32);
	assert_memory_not_equal(a.data, b.data, 32);
	assert_memory_not_equal(a.data + 16, zeros, 16);
	assert_int_equal(
	    mm_flash_key_make(chip_of("esp32h4"), &none), MM_E_FORMAT);
}

static void
new_keys_have_the_sizes_that_a_chip_takes(void **state)
{
	static const struct {
		const char *chip;
		size_t size;
		enum mm_error error;
	} cases[] = {
	    {"esp32c2", 16, MM_OK},
	    {"esp32c2", 32, MM_OK},
	    {"esp32s3", 64, MM_OK},
	    {"esp32", 24, MM_OK},
	    {"esp32c2", 15, MM_E_RANGE},
	    {"esp32c2", 17, MM_E_RANGE},
	    {"esp32c3", 16, MM_E_RANGE},
	    {"esp32c3", 64, MM_E_RANGE},
	    {"esp32s3", 0, MM_E_RANGE},
	    {"esp32e22", 32, MM_E_FORMAT},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(flash_secret) key = {0};

		assert_int_equal(mm_flash_key_make_sized(chip_of(cases[i].chip),
				     cases[i].size, &key),
		    cases[i].error);
		assert_int_equal(
		    key.size, cases[i].error == MM_OK ? cases[i].size : 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_vendors_bytes_both_ways),
	    cmocka_unit_test(each_bit_of_the_configuration_mixes_its_own_range),
	    cmocka_unit_test(a_chip_takes_keys_of_its_sizes_alone),
	    cmocka_unit_test(the_configuration_is_four_bits_of_the_first_chip),
	    cmocka_unit_test(an_xts_key_of_two_equal_halves_is_none),
	    cmocka_unit_test(addresses_and_sizes_are_whole_blocks_within_flash),
	    cmocka_unit_test(new_keys_are_whole_and_differ),
	    cmocka_unit_test(new_keys_have_the_sizes_that_a_chip_takes),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
