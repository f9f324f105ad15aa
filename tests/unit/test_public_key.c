/* Keys that verify images: what is one, and what it has signed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "esp_vectors.h"
#include "hex.h"
#include "signer/hashing.h"

#define KEYS "keys"

static void
keys_are_read_in_every_form(void **state)
{
	static const struct {
		const char *file;
		enum mm_algorithm algorithm;
	} cases[] = {{"TEST-ONLY-csk-p256.pub.pem", MM_ALGORITHM_P256},
	    {"TEST-ONLY-csk-p256.crt.pem", MM_ALGORITHM_P256},
	    {"TEST-ONLY-csk-p256.crt.der", MM_ALGORITHM_P256},
	    {"TEST-ONLY-sbv2-rsa1.pub.pem", MM_ALGORITHM_RSA3072},
	    {"TEST-ONLY-sbv2-p384-1.pub.pem", MM_ALGORITHM_P384},
	    {"TEST-ONLY-sbv2-p192-1.pub.pem", MM_ALGORITHM_P192}};
	struct mm_public_key first, key;

	(void)state;
	vector_key(KEYS, cases[0].file, &first);
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		vector_key(KEYS, cases[i].file, &key);
		assert_int_equal(key.algorithm, cases[i].algorithm);
		/* The first three are one key. */
		assert_int_equal(mm_public_key_equal(&key, &first), i < 3);
	}
}

/* What is written is what the file has, and it can be read again. */
static void
keys_are_written_as_they_were(void **state)
{
	static const char *const files[] = {"TEST-ONLY-csk-p256.pub.pem",
	    "TEST-ONLY-sbv2-rsa1.pub.pem", "TEST-ONLY-sbv2-p384-1.pub.pem",
	    "TEST-ONLY-sbv2-p192-1.pub.pem"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(files); i++) {
		mm_auto(buffer) pem = {0}, spki = {0};
		struct mm_public_key key, again;
		uint8_t der[1024], hash[32];
		char *text, *end;
		size_t size;

		vector_key(KEYS, files[i], &key);
		mm_buffer_init(&spki, 1024);
		assert_int_equal(mm_public_key_spki(&key, &spki), MM_OK);
		vector_file(KEYS, files[i], &pem);
		mm_buffer_add(&pem, "", 1);
		text = strchr((char *)pem.data, '\n');
		end = strstr(text, "-----END");
		assert_int_equal(sodium_base642bin(der, sizeof(der), text,
				     (size_t)(end - text), "\n", &size, NULL,
				     sodium_base64_VARIANT_ORIGINAL),
		    0);
		assert_int_equal(spki.size, size);
		assert_memory_equal(spki.data, der, size);
		assert_int_equal(mm_hash(mm_buffer_span(&spki), hash), MM_OK);
		assert_memory_equal(hash, key.spki_sha256, 32);
		assert_int_equal(
		    mm_public_key_read(mm_buffer_span(&spki), &again), MM_OK);
		assert_true(mm_public_key_equal(&key, &again));
		mm_buffer_add(&spki, "", 1);
		assert_int_equal(
		    mm_public_key_read(mm_buffer_span(&spki), &again),
		    MM_E_FORMAT);
	}
}

static void
other_files_are_no_keys(void **state)
{
	static const struct {
		const char *file;
		enum mm_error error;
	} cases[] = {{"TEST-ONLY-cose-ed25519.pub.pem", MM_E_KEY_TYPE},
	    {"TEST-ONLY-device-rsa2048.pub.pem", MM_E_KEY_TYPE},
	    {"TEST-ONLY-device-rsa4096.pub.pem", MM_E_KEY_TYPE},
	    {"TEST-ONLY-csk-p256.key.pem", MM_E_FORMAT},
	    {"TEST-ONLY-device-p256.key.der", MM_E_FORMAT}};
	struct mm_public_key key = {.e = 77};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(buffer) file = {0};

		assert_int_equal(
		    mm_public_key_read(
			vector_file(KEYS, cases[i].file, &file), &key),
		    cases[i].error);
	}
	assert_int_equal(
	    mm_public_key_read(mm_span(NULL, 0), &key), MM_E_FORMAT);
	assert_int_equal(
	    mm_public_key_read(mm_span_text("0"), &key), MM_E_FORMAT);
	assert_int_equal(key.e, 77);
}

