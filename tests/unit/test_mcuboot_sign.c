/* What is signed of an MCUboot image, how, and what verifies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/mcuboot_room.h"

static void
a_key_by_its_hash_must_be_in_the_image(void **state)
{
	mm_auto(buffer) full = {0}, hashed = {0};
	struct mm_public_key key = load_key(KEY), other = load_key(OTHER);
	struct mm_image image;
	struct mm_span none = {0};

	(void)state;
	load("sig_p256_fullpub.bin", &full);
	load("sig_p256.bin", &hashed);
	image = image_of(&full);
	assert_int_equal(
	    mm_mcuboot_verify(&image, none, NULL, key.spki_sha256), MM_OK);
	assert_int_equal(
	    mm_mcuboot_verify(&image, none, NULL, other.spki_sha256),
	    MM_E_IMAGE_SIGNATURE);
	image = image_of(&hashed);
	assert_int_equal(mm_mcuboot_verify(&image, none, NULL, key.spki_sha256),
	    MM_E_IMAGE_SIGNATURE);
}

static void
no_signature_counts_beside_the_image(void **state)
{
	mm_auto(buffer) file = {0};
	struct mm_public_key key = load_key(KEY);
	struct mm_image image;

	(void)state;
	load("sig_p256.bin", &file);
	image = image_of(&file);
	assert_int_equal(
	    mm_mcuboot_verify(&image, (struct mm_span){0}, &key, NULL), MM_OK);
	assert_int_equal(mm_mcuboot_verify(&image, mm_span("x", 1), &key, NULL),
	    MM_E_IMAGE_SIGNATURE);
}

/* A TLV that nothing covers is told, and neither signed nor verified. */
static void
a_stray_tlv_is_not_signed(void **state)
{
	static const struct tlv_text stray = {0xa0, 4};
	mm_auto(buffer) file = {0};
	struct mm_public_key key = load_key(KEY);
	struct mm_image image;
	uint8_t digest[32];

	(void)state;
	assert_int_equal(read_built(NULL, 0, &stray, 1), MM_OK);
	build(NULL, 0, &stray, 1, &file);
	image = image_of(&file);
	assert_int_equal(mm_mcuboot_digest(&image, digest), MM_E_IMAGE);
	assert_int_equal(verify(image.bytes, &key), MM_E_IMAGE_SIGNATURE);
}

static void
an_encrypted_image_is_read_and_not_signed(void **state)
{
	mm_auto(buffer) file = {0};
	mm_auto(arena) arena = {0};
	const struct mm_signature_block *block;
	struct mm_image_facts facts;
	struct mm_image image;
	uint8_t digest[32];

	(void)state;
	load("sig_p256.bin", &file);
	file.data[16] = 0x04;
	image = image_of(&file);
	assert_int_equal(facts_of(image.bytes, &arena, &facts), MM_OK);
	assert_int_equal(mcuboot_of(&facts)->flags, 4);
	block = mm_list_at(facts.signatures, struct mm_signature_block, 0);
	assert_false(block->sound);
	assert_int_equal(mm_mcuboot_digest(&image, digest), MM_E_IMAGE);
}

static void
no_truncation_verifies(void **state)
{
	static const char *const files[] = {
	    "sig_p256_seccnt.bin", "sig_p256_fullpub.bin"};
	struct mm_public_key key = load_key(KEY);

	(void)state;
	for (size_t i = 0; i < MM_COUNT(files); i++) {
		mm_auto(buffer) file = {0};

		load(files[i], &file);
		assert_int_equal(verify(mm_buffer_span(&file), &key), MM_OK);
		for (size_t size = 0; size < file.size; size++) {
			mm_auto(arena) arena = {0};
			struct mm_image_facts facts;
			uint8_t *cut = malloc(size + 1);

			assert_non_null(cut);
			memcpy(cut, file.data, size);
			assert_int_not_equal(
			    verify(mm_span(cut, size), &key), MM_OK);
			if (size >= 4)
				assert_int_equal(facts_of(mm_span(cut, size),
						     &arena, &facts),
				    MM_E_IMAGE);
			free(cut);
		}
	}
}

/*
 * Of an image that is not padded no byte is without meaning: whichever is
 * changed, whatever to, it verifies no longer. (Of a padded one there is one
 * that nothing covers: image_ok, whether the slot is confirmed.)
 */
