/* esp_secure_cert partitions: signed byte for byte as the vendor's tool signs
 * them, beside other signatures or in their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include "tests/unit/secure_cert_room.h"

/* --- signing --- */

/* What attaching makes of it, read again. */
static void
attach(const struct vector_image *image, enum mm_resign resign,
    const struct mm_signed *signatures, size_t count, struct vector_image *out)
{
	mm_auto(attached) attached = {0};
	enum mm_error error = mm_secure_cert_attach(
	    &image->image, resign, signatures, count, &attached);

	if (error != MM_OK)
		fail_msg("attach: %s", mm_why(error));
	mm_buffer_clear(&out->bytes);
	mm_buffer_init(&out->bytes, 1 << 16);
	assert_int_equal(mm_attached_write(&attached, &out->bytes), MM_OK);
	assert_int_equal(mm_attached_size(&attached), out->bytes.size);
	vector_read(out);
}

static void
the_vendors_signed_files_are_rebuilt(void **state)
{
	static const struct {
		const char *file, *key, *other;
	} cases[] = {{"signed_p256.bin", KEY("p256-1"), KEY("p256-2")},
	    {"signed_rsa.bin", KEY("rsa1"), KEY("rsa2")}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		vector_auto struct vector_image wanted = {0}, image = {0},
						made = {0};
		struct mm_secure_cert_signature taken;
		struct mm_signed ours;
		const struct mm_secure_cert_tlv *tlv;
		struct mm_span covered;
		uint8_t digest[32];

		vector_image(VECTORS, cases[i].file, &wanted);
		vector_image(VECTORS, "tlv_ec_pem.bin", &image);
		covered = mm_buffer_span(&image.bytes);
		tlv = mm_list_at(
		    facts_of(&wanted)->tlvs, struct mm_secure_cert_tlv, 4);
		assert_int_equal(mm_secure_cert_signature_read(
				     mm_span(wanted.bytes.data + tlv->offset,
					 (size_t)tlv->size),
				     covered, &taken),
		    MM_OK);
		assert_true(taken.readable);
		vector_key("keys", cases[i].key, &ours.key);
		ours.signature =
		    mm_span(taken.block.signature, taken.block.signature_size);
		attach(&image, MM_RESIGN_REFUSE, &ours, 1, &made);
		assert_int_equal(made.bytes.size, wanted.bytes.size);
		assert_memory_equal(
		    made.bytes.data, wanted.bytes.data, made.bytes.size);
		assert_int_equal(verify_by(&made, cases[i].key), MM_OK);
		assert_int_equal(
		    verify_by(&made, cases[i].other), MM_E_IMAGE_SIGNATURE);
		assert_int_equal(
		    verify_by(&image, cases[i].key), MM_E_IMAGE_SIGNATURE);
		/* Signed or not, the same is signed. */
		crypto_hash_sha256(
		    taken.block.digest, covered.data, covered.size);
		assert_int_equal(
		    mm_secure_cert_digest(&made.image, digest), MM_OK);
		assert_memory_equal(digest, taken.block.digest, 32);
		assert_int_equal(
		    mm_secure_cert_digest(&image.image, digest), MM_OK);
		assert_memory_equal(digest, taken.block.digest, 32);
	}
}

/* 8 KiB of tools up to 2.2: the TLVs are signed, the 0xFF is cut off. */
static void
what_fills_a_file_is_not_signed(void **state)
{
	vector_auto struct vector_image image = {0}, made = {0};
	mm_auto(buffer) signature = {0};
	struct mm_signed ours;

	(void)state;
	vector_image(VECTORS, "tlv8k_ec.bin", &image);
	sign_with("p256-2", mm_span(image.bytes.data, 1680), &signature, &ours);
	attach(&image, MM_RESIGN_REFUSE, &ours, 1, &made);
	assert_int_equal(made.bytes.size, 1680 + 176 + 48 + 4);
	assert_int_equal(verify_by(&made, KEY("p256-2")), MM_OK);
}