static void
points_are_on_their_curve(void **state)
{
	struct mm_public_key key, made;

	(void)state;
	vector_key(KEYS, "TEST-ONLY-csk-p256.pub.pem", &key);
	assert_int_equal(
	    mm_public_key_point(MM_ALGORITHM_P256, key.x, key.y, &made), MM_OK);
	assert_true(mm_public_key_equal(&key, &made));
	key.y[31] ^= 1;
	assert_int_equal(
	    mm_public_key_point(MM_ALGORITHM_P256, key.x, key.y, &made),
	    MM_E_KEY_TYPE);
	assert_int_equal(
	    mm_public_key_point(MM_ALGORITHM_RSA3072, key.x, key.y, &made),
	    MM_E_KEY_TYPE);
}

static void
moduli_are_of_3072_bits_and_odd(void **state)
{
	struct mm_public_key key, made;

	(void)state;
	vector_key(KEYS, "TEST-ONLY-sbv2-rsa1.pub.pem", &key);
	assert_int_equal(mm_public_key_modulus(key.n, key.e, &made), MM_OK);
	assert_true(mm_public_key_equal(&key, &made));
	assert_int_equal(
	    mm_public_key_modulus(key.n, 0xFFFFFFFF, &made), MM_OK);
	assert_int_equal(mm_public_key_modulus(key.n, 3, &made), MM_OK);
	assert_int_equal(mm_public_key_modulus(key.n, 1, &made), MM_E_KEY_TYPE);
	assert_int_equal(
	    mm_public_key_modulus(key.n, 65536, &made), MM_E_KEY_TYPE);
	key.n[383] ^= 1;
	assert_int_equal(
	    mm_public_key_modulus(key.n, key.e, &made), MM_E_KEY_TYPE);
	key.n[383] ^= 1;
	key.n[0] &= 0x7F;
	assert_int_equal(
	    mm_public_key_modulus(key.n, key.e, &made), MM_E_KEY_TYPE);
}

/* X.690 8.3 and 10: what libcrypto would take, and what it would not. */
static void
signatures_are_strict_der(void **state)
{
	static const struct {
		const char *der, *raw;
	} cases[] = {{"3006 020101 020102", "0001 0002"},
	    {"3007 02020101 020102", "0101 0002"},
	    {"3008 02020101 02020102", "0101 0102"},
	    {"3007 02020080 020102", "0080 0002"},
	    {"3008 0203008000 020102", "8000 0002"},
	    /* longer than the field */
	    {"3008 0203010000 020102", NULL},
	    /* zero, negative, not minimal */
	    {"3006 020100 020102", NULL}, {"3006 020101 020100", NULL},
	    {"3006 020180 020102", NULL}, {"3007 02020001 020102", NULL},
	    {"3005 0200 020102", NULL},
	    /* lengths that are wrong, long or indefinite */
	    {"3007 020101 020102", NULL}, {"3005 020101 020102", NULL},
	    {"308106 020101 020102", NULL}, {"3080 020101 020102 0000", NULL},
	    {"3007 02810101 020102", NULL}, {"3006 020101 027f02", NULL},
	    {"3006 020102", NULL},
	    /* something behind it, in it, or of another kind */
	    {"3006 020101 020102 00", NULL},
	    {"3009 020101 020102 020103", NULL}, {"3106 020101 020102", NULL},
	    {"3006 030101 020102", NULL}, {"3000", NULL}, {"30", NULL},
	    {"3003 020101", NULL}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		uint8_t bytes[64], raw[4] = {0};
		struct mm_span der = hex(cases[i].der, bytes, sizeof(bytes));
		enum mm_error error = mm_ecdsa_raw(der, 2, raw);
		mm_auto(buffer) again = {0};

		if (cases[i].raw == NULL && error == MM_E_IMAGE_SIGNATURE)
			continue;
		if (cases[i].raw == NULL || error != MM_OK)
			fail_msg("%s: %s", cases[i].der, mm_error_name(error));
		assert_hex(mm_span(raw, 4), cases[i].raw);
		mm_buffer_init(&again, 64);
		assert_int_equal(mm_ecdsa_der(raw, 2, &again), MM_OK);
		assert_hex(mm_buffer_span(&again), cases[i].der);
	}
}

