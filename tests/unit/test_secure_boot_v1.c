/* Secure Boot V1 against what the vendor's tools made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "secure_boot.h"

#define V1 "secure_boot_v1"
#define V1_FAMILY "secure-boot-v1"
#define KEYS "../keys/TEST-ONLY-"

static enum mm_error
attach_v1(const struct vector_image *image, enum mm_resign resign,
    const struct mm_signed *signature, size_t count, struct vector_image *out)
{
	struct mm_attached attached = {.count = 0};
	enum mm_error error = scheme(V1_FAMILY)->attach(
	    &image->image, resign, signature, count, &attached);

	if (error == MM_OK)
		write_attached(&attached, out);
	return error;
}

/* The signature at the end of a file, as the log has it. */
static void
take_v1(const char *file, struct mm_buffer *der, struct mm_signed *out)
{
	mm_auto(buffer) bytes = {0};

	vector_file(V1, file, &bytes);
	vector_key(V1, KEYS "sbv1-p256.pub.pem", &out->key);
	mm_buffer_clear(der);
	mm_buffer_init(der, MM_SIGNATURE_MAX);
	assert_int_equal(
	    mm_ecdsa_der(bytes.data + bytes.size - 64, 32, der), MM_OK);
	out->signature = mm_buffer_span(der);
}

static void
v1_verifies_what_the_reference_verifies(void **state)
{
	struct vector_index index;
	struct vector_row row;

	(void)state;
	vector_open(&index, V1, "verify.tsv");
	while (vector_next(&index, &row)) {
		vector_auto struct vector_image image = {.image = {none, NULL}};
		struct mm_public_key key;

		vector_key(V1, row.column[2], &key);
		vector_image(V1, row.column[3], &image);
		vector_expect(&row, verify(V1_FAMILY, &image, &key), "ok");
	}
	assert_int_equal(index.rows, 11);
}

static void
v1_assembles_the_tools_bytes(void **state)
{
	struct vector_index index;
	struct vector_row row;

	(void)state;
	vector_open(&index, V1, "cases.tsv");
	while (vector_next(&index, &row)) {
		vector_auto struct vector_image image = {.image = {none, NULL}};
		vector_auto struct vector_image made = {.image = {none, NULL}};
		mm_auto(buffer) der = {0};
		struct mm_signed signature;
		uint8_t digest[32];

		take_v1(row.column[4], &der, &signature);
		vector_image(V1, row.column[3], &image);
		assert_int_equal(
		    scheme(V1_FAMILY)->digest(&image.image, digest), MM_OK);
		assert_int_equal(mm_public_key_verify(&signature.key,
				     mm_span(digest, 32), signature.signature),
		    MM_OK);
		assert_int_equal(
		    attach_v1(&image, MM_RESIGN_REFUSE, &signature, 1, &made),
		    MM_OK);
		assert_file(&made, V1, row.column[4]);
	}
	assert_int_equal(index.rows, 4);
}

static void
v1_facts_tell_of_the_signature(void **state)
{
	static const struct {
		const char *directory, *file;
		size_t count;
		bool sound;
		uint64_t trailing;
	} cases[] = {{V1, "app_signed.bin", 1, true, 0},
	    {V1, "bad_zero_sig.bin", 1, false, 0},
	    {V1, "bad_version.bin", 0, false, 68},
	    {V1, "in/app.bin", 0, false, 0},
	    {"aws_ota", "app_esp32.flashed.bin", 1, true, 12},
	    {"aws_ota", "app_c3.flashed.bin", 0, false, 80}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		vector_auto struct vector_image image = {.image = {none, NULL}};

		vector_image(cases[i].directory, cases[i].file, &image);
		assert_int_equal(blocks_of(&image), cases[i].count);
		assert_int_equal(image.facts.trailing, cases[i].trailing);
		if (cases[i].count == 0)
			continue;
		assert_int_equal(
		    block_of(&image, 0)->offset, image.facts.length);
		assert_true(mm_span_is(block_of(&image, 0)->family, V1_FAMILY));
		assert_int_equal(block_of(&image, 0)->key.size, 0);
		assert_int_equal(block_of(&image, 0)->sound, cases[i].sound);
	}
}

