/* The Digital Signature peripheral's ciphertext: the vendor's, byte for byte,
 * and decrypted again for every size of key and chip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "factory/digital_signature.h"
#include "signer/numbers.h"

#define ROOM "tests/vectors/esp/secure_cert/"
#define KEYS "tests/vectors/esp/keys/TEST-ONLY-"

static const struct mm_ds_chip *
chip_of(const char *name)
{
	const struct mm_ds_chip *chip = mm_ds_chip_named(mm_span_text(name));

	assert_non_null(chip);
	return chip;
}

static void
read_key(const char *path, struct mm_private_key *out)
{
	mm_auto(flash_secret) file = {0};

	assert_int_equal(mm_flash_secret_read(path, &file), MM_OK);
	assert_int_equal(mm_private_key_read(&file, out), MM_OK);
}

static void
new_key(EVP_PKEY *pair, struct mm_private_key *out)
{
	mm_auto(flash_secret) file = {0};
	uint8_t *at;

	assert_non_null(pair);
	assert_int_equal(mm_flash_secret_new(8192, &file), MM_OK);
	at = file.data;
	file.size = (size_t)i2d_PrivateKey(pair, &at);
	assert_int_equal(mm_private_key_read(&file, out), MM_OK);
	EVP_PKEY_free(pair);
}

static void
the_vendors_ciphertext_is_made(void **state)
{
	static const struct {
		const char *file, *key;
		size_t iv, c;
		uint16_t modulus;
	} cases[] = {
	    {"tlv_rsa_ds.bin", KEYS "device-rsa2048.key.pem", 16, 32, 384},
	    {"cust_flash_ds_c3.bin", KEYS "device-rsa2048.key.pem", 0x1d00,
		0x1840, 384},
	    {"cust_flash_ds_s2.bin", KEYS "device-rsa4096.key.der", 0x1e80,
		0x1840, 512}};
	mm_auto(flash_secret) hmac_key = {0};

	(void)state;
	assert_int_equal(
	    mm_flash_secret_read(ROOM "TEST-ONLY-ds_hmac_key.bin", &hmac_key),
	    MM_OK);
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(private_key) key = {.name = NULL};
		mm_auto(buffer) wanted = {0};
		uint8_t c[MM_DS_C_MAX];
		char path[256];

		snprintf(path, sizeof(path), ROOM "%s", cases[i].file);
		mm_buffer_init(&wanted, 1 << 16);
		assert_int_equal(mm_file_read(path, 1 << 16, &wanted), MM_OK);
		read_key(cases[i].key, &key);
		assert_int_equal(
		    mm_ds_encrypt(&key, cases[i].modulus, hmac_key.data,
			wanted.data + cases[i].iv, c),
		    MM_OK);
		assert_memory_equal(c, wanted.data + cases[i].c,
		    mm_ds_c_size(cases[i].modulus));
	}
}

/* --- decrypted --- */

static void
decrypt(const uint8_t *c, size_t size, const uint8_t *hmac_key,
    const uint8_t *iv, uint8_t *out)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t ones[32], aes[32];
	int written;

	memset(ones, 0xff, sizeof(ones));
	HMAC(EVP_sha256(), hmac_key, 32, ones, 32, aes, NULL);
	assert_int_equal(
	    EVP_DecryptInit_ex(context, EVP_aes_256_cbc(), NULL, aes, iv), 1);
	EVP_CIPHER_CTX_set_padding(context, 0);
	assert_int_equal(
	    EVP_DecryptUpdate(context, out, &written, c, (int)size), 1);
	assert_int_equal(written, size);
	EVP_CIPHER_CTX_free(context);
}

/* By the definitions: m^(e d) = m, Rb is R^2, M' n = -1, MD over all. */
static void
check_plain(const uint8_t *plain, uint16_t modulus,
    const struct mm_private_key *key, const uint8_t *iv)
{
	const uint8_t *tail = plain + 3 * (size_t)modulus;
	BN_CTX *context = BN_CTX_new();
	BIGNUM *d = BN_lebin2bn(plain, modulus, NULL);
	BIGNUM *n = BN_lebin2bn(plain + modulus, modulus, NULL);
	BIGNUM *rb = BN_lebin2bn(plain + 2 * (size_t)modulus, modulus, NULL);
	BIGNUM *e = BN_bin2bn(key->e.data, (int)key->e.size, NULL);
	BIGNUM *m = BN_new(), *r = BN_new(), *wanted = BN_new();
	crypto_hash_sha256_state hash;
	uint8_t digest[32];

	BN_set_word(m, 42);
	BN_mod_exp(r, m, d, n, context);
	BN_mod_exp(r, r, e, n, context);
	assert_int_equal(BN_cmp(r, m), 0);
	BN_set_word(m, 2);
	BN_set_word(r, 2 * (BN_ULONG)key->bits);
	BN_mod_exp(wanted, m, r, n, context);
	assert_int_equal(BN_cmp(wanted, rb), 0);
	assert_int_equal((uint32_t)(mm_little_u32(tail + 32) *
				    mm_little_u32(plain + modulus)),
	    UINT32_MAX);
	assert_int_equal(mm_little_u32(tail + 36), key->bits / 32 - 1);
	for (size_t i = 40; i < 48; i++)
		assert_int_equal(tail[i], 8);
	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, plain, 3 * (size_t)modulus);
	crypto_hash_sha256_update(&hash, tail + 32, 8);
	crypto_hash_sha256_update(&hash, iv, MM_DS_IV);
	crypto_hash_sha256_final(&hash, digest);
	assert_memory_equal(tail, digest, 32);
	BN_free(d);
	BN_free(n);
	BN_free(rb);
	BN_free(e);
	BN_free(m);
	BN_free(r);
	BN_free(wanted);
	BN_CTX_free(context);
}

