/* esp_secure_cert partitions: read as the vendor's tool makes them, and refused
 * where anything in them is not as it should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/secure_cert_room.h"

/* --- both CRCs --- */

static void
both_crcs_have_their_check_values(void **state)
{
	struct mm_span check = mm_span_text("123456789");

	(void)state;
	assert_int_equal(mm_crc_std(check), 0xcbf43926);
	assert_int_equal(mm_crc_esp(check), 0xd202d277);
	assert_int_equal(mm_crc_std(mm_span(NULL, 0)), 0);
	assert_int_equal(mm_crc_esp(mm_span(NULL, 0)), 0xffffffff);
}

/* --- reading --- */

static void
partitions_of_the_vendors_tool_are_read(void **state)
{
	static const struct {
		const char *file, *certificate;
		size_t tlvs, covered, trailing, signatures;
		bool plain_key;
	} cases[] = {{"tlv_ec_pem.bin", "p256", 4, SIGNED_SIZE, 0, 0, true},
	    {"tlv_ec_der.bin", "p256", 4, 1168, 0, 0, true},
	    {"tlv_ec_pkcs8.bin", "p256", 4, 1728, 0, 0, true},
	    {"tlv_rsa_pem.bin", "rsa2048", 4, 3440, 0, 0, true},
	    {"tlv_noca.bin", "p256", 3, 1024, 0, 0, true},
	    {"csv_basic.bin", "p256", 8, 2528, 0, 0, true},
	    /* Behind the flag that says: in the eFuses. */
	    {"tlv_ecdsa_periph.bin", "p256", 5, 1792, 0, 0, true},
	    {"tlv_rsa_ds.bin", "rsa2048", 5, 3024, 0, 0, false},
	    {"tlv8k_ec.bin", "p256", 3, 1680, 8192 - 1680, 0, true},
	    {"signed_p256.bin", "p256", 6, SIGNED_SIZE, 0, 1, true},
	    {"signed_rsa.bin", "p256", 6, SIGNED_SIZE, 0, 1, true}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		vector_auto struct vector_image image = {0};
		mm_auto(buffer) der = {0};
		const struct mm_secure_cert_facts *facts;
		uint8_t digest[32];
		char name[64];

		print_message("%s\n", cases[i].file);
		vector_image(VECTORS, cases[i].file, &image);
		facts = facts_of(&image);
		assert_int_equal(facts->tlvs.count, cases[i].tlvs);
		assert_int_equal(facts->covered, cases[i].covered);
		assert_int_equal(image.facts.length, cases[i].covered);
		assert_int_equal(image.facts.trailing, cases[i].trailing);
		assert_true(image.facts.blank);
		assert_int_equal(
		    image.facts.signatures.count, cases[i].signatures);
		assert_int_equal(facts->plain_key, cases[i].plain_key);
		snprintf(name, sizeof(name), "TEST-ONLY-device-%s.crt.der",
		    cases[i].certificate);
		vector_file("keys", name, &der);
		crypto_hash_sha256(digest, der.data, der.size);
		assert_int_equal(facts->certificate.size, 32);
		assert_memory_equal(facts->certificate.data, digest, 32);
	}
}

static void
older_layouts_are_plain_files(void **state)
{
	vector_auto struct vector_image image = {0};
	uint8_t digest[32];

	(void)state;
	vector_image(VECTORS, "cust_flash_ec.bin", &image);
	assert_true(mm_span_is(image.facts.format, "plain"));
	assert_int_equal(
	    mm_secure_cert_digest(&image.image, digest), MM_E_IMAGE);
}