static void
no_changed_byte_verifies(void **state)
{
	static const char *const files[] = {
	    "sig_p256_fullpub.bin", "sig_p256.bin"};
	struct mm_public_key key = load_key(KEY);

	(void)state;
	for (size_t i = 0; i < MM_COUNT(files); i++) {
		mm_auto(buffer) file = {0};

		load(files[i], &file);
		for (size_t at = 0; at < file.size; at++) {
			/* Of the payload one bit a byte will do. */
			bool inside = at >= 32 && at < 96;
			unsigned step = inside || i == 1 ? 37 : 1;

			for (unsigned change = 1; change < 256;
			     change += step) {
				file.data[at] ^= (uint8_t)change;
				if (verify(mm_buffer_span(&file), &key) ==
				    MM_OK)
					fail_msg("%s: byte %zu xor %02x "
						 "verifies",
					    files[i], at, change);
				file.data[at] ^= (uint8_t)change;
			}
		}
		assert_int_equal(verify(mm_buffer_span(&file), &key), MM_OK);
	}
}

/* --- attaching --- */

static enum mm_error
attach(struct mm_span bytes, enum mm_resign resign, const struct mm_signed *by,
    size_t count, struct mm_buffer *out)
{
	struct mm_image image = {.bytes = bytes};
	struct mm_attached attached = {0};
	enum mm_error error =
	    mm_mcuboot_attach(&image, resign, by, count, &attached);

	if (error == MM_OK) {
		mm_buffer_init(out, FILE_MAX);
		assert_int_equal(mm_attached_write(&attached, out), MM_OK);
		assert_int_equal(mm_attached_size(&attached), out->size);
	}
	mm_attached_clear(&attached);
	return error;
}

static struct mm_signed
signed_by(const char *key, const struct mm_buffer *der)
{
	return (struct mm_signed){
	    .key = load_key(key), .signature = mm_buffer_span(der)};
}

static void
a_signed_image_is_refused_or_replaced(void **state)
{
	static const char *const files[] = {
	    "fix_p256.bin", "sig_p256_fullpub.bin"};
	mm_auto(buffer) der = {0};
	struct mm_signed by;

	(void)state;
	load("fix_p256.sig.der", &der);
	by = signed_by(KEY, &der);
	for (size_t i = 0; i < MM_COUNT(files); i++) {
		mm_auto(buffer) file = {0}, out = {0};

		load(files[i], &file);
		assert_int_equal(attach(mm_buffer_span(&file), MM_RESIGN_REFUSE,
				     &by, 1, &out),
		    MM_E_IMAGE_SIGNED);
		assert_int_equal(attach(mm_buffer_span(&file), MM_RESIGN_APPEND,
				     &by, 1, &out),
		    MM_E_IMAGE_SIGNED);
		assert_int_equal(attach(mm_buffer_span(&file),
				     MM_RESIGN_REPLACE, &by, 1, &out),
		    MM_OK);
	}
}

/* The old signature and the old key are gone; the image is as if it had never
 * been signed. */
static void
replacing_leaves_nothing_of_the_old(void **state)
{
	mm_auto(buffer) der = {0}, file = {0}, other = {0}, again = {0};
	struct mm_public_key key = load_key(KEY);
	struct mm_signed by;

	(void)state;
	load("fix_p256.sig.der", &der);
	load("fix_p256.bin", &file);
	by = signed_by(OTHER, &der);
	assert_int_equal(
	    attach(mm_buffer_span(&file), MM_RESIGN_REPLACE, &by, 1, &other),
	    MM_OK);
	assert_int_equal(
	    verify(mm_buffer_span(&other), &key), MM_E_IMAGE_SIGNATURE);
	by = signed_by(KEY, &der);
	assert_int_equal(
	    attach(mm_buffer_span(&other), MM_RESIGN_REPLACE, &by, 1, &again),
	    MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&again), mm_buffer_span(&file)));
}

static void
one_signature_of_p256_is_attached(void **state)
{
	mm_auto(buffer) der = {0}, file = {0}, out = {0};
	struct mm_signed by[2];

	(void)state;
	load("fix_p256.sig.der", &der);
	load("hash_min.bin", &file);
	by[0] = by[1] = signed_by(KEY, &der);
	assert_int_equal(
	    attach(mm_buffer_span(&file), MM_RESIGN_REFUSE, by, 2, &out),
	    MM_E_IMAGE_SIGNED);
	assert_int_equal(
	    attach(mm_buffer_span(&file), MM_RESIGN_REFUSE, by, 0, &out),
	    MM_E_IMAGE_SIGNED);
	by[0].key.algorithm = MM_ALGORITHM_RSA3072;
	assert_int_equal(
	    attach(mm_buffer_span(&file), MM_RESIGN_REFUSE, by, 1, &out),
	    MM_E_KEY_TYPE);
	by[1].signature.size = 0;
	assert_int_equal(
	    attach(mm_buffer_span(&file), MM_RESIGN_REFUSE, &by[1], 1, &out),
	    MM_E_IMAGE_SIGNATURE);
	by[1].signature = mm_span(file.data, MM_MCUBOOT_SIGNATURE_MAX + 1);
	assert_int_equal(
	    attach(mm_buffer_span(&file), MM_RESIGN_REFUSE, &by[1], 1, &out),
	    MM_E_IMAGE_SIGNATURE);
	assert_int_equal(out.size, 0);
}

