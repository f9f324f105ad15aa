/* A device's partition, signed or not, against the entry of a receipt: with
 * those that the vendor's tool has signed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/attested.h"
#include "signer/hashing.h"
#include "tests/unit/secure_cert_room.h"

#define PARTITIONS "secure_cert"
#define AS_IT_CAME "tlv_ec_pem.bin"
#define P256 "TEST-ONLY-sbv2-p256-1.pub.pem"
#define RSA3072 "TEST-ONLY-sbv2-rsa1.pub.pem"

static struct mm_attested one;

/* The entry of what the vendor's tool has signed, by one of its keys. */
static void
make(const char *scheme, const char *key)
{
	struct mm_partition_entry *entry = &one.body.partition;
	mm_auto(buffer) file = {0};
	struct mm_span bytes = vector_file(PARTITIONS, AS_IT_CAME, &file);
	struct mm_public_key public_key;

	vector_key("keys", key, &public_key);
	one = (struct mm_attested){.entry = {.kind = MM_ENTRY_PARTITION}};
	entry->scheme = mm_span_text(scheme);
	entry->device = mm_span_text("dev-1");
	entry->key = mm_span_text("part");
	entry->size = bytes.size;
	assert_int_equal(mm_hash(bytes, entry->sha256), MM_OK);
	memcpy(entry->digest, entry->sha256, sizeof(entry->digest));
	memcpy(entry->signer, public_key.spki_sha256, sizeof(entry->signer));
}

static enum mm_error
match_bytes(struct mm_buffer *bytes, bool *is_signed)
{
	struct mm_own_image file;
	enum mm_error error = mm_own_image_take(bytes, &file);

	if (error == MM_OK)
		error = mm_attested_partition(&one, &file, is_signed);
	mm_own_image_clear(&file);
	return error;
}

static enum mm_error
match(const char *name, bool *is_signed)
{
	mm_auto(buffer) bytes = {0};

	vector_file(PARTITIONS, name, &bytes);
	return match_bytes(&bytes, is_signed);
}

static void
as_it_came_and_signed(void **state)
{
	static const struct {
		const char *scheme, *key, *name;
	} rows[] = {{"secure-cert-ecdsa256:part", P256, "signed_p256.bin"},
	    {"secure-cert-rsa3072", RSA3072, "signed_rsa.bin"}};
	bool is_signed;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		make(rows[i].scheme, rows[i].key);
		is_signed = true;
		assert_int_equal(match(AS_IT_CAME, &is_signed), MM_OK);
		assert_false(is_signed);
		assert_int_equal(match(rows[i].name, &is_signed), MM_OK);
		assert_true(is_signed);
		/* By a key of the other kind, over the same. */
		assert_int_equal(
		    match(rows[1 - i].name, &is_signed), MM_E_MISMATCH);
	}
}

static void
another_signer(void **state)
{
	bool is_signed;

	(void)state;
	make("secure-cert-ecdsa256", P256);
	one.body.partition.signer[31] ^= 1;
	assert_int_equal(match("signed_p256.bin", &is_signed), MM_E_MISMATCH);
	assert_non_null(strstr(mm_why(MM_E_MISMATCH), "\"part\""));
}

static void
another_partition(void **state)
{
	bool is_signed;

	(void)state;
	make("secure-cert-ecdsa256", P256);
	assert_int_equal(match("tlv_ec_der.bin", &is_signed), MM_E_MISMATCH);
	one.body.partition.digest[0] ^= 1;
	assert_int_equal(match("signed_p256.bin", &is_signed), MM_E_MISMATCH);
	make("secure-cert-ecdsa256", P256);
	one.body.partition.sha256[0] ^= 1;
	assert_int_equal(match(AS_IT_CAME, &is_signed), MM_E_MISMATCH);
	make("secure-cert-ecdsa256", P256);
	one.body.partition.size++;
	assert_int_equal(match(AS_IT_CAME, &is_signed), MM_E_MISMATCH);
}

/* All of it is in order but the signature itself, which is over other bytes. */
static void
a_signature_over_other_bytes(void **state)
{
	mm_auto(buffer) file = {0}, made = {0}, signature = {0};
	mm_auto(arena) arena = {0};
	struct mm_attached attached = {.count = 0};
	struct mm_image_facts facts;
	struct mm_image image = {.facts = &facts};
	struct mm_signed is;
	bool is_signed;

	(void)state;
	make("secure-cert-ecdsa256", P256);
	image.bytes = vector_file(PARTITIONS, AS_IT_CAME, &file);
	mm_arena_init(&arena, VECTOR_ARENA);
	assert_int_equal(read_partition(image.bytes, &arena, &facts), MM_OK);
	sign_with("p256-1", mm_span_text("other bytes"), &signature, &is);
	assert_int_equal(
	    mm_secure_cert_attach(&image, MM_RESIGN_REFUSE, &is, 1, &attached),
	    MM_OK);
	mm_buffer_init(&made, VECTOR_MAX);
	assert_int_equal(mm_attached_write(&attached, &made), MM_OK);
	mm_attached_clear(&attached);
	assert_int_equal(match_bytes(&made, &is_signed), MM_E_MISMATCH);
}

/* None passes that differs in a byte; most are no partitions any more. */
static void
no_byte_may_change(void **state)
{
	mm_auto(buffer) whole = {0};
	size_t size = vector_file(PARTITIONS, "signed_p256.bin", &whole).size;

	(void)state;
	make("secure-cert-ecdsa256", P256);
	for (size_t i = 0; i < size; i++) {
		mm_auto(buffer) bytes = {0};
		bool is_signed;

		mm_buffer_init(&bytes, size);
		mm_buffer_add(&bytes, whole.data, size);
		bytes.data[i] ^= 1;
		if (match_bytes(&bytes, &is_signed) == MM_OK)
			fail_msg("byte %zu may be another", i);
	}
}

static void
what_is_none(void **state)
{
	bool is_signed;

	(void)state;
	make("secure-cert-ecdsa256", P256);
	assert_int_equal(match("bad_crc.bin", &is_signed), MM_E_IMAGE);
	assert_int_equal(match("cust_flash_ec.bin", &is_signed), MM_E_IMAGE);
	one.body.partition.scheme = mm_span_text("of tomorrow");
	assert_int_equal(match(AS_IT_CAME, &is_signed), MM_E_FORMAT);
	make("secure-cert-ecdsa256", P256);
	one.entry.kind = MM_ENTRY_IMAGE;
	assert_int_equal(match(AS_IT_CAME, &is_signed), MM_E_MISMATCH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_it_came_and_signed),
	    cmocka_unit_test(another_signer),
	    cmocka_unit_test(another_partition),
	    cmocka_unit_test(a_signature_over_other_bytes),
	    cmocka_unit_test(no_byte_may_change),
	    cmocka_unit_test(what_is_none)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