static void
zeros_make_no_signature(void **state)
{
	static const uint8_t raws[][4] = {
	    {0, 0, 0, 1}, {0, 1, 0, 0}, {0, 0, 0, 0}};
	mm_auto(buffer) der = {0};

	(void)state;
	mm_buffer_init(&der, 64);
	for (size_t i = 0; i < MM_COUNT(raws); i++)
		assert_int_equal(
		    mm_ecdsa_der(raws[i], 2, &der), MM_E_IMAGE_SIGNATURE);
	assert_int_equal(der.size, 0);
}

/* ---- RSA */

static void
sign_rsa(
    int padding, int salt, const uint8_t digest[32], uint8_t out[MM_RSA_BYTES])
{
	FILE *file =
	    fopen("tests/vectors/esp/keys/TEST-ONLY-sbv2-rsa1.key.pem", "r");
	EVP_PKEY *key;
	EVP_PKEY_CTX *context;
	size_t size = MM_RSA_BYTES;

	assert_non_null(file);
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
	context = EVP_PKEY_CTX_new(key, NULL);
	assert_int_equal(EVP_PKEY_sign_init(context), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(context, padding), 1);
	assert_int_equal(
	    EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()), 1);
	if (padding == RSA_PKCS1_PSS_PADDING)
		assert_int_equal(
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt), 1);
	assert_int_equal(EVP_PKEY_sign(context, out, &size, digest, 32), 1);
	assert_int_equal(size, MM_RSA_BYTES);
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(key);
}

static void
rsa_is_pss_with_a_salt_of_32(void **state)
{
	static const struct {
		int padding, salt;
		enum mm_error error;
	} cases[] = {{RSA_PKCS1_PSS_PADDING, 31, MM_E_IMAGE_SIGNATURE},
	    {RSA_PKCS1_PSS_PADDING, 32, MM_OK},
	    {RSA_PKCS1_PSS_PADDING, 33, MM_E_IMAGE_SIGNATURE},
	    {RSA_PKCS1_PADDING, 0, MM_E_IMAGE_SIGNATURE}};
	struct mm_public_key key;
	uint8_t digest[32] = {1}, signature[MM_RSA_BYTES + 1] = {0};

	(void)state;
	vector_key(KEYS, "TEST-ONLY-sbv2-rsa1.pub.pem", &key);
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		sign_rsa(cases[i].padding, cases[i].salt, digest, signature);
		assert_int_equal(mm_public_key_verify(&key, mm_span(digest, 32),
				     mm_span(signature, MM_RSA_BYTES)),
		    cases[i].error);
	}
	sign_rsa(RSA_PKCS1_PSS_PADDING, 32, digest, signature);
	for (size_t size = MM_RSA_BYTES - 1; size <= MM_RSA_BYTES + 1; size++)
		assert_int_equal(mm_public_key_verify(&key, mm_span(digest, 32),
				     mm_span(signature, size)),
		    size == MM_RSA_BYTES ? MM_OK : MM_E_IMAGE_SIGNATURE);
	assert_int_equal(mm_public_key_verify(&key, mm_span(digest, 31),
			     mm_span(signature, MM_RSA_BYTES)),
	    MM_E_IMAGE_SIGNATURE);
	digest[0] ^= 1;
	assert_int_equal(mm_public_key_verify(&key, mm_span(digest, 32),
			     mm_span(signature, MM_RSA_BYTES)),
	    MM_E_IMAGE_SIGNATURE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_are_read_in_every_form),
	    cmocka_unit_test(keys_are_written_as_they_were),
	    cmocka_unit_test(other_files_are_no_keys),
	    cmocka_unit_test(points_are_on_their_curve),
	    cmocka_unit_test(moduli_are_of_3072_bits_and_odd),
	    cmocka_unit_test(signatures_are_strict_der),
	    cmocka_unit_test(zeros_make_no_signature),
	    cmocka_unit_test(rsa_is_pss_with_a_salt_of_32)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
