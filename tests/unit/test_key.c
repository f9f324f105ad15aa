/* Public keys: what is read from them, what is weak, what verifies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <string.h>

#include "ca/der.h"
#include "ca/key.h"
#include "ca/weak.h"

struct encoded {
	uint8_t bytes[2048];
	struct mm_span spki;
};

static void
encode(EVP_PKEY *key, struct encoded *out)
{
	uint8_t *at = out->bytes;

	assert_non_null(key);
	out->spki = mm_span(out->bytes, (size_t)i2d_PUBKEY(key, &at));
}

static void
keys_are_read(void **state)
{
	static const struct {
		const char *kind, *detail;
		uint64_t type;
		unsigned bits;
		const char *name;
	} rows[] = {
	    {"EC", "P-256", MM_KEY_P256, 256, "P-256"},
	    {"EC", "P-384", MM_KEY_P384, 384, "P-384"},
	    {"ED25519", NULL, MM_KEY_ED25519, 256, "Ed25519"},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		EVP_PKEY *made =
		    EVP_PKEY_Q_keygen(NULL, NULL, rows[i].kind, rows[i].detail);
		struct encoded encoded;
		struct mm_key key;

		encode(made, &encoded);
		EVP_PKEY_free(made);
		assert_int_equal(mm_key_read(encoded.spki, &key), MM_OK);
		assert_int_equal(key.type, rows[i].type);
		assert_int_equal(key.bits, rows[i].bits);
		assert_string_equal(mm_key_type_name(key.type), rows[i].name);
	}
	assert_string_equal(mm_key_type_name(MM_KEY_RSA), "RSA");
	assert_string_equal(mm_key_type_name(0), "unknown");
	assert_string_equal(mm_key_type_name(5), "unknown");
}

/* RFC 7093 section 2 (1), reckoned here another way. */
static void
identifiers_are_hashes(void **state)
{
	EVP_PKEY *made = EVP_EC_gen("P-256");
	struct encoded encoded;
	struct mm_key key;
	uint8_t hash[32];

	(void)state;
	encode(made, &encoded);
	EVP_PKEY_free(made);
	assert_int_equal(mm_key_read(encoded.spki, &key), MM_OK);
	SHA256(encoded.spki.data, encoded.spki.size, hash);
	assert_memory_equal(key.sha256, hash, 32);
	SHA256(encoded.spki.data + 26, 65, hash);
	assert_memory_equal(key.ski, hash, MM_SKI_SIZE);
}

static void
every_byte_of_a_key_matters(void **state)
{
	EVP_PKEY *made = EVP_EC_gen("P-256");
	struct encoded encoded;
	struct mm_key key;

	(void)state;
	encode(made, &encoded);
	EVP_PKEY_free(made);
	for (size_t i = 0; i < encoded.spki.size; i++) {
		key.type = 77;
		encoded.bytes[i] ^= 1;
		assert_int_not_equal(mm_key_read(encoded.spki, &key), MM_OK);
		assert_int_equal(key.type, 77);
		encoded.bytes[i] ^= 1;
	}
	for (size_t size = 0; size < encoded.spki.size; size++)
		assert_int_equal(
		    mm_key_read(mm_span(encoded.bytes, size), &key), MM_E_CSR);
}

static void
put_number(struct mm_buffer *out, const BIGNUM *number)
{
	uint8_t bytes[1100] = {0};
	int size = BN_bn2bin(number, bytes + 1);
	size_t zero = (bytes[1] & 0x80) != 0;

	mm_der_put(out, MM_DER_INTEGER, bytes + 1 - zero, (size_t)size + zero);
}