static void
an_end_marker_is_not_signed(void **state)
{
	vector_auto struct vector_image image = {0}, made = {0};
	mm_auto(buffer) signature = {0};
	struct mm_signed ours;

	(void)state;
	vector_file(VECTORS, "tlv_ec_pem.bin", &image.bytes);
	mm_buffer_add(&image.bytes, mm_secure_cert_end, MM_SECURE_CERT_END);
	vector_read(&image);
	sign_with("p256-2", mm_span(image.bytes.data, SIGNED_SIZE), &signature,
	    &ours);
	attach(&image, MM_RESIGN_REFUSE, &ours, 1, &made);
	assert_int_equal(made.bytes.size, SIGNED_SIZE + 176 + 48 + 4);
	assert_int_equal(verify_by(&made, KEY("p256-2")), MM_OK);
}

/* Signs by so many keys; `names` and `count` of them. */
static void
sign_by(const struct vector_image *image, enum mm_resign resign,
    const char *const *names, size_t count, struct vector_image *out)
{
	struct mm_buffer files[3] = {{0}};
	struct mm_signed ours[3] = {{.signature = {0}}};

	for (size_t i = 0; i < count; i++)
		sign_with(names[i], mm_span(image->bytes.data, SIGNED_SIZE),
		    &files[i], &ours[i]);
	attach(image, resign, ours, count, out);
	for (size_t i = 0; i < count; i++)
		mm_buffer_clear(&files[i]);
}

static void
up_to_three_signatures_stand_in_a_row(void **state)
{
	static const char *const names[] = {"p256-1", "p256-2", "p256-3"};
	static const char *const rsa[] = {"rsa1", "rsa2"};
	vector_auto struct vector_image image = {0}, one = {0}, three = {0},
					at_once = {0};
	mm_auto(attached) attached = {0};
	mm_auto(buffer) signature = {0};
	struct mm_signed fourth;

	(void)state;
	vector_image(VECTORS, "tlv_ec_pem.bin", &image);
	sign_by(&image, MM_RESIGN_REFUSE, names, 1, &one);
	sign_by(&one, MM_RESIGN_APPEND, names + 1, 2, &three);
	assert_int_equal(three.facts.signatures.count, 3);
	/* What stood there first stays, byte for byte. */
	assert_memory_equal(
	    one.bytes.data, three.bytes.data, SIGNED_SIZE + 176);
	for (size_t i = 0; i < 3; i++) {
		char key[64];

		snprintf(
		    key, sizeof(key), "TEST-ONLY-sbv2-%s.pub.pem", names[i]);
		assert_int_equal(verify_by(&three, key), MM_OK);
	}
	sign_with("p256-other", mm_span(image.bytes.data, SIGNED_SIZE),
	    &signature, &fourth);
	assert_int_equal(mm_secure_cert_attach(&three.image, MM_RESIGN_APPEND,
			     &fourth, 1, &attached),
	    MM_E_IMAGE_SIGNED);
	sign_by(&three, MM_RESIGN_REPLACE, rsa, 2, &at_once);
	assert_int_equal(at_once.facts.signatures.count, 2);
	assert_int_equal(verify_by(&at_once, KEY("rsa2")), MM_OK);
	assert_int_equal(
	    verify_by(&at_once, KEY("p256-1")), MM_E_IMAGE_SIGNATURE);
}

