/* Signed esp_secure_cert partitions that were changed, cut off or put together
 * wrongly: refused, or verified by nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/secure_cert_room.h"

/* Refused, or read as what no longer verifies. */
static bool
passes(struct mm_span bytes)
{
	vector_auto struct vector_image image = {0};
	enum mm_error error;

	mm_arena_init(&image.arena, VECTOR_ARENA);
	error = read_partition(bytes, &image.arena, &image.facts);
	if (error != MM_OK)
		return false;
	image.image = (struct mm_image){bytes, &image.facts};
	return verify_by(&image, KEY("p256-1")) == MM_OK;
}

/* Nothing in it is left uncovered: the end marker has one value only. */
static void
no_byte_of_a_signed_partition_may_change(void **state)
{
	mm_auto(buffer) file = {0};
	struct mm_span bytes = vector_file(VECTORS, "signed_p256.bin", &file);

	(void)state;
	assert_true(passes(bytes));
	for (size_t i = 0; i < bytes.size; i++)
		for (unsigned bit = 0; bit < 8; bit += 7) {
			file.data[i] ^= (uint8_t)(1 << bit);
			if (passes(bytes))
				fail_msg("byte %zu", i);
			file.data[i] ^= (uint8_t)(1 << bit);
		}
}

static void
no_truncation_of_a_signed_partition_passes(void **state)
{
	mm_auto(buffer) file = {0};
	struct mm_span bytes = vector_file(VECTORS, "signed_p256.bin", &file);

	(void)state;
	for (size_t size = 1; size < bytes.size; size++)
		if (passes(mm_span(bytes.data, size)))
			fail_msg("%zu bytes", size);
}

static void
bytes_behind_a_signed_partition_are_erased_or_refused(void **state)
{
	mm_auto(buffer) file = {0};

	(void)state;
	vector_file(VECTORS, "signed_p256.bin", &file);
	mm_buffer_add(&file, "\xff\xff\xff\xff", 4);
	assert_true(passes(mm_buffer_span(&file)));
	file.data[file.size - 1] = 0;
	assert_false(passes(mm_buffer_span(&file)));
	/* A second partition behind it is none. */
	file.size -= 4;
	mm_buffer_add(&file, file.data, 64);
	assert_wrong("second", mm_buffer_span(&file), "behind the last TLV");
}

/* The fields of a signature's value, the CRC and the sum made anew. */
static void
each_field_of_a_signature_is_checked(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
		const char *why;
	} cases[] = {{0, 2, "version 1"}, {1, 1, "version 1"},
	    {4, 1, "version 1"}, {7, 1, "version 1"},
	    {8, 0xc1, "is over 1729 bytes"}, {8, 0xbf, "is over 1727 bytes"},
	    {11, 1, "bytes, and 1728 stand"}, {12, 1, "algorithm 1"},
	    {12, 4, "algorithm 4"}, {12, 0, "RSA-3072 has 1232 bytes"},
	    {12, 3, "P-384 has 209 bytes"}, {15, 1, "version 1"}};
	const size_t tlv = SIGNED_SIZE, end = SIGNED_SIZE + 176;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(buffer) file = {0};

		vector_file(VECTORS, "signed_p256.bin", &file);
		file.data[tlv + 12 + cases[i].at] = cases[i].byte;
		mend(file.data + tlv, 145);
		file.size = end;
		put_integrity(&file, 1);
		mm_buffer_add(&file, mm_secure_cert_end, MM_SECURE_CERT_END);
		assert_wrong(cases[i].why, mm_buffer_span(&file), cases[i].why);
	}
}

/* A key that is on no curve: told without a key, and sound for nobody. */
static void
a_signature_with_a_broken_key_is_told_as_unsound(void **state)
{
	vector_auto struct vector_image image = {0};
	const struct mm_signature_block *block;

	(void)state;
	vector_file(VECTORS, "signed_p256.bin", &image.bytes);
	image.bytes.data[SIGNED_SIZE + 12 + 16 + 1] ^= 1;
	mend(image.bytes.data + SIGNED_SIZE, 145);
	image.bytes.size = SIGNED_SIZE + 176;
	put_integrity(&image.bytes, 1);
	mm_buffer_add(&image.bytes, mm_secure_cert_end, MM_SECURE_CERT_END);
	vector_read(&image);
	block = image.facts.signatures.items;
	assert_false(block->sound);
	assert_int_equal(block->key.size, 0);
	assert_true(mm_span_is(block->algorithm, "P-256"));
	assert_int_equal(
	    verify_by(&image, KEY("p256-1")), MM_E_IMAGE_SIGNATURE);
}

/* A value that holds a whole block: of other bytes, or of a curve. */
static void
put_block(struct mm_buffer *file, const char *key, struct mm_span bytes)
{
	uint8_t value[MM_SECURE_CERT_VALUE_MAX] = {
	    1, 0, 0, 0, 0, 0, 0, 0, SIGNED_SIZE & 0xff, SIGNED_SIZE >> 8};
	mm_auto(buffer) signature = {0};
	struct mm_signed ours;
	uint8_t digest[32];

	sign_with(key, bytes, &signature, &ours);
	crypto_hash_sha256(digest, bytes.data, bytes.size);
	assert_int_equal(mm_secure_boot_v2_block(&ours.key, mm_span(digest, 32),
			     ours.signature, value + 16),
	    MM_OK);
	vector_file(VECTORS, "tlv_ec_pem.bin", file);
	assert_int_equal(mm_secure_cert_tlv_write(MM_SECURE_CERT_SIGNATURE, 0,
			     mm_span(value, sizeof(value)), file),
	    MM_OK);
	put_integrity(file, 1);
	mm_buffer_add(file, mm_secure_cert_end, MM_SECURE_CERT_END);
}

static void
a_block_of_something_else_is_unsound(void **state)
{
	static const struct {
		const char *key;
		bool ours, sound;
	} cases[] = {{"rsa1", true, true}, {"rsa1", false, false},
	    {"p256-1", true, false}};
	mm_auto(buffer) file = {0};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		vector_auto struct vector_image image = {0};
		const struct mm_signature_block *block;

		vector_file(VECTORS, "tlv_ec_pem.bin", &file);
		put_block(&image.bytes, cases[i].key,
		    cases[i].ours ? mm_buffer_span(&file)
				  : mm_span_text("another"));
		vector_read(&image);
		(void)facts_of(&image);
		block = image.facts.signatures.items;
		assert_true(mm_span_is(block->algorithm, "RSA-3072"));
		assert_int_equal(block->sound, cases[i].sound);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_byte_of_a_signed_partition_may_change),
	    cmocka_unit_test(no_truncation_of_a_signed_partition_passes),
	    cmocka_unit_test(
		bytes_behind_a_signed_partition_are_erased_or_refused),
	    cmocka_unit_test(each_field_of_a_signature_is_checked),
	    cmocka_unit_test(a_signature_with_a_broken_key_is_told_as_unsound),
	    cmocka_unit_test(a_block_of_something_else_is_unsound)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