/* As fix_p256.bin, in a slot. */
static void
make_padded(struct mm_mcuboot_making *making, struct mm_buffer *out)
{
	mm_auto(buffer) payload = {0};

	load("in/d1001.bin", &payload);
	making->payload = mm_buffer_span(&payload);
	mm_buffer_init(out, FILE_MAX);
	assert_int_equal(mm_mcuboot_make(making, out), MM_OK);
}

static void
a_padded_image_stays_padded(void **state)
{
	static const uint64_t aligns[] = {1, 8, 16, 32};
	static const uint8_t erased[] = {0xff, 0};
	struct mm_public_key key = load_key(KEY);
	mm_auto(buffer) der = {0}, bare = {0};

	(void)state;
	load("fix_p256.sig.der", &der);
	load("fix_p256.bin", &bare);
	for (size_t i = 0; i < 2 * MM_COUNT(aligns); i++) {
		mm_auto(buffer) file = {0}, out = {0};
		mm_auto(arena) arena = {0};
		struct mm_mcuboot_making making =
		    usual_making((struct mm_span){0});
		struct mm_signed by = signed_by(KEY, &der);
		struct mm_image_facts facts;

		making.version = (struct mm_image_version){4, 5, 6, 7};
		making.slot = 0x8000;
		making.align = aligns[i / 2];
		making.erased = erased[i % 2];
		making.confirm = true;
		make_padded(&making, &file);
		assert_int_equal(attach(mm_buffer_span(&file), MM_RESIGN_REFUSE,
				     &by, 1, &out),
		    MM_OK);
		assert_int_equal(out.size, 0x8000);
		assert_memory_equal(out.data, bare.data, bare.size);
		assert_memory_equal(out.data + bare.size, file.data + bare.size,
		    out.size - bare.size);
		assert_int_equal(verify(mm_buffer_span(&out), &key), MM_OK);
		assert_int_equal(
		    facts_of(mm_buffer_span(&out), &arena, &facts), MM_OK);
		assert_int_equal(mcuboot_of(&facts)->slot, 0x8000);
		assert_true(mcuboot_of(&facts)->confirmed);
	}
}

/* Of a slot's padding nothing is covered, but all is looked at: only the byte
 * that says "confirmed" may be either. */
static void
of_a_slot_only_image_ok_is_free(void **state)
{
	struct mm_public_key key = load_key(KEY);
	mm_auto(buffer) der = {0}, file = {0}, out = {0};
	struct mm_mcuboot_making making = usual_making((struct mm_span){0});
	struct mm_signed by;

	(void)state;
	load("fix_p256.sig.der", &der);
	making.version = (struct mm_image_version){4, 5, 6, 7};
	making.slot = 0x1000;
	making.pad = true;
	make_padded(&making, &file);
	by = signed_by(KEY, &der);
	assert_int_equal(
	    attach(mm_buffer_span(&file), MM_RESIGN_REFUSE, &by, 1, &out),
	    MM_OK);
	for (size_t at = 1033 + 4 + 36 + 36 + 4 + der.size; at < out.size;
	     at++) {
		out.data[at] ^= 0xff ^ 0x01;
		assert_int_equal(verify(mm_buffer_span(&out), &key),
		    at == out.size - 24 ? MM_OK : MM_E_IMAGE_SIGNATURE);
		out.data[at] ^= 0xff ^ 0x01;
	}
}

/* Where longer TLVs were, the slot is erased again. */
static void
shorter_tlvs_leave_erased_flash(void **state)
{
	mm_auto(buffer) short_der = {0}, long_der = {0}, file = {0};
	mm_auto(buffer) longer = {0}, wanted = {0}, out = {0};
	struct mm_mcuboot_making making = usual_making((struct mm_span){0});
	struct mm_signed by;

	(void)state;
	load("fix_p256.sig.der", &short_der);
	load("fix_p256_seccnt.sig.der", &long_der);
	making.version = (struct mm_image_version){4, 5, 6, 7};
	making.pad = true;
	make_padded(&making, &file);
	by = signed_by(KEY, &long_der);
	assert_int_equal(
	    attach(mm_buffer_span(&file), MM_RESIGN_REFUSE, &by, 1, &longer),
	    MM_OK);
	by = signed_by(KEY, &short_der);
	assert_int_equal(
	    attach(mm_buffer_span(&file), MM_RESIGN_REFUSE, &by, 1, &wanted),
	    MM_OK);
	assert_int_equal(
	    attach(mm_buffer_span(&longer), MM_RESIGN_REPLACE, &by, 1, &out),
	    MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&out), mm_buffer_span(&wanted)));
}