static void
v1_has_one_signature_and_resigning_is_said(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	vector_auto struct vector_image made = {.image = {none, NULL}};
	mm_auto(buffer) der = {0};
	struct mm_signed signatures[2];

	(void)state;
	take_v1("app_signed.bin", &der, &signatures[0]);
	signatures[1] = signatures[0];
	vector_image(V1, "app_signed.bin", &image);
	assert_int_equal(
	    attach_v1(&image, MM_RESIGN_REFUSE, signatures, 1, &made),
	    MM_E_IMAGE_SIGNED);
	assert_int_equal(
	    attach_v1(&image, MM_RESIGN_APPEND, signatures, 1, &made),
	    MM_E_IMAGE_SIGNED);
	assert_int_equal(
	    attach_v1(&image, MM_RESIGN_REPLACE, signatures, 1, &made), MM_OK);
	assert_file(&made, V1, "app_signed.bin");
	vector_image(V1, "in/app.bin", &image);
	assert_int_equal(
	    attach_v1(&image, MM_RESIGN_REFUSE, signatures, 2, &made),
	    MM_E_IMAGE_SIGNED);
	vector_key(V1, KEYS "sbv2-rsa1.pub.pem", &signatures[0].key);
	assert_int_equal(
	    attach_v1(&image, MM_RESIGN_REFUSE, signatures, 1, &made),
	    MM_E_KEY_TYPE);
}

static void
v1_is_of_the_esp32_and_right_behind_the_image(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	const struct mm_scheme *v1 = scheme(V1_FAMILY);
	struct mm_public_key key;
	uint8_t digest[32];

	(void)state;
	vector_image("aws_ota", "in/app_c3.bin", &image);
	assert_int_equal(v1->digest(&image.image, digest), MM_E_IMAGE);
	vector_image(V1, "in/app.bin", &image);
	assert_int_equal(v1->digest(&image.image, digest), MM_OK);
	mm_buffer_add(&image.bytes, "x", 1);
	vector_read(&image);
	assert_int_equal(v1->digest(&image.image, digest), MM_E_IMAGE);
	/* What the reference does not verify is not verified here. */
	vector_key(V1, KEYS "sbv1-p256.pub.pem", &key);
	vector_image(V1, "app_signed.bin", &image);
	assert_int_equal(verify(V1_FAMILY, &image, &key), MM_OK);
	mm_buffer_add(&image.bytes, "\xff", 1);
	vector_read(&image);
	assert_int_equal(verify(V1_FAMILY, &image, &key), MM_E_IMAGE_SIGNATURE);
}

static void
v1_names_no_key(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	const struct mm_scheme *v1 = scheme(V1_FAMILY);
	struct mm_public_key key;
	uint8_t digest[32] = {0};

	(void)state;
	vector_image(V1, "app_signed.bin", &image);
	assert_int_equal(
	    v1->verify(&image.image, none, NULL, digest), MM_E_IMAGE_SIGNATURE);
	vector_key(V1, KEYS "sbv2-rsa1.pub.pem", &key);
	assert_int_equal(verify(V1_FAMILY, &image, &key), MM_E_IMAGE_SIGNATURE);
	vector_key(V1, KEYS "sbv1-p256.pub.pem", &key);
	assert_int_equal(v1->verify(&image.image, mm_span("x", 1), &key, NULL),
	    MM_E_IMAGE_SIGNATURE);
}

static void
v1_no_end_of_a_file_but_its_own_verifies(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	struct mm_public_key key;

	(void)state;
	vector_image(V1, "data1000_signed.bin", &image);
	vector_key(V1, KEYS "sbv1-p256.pub.pem", &key);
	assert_int_equal(verify(V1_FAMILY, &image, &key), MM_OK);
	while (--image.image.bytes.size > 0)
		assert_int_equal(
		    verify(V1_FAMILY, &image, &key), MM_E_IMAGE_SIGNATURE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(v1_verifies_what_the_reference_verifies),
	    cmocka_unit_test(v1_assembles_the_tools_bytes),
	    cmocka_unit_test(v1_facts_tell_of_the_signature),
	    cmocka_unit_test(v1_has_one_signature_and_resigning_is_said),
	    cmocka_unit_test(v1_is_of_the_esp32_and_right_behind_the_image),
	    cmocka_unit_test(v1_names_no_key),
	    cmocka_unit_test(v1_no_end_of_a_file_but_its_own_verifies)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
