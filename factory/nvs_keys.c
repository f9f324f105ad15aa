#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <string.h>

#include "factory/nvs_parts.h"
#include "signer/crc.h"
#include "signer/numbers.h"

enum { HALF = MM_NVS_KEY / 2 };

void
mm_nvs_key_random(uint8_t out[MM_NVS_KEY])
{
	randombytes_buf(out, MM_NVS_KEY);
}

static bool
derive(const uint8_t efuse[MM_NVS_HMAC_KEY], const uint8_t seed[4],
    uint8_t out[HALF])
{
	uint8_t message[32];
	unsigned size = 0;

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = seed[i % 4];
	return HMAC(EVP_sha256(), efuse, MM_NVS_HMAC_KEY, message,
		   sizeof(message), out, &size) != NULL &&
	       size == HALF;
}

enum mm_error
mm_nvs_key_derive(const uint8_t efuse[MM_NVS_HMAC_KEY], uint8_t out[MM_NVS_KEY])
{
	static const uint8_t data[] = {0x5a, 0x5a, 0xbe, 0xae};
	static const uint8_t tweak[] = {0xa5, 0xa5, 0xde, 0xce};

	if (derive(efuse, data, out) && derive(efuse, tweak, out + HALF))
		return MM_OK;
	return mm_fail(MM_E_SYSTEM, "HMAC-SHA256 failed");
}

void
mm_nvs_keys_encode(const uint8_t key[MM_NVS_KEY], uint8_t out[MM_NVS_PAGE])
{
	memset(out, 0xff, MM_NVS_PAGE);
	memcpy(out, key, MM_NVS_KEY);
	mm_little_put(
	    mm_crc_esp(mm_span(key, MM_NVS_KEY)), 4, out + MM_NVS_KEY);
}

static bool
is_blank(struct mm_span bytes)
{
	for (size_t i = 0; i < bytes.size; i++)
		if (bytes.data[i] != 0xff)
			return false;
	return true;
}

enum mm_error
mm_nvs_keys_decode(struct mm_span file, uint8_t out[MM_NVS_KEY])
{
	if (file.size != MM_NVS_KEY && file.size != MM_NVS_PAGE)
		return mm_fail(MM_E_FORMAT,
		    "a key partition has %d bytes and a key alone %d, not "
		    "%zu",
		    MM_NVS_PAGE, MM_NVS_KEY, file.size);
	if (is_blank(mm_span(file.data, MM_NVS_KEY)))
		return mm_fail(MM_E_FORMAT, "the key partition is erased");
	if (file.size == MM_NVS_PAGE &&
	    mm_little_u32(file.data + MM_NVS_KEY) !=
		mm_crc_esp(mm_span(file.data, MM_NVS_KEY)))
		return mm_fail(MM_E_FORMAT,
		    "the key partition's CRC is wrong: it is damaged, or "
		    "encrypted for flash");
	memcpy(out, file.data, MM_NVS_KEY);
	return MM_OK;
}

/* --- entries --- */

/* IEEE 1619; the tweak is the entry's place in the partition. */
static bool
crypt_entry(EVP_CIPHER_CTX *context, uint8_t *image, size_t at)
{
	uint8_t tweak[16] = {0};
	int size = 0;

	mm_little_put(at, 8, tweak);
	return EVP_CipherInit_ex(context, NULL, NULL, NULL, tweak, -1) == 1 &&
	       EVP_CipherUpdate(
		   context, image + at, &size, image + at, MM_NVS_ENTRY) == 1 &&
	       size == MM_NVS_ENTRY;
}

static bool
crypt_page(EVP_CIPHER_CTX *context, uint8_t *image, size_t page)
{
	bool done = true;

	for (size_t i = 0; i < MM_NVS_ENTRIES && done; i++)
		if (nvs_entry_state(image + page, i) == NVS_WRITTEN)
			done = crypt_entry(context, image,
			    page + MM_NVS_FIRST + i * MM_NVS_ENTRY);
	return done;
}

enum mm_error
mm_nvs_crypt(
    const uint8_t key[MM_NVS_KEY], bool encrypt, uint8_t *image, size_t size)
{
	EVP_CIPHER_CTX *context;
	bool done;

	if (sodium_memcmp(key, key + HALF, HALF) == 0)
		return mm_fail(MM_E_FORMAT,
		    "the key's two halves are equal, which AES-XTS does not "
		    "take: make another one");
	context = EVP_CIPHER_CTX_new();
	done = context != NULL && EVP_CipherInit_ex(context, EVP_aes_256_xts(),
				      NULL, key, NULL, encrypt ? 1 : 0) == 1;
	for (size_t page = 0; done && size - page >= MM_NVS_PAGE;
	     page += MM_NVS_PAGE)
		done = crypt_page(context, image, page);
	EVP_CIPHER_CTX_free(context);
	return done ? MM_OK : mm_fail(MM_E_SYSTEM, "AES-XTS failed");
}
