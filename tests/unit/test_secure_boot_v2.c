/* Secure Boot V2 against what the vendor's tools made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "secure_boot.h"
#include "signer/crc.h"
#include "signer/hashing.h"
#include "signer/secure_boot_v2.h"

#define V2 "secure_boot_v2"
#define V2_FAMILY "secure-boot-v2"
#define KEYS "../keys/TEST-ONLY-"

enum { SECTOR = MM_SECURE_BOOT_SECTOR, BLOCK = MM_SECURE_BOOT_BLOCK };

static void
v2_verifies_what_the_reference_verifies(void **state)
{
	struct vector_index index;
	struct vector_row row;

	(void)state;
	vector_open(&index, V2, "verify.tsv");
	while (vector_next(&index, &row)) {
		vector_auto struct vector_image image = {.image = {none, NULL}};
		struct mm_public_key key;

		vector_key(V2, row.column[2], &key);
		vector_image(V2, row.column[3], &image);
		vector_expect(&row, verify(V2_FAMILY, &image, &key), "ok");
	}
	assert_int_equal(index.rows, 43);
}

static void
v2_key_digests_are_the_tools(void **state)
{
	struct vector_index index;
	struct vector_row row;

	(void)state;
	vector_open(&index, V2, "digests.tsv");
	while (vector_next(&index, &row)) {
		mm_auto(buffer) wanted = {0};
		struct mm_public_key key;
		uint8_t digest[32];

		vector_key(V2, row.column[0], &key);
		vector_file(V2, row.column[1], &wanted);
		assert_int_equal(
		    mm_secure_boot_v2_key_digest(&key, digest), MM_OK);
		assert_int_equal(wanted.size, 32);
		assert_memory_equal(digest, wanted.data, 32);
	}
	assert_int_equal(index.rows, 9);
}

/* Signatures of a row of exact.tsv. */
struct set {
	struct mm_buffer files[3];
	struct mm_signed signatures[3];
	size_t count;
};

static void
set_clear(struct set *set)
{
	for (size_t i = 0; i < MM_COUNT(set->files); i++)
		mm_buffer_clear(&set->files[i]);
}
#define set_auto __attribute__((cleanup(set_clear)))

static void
set_add(struct set *set, const char *key, const char *signature)
{
	vector_key(V2, key, &set->signatures[set->count].key);
	set->signatures[set->count].signature =
	    vector_file(V2, signature, &set->files[set->count]);
	set->count++;
}

static void
set_read(struct set *set, char *keys, char *signatures)
{
	while (keys != NULL)
		set_add(set, strsep(&keys, ","), strsep(&signatures, ","));
}

static enum mm_error
attach(const struct vector_image *image, enum mm_resign resign,
    const struct set *set, struct vector_image *out)
{
	struct mm_attached attached = {.count = 0};
	enum mm_error error = scheme(V2_FAMILY)->attach(
	    &image->image, resign, set->signatures, set->count, &attached);

	if (error == MM_OK)
		write_attached(&attached, out);
	return error;
}

/* Of the curves that nothing is signed with here the block alone. */
static void
assert_block(const struct set *set, const struct vector_image *wanted)
{
	const uint8_t *at = wanted->bytes.data + wanted->bytes.size - SECTOR;
	struct mm_secure_boot_block read;
	uint8_t block[BLOCK];

	assert_int_equal(mm_secure_boot_v2_block_read(at, &read), MM_OK);
	assert_int_equal(mm_secure_boot_v2_block(&set->signatures[0].key,
			     mm_span(read.digest, read.digest_size),
			     set->signatures[0].signature, block),
	    MM_OK);
	assert_memory_equal(block, at, BLOCK);
	assert_int_equal(mm_secure_boot_v2_block_verify(&read), MM_OK);
}

