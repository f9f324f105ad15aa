/* What an MCUboot image says of itself, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/mcuboot_room.h"

static void
facts_are_the_images(void **state)
{
	mm_auto(buffer) file = {0};
	mm_auto(arena) arena = {0};
	struct mm_public_key key = load_key(KEY);
	const struct mm_signature_block *block;
	const struct mm_mcuboot_facts *mcuboot;
	struct mm_image_facts facts;

	(void)state;
	load("sig_p256_seccnt.bin", &file);
	assert_int_equal(
	    facts_of(mm_buffer_span(&file), &arena, &facts), MM_OK);
	mcuboot = mcuboot_of(&facts);
	assert_true(mm_span_is(facts.format, "mcuboot"));
	assert_true(mm_span_is(facts.version, "3.1.0"));
	assert_int_equal(facts.secure_version, 12);
	assert_int_equal(facts.length, file.size);
	assert_int_equal(facts.trailing, 0);
	assert_int_equal(mcuboot->header, 32);
	assert_int_equal(mcuboot->payload, 4096);
	assert_int_equal(mcuboot->slot, 0);
	assert_int_equal(mcuboot->tlvs.count, 4);
	assert_true(
	    mm_span_equal(mcuboot->key_hash, mm_span(key.spki_sha256, 32)));
	assert_int_equal(facts.signatures.count, 1);
	block = mm_list_at(facts.signatures, struct mm_signature_block, 0);
	assert_true(mm_span_is(block->family, "mcuboot"));
	assert_true(mm_span_is(block->algorithm, "P-256"));
	assert_true(mm_span_equal(block->key, mcuboot->key_hash));
	assert_true(block->sound);
}

static void
every_truncation_is_refused(void **state)
{
	mm_auto(buffer) file = {0};

	(void)state;
	load("sig_p256_seccnt.bin", &file);
	while (--file.size > 0) {
		/* Four bytes tell what it should be. */
		enum mm_error wanted = file.size < 4 ? MM_OK : MM_E_IMAGE;
		mm_auto(arena) arena = {0};
		struct mm_image_facts facts;

		assert_int_equal(
		    facts_of(mm_buffer_span(&file), &arena, &facts), wanted);
	}
}

/* The whole image but the values of the unprotected TLVs, of which verifying
 * tells. */
static bool
has_structure(const struct mm_mcuboot_layout *layout, uint64_t at)
{
	for (size_t i = 0; i < layout->tlv_count; i++) {
		const struct mm_image_tlv *tlv = &layout->tlvs[i];

		if (!tlv->covered && tlv->type != MM_MCUBOOT_SHA256 &&
		    at >= tlv->offset && at < tlv->offset + tlv->size)
			return false;
	}
	return true;
}

static void
no_byte_but_a_signatures_may_change(void **state)
{
	mm_auto(buffer) file = {0};
	struct mm_mcuboot_layout layout;

	(void)state;
	load("sig_p256_seccnt.bin", &file);
	assert_int_equal(
	    mm_mcuboot_layout(mm_buffer_span(&file), &layout), MM_OK);
	for (size_t at = 4; at < file.size; at++) {
		struct mm_public_key key = load_key(KEY);
		bool structure = has_structure(&layout, at);
		mm_auto(arena) arena = {0};
		struct mm_image_facts facts;
		enum mm_error error;

		/* The payload's middle is as its beginning. */
		if (at > 200 && at < layout.covered - 200)
			continue;
		file.data[at] ^= 1;
		error = facts_of(mm_buffer_span(&file), &arena, &facts);
		/* A type that nobody knows, and a signature that is none. */
		if (error != MM_OK || !structure)
			assert_int_equal(error, structure ? MM_E_IMAGE : MM_OK);
		assert_int_not_equal(
		    verify(mm_buffer_span(&file), &key), MM_OK);
		file.data[at] ^= 1;
	}
}

static void
a_version_without_a_build_has_no_plus(void **state)
{
	static const char *const versions[][2] = {{"hash_min.bin", "1.2.3+4"},
	    {"hash_seccnt_auto.bin", "1.2.3"}, {"fix_p256.bin", "4.5.6+7"}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(versions); i++) {
		mm_auto(buffer) file = {0};
		mm_auto(arena) arena = {0};
		struct mm_image_facts facts;

		load(versions[i][0], &file);
		assert_int_equal(
		    facts_of(mm_buffer_span(&file), &arena, &facts), MM_OK);
		assert_true(mm_span_is(facts.version, versions[i][1]));
	}
}

static void
dependencies_are_read(void **state)
{
	mm_auto(buffer) file = {0};
	mm_auto(arena) arena = {0};
	const struct mm_dependency *one;
	struct mm_image_facts facts;

	(void)state;
	load("hash_deps.bin", &file);
	assert_int_equal(
	    facts_of(mm_buffer_span(&file), &arena, &facts), MM_OK);
	assert_int_equal(mcuboot_of(&facts)->dependencies.count, 1);
	one = mm_list_at(
	    mcuboot_of(&facts)->dependencies, struct mm_dependency, 0);
	assert_int_equal(one->image, 1);
	assert_int_equal(one->at_least.major, 1);
	assert_int_equal(one->at_least.minor, 2);
	assert_int_equal(one->at_least.revision, 3);
	assert_int_equal(one->at_least.build, 4);
	assert_int_equal(facts.signatures.count, 0);
}