/* Not into what the bootloader writes to while it swaps. */
static void
a_signature_needs_room_before_the_trailer(void **state)
{
	mm_auto(buffer) der = {0};
	struct mm_signed by;

	(void)state;
	load("fix_p256.sig.der", &der);
	by = signed_by(KEY, &der);
	for (unsigned missing = 0; missing < 3; missing++) {
		mm_auto(buffer) file = {0}, out = {0};
		struct mm_mcuboot_making making =
		    usual_making((struct mm_span){0});
		/* 32 + 1001 and the TLVs; the trailer of writes of 8. */
		uint64_t slot = 1033 + 4 + 36 + 36 + 4 + der.size + 3120;

		making.pad = true;
		making.align = 1; /* whose trailer is short enough */
		making.slot = slot - missing + 1;
		make_padded(&making, &file);
		assert_int_equal(attach(mm_buffer_span(&file), MM_RESIGN_REFUSE,
				     &by, 1, &out),
		    missing < 2 ? MM_OK : MM_E_IMAGE);
	}
}

/* --- the signature's own bytes --- */

/* sig_p256.bin with `zeros` more behind a signature of 70 bytes, and the last
 * of them something else. */
static enum mm_error
verify_filled(size_t zeros, uint8_t last)
{
	struct mm_public_key key = load_key(KEY);
	mm_auto(buffer) file = {0};
	uint8_t *size;

	load("fix_p256.bin", &file);
	for (size_t i = 0; i < zeros; i++)
		mm_buffer_add(&file, i + 1 == zeros ? &last : (uint8_t *)"", 1);
	size = file.data + 1033 + 2;
	put_number(size, 4 + 36 + 36 + 4 + 70 + zeros, 2);
	put_number(size + 2 + 36 + 36 + 2, 70 + zeros, 2);
	return verify(mm_buffer_span(&file), &key);
}

static void
a_signature_may_be_filled_up_to_72(void **state)
{
	(void)state;
	assert_int_equal(verify_filled(0, 0), MM_OK);
	assert_int_equal(verify_filled(2, 0), MM_OK);
	assert_int_equal(verify_filled(1, 0), MM_E_IMAGE_SIGNATURE);
	assert_int_equal(verify_filled(3, 0), MM_E_IMAGE_SIGNATURE);
	assert_int_equal(verify_filled(2, 1), MM_E_IMAGE_SIGNATURE);
}

static void
what_follows_a_signed_image_is_erased_flash(void **state)
{
	struct mm_public_key key = load_key(KEY);
	mm_auto(buffer) file = {0};

	(void)state;
	load("sig_p256.bin", &file);
	mm_buffer_add(&file, "\xff\xff", 2);
	assert_int_equal(verify(mm_buffer_span(&file), &key), MM_OK);
	mm_buffer_add(&file, "\x00", 1);
	assert_int_equal(
	    verify(mm_buffer_span(&file), &key), MM_E_IMAGE_SIGNATURE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_signature_counts_beside_the_image),
	    cmocka_unit_test(a_key_by_its_hash_must_be_in_the_image),
	    cmocka_unit_test(a_stray_tlv_is_not_signed),
	    cmocka_unit_test(an_encrypted_image_is_read_and_not_signed),
	    cmocka_unit_test(no_truncation_verifies),
	    cmocka_unit_test(no_changed_byte_verifies),
	    cmocka_unit_test(a_signed_image_is_refused_or_replaced),
	    cmocka_unit_test(replacing_leaves_nothing_of_the_old),
	    cmocka_unit_test(one_signature_of_p256_is_attached),
	    cmocka_unit_test(a_padded_image_stays_padded),
	    cmocka_unit_test(of_a_slot_only_image_ok_is_free),
	    cmocka_unit_test(shorter_tlvs_leave_erased_flash),
	    cmocka_unit_test(a_signature_needs_room_before_the_trailer),
	    cmocka_unit_test(a_signature_may_be_filled_up_to_72),
	    cmocka_unit_test(what_follows_a_signed_image_is_erased_flash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