static void
v2_assembles_the_tools_bytes(void **state)
{
	struct vector_index index;
	struct vector_row row;

	(void)state;
	vector_open(&index, V2, "exact.tsv");
	while (vector_next(&index, &row)) {
		vector_auto struct vector_image image = {.image = {none, NULL}};
		vector_auto struct vector_image made = {.image = {none, NULL}};
		set_auto struct set set = {.count = 0};
		enum mm_algorithm algorithm;

		set_read(&set, (char *)(uintptr_t)row.column[3],
		    (char *)(uintptr_t)row.column[4]);
		algorithm = set.signatures[0].key.algorithm;
		if (algorithm == MM_ALGORITHM_P384 ||
		    algorithm == MM_ALGORITHM_P192) {
			vector_image(V2, row.column[5], &image);
			assert_block(&set, &image);
			continue;
		}
		vector_image(V2, row.column[2], &image);
		assert_int_equal(
		    attach(&image, MM_RESIGN_REFUSE, &set, &made), MM_OK);
		assert_file(&made, V2, row.column[5]);
	}
	assert_int_equal(index.rows, 5);
}

static void
v2_facts_tell_of_each_block(void **state)
{
	static const struct {
		const char *file, *algorithm;
		size_t count;
		unsigned sound; /* a bit a block */
	} cases[] = {{"rsa_x3.bin", "RSA-3072", 3, 7},
	    {"p256_x2.bin", "P-256", 2, 3}, {"p192_4096.bin", "P-192", 1, 1},
	    {"p384_4096.bin", "P-384", 1, 1}, {"pre_rsa.bin", "RSA-3072", 1, 1},
	    {"ok_rsa_tailpad.bin", "RSA-3072", 1, 1},
	    {"bad_rsa_sig.bin", "RSA-3072", 1, 0},
	    {"bad_rsa_digest.bin", "RSA-3072", 1, 0},
	    {"bad_rsa_image.bin", "RSA-3072", 1, 0},
	    {"bad_rsa_padding.bin", "RSA-3072", 1, 0},
	    {"bad_rsa_crc.bin", "unknown", 1, 0},
	    {"bad_p256_crc.bin", "unknown", 1, 0},
	    {"ok_block0_broken.bin", "unknown", 3, 6},
	    {"bad_rsa_magic.bin", NULL, 0, 0}, {"bad_rsa_cut.bin", NULL, 0, 0},
	    {"in/d4096.bin", NULL, 0, 0}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		vector_auto struct vector_image image = {.image = {none, NULL}};
		unsigned sound = 0;

		vector_image(V2, cases[i].file, &image);
		assert_int_equal(blocks_of(&image), cases[i].count);
		for (size_t b = 0; b < cases[i].count; b++) {
			const struct mm_signature_block *block =
			    block_of(&image, b);

			sound |= (unsigned)block->sound << b;
			assert_true(mm_span_is(block->family, V2_FAMILY));
			assert_int_equal(block->offset,
			    image.bytes.size - SECTOR + b * BLOCK);
			if (b == 0)
				assert_true(mm_span_is(
				    block->algorithm, cases[i].algorithm));
		}
		assert_int_equal(sound, cases[i].sound);
		assert_int_equal(image.facts.length,
		    image.bytes.size - (cases[i].count > 0 ? SECTOR : 0));
		assert_int_equal(image.facts.trailing, 0);
	}
}

static void
v2_a_key_is_known_by_its_digest(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	const struct mm_signature_block *block;
	uint8_t digest[32];

	(void)state;
	vector_image(V2, "rsa_x3.bin", &image);
	for (size_t i = 0; i < 3; i++) {
		block = block_of(&image, i);
		assert_int_equal(block->key.size, 32);
		assert_int_equal(scheme(V2_FAMILY)->verify(
				     &image.image, none, NULL, block->key.data),
		    MM_OK);
	}
	memcpy(digest, block->key.data, 32);
	digest[31] ^= 1;
	assert_int_equal(
	    scheme(V2_FAMILY)->verify(&image.image, none, NULL, digest),
	    MM_E_IMAGE_SIGNATURE);
}

static void
v2_takes_no_signature_from_elsewhere(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	struct mm_public_key key;

	(void)state;
	vector_image(V2, "pre_p256.bin", &image);
	vector_key(V2, KEYS "sbv2-p256-1.pub.pem", &key);
	assert_int_equal(verify(V2_FAMILY, &image, &key), MM_OK);
	assert_int_equal(scheme(V2_FAMILY)->verify(
			     &image.image, mm_span("x", 1), &key, NULL),
	    MM_E_IMAGE_SIGNATURE);
}