static void
a_padded_slot_is_told(void **state)
{
	static const struct {
		const char *file;
		bool confirmed;
	} rows[] = {{"hash_pad.bin", false}, {"hash_confirm.bin", true}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		mm_auto(buffer) file = {0};
		mm_auto(arena) arena = {0};
		struct mm_image_facts facts;

		load(rows[i].file, &file);
		assert_int_equal(
		    facts_of(mm_buffer_span(&file), &arena, &facts), MM_OK);
		assert_int_equal(mcuboot_of(&facts)->slot, 0x4000);
		assert_int_equal(
		    mcuboot_of(&facts)->confirmed, rows[i].confirmed);
		assert_int_equal(facts.trailing, 0);
		assert_true(facts.length < 0x4000);
	}
}

/* Written over in the padding, it is a slot no longer, and is not signed. */
static void
what_follows_the_image_is_counted(void **state)
{
	mm_auto(buffer) file = {0};
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	struct mm_image image;
	uint8_t digest[32];

	(void)state;
	load("hash_confirm.bin", &file);
	file.data[0x2000] = 0;
	image = image_of(&file);
	assert_int_equal(facts_of(image.bytes, &arena, &facts), MM_OK);
	assert_int_equal(mcuboot_of(&facts)->slot, 0);
	assert_int_equal(facts.trailing, 0x4000 - facts.length);
	assert_false(facts.blank);
	assert_int_equal(mm_mcuboot_digest(&image, digest), MM_E_IMAGE);
}

/* --- what is no image --- */

/* sig_p256.bin: 32 bytes of header, 1001 of payload; its TLVs are SHA-256,
 * key hash and a signature of 72 bytes. */
enum {
	TLVS = 1033,
	HASH_TLV = TLVS + 4,
	KEY_TLV = HASH_TLV + 36,
	SIGNATURE_TLV = KEY_TLV + 36,
	SIGNED_SIZE = 1185
};

static void
fields_that_do_not_fit_are_refused(void **state)
{
	static const struct {
		size_t at, size;
		uint64_t value;
		const char *why;
	} wrong[] = {
	    {0, 4, 0x96f3b83c, "begins with"},
	    {8, 2, 31, "header's size"},
	    {8, 2, 0, "header's size"},
	    {8, 2, 0xffff, "more than the file"},
	    {10, 2, 4, "should begin with 0x6908"},
	    {10, 2, 0xffff, "more than the file"},
	    {12, 4, 0xffffffff, "more than the file"},
	    {12, 4, 1185 - 32, "TLVs should begin"},
	    {12, 4, 1000, "should begin with 0x6907"},
	    {TLVS, 2, 0x6908, "should begin with 0x6907"},
	    {TLVS + 2, 2, 0, "the file has"},
	    {TLVS + 2, 2, 3, "the file has"},
	    {TLVS + 2, 2, 4, "no SHA-256"},
	    {TLVS + 2, 2, 5, "too few for a TLV"},
	    {TLVS + 2, 2, 153, "the file has"},
	    {TLVS + 2, 2, 151, "its area ends"},
	    {HASH_TLV, 2, 0x11, "it should have 48"},
	    {HASH_TLV, 2, 0xa0, "no SHA-256"},
	    {HASH_TLV, 2, 0x40, "it should have 12"},
	    {HASH_TLV + 2, 2, 31, "it should have 32"},
	    {KEY_TLV, 2, 0x10, "is there twice"},
	    {KEY_TLV + 2, 2, 33, "it should have 32"},
	    {SIGNATURE_TLV + 2, 2, 73, "its area ends"},
	    {SIGNATURE_TLV + 2, 2, 71, "too few for a TLV"},
	    {SIGNATURE_TLV, 2, 0x01, "it should have 32"},
	};
	mm_auto(buffer) file = {0};

	(void)state;
	load("sig_p256.bin", &file);
	assert_int_equal(file.size, SIGNED_SIZE);
	for (size_t i = 0; i < MM_COUNT(wrong); i++) {
		mm_auto(buffer) bad = {0};
		struct mm_mcuboot_layout layout;

		mm_buffer_init(&bad, FILE_MAX);
		mm_buffer_add(&bad, file.data, file.size);
		put_number(
		    bad.data + wrong[i].at, wrong[i].value, wrong[i].size);
		assert_int_equal(
		    mm_mcuboot_layout(mm_buffer_span(&bad), &layout),
		    MM_E_IMAGE);
		if (strstr(mm_why(MM_E_IMAGE), wrong[i].why) == NULL)
			fail_msg("row %zu: %s", i, mm_why(MM_E_IMAGE));
	}
}