/* The verdict on an RSA key of these numbers. */
static enum mm_error
judge_rsa(const BIGNUM *modulus, const BIGNUM *exponent)
{
	static const uint8_t algorithm[] = {0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48,
	    0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0};
	mm_auto(buffer) out = {0};
	struct mm_key key;
	size_t whole, bits, numbers;

	mm_buffer_init(&out, 4096);
	whole = mm_der_open(&out, MM_DER_SEQUENCE);
	mm_buffer_add(&out, algorithm, sizeof(algorithm));
	bits = mm_der_open(&out, MM_DER_BITS);
	mm_buffer_add(&out, "", 1);
	numbers = mm_der_open(&out, MM_DER_SEQUENCE);
	put_number(&out, modulus);
	put_number(&out, exponent);
	mm_der_close(&out, numbers);
	mm_der_close(&out, bits);
	mm_der_close(&out, whole);
	assert_int_equal(out.error, MM_OK);
	return mm_key_read(mm_buffer_span(&out), &key);
}

/* A random odd number of so many bits that nothing speaks against. */
static void
good_modulus(BIGNUM *out, int bits)
{
	uint8_t bytes[600];

	do {
		assert_int_equal(
		    BN_rand(out, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
		BN_bn2bin(out, bytes);
	} while (
	    mm_rsa_weakness(mm_span(bytes, (size_t)BN_num_bytes(out))) != NULL);
}

static void
rsa_sizes_are_bounded(void **state)
{
	static const struct {
		int bits;
		enum mm_error error;
	} rows[] = {{512, MM_E_KEY_WEAK}, {2047, MM_E_KEY_WEAK}, {2048, MM_OK},
	    {2049, MM_OK}, {3072, MM_OK}, {4096, MM_OK}, {4097, MM_E_KEY_TYPE}};
	BIGNUM *n = BN_new(), *e = BN_new();

	(void)state;
	BN_set_word(e, 65537);
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		good_modulus(n, rows[i].bits);
		assert_int_equal(judge_rsa(n, e), rows[i].error);
	}
	BN_free(n);
	BN_free(e);
}

static void
only_one_rsa_exponent_is_allowed(void **state)
{
	static const struct {
		const char *exponent;
		enum mm_error error;
	} rows[] = {{"1", MM_E_KEY_WEAK}, {"3", MM_E_KEY_WEAK},
	    {"11", MM_E_KEY_WEAK}, {"FFFF", MM_E_KEY_WEAK},
	    {"10000", MM_E_KEY_WEAK}, {"10001", MM_OK},
	    {"10002", MM_E_KEY_WEAK}, {"10003", MM_E_KEY_WEAK},
	    {"FFFFFFFFFFFFFFFF", MM_E_KEY_WEAK},
	    {"10000000000010001", MM_E_KEY_WEAK}};
	BIGNUM *n = BN_new(), *e = NULL;

	(void)state;
	good_modulus(n, 2048);
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		assert_true(BN_hex2bn(&e, rows[i].exponent) > 0);
		assert_int_equal(judge_rsa(n, e), rows[i].error);
	}
	BN_free(n);
	BN_free(e);
}

static bool
is_weak(const BIGNUM *n, const char *why)
{
	const char *weakness;
	uint8_t bytes[600];

	BN_bn2bin(n, bytes);
	weakness = mm_rsa_weakness(mm_span(bytes, (size_t)BN_num_bytes(n)));
	return weakness != NULL && strstr(weakness, why) != NULL;
}

static void
small_factors_are_found(void **state)
{
	static const struct {
		BN_ULONG factor;
		bool weak;
	} rows[] = {{2, true}, {3, true}, {743, true}, {751, true},
	    {757, false}, {761, false}};
	BIGNUM *n = BN_new();

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		good_modulus(n, 2040);
		BN_mul_word(n, rows[i].factor);
		assert_int_equal(is_weak(n, "small factor"), rows[i].weak);
	}
	BN_free(n);
}

/* 2^2203 - 1, a Mersenne prime, and its odd neighbour. */
static void
a_prime_is_no_modulus(void **state)
{
	BIGNUM *n = BN_new();

	(void)state;
	BN_zero(n);
	BN_set_bit(n, 2203);
	BN_sub_word(n, 1);
	assert_true(is_weak(n, "a prime"));
	BN_sub_word(n, 2);
	assert_false(is_weak(n, "a prime"));
	BN_free(n);
}

