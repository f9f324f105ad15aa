#include "factory/flash_encryption.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "signer/numbers.h"

enum { UNIT = 128, FIRST_KEY = 32, FIRST_STEP = 32, DERIVED_FROM = 16 };

typedef enum mm_error run_rule(struct mm_flash_cipher *cipher, int direction,
    uint64_t address, struct mm_span in, uint8_t *out);

struct mm_flash_cipher {
	run_rule *run;
	uint64_t limit;          /* addresses end here */
	EVP_CIPHER_CTX *made[2]; /* by direction */
	uint8_t *key;            /* the first ESP32's, FIRST_KEY bytes */
	uint64_t crypt_config;
};

static enum mm_error
failed(void)
{
	return mm_fail(MM_E_MEMORY, "AES is not to be had");
}

/* --- AES-XTS --- */

static void
copy_reversed(const uint8_t *from, uint8_t *to)
{
	for (size_t i = 0; i < UNIT; i++)
		to[i] = from[UNIT - 1 - i];
}

/* A whole unit at its aligned address. */
static enum mm_error
xts_unit(EVP_CIPHER_CTX *aes, uint64_t address, uint8_t unit[UNIT])
{
	uint8_t tweak[MM_FLASH_BLOCK] = {0}, reversed[UNIT];
	int size;
	bool done;

	mm_little_put(address, 4, tweak);
	copy_reversed(unit, reversed);
	done = EVP_CipherInit_ex(aes, NULL, NULL, NULL, tweak, -1) == 1 &&
	       EVP_CipherUpdate(aes, reversed, &size, reversed, UNIT) == 1;
	copy_reversed(reversed, unit);
	sodium_memzero(reversed, sizeof(reversed));
	return done ? MM_OK : failed();
}

/* A unit of which less may be wanted: the rest is zeros that are dropped. */
static enum mm_error
run_xts(struct mm_flash_cipher *cipher, int direction, uint64_t address,
    struct mm_span in, uint8_t *out)
{
	uint8_t unit[UNIT];
	enum mm_error error = MM_OK;

	for (size_t at = 0; at < in.size && error == MM_OK;) {
		size_t skip = (size_t)((address + at) % UNIT);
		size_t left = in.size - at;
		size_t size = left < UNIT - skip ? left : UNIT - skip;

		memset(unit, 0, sizeof(unit));
		memcpy(unit + skip, in.data + at, size);
		error = xts_unit(
		    cipher->made[direction], address + at - skip, unit);
		if (error == MM_OK)
			memcpy(out + at, unit + skip, size);
		at += size;
	}
	sodium_memzero(unit, sizeof(unit));
	return error;
}

static enum mm_error
init_xts(struct mm_flash_cipher *cipher, struct mm_span key)
{
	const EVP_CIPHER *aes =
	    key.size == 64 ? EVP_aes_256_xts() : EVP_aes_128_xts();

	if (sodium_memcmp(key.data, key.data + key.size / 2, key.size / 2) == 0)
		return mm_fail(MM_E_FORMAT,
		    "both halves of the flash encryption key are the same; "
		    "make a new key");
	cipher->run = run_xts;
	cipher->limit = 1ULL << 32;
	for (int i = 0; i < 2; i++)
		if (EVP_CipherInit_ex(
			cipher->made[i], aes, NULL, key.data, NULL, i) != 1)
			return failed();
	return MM_OK;
}

/* --- the first ESP32's scheme --- */

/*
 * Bit i of the key, 0 being the top bit of its first byte, takes in a bit of
 * the address: in four ranges, each on a bit of FLASH_CRYPT_CONFIG, the
 * address bits 23 to 5 three times over, and then from `tail` down to 5.
 */
static void
mix_address(
    struct mm_flash_cipher *cipher, uint64_t address, uint8_t key[FIRST_KEY])
{
	static const unsigned tails[] = {14, 12, 10, 8};
	enum { TOP = 23, LOW = 5, RUNS = 4 };
	size_t bit = 0;

	memcpy(key, cipher->key, FIRST_KEY);
	for (size_t i = 0; i < MM_COUNT(tails) * RUNS; i++) {
		size_t range = i / RUNS;
		unsigned from = i % RUNS == RUNS - 1 ? tails[range] : TOP;
		bool on = cipher->crypt_config >> range & 1;

		for (unsigned at = from; at >= LOW; at--, bit++)
			if (on && (address >> at & 1) != 0)
				key[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
	}
}

static void
reverse_block(const uint8_t *from, uint8_t *to)
{
	uint8_t block[MM_FLASH_BLOCK];

	for (size_t i = 0; i < MM_FLASH_BLOCK; i++)
		block[i] = from[MM_FLASH_BLOCK - 1 - i];
	memcpy(to, block, sizeof(block));
}

static enum mm_error
first_block(EVP_CIPHER_CTX *aes, const uint8_t *from, uint8_t *to)
{
	int size;

	reverse_block(from, to);
	if (EVP_CipherUpdate(aes, to, &size, to, MM_FLASH_BLOCK) != 1)
		return failed();
	reverse_block(to, to);
	return MM_OK;
}

/* Flash is encrypted by AES decryption: `made` counts AES's directions. */
static enum mm_error
run_first(struct mm_flash_cipher *cipher, int direction, uint64_t address,
    struct mm_span in, uint8_t *out)
{
	EVP_CIPHER_CTX *aes = cipher->made[!direction];
	uint8_t key[FIRST_KEY];
	enum mm_error error = MM_OK;