static void
fix_crc(uint8_t *block)
{
	uint32_t crc = mm_crc_std(mm_span(block, 1196));

	for (unsigned i = 0; i < 4; i++)
		block[1196 + i] = (uint8_t)(crc >> (8 * i));
}

/* Any byte of a block that is changed: without its CRC, and, of what a key,
 * a digest or a signature is made of, with it. */
static void
v2_no_byte_of_a_block_can_be_changed(void **state)
{
	enum { USED = 165 }; /* of P-256 */
	vector_auto struct vector_image image = {.image = {none, NULL}};
	struct mm_public_key key;
	uint8_t *block, kept[BLOCK];

	(void)state;
	vector_image(V2, "pre_p256.bin", &image);
	vector_key(V2, KEYS "sbv2-p256-1.pub.pem", &key);
	block = image.bytes.data + image.bytes.size - SECTOR;
	memcpy(kept, block, BLOCK);
	for (size_t i = 0; i < 1200; i++) {
		block[i] ^= 1;
		assert_int_equal(
		    verify(V2_FAMILY, &image, &key), MM_E_IMAGE_SIGNATURE);
		if (i < USED && i != 3) {
			fix_crc(block);
			assert_int_equal(verify(V2_FAMILY, &image, &key),
			    MM_E_IMAGE_SIGNATURE);
		}
		memcpy(block, kept, BLOCK);
	}
	assert_int_equal(verify(V2_FAMILY, &image, &key), MM_OK);
}

/* The chip would compute with them, though the reference does not look. */
static void
v2_wrong_montgomery_numbers_are_no_block(void **state)
{
	static const size_t places[] = {424, 807, 808, 811};
	vector_auto struct vector_image image = {.image = {none, NULL}};
	struct mm_public_key key;
	uint8_t *block;

	(void)state;
	vector_image(V2, "pre_rsa.bin", &image);
	vector_key(V2, KEYS "sbv2-rsa1.pub.pem", &key);
	block = image.bytes.data + image.bytes.size - SECTOR;
	for (size_t i = 0; i < MM_COUNT(places); i++) {
		block[places[i]] ^= 1;
		fix_crc(block);
		assert_int_equal(
		    verify(V2_FAMILY, &image, &key), MM_E_IMAGE_SIGNATURE);
		block[places[i]] ^= 1;
	}
	fix_crc(block);
	assert_int_equal(verify(V2_FAMILY, &image, &key), MM_OK);
}

static void
v2_no_end_of_a_file_but_its_own_verifies(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	struct mm_public_key key;

	(void)state;
	vector_image(V2, "pre_p256.bin", &image);
	vector_key(V2, KEYS "sbv2-p256-1.pub.pem", &key);
	assert_int_equal(verify(V2_FAMILY, &image, &key), MM_OK);
	while (--image.image.bytes.size > 0)
		assert_int_equal(
		    verify(V2_FAMILY, &image, &key), MM_E_IMAGE_SIGNATURE);
}

static void
v2_digests_cover_the_padding(void **state)
{
	static const size_t sizes[] = {1, 4095, 4096, 4097};
	uint8_t bytes[3 * SECTOR], wanted[32], digest[32];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		size_t end = (sizes[i] + SECTOR - 1) / SECTOR * SECTOR;
		struct mm_image_facts facts = {.size = sizes[i]};
		struct mm_image image = {mm_span(bytes, sizes[i]), &facts};

		memset(bytes, 0xFF, sizeof(bytes));
		memset(bytes, 'x', sizes[i]);
		assert_int_equal(mm_hash(image.bytes, facts.sha256), MM_OK);
		assert_int_equal(
		    gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, end, wanted), 0);
		assert_int_equal(
		    scheme(V2_FAMILY)->digest(&image, digest), MM_OK);
		assert_memory_equal(digest, wanted, 32);
	}
}