static void
signatures_tell_whose_they_are(void **state)
{
	static const struct {
		const char *file, *key, *algorithm;
	} cases[] = {{"signed_p256.bin", KEY("p256-1"), "P-256"},
	    {"signed_rsa.bin", KEY("rsa1"), "RSA-3072"}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		vector_auto struct vector_image image = {0};
		const struct mm_signature_block *block;
		struct mm_public_key key;
		uint8_t digest[32];

		vector_image(VECTORS, cases[i].file, &image);
		vector_key("keys", cases[i].key, &key);
		assert_int_equal(
		    mm_secure_boot_v2_key_digest(&key, digest), MM_OK);
		block = image.facts.signatures.items;
		assert_true(mm_span_is(block->family, "secure-cert"));
		assert_true(mm_span_is(block->algorithm, cases[i].algorithm));
		assert_int_equal(block->offset, SIGNED_SIZE);
		assert_memory_equal(block->key.data, digest, 32);
		assert_true(block->sound);
	}
}

static void
each_field_of_a_tlv_is_checked(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
		const char *why;
	} cases[] = {{4, 0x01, "flags"}, {4, 0x48, NULL}, {4, 0x80, NULL},
	    {4, 0x10, "flags"}, {5, 1, "flags"}, {7, 1, "flags"},
	    {8, 50, "type 50"}, {8, 10, "type 10"}, {8, 51, NULL},
	    {8, 55, NULL}, {8, 56, "type 56"}, {8, 200, "type 200"},
	    {8, 201, NULL}, {8, 203, "type 203"}, {9, 16, NULL},
	    {9, 17, "subtype 17"}, {9, 255, "subtype 255"},
	    {12 + 5, 1, "behind its value"}, {12 + 15, 1, "behind its value"}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(buffer) file = {0};

		mm_buffer_init(&file, 4096);
		put_tlv(&file, 52, 0, "hello");
		file.data[cases[i].at] = cases[i].byte;
		mend(file.data, 5);
		if (cases[i].why == NULL)
			assert_int_equal(
			    try_read(mm_buffer_span(&file)), MM_OK);
		else
			assert_wrong(
			    "field", mm_buffer_span(&file), cases[i].why);
	}
}

static void
lengths_stay_inside_the_file(void **state)
{
	mm_auto(buffer) file = {0};
	mm_auto(buffer) value = {0};

	(void)state;
	mm_buffer_init(&file, 1 << 18);
	mm_buffer_init(&value, 1 << 17);
	put_tlv(&file, 51, 0, "0123456789abcdef");
	for (int length = 15; length <= 17; length++) {
		file.data[10] = (uint8_t)length;
		mend(file.data, 16);
		/* One less, and the last byte is no padding. */
		assert_int_equal(try_read(mm_buffer_span(&file)),
		    length == 16 ? MM_OK : MM_E_IMAGE);
	}
	/* The longest value that a TLV can have, and one more. */
	mm_buffer_reset(&file);
	memset(mm_buffer_grow(&value, 65536), 'x', 65536);
	assert_int_equal(
	    mm_secure_cert_tlv_write(51, 0, mm_span(value.data, 65535), &file),
	    MM_OK);
	assert_int_equal(file.size, 12 + 65536 + 4);
	assert_int_equal(try_read(mm_buffer_span(&file)), MM_OK);
	assert_wrong("cut", mm_span(file.data, file.size - 1), "runs over");
	assert_wrong("cut", mm_span(file.data, 11), "ends in the TLV");
	assert_int_equal(
	    mm_secure_cert_tlv_write(51, 0, mm_span(value.data, 65536), &file),
	    MM_E_RANGE);
}

static void
a_partition_has_64_tlvs_at_most(void **state)
{
	static const uint8_t types[] = {51, 52, 53, 54};

	(void)state;
	for (size_t count = 63; count <= 65; count++) {
		mm_auto(buffer) file = {0};

		mm_buffer_init(&file, 1 << 16);
		for (size_t i = 0; i < count; i++)
			put_tlv(&file, types[i / 17], i % 17, "");
		if (count <= MM_SECURE_CERT_MAX)
			assert_int_equal(
			    try_read(mm_buffer_span(&file)), MM_OK);
		else
			assert_wrong(
			    "65", mm_buffer_span(&file), "more than 64");
	}
}