/* The largest number whose square is at most n, bit by bit. */
static void
root_of(const BIGNUM *n, BIGNUM *root, BN_CTX *ctx)
{
	BIGNUM *square = BN_new();

	BN_zero(root);
	for (int bit = BN_num_bits(n) / 2; bit >= 0; bit--) {
		BN_set_bit(root, bit);
		BN_sqr(square, root, ctx);
		if (BN_cmp(square, n) > 0)
			BN_clear_bit(root, bit);
	}
	BN_free(square);
}

/*
 * n = (a - b)(a + b) = a^2 - b^2, with b^2 = (round - 1/2) 2a about: the root
 * of n, cut off, is a - round. Small factors would hide what is looked for.
 */
static void
modulus_for_round(unsigned round, BIGNUM *n, BN_CTX *ctx)
{
	BIGNUM *a = BN_new(), *b = BN_new(), *p = BN_new(), *q = BN_new();

	assert_int_equal(
	    BN_rand(a, 1024, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
	BN_copy(n, a);
	BN_mul_word(n, 2 * round - 1);
	root_of(n, b, ctx);
	BN_clear_bit(b, 0);
	do {
		BN_sub_word(b, 2);
		BN_sub(p, a, b);
		BN_add(q, a, b);
		BN_mul(n, p, q, ctx);
	} while (is_weak(n, "small factor"));
	BN_free(a);
	BN_free(b);
	BN_free(p);
	BN_free(q);
}

static void
a_hundred_rounds_of_fermat(void **state)
{
	static const unsigned rounds[] = {1, 2, 50, 99, 100, 101, 102, 500};
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *n = BN_new();

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rounds); i++) {
		modulus_for_round(rounds[i], n, ctx);
		assert_int_equal(is_weak(n, "close primes"), rounds[i] <= 100);
	}
	BN_free(n);
	BN_CTX_free(ctx);
}

static void
p256_signatures_are_verified(void **state)
{
	EVP_PKEY *made = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-384");
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(made, NULL);
	uint8_t digest[32] = {1, 2, 3}, signature[80];
	size_t size = sizeof(signature);
	struct encoded encoded, foreign;

	(void)state;
	encode(made, &encoded);
	encode(other, &foreign);
	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, signature, &size, digest, 32), 1);
	assert_int_equal(
	    mm_key_verify_p256(encoded.spki, digest, mm_span(signature, size)),
	    MM_OK);
	for (size_t i = 0; i < size; i++) {
		signature[i] ^= 1;
		assert_int_equal(mm_key_verify_p256(encoded.spki, digest,
				     mm_span(signature, size)),
		    MM_E_TOKEN_SIGNATURE);
		signature[i] ^= 1;
	}
	assert_int_equal(mm_key_verify_p256(encoded.spki, digest,
			     mm_span(signature, size - 1)),
	    MM_E_TOKEN_SIGNATURE);
	assert_int_equal(
	    mm_key_verify_p256(encoded.spki, digest, mm_span(signature, 0)),
	    MM_E_TOKEN_SIGNATURE);
	assert_int_equal(
	    mm_key_verify_p256(foreign.spki, digest, mm_span(signature, size)),
	    MM_E_KEY_TYPE);
	digest[0] ^= 1;
	assert_int_equal(
	    mm_key_verify_p256(encoded.spki, digest, mm_span(signature, size)),
	    MM_E_TOKEN_SIGNATURE);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(made);
	EVP_PKEY_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_are_read),
	    cmocka_unit_test(identifiers_are_hashes),
	    cmocka_unit_test(every_byte_of_a_key_matters),
	    cmocka_unit_test(rsa_sizes_are_bounded),
	    cmocka_unit_test(only_one_rsa_exponent_is_allowed),
	    cmocka_unit_test(small_factors_are_found),
	    cmocka_unit_test(a_prime_is_no_modulus),
	    cmocka_unit_test(a_hundred_rounds_of_fermat),
	    cmocka_unit_test(p256_signatures_are_verified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