static void
every_size_decrypts_to_its_key(void **state)
{
	static const struct {
		const char *chip;
		unsigned bits;
	} cases[] = {{"esp32c3", 1024}, {"esp32c3", 3072}, {"esp32s3", 1024},
	    {"esp32p4", 3072}, {"esp32s2", 4096}};
	uint8_t hmac_key[MM_DS_HMAC_KEY], iv[MM_DS_IV];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(private_key) key = {.name = NULL};
		const struct mm_ds_chip *chip = chip_of(cases[i].chip);
		uint8_t c[MM_DS_C_MAX], plain[MM_DS_C_MAX];

		randombytes_buf(hmac_key, sizeof(hmac_key));
		randombytes_buf(iv, sizeof(iv));
		new_key(EVP_RSA_gen(cases[i].bits), &key);
		assert_int_equal(
		    mm_ds_check_rsa(chip, chip->modulus, &key), MM_OK);
		assert_int_equal(
		    mm_ds_encrypt(&key, chip->modulus, hmac_key, iv, c), MM_OK);
		decrypt(c, mm_ds_c_size(chip->modulus), hmac_key, iv, plain);
		check_plain(plain, chip->modulus, &key, iv);
	}
}

/* --- which chip takes which key --- */

static void
chips_take_keys_up_to_their_size(void **state)
{
	/* As TLVs, then with fixed offsets; 0: none. */
	static const struct {
		const char *chip;
		unsigned tlv, older;
	} chips[] = {{"esp32s2", 4096, 4096}, {"esp32s3", 4096, 4096},
	    {"esp32c3", 3072, 3072}, {"esp32c5", 4096, 3072},
	    {"esp32c6", 3072, 3072}, {"esp32h2", 3072, 3072},
	    {"esp32p4", 4096, 4096}, {"esp32s31", 4096, 4096},
	    {"esp32c61", 0, 0}};
	static const unsigned sizes[] = {1024, 2048, 2056, 3072, 4096};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		struct mm_private_key key = {
		    .name = "RSA", .rsa = true, .bits = sizes[i]};

		for (size_t j = 0; j < MM_COUNT(chips); j++) {
			const struct mm_ds_chip *chip = chip_of(chips[j].chip);
			bool whole = sizes[i] % 1024 == 0;

			assert_int_equal(
			    mm_ds_check_rsa(chip, chip->modulus, &key),
			    whole && sizes[i] <= chips[j].tlv ? MM_OK
							      : MM_E_KEY_TYPE);
			assert_int_equal(
			    mm_ds_check_rsa(chip, chip->older_modulus, &key),
			    whole && sizes[i] <= chips[j].older
				? MM_OK
				: MM_E_KEY_TYPE);
			assert_int_equal(
			    mm_ds_check_ecdsa(chip, &key), MM_E_KEY_TYPE);
		}
	}
	assert_null(mm_ds_chip_named(mm_span_text("esp32")));
	assert_null(mm_ds_chip_named(mm_span_text("esp32c")));
}

static void
chips_take_curves(void **state)
{
	static const struct {
		const char *chip, *curve;
		unsigned bits;
		bool taken;
	} cases[] = {{"esp32h2", "P-256", 256, true},
	    {"esp32h2", "P-192", 192, false}, {"esp32h2", "P-384", 384, false},
	    {"esp32h2", "secp256k1", 256, false},
	    {"esp32p4", "P-256", 256, true}, {"esp32c5", "P-384", 384, true},
	    {"esp32c61", "P-192", 192, true}, {"esp32c61", "P-256", 256, true},
	    {"esp32c3", "P-256", 256, false}, {"esp32s2", "P-256", 256, false}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		const struct mm_private_key key = {
		    .name = cases[i].curve, .bits = cases[i].bits};
		const struct mm_ds_chip *chip = chip_of(cases[i].chip);

		assert_int_equal(mm_ds_check_ecdsa(chip, &key),
		    cases[i].taken ? MM_OK : MM_E_KEY_TYPE);
		assert_int_equal(
		    mm_ds_check_rsa(chip, chip->modulus, &key), MM_E_KEY_TYPE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_vendors_ciphertext_is_made),
	    cmocka_unit_test(every_size_decrypts_to_its_key),
	    cmocka_unit_test(chips_take_keys_up_to_their_size),
	    cmocka_unit_test(chips_take_curves),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