static void
signatures_that_do_not_go_together_are_refused(void **state)
{
	static const struct {
		enum mm_resign resign;
		const char *name, *why;
	} cases[] = {{MM_RESIGN_REFUSE, "p256-2", "signed already"},
	    {MM_RESIGN_APPEND, "p256-1", "this key's already"},
	    {MM_RESIGN_APPEND, "rsa1", "do not go together"}};
	vector_auto struct vector_image image = {0};
	mm_auto(buffer) signature = {0};
	struct mm_signed ours[2];

	(void)state;
	vector_image(VECTORS, "signed_p256.bin", &image);
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(attached) attached = {0};
		enum mm_error error;

		sign_with(cases[i].name, mm_span(image.bytes.data, SIGNED_SIZE),
		    &signature, ours);
		error = mm_secure_cert_attach(
		    &image.image, cases[i].resign, ours, 1, &attached);
		assert_int_equal(error, MM_E_IMAGE_SIGNED);
		assert_non_null(strstr(mm_why(error), cases[i].why));
		assert_int_equal(attached.count, 0);
	}
	/* Nor one key twice at once. */
	ours[1] = ours[0];
	assert_int_equal(mm_secure_cert_attach(&image.image, MM_RESIGN_REPLACE,
			     ours, 2, &(struct mm_attached){0}),
	    MM_E_IMAGE_SIGNED);
	ours[0].signature.size--;
	assert_int_equal(mm_secure_cert_attach(&image.image, MM_RESIGN_REPLACE,
			     ours, 1, &(struct mm_attached){0}),
	    MM_E_IMAGE_SIGNATURE);
}

/* What is made must be read again. */
static void
signatures_need_room_among_the_tlvs(void **state)
{
	static const uint8_t types[] = {51, 52, 53, 54};
	mm_auto(buffer) signature = {0};
	struct mm_signed ours;

	(void)state;
	sign_with("p256-1", mm_span_text("any"), &signature, &ours);
	for (size_t count = 61; count <= 63; count++) {
		vector_auto struct vector_image image = {0};
		mm_auto(attached) attached = {0};
		enum mm_error wanted = count <= 62 ? MM_OK : MM_E_IMAGE;
		uint8_t digest[32];

		mm_buffer_init(&image.bytes, 1 << 16);
		for (size_t i = 0; i < count; i++)
			put_tlv(&image.bytes, types[i / 17], i % 17, "");
		vector_read(&image);
		assert_int_equal(
		    mm_secure_cert_digest(&image.image, digest), wanted);
		assert_int_equal(mm_secure_cert_attach(&image.image,
				     MM_RESIGN_REFUSE, &ours, 1, &attached),
		    wanted);
	}
}

/* A signature of something else stands in a file that is whole otherwise. */
static void
an_unsound_signature_verifies_nothing(void **state)
{
	vector_auto struct vector_image image = {0}, made = {0}, again = {0};
	static const char *const names[] = {"p256-2"};
	mm_auto(buffer) signature = {0};
	struct mm_signed ours;

	(void)state;
	vector_image(VECTORS, "tlv_ec_pem.bin", &image);
	sign_with("p256-1", mm_span_text("another"), &signature, &ours);
	attach(&image, MM_RESIGN_REFUSE, &ours, 1, &made);
	assert_int_equal(made.facts.signatures.count, 1);
	assert_false(
	    mm_list_at(made.facts.signatures, struct mm_signature_block, 0)
		->sound);
	assert_int_equal(verify_by(&made, KEY("p256-1")), MM_E_IMAGE_SIGNATURE);
	assert_non_null(
	    strstr(mm_why(MM_E_IMAGE_SIGNATURE), "does not verify"));
	/* It does not stay where ours goes behind the sound ones. */
	sign_by(&made, MM_RESIGN_APPEND, names, 1, &again);
	assert_int_equal(again.facts.signatures.count, 1);
	assert_int_equal(verify_by(&again, KEY("p256-2")), MM_OK);
	/* A detached one is no signature of this family. */
	assert_int_equal(mm_secure_cert_verify(
			     &again.image, ours.signature, &ours.key, NULL),
	    MM_E_IMAGE_SIGNATURE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_vendors_signed_files_are_rebuilt),
	    cmocka_unit_test(what_fills_a_file_is_not_signed),
	    cmocka_unit_test(an_end_marker_is_not_signed),
	    cmocka_unit_test(up_to_three_signatures_stand_in_a_row),
	    cmocka_unit_test(signatures_that_do_not_go_together_are_refused),
	    cmocka_unit_test(signatures_need_room_among_the_tlvs),
	    cmocka_unit_test(an_unsound_signature_verifies_nothing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