	for (size_t at = 0; at < in.size && error == MM_OK;
	     at += MM_FLASH_BLOCK) {
		if (at == 0 || (address + at) % FIRST_STEP == 0) {
			mix_address(cipher, address + at, key);
			if (EVP_CipherInit_ex(aes, NULL, NULL, key, NULL, -1) !=
			    1)
				error = failed();
		}
		if (error == MM_OK)
			error = first_block(aes, in.data + at, out + at);
	}
	sodium_memzero(key, sizeof(key));
	return error;
}

static enum mm_error
init_first(struct mm_flash_cipher *cipher, struct mm_span key)
{
	cipher->run = run_first;
	cipher->limit = MM_FLASH_FIRST_LIMIT;
	cipher->key = sodium_malloc(FIRST_KEY);
	if (cipher->key == NULL)
		return failed();
	memcpy(cipher->key, key.data, key.size);
	/* 3/4 coding: 24 bytes, and their bytes 8 to 15 once more. */
	if (key.size < FIRST_KEY)
		memcpy(
		    cipher->key + key.size, key.data + 8, FIRST_KEY - key.size);
	for (int i = 0; i < 2; i++)
		if (EVP_CipherInit_ex(cipher->made[i], EVP_aes_256_ecb(), NULL,
			cipher->key, NULL, i) != 1 ||
		    EVP_CIPHER_CTX_set_padding(cipher->made[i], 0) != 1)
			return failed();
	return MM_OK;
}

/* --- both --- */

void
mm_flash_cipher_free(struct mm_flash_cipher *cipher)
{
	if (cipher == NULL)
		return;
	EVP_CIPHER_CTX_free(cipher->made[0]);
	EVP_CIPHER_CTX_free(cipher->made[1]);
	sodium_free(cipher->key);
	free(cipher);
}

/* The ESP32-C2 keeps 128 bits in eFuse and hashes them. */
static enum mm_error
init_derived(struct mm_flash_cipher *cipher, struct mm_span key)
{
	uint8_t digest[32];
	enum mm_error error;

	crypto_hash_sha256(digest, key.data, key.size);
	error = init_xts(cipher, mm_span(digest, sizeof(digest)));
	sodium_memzero(digest, sizeof(digest));
	return error;
}

static enum mm_error
init(struct mm_flash_cipher *cipher, const struct mm_chip *chip,
    struct mm_span key)
{
	cipher->made[0] = EVP_CIPHER_CTX_new();
	cipher->made[1] = EVP_CIPHER_CTX_new();
	if (cipher->made[0] == NULL || cipher->made[1] == NULL)
		return failed();
	if (mm_chip_is_first(chip))
		return init_first(cipher, key);
	return key.size == DERIVED_FROM ? init_derived(cipher, key)
					: init_xts(cipher, key);
}

enum mm_error
mm_flash_cipher_new(const struct mm_chip *chip, struct mm_span key,
    uint64_t crypt_config, struct mm_flash_cipher **out)
{
	enum mm_error error = mm_chip_flash_key_check(chip, key.size);
	struct mm_flash_cipher *cipher;

	if (error != MM_OK)
		return error;
	if (crypt_config > 0xf)
		return mm_fail(
		    MM_E_RANGE, "FLASH_CRYPT_CONFIG has four bits: 0x0 to 0xF");
	if (!mm_chip_is_first(chip) && crypt_config != MM_FLASH_CRYPT_CONFIG)
		return mm_fail(MM_E_RANGE,
		    "FLASH_CRYPT_CONFIG is the first ESP32's alone; %s has "
		    "none",
		    chip->name);
	cipher = calloc(1, sizeof(*cipher));
	if (cipher == NULL)
		return failed();
	cipher->crypt_config = crypt_config;
	error = init(cipher, chip, key);
	if (error == MM_OK)
		*out = cipher;
	else
		mm_flash_cipher_free(cipher);
	return error;
}

enum mm_error
mm_flash_cipher_run(struct mm_flash_cipher *cipher, int direction,
    uint64_t address, struct mm_span in, uint8_t *out)
{
	if (address % MM_FLASH_BLOCK != 0)
		return mm_fail(MM_E_RANGE,
		    "the address 0x%llx is no multiple of 16",
		    (unsigned long long)address);
	if (in.size == 0)
		return mm_fail(
		    MM_E_RANGE, "there is nothing in it: it is empty");
	if (in.size % MM_FLASH_BLOCK != 0)
		return mm_fail(MM_E_RANGE,
		    "%zu bytes are no multiple of 16; fill them up with 0xFF "
		    "first",
		    in.size);
	if (address >= cipher->limit || in.size > cipher->limit - address)
		return mm_fail(MM_E_RANGE,
		    "%zu bytes at 0x%llx end beyond 0x%llx, where the chip's "
		    "encrypted flash ends",
		    in.size, (unsigned long long)address,
		    (unsigned long long)cipher->limit);
	return cipher->run(cipher, direction, address, in, out);
}

enum mm_error
mm_flash_key_make_sized(
    const struct mm_chip *chip, size_t size, struct mm_flash_secret *out)
{
	enum mm_error error = mm_chip_flash_key_check(chip, size);

	if (error == MM_OK)
		error = mm_flash_secret_new(size, out);
	if (error == MM_OK)
		randombytes_buf(out->data, size);
	return error;
}

enum mm_error
mm_flash_key_make(const struct mm_chip *chip, struct mm_flash_secret *out)
{
	const struct mm_chip_locks *locks = mm_chip_locks(chip);

	return mm_flash_key_make_sized(
	    chip, locks != NULL ? locks->key_sizes[0] : 0, out);
}