static void
tlvs_stand_in_order_and_once(void **state)
{
	mm_auto(buffer) file = {0};

	(void)state;
	mm_buffer_init(&file, 4096);
	put_tlv(&file, 51, 0, "a");
	put_tlv(&file, 51, 0, "a");
	assert_wrong("twice", mm_buffer_span(&file), "is there twice");
	mm_buffer_reset(&file);
	put_tlv(&file, 51, 0, "a");
	put_integrity(&file, 0);
	assert_int_equal(try_read(mm_buffer_span(&file)), MM_OK);
	put_integrity(&file, 0);
	assert_wrong("sealed twice", mm_buffer_span(&file), "not belong there");
	file.size = 2 * 32 + 16;
	put_tlv(&file, 52, 0, "b");
	assert_wrong("behind", mm_buffer_span(&file), "not belong there");
	mm_buffer_reset(&file);
	put_tlv(&file, 51, 0, "a");
	put_integrity(&file, 1);
	assert_wrong("closed", mm_buffer_span(&file), "not belong there");
	mm_buffer_reset(&file);
	put_tlv(&file, 51, 0, "a");
	put_integrity(&file, 2);
	assert_wrong("integrity 2", mm_buffer_span(&file), "not belong there");
	mm_buffer_reset(&file);
	put_tlv(&file, 51, 0, "a");
	put_integrity(&file, 0);
	file.data[32 + 12] ^= 1;
	mend(file.data + 32, 32);
	assert_wrong("sum", mm_buffer_span(&file), "is not the SHA-256");
	mm_buffer_reset(&file);
	put_tlv(&file, 51, 0, "a");
	put_tlv(&file, MM_SECURE_CERT_SIGNATURE, 1, "a");
	assert_wrong("number", mm_buffer_span(&file), "has the number 1");
}

static void
behind_the_tlvs_is_erased_flash_only(void **state)
{
	mm_auto(buffer) file = {0};

	(void)state;
	mm_buffer_init(&file, 4096);
	put_tlv(&file, 51, 0, "a");
	mm_buffer_add(&file, "\xff\xff\xff\xff\xff", 5);
	assert_int_equal(try_read(mm_buffer_span(&file)), MM_OK);
	mm_buffer_add(&file, "\0", 1);
	assert_wrong("zero", mm_buffer_span(&file), "behind the last TLV");
	file.size = 32;
	mm_buffer_add(&file, mm_secure_cert_end, MM_SECURE_CERT_END - 1);
	assert_wrong("half", mm_buffer_span(&file), "behind the last TLV");
}

/* Some versions of the vendor's tool end unsigned ones with it, too. */
static void
an_unsigned_one_may_have_end_markers(void **state)
{
	mm_auto(buffer) file = {0};

	(void)state;
	mm_buffer_init(&file, 4096);
	put_tlv(&file, 51, 0, "a");
	for (size_t i = 0; i < 2; i++) {
		mm_buffer_add(&file, mm_secure_cert_end, MM_SECURE_CERT_END);
		assert_int_equal(try_read(mm_buffer_span(&file)), MM_OK);
	}
	mm_buffer_add(&file, "\xff\xff\xff\xff", 4);
	assert_int_equal(try_read(mm_buffer_span(&file)), MM_OK);
	mm_buffer_add(&file, mm_secure_cert_end, MM_SECURE_CERT_END);
	assert_wrong("later", mm_buffer_span(&file), "behind the last TLV");
}