/* Nobody hashes 16 MiB twice. */
static void
v2_whole_sectors_are_not_hashed_again(void **state)
{
	uint8_t bytes[SECTOR] = {0}, digest[32];
	struct mm_image_facts facts = {.size = SECTOR};
	struct mm_image image = {mm_span(bytes, SECTOR), &facts};

	(void)state;
	memset(facts.sha256, 0xA5, sizeof(facts.sha256));
	assert_int_equal(scheme(V2_FAMILY)->digest(&image, digest), MM_OK);
	assert_memory_equal(digest, facts.sha256, sizeof(digest));
}

static void
v2_resigning_is_refused_unless_said(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	vector_auto struct vector_image made = {.image = {none, NULL}};
	set_auto struct set second = {.count = 0};

	(void)state;
	vector_image(V2, "rsa_pre_x2.bin", &image);
	set_add(&second, KEYS "sbv2-rsa2.pub.pem", "rsa_pre_x2_1.sig");
	assert_int_equal(attach(&image, MM_RESIGN_REFUSE, &second, &made),
	    MM_E_IMAGE_SIGNED);
	/* It has a block of this key. */
	assert_int_equal(attach(&image, MM_RESIGN_APPEND, &second, &made),
	    MM_E_IMAGE_SIGNED);
	assert_int_equal(
	    attach(&image, MM_RESIGN_REPLACE, &second, &made), MM_OK);
	assert_int_equal(blocks_of(&made), 1);
	assert_int_equal(
	    verify(V2_FAMILY, &made, &second.signatures[0].key), MM_OK);
}

static void
v2_appending_keeps_the_sound_blocks(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	vector_auto struct vector_image one = {.image = {none, NULL}};
	vector_auto struct vector_image made = {.image = {none, NULL}};
	set_auto struct set first = {.count = 0};
	set_auto struct set second = {.count = 0};

	(void)state;
	vector_image(V2, "in/d4096.bin", &image);
	set_add(&first, KEYS "sbv2-rsa1.pub.pem", "rsa_pre_x2_0.sig");
	set_add(&second, KEYS "sbv2-rsa2.pub.pem", "rsa_pre_x2_1.sig");
	assert_int_equal(attach(&image, MM_RESIGN_APPEND, &first, &one), MM_OK);
	assert_int_equal(attach(&one, MM_RESIGN_APPEND, &second, &made), MM_OK);
	assert_file(&made, V2, "rsa_pre_x2.bin");
	/* What is not sound goes. */
	one.bytes.data[SECTOR + 812] ^= 1;
	fix_crc(one.bytes.data + SECTOR);
	vector_read(&one);
	assert_false(block_of(&one, 0)->sound);
	assert_int_equal(attach(&one, MM_RESIGN_APPEND, &second, &made), MM_OK);
	assert_int_equal(blocks_of(&made), 1);
	assert_int_equal(
	    verify(V2_FAMILY, &made, &second.signatures[0].key), MM_OK);
}

static void
v2_blocks_have_a_limit_by_chip(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	vector_auto struct vector_image made = {.image = {none, NULL}};
	set_auto struct set set = {.count = 0};

	(void)state;
	vector_image(V2, "in/d4096.bin", &image);
	set_add(&set, KEYS "sbv2-rsa1.pub.pem", "rsa_pre_x2_0.sig");
	set_add(&set, KEYS "sbv2-rsa2.pub.pem", "rsa_pre_x2_1.sig");
	image.facts.chip = mm_span_text("esp32c3");
	assert_int_equal(attach(&image, MM_RESIGN_REFUSE, &set, &made), MM_OK);
	image.facts.chip = mm_span_text("esp32");
	assert_int_equal(
	    attach(&image, MM_RESIGN_REFUSE, &set, &made), MM_E_IMAGE_SIGNED);
	set.count = 1;
	assert_int_equal(attach(&image, MM_RESIGN_REFUSE, &set, &made), MM_OK);
	/* Three are there: no fourth. */
	vector_image(V2, "rsa_x3.bin", &image);
	set.count = 0;
	set_add(&set, KEYS "sbv2-rsa-other.pub.pem", "rsa_pre_x2_0.sig");
	assert_int_equal(
	    attach(&image, MM_RESIGN_APPEND, &set, &made), MM_E_IMAGE_SIGNED);
}

