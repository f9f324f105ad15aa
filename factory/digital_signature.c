#include "factory/digital_signature.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <string.h>

#include "signer/numbers.h"

enum { SHA256 = 32, WORDS = 8 /* M' and L */, PADDING = 8 };

static const uint16_t p256[] = {256, 0}, p256_384[] = {256, 384, 0},
		      p192_256[] = {192, 256, 0};

/* The vendor's tool gives the C5 512 bytes, and ESP-IDF 384. */
static const struct mm_ds_chip chips[] = {
    {"esp32s2", 512, 512, NULL},
    {"esp32s3", 512, 512, NULL},
    {"esp32c3", 384, 384, NULL},
    {"esp32c5", 512, 384, p256_384},
    {"esp32c6", 384, 384, NULL},
    {"esp32c61", 0, 0, p192_256},
    {"esp32h2", 384, 384, p256},
    {"esp32p4", 512, 512, p256},
    {"esp32s31", 512, 512, NULL},
};

const struct mm_ds_chip *
mm_ds_chip_named(struct mm_span name)
{
	for (size_t i = 0; i < MM_COUNT(chips); i++)
		if (mm_span_is(name, chips[i].name))
			return &chips[i];
	return NULL;
}

enum mm_error
mm_ds_check_rsa(const struct mm_ds_chip *chip, uint16_t modulus,
    const struct mm_private_key *key)
{
	if (modulus == 0)
		return mm_fail(MM_E_KEY_TYPE,
		    "the %s has no Digital Signature peripheral for RSA keys",
		    chip->name);
	if (!key->rsa)
		return mm_fail(MM_E_KEY_TYPE,
		    "the Digital Signature peripheral wants an RSA key, and "
		    "this one is %s",
		    key->name);
	if (key->bits % 1024 != 0 || key->bits > 8U * modulus)
		return mm_fail(MM_E_KEY_TYPE,
		    "the RSA key has %u bits: the %s takes 1024, 2048, "
		    "3072%s",
		    key->bits, chip->name, modulus == 512 ? ", 4096" : "");
	return MM_OK;
}

enum mm_error
mm_ds_check_ecdsa(
    const struct mm_ds_chip *chip, const struct mm_private_key *key)
{
	if (chip->curves == NULL)
		return mm_fail(MM_E_KEY_TYPE,
		    "the %s has no ECDSA peripheral: make an RSA key",
		    chip->name);
	for (const uint16_t *bits = chip->curves; *bits != 0; bits++)
		if (!key->rsa && key->bits == *bits && key->name[0] == 'P')
			return MM_OK;
	return mm_fail(MM_E_KEY_TYPE,
	    "the ECDSA peripheral of the %s does not take %s keys: make a "
	    "P-256 key",
	    chip->name, key->name);
}

size_t
mm_ds_c_size(uint16_t modulus)
{
	return 3 * (size_t)modulus + SHA256 + WORDS + PADDING;
}

/* --- the numbers --- */

/* Everything that has to be encrypted, in sodium memory: Y, M, Rb, then MD, M',
 * L and the padding; and the key for that. */
struct plain {
	uint8_t bytes[MM_DS_C_MAX];
	uint8_t hashed[3 * 512 + WORDS + MM_DS_IV];
	uint8_t key[SHA256];
};

/* -n^-1 mod 2^32, by Newton: each round doubles the right bits; n is odd. */
static uint32_t
m_prime(struct mm_span n)
{
	uint32_t low = 0, inverse;

	for (size_t i = n.size < 4 ? 0 : n.size - 4; i < n.size; i++)
		low = low << 8 | n.data[i];
	inverse = low;
	for (int i = 0; i < 5; i++)
		inverse *= 2 - low * inverse;
	return 0 - inverse;
}

static void
put_reversed(struct mm_span number, uint8_t *out)
{
	for (size_t i = 0; i < number.size; i++)
		out[i] = number.data[number.size - 1 - i];
}

/* 2^(2 bits) mod n: of the public half alone. */
static bool
put_rb(const struct mm_private_key *key, uint16_t modulus, uint8_t *out)
{
	BN_CTX *context = BN_CTX_new();
	BIGNUM *n = BN_bin2bn(key->n.data, (int)key->n.size, NULL);
	BIGNUM *rb = BN_new();
	bool good = context != NULL && n != NULL && rb != NULL &&
		    BN_set_bit(rb, 2 * (int)key->bits) == 1 &&
		    BN_nnmod(rb, rb, n, context) == 1 &&
		    BN_bn2lebinpad(rb, out, modulus) == modulus;

	BN_free(rb);
	BN_free(n);
	BN_CTX_free(context);
	return good;
}

static bool
fill(const struct mm_private_key *key, uint16_t modulus,
    const uint8_t iv[MM_DS_IV], struct plain *plain)
{
	size_t numbers = 3 * (size_t)modulus;
	uint8_t words[WORDS], *tail = plain->bytes + numbers;

	memset(plain, 0, sizeof(*plain));
	put_reversed(key->d, plain->bytes);
	put_reversed(key->n, plain->bytes + modulus);
	if (!put_rb(key, modulus, plain->bytes + 2 * (size_t)modulus))
		return false;
	mm_little_put(m_prime(key->n), 4, words);
	mm_little_put(key->bits / 32 - 1, 4, words + 4);
	memcpy(plain->hashed, plain->bytes, numbers);
	memcpy(plain->hashed + numbers, words, WORDS);
	memcpy(plain->hashed + numbers + WORDS, iv, MM_DS_IV);
	crypto_hash_sha256(tail, plain->hashed, numbers + WORDS + MM_DS_IV);
	memcpy(tail + SHA256, words, WORDS);
	memset(tail + SHA256 + WORDS, 8, PADDING);
	return true;
}

static bool
derive(const uint8_t hmac_key[MM_DS_HMAC_KEY], uint8_t out[SHA256])
{
	uint8_t ones[32];

	memset(ones, 0xff, sizeof(ones));
	return HMAC(EVP_sha256(), hmac_key, MM_DS_HMAC_KEY, ones, sizeof(ones),
		   out, NULL) != NULL;
}

static bool
encrypt(const struct plain *plain, const uint8_t iv[MM_DS_IV], size_t size,
    uint8_t *out)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int written = 0;
	bool good = context != NULL &&
		    EVP_EncryptInit_ex(context, EVP_aes_256_cbc(), NULL,
			plain->key, iv) == 1 &&
		    EVP_CIPHER_CTX_set_padding(context, 0) == 1 &&
		    EVP_EncryptUpdate(
			context, out, &written, plain->bytes, (int)size) == 1 &&
		    (size_t)written == size;

	EVP_CIPHER_CTX_free(context);
	return good;
}

enum mm_error
mm_ds_encrypt(const struct mm_private_key *key, uint16_t modulus,
    const uint8_t hmac_key[MM_DS_HMAC_KEY], const uint8_t iv[MM_DS_IV],
    uint8_t out[MM_DS_C_MAX])
{
	mm_auto(flash_secret) room = {0};
	struct plain *plain;
	enum mm_error error = mm_flash_secret_new(sizeof(*plain), &room);

	if (error != MM_OK)
		return error;
	/* Of bytes only: any place is aligned for it. */
	plain = (struct plain *)(void *)room.data;
	if (!fill(key, modulus, iv, plain) || !derive(hmac_key, plain->key) ||
	    !encrypt(plain, iv, mm_ds_c_size(modulus), out))
		return mm_fail(
		    MM_E_MEMORY, "libcrypto did not encrypt the key");
	return MM_OK;
}