/* The header says how long the protected area is, and so does the area. */
static void
both_sizes_of_the_protected_area_agree(void **state)
{
	mm_auto(buffer) file = {0};
	struct mm_mcuboot_layout layout;

	(void)state;
	load("sig_p256_seccnt.bin", &file);
	assert_int_equal(
	    mm_mcuboot_layout(mm_buffer_span(&file), &layout), MM_OK);
	for (uint8_t size = 1; size < 40; size++) {
		file.data[10] = size;
		assert_int_equal(
		    mm_mcuboot_layout(mm_buffer_span(&file), &layout),
		    size == 12 ? MM_OK : MM_E_IMAGE);
	}
}

static void
tlvs_belong_to_their_area(void **state)
{
	static const struct tlv_text covered[] = {
	    {0x50, 4}, {0x40, 12}, {0xa0, 0}};
	static const struct tlv_text uncovered[] = {
	    {0x01, 32}, {0x02, 91}, {0x10, 32}, {0x22, 70}, {0x2f, 9}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(covered); i++)
		assert_int_equal(read_built(&covered[i], 1, NULL, 0), MM_OK);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
		    read_built(NULL, 0, &covered[i], 1), MM_E_IMAGE);
	for (size_t i = 0; i < MM_COUNT(uncovered); i++)
		assert_int_equal(
		    read_built(&uncovered[i], 1, NULL, 0), MM_E_IMAGE);
}

static void
what_must_be_once_is_once(void **state)
{
	static const struct tlv_text twice[][2] = {{{0x50, 4}, {0x50, 4}},
	    {{0x22, 70}, {0x22, 71}}, {{0x01, 32}, {0x01, 32}},
	    {{0x02, 9}, {0x02, 9}}};

	(void)state;
	assert_int_equal(read_built(twice[0], 1, NULL, 0), MM_OK);
	assert_int_equal(read_built(twice[0], 2, NULL, 0), MM_E_IMAGE);
	for (size_t i = 1; i < MM_COUNT(twice); i++) {
		assert_int_equal(read_built(NULL, 0, twice[i], 1), MM_OK);
		assert_int_equal(read_built(NULL, 0, twice[i], 2), MM_E_IMAGE);
	}
}

static void
limits_of_tlvs(void **state)
{
	struct tlv_text many[MM_TLVS_MAX];
	static const struct tlv_text signatures[] = {
	    {0x20, 8}, {0x21, 8}, {0x22, 8}, {0x23, 8}};

	(void)state;
	for (size_t i = 0; i < MM_TLVS_MAX; i++)
		many[i] = (struct tlv_text){0x40, 12};
	assert_int_equal(read_built(many, MM_DEPENDENCIES_MAX, NULL, 0), MM_OK);
	assert_int_equal(
	    read_built(many, MM_DEPENDENCIES_MAX + 1, NULL, 0), MM_E_IMAGE);
	for (size_t i = 0; i < MM_TLVS_MAX; i++)
		many[i] = (struct tlv_text){0xa0 + (unsigned)i, 1};
	/* The hash is one, too. */
	assert_int_equal(read_built(many, MM_TLVS_MAX - 1, NULL, 0), MM_OK);
	assert_int_equal(read_built(many, MM_TLVS_MAX, NULL, 0), MM_E_IMAGE);
	assert_int_equal(
	    read_built(NULL, 0, signatures, MM_SIGNATURE_BLOCKS_MAX), MM_OK);
	assert_int_equal(
	    read_built(NULL, 0, signatures, MM_SIGNATURE_BLOCKS_MAX + 1),
	    MM_E_IMAGE);
}

static void
a_signature_of_another_kind_is_told(void **state)
{
	static const struct tlv_text kinds[] = {{0x24, 64}, {0x2e, 8}};
	static const char *const names[] = {"Ed25519", "unknown"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(kinds); i++) {
		mm_auto(buffer) file = {0};
		mm_auto(arena) arena = {0};
		const struct mm_signature_block *block;
		struct mm_image_facts facts;

		build(NULL, 0, &kinds[i], 1, &file);
		assert_int_equal(
		    facts_of(mm_buffer_span(&file), &arena, &facts), MM_OK);
		assert_int_equal(facts.signatures.count, 1);
		block =
		    mm_list_at(facts.signatures, struct mm_signature_block, 0);
		assert_true(mm_span_is(block->algorithm, names[i]));
		assert_false(block->sound);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(facts_are_the_images),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(no_byte_but_a_signatures_may_change),
	    cmocka_unit_test(a_version_without_a_build_has_no_plus),
	    cmocka_unit_test(dependencies_are_read),
	    cmocka_unit_test(a_padded_slot_is_told),
	    cmocka_unit_test(what_follows_the_image_is_counted),
	    cmocka_unit_test(fields_that_do_not_fit_are_refused),
	    cmocka_unit_test(both_sizes_of_the_protected_area_agree),
	    cmocka_unit_test(tlvs_belong_to_their_area),
	    cmocka_unit_test(what_must_be_once_is_once),
	    cmocka_unit_test(limits_of_tlvs),
	    cmocka_unit_test(a_signature_of_another_kind_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