static void
v2_algorithms_and_keys_do_not_mix(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	vector_auto struct vector_image made = {.image = {none, NULL}};
	set_auto struct set mixed = {.count = 0};
	set_auto struct set twice = {.count = 0};

	(void)state;
	set_add(&mixed, KEYS "sbv2-rsa1.pub.pem", "pre_rsa.sig");
	set_add(&mixed, KEYS "sbv2-p256-1.pub.pem", "pre_p256.sig");
	vector_image(V2, "in/d8192.bin", &image);
	assert_int_equal(
	    attach(&image, MM_RESIGN_REFUSE, &mixed, &made), MM_E_IMAGE_SIGNED);
	set_add(&twice, KEYS "sbv2-rsa1.pub.pem", "pre_rsa.sig");
	set_add(&twice, KEYS "sbv2-rsa1.pub.pem", "pre_rsa.sig");
	assert_int_equal(
	    attach(&image, MM_RESIGN_REFUSE, &twice, &made), MM_E_IMAGE_SIGNED);
	twice.count = 1;
	vector_image(V2, "pre_p256.bin", &image);
	assert_int_equal(
	    attach(&image, MM_RESIGN_APPEND, &twice, &made), MM_E_IMAGE_SIGNED);
}

static void
v2_an_esp_image_ends_where_the_chip_looks(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	const struct mm_scheme *v2 = scheme(V2_FAMILY);
	uint8_t digest[32], more[SECTOR] = {1};

	(void)state;
	vector_image(V2, "p256_app.bin", &image);
	assert_int_equal(image.facts.esp.count, 1);
	assert_int_equal(image.facts.trailing, 0);
	assert_int_equal(v2->digest(&image.image, digest), MM_OK);
	vector_image(V2, "in/app.bin", &image);
	mm_buffer_add(&image.bytes, more, sizeof(more));
	vector_read(&image);
	assert_int_equal(v2->digest(&image.image, digest), MM_E_IMAGE);
}

static void
v2_signatures_must_have_their_form(void **state)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	vector_auto struct vector_image made = {.image = {none, NULL}};
	set_auto struct set set = {.count = 0};

	(void)state;
	vector_image(V2, "in/d8192.bin", &image);
	assert_int_equal(
	    attach(&image, MM_RESIGN_REFUSE, &set, &made), MM_E_BUG);
	set_add(&set, KEYS "sbv2-rsa1.pub.pem", "pre_rsa.sig");
	set.signatures[0].signature.size--;
	assert_int_equal(attach(&image, MM_RESIGN_REFUSE, &set, &made),
	    MM_E_IMAGE_SIGNATURE);
	set.count = 0;
	set_add(&set, KEYS "sbv2-p256-1.pub.pem", "pre_p256.sig");
	set.signatures[0].signature.size--;
	assert_int_equal(attach(&image, MM_RESIGN_REFUSE, &set, &made),
	    MM_E_IMAGE_SIGNATURE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(v2_verifies_what_the_reference_verifies),
	    cmocka_unit_test(v2_key_digests_are_the_tools),
	    cmocka_unit_test(v2_assembles_the_tools_bytes),
	    cmocka_unit_test(v2_facts_tell_of_each_block),
	    cmocka_unit_test(v2_a_key_is_known_by_its_digest),
	    cmocka_unit_test(v2_takes_no_signature_from_elsewhere),
	    cmocka_unit_test(v2_no_byte_of_a_block_can_be_changed),
	    cmocka_unit_test(v2_wrong_montgomery_numbers_are_no_block),
	    cmocka_unit_test(v2_no_end_of_a_file_but_its_own_verifies),
	    cmocka_unit_test(v2_digests_cover_the_padding),
	    cmocka_unit_test(v2_whole_sectors_are_not_hashed_again),
	    cmocka_unit_test(v2_resigning_is_refused_unless_said),
	    cmocka_unit_test(v2_appending_keeps_the_sound_blocks),
	    cmocka_unit_test(v2_blocks_have_a_limit_by_chip),
	    cmocka_unit_test(v2_algorithms_and_keys_do_not_mix),
	    cmocka_unit_test(v2_an_esp_image_ends_where_the_chip_looks),
	    cmocka_unit_test(v2_signatures_must_have_their_form)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