static void
a_device_certificate_is_pem_with_nul_or_der(void **state)
{
	static const struct {
		const char *value;
		size_t size;
		const char *why;
	} cases[] = {{"", 0, "neither PEM nor DER"},
	    {"hello", 5, "neither PEM nor DER"}, {"\x30\x02\x05\x00", 4, NULL},
	    {"\x30\x02\x05\x00\x00", 5, "neither PEM nor DER"},
	    {"\x30\x81\x02\x05\x00", 5, NULL},
	    {"\x30\x83\x00\x00\x02\x05\x00", 7, "neither PEM nor DER"},
	    {"-----BEGIN CERTIFICATE-----\nMAIFAA==\n-----END "
	     "CERTIFICATE-----\n",
		63, "without one NUL"},
	    {"-----BEGIN CERTIFICATE-----\nMAIFAA==\n-----END "
	     "CERTIFICATE-----\n",
		64, NULL},
	    {"-----BEGIN CERTIFICATE-----\nMAIFAA==\n-----END "
	     "CERTIFICATE-----\n\0",
		65, "without one NUL"},
	    {"-----BEGIN CERTIFICATE-----\nMAMFAA==\n-----END "
	     "CERTIFICATE-----\n",
		64, "not DER inside"},
	    {"-----BEGIN CERTIFICATE-----\n!\n", 31, "cannot be read"}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(buffer) file = {0};

		mm_buffer_init(&file, 4096);
		assert_int_equal(
		    mm_secure_cert_tlv_write(MM_SECURE_CERT_DEVICE, 0,
			mm_span(cases[i].value, cases[i].size), &file),
		    MM_OK);
		if (cases[i].why == NULL)
			assert_int_equal(
			    try_read(mm_buffer_span(&file)), MM_OK);
		else
			assert_wrong(cases[i].value, mm_buffer_span(&file),
			    cases[i].why);
	}
}

static void
an_encrypted_certificate_is_not_read(void **state)
{
	vector_auto struct vector_image image = {0};

	(void)state;
	mm_buffer_init(&image.bytes, 4096);
	put_tlv(&image.bytes, MM_SECURE_CERT_DEVICE, 0, "sealed");
	image.bytes.data[4] = MM_SECURE_CERT_ENCRYPTED;
	mend(image.bytes.data, 6);
	vector_read(&image);
	assert_int_equal(facts_of(&image)->certificate.size, 0);
}

static void
an_encrypted_key_is_none_in_clear(void **state)
{
	static const struct {
		uint8_t flags;
		const char *value;
		bool plain;
	} cases[] = {{0, "k", true}, {0x80, "k", false}, {0x40, "k", true},
	    {0xc0, "k", false}, {0x08, "k", true}, {0x08, "", false},
	    {0, "", false}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		vector_auto struct vector_image image = {0};

		mm_buffer_init(&image.bytes, 4096);
		put_tlv(&image.bytes, MM_SECURE_CERT_KEY, 0, cases[i].value);
		image.bytes.data[4] = cases[i].flags;
		mend(image.bytes.data, strlen(cases[i].value));
		vector_read(&image);
		assert_int_equal(facts_of(&image)->plain_key, cases[i].plain);
		assert_int_equal(facts_of(&image)->certificate.size, 0);
	}
}

static void
a_changed_partition_is_refused(void **state)
{
	mm_auto(buffer) file = {0};

	(void)state;
	assert_wrong("bad_crc", vector_file(VECTORS, "bad_crc.bin", &file),
	    "CRC of the TLV at 0x0");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_crcs_have_their_check_values),
	    cmocka_unit_test(partitions_of_the_vendors_tool_are_read),
	    cmocka_unit_test(older_layouts_are_plain_files),
	    cmocka_unit_test(signatures_tell_whose_they_are),
	    cmocka_unit_test(each_field_of_a_tlv_is_checked),
	    cmocka_unit_test(lengths_stay_inside_the_file),
	    cmocka_unit_test(a_partition_has_64_tlvs_at_most),
	    cmocka_unit_test(tlvs_stand_in_order_and_once),
	    cmocka_unit_test(behind_the_tlvs_is_erased_flash_only),
	    cmocka_unit_test(an_unsigned_one_may_have_end_markers),
	    cmocka_unit_test(a_device_certificate_is_pem_with_nul_or_der),
	    cmocka_unit_test(an_encrypted_certificate_is_not_read),
	    cmocka_unit_test(an_encrypted_key_is_none_in_clear),
	    cmocka_unit_test(a_changed_partition_is_refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
