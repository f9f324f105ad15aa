/*
 * The Digital Signature peripheral of Espressif's chips (ESP-IDF esp_ds.h and
 * the chapter of that name in the technical reference manuals): an RSA key is
 * encrypted under a key that the chip derives from an eFuse, so that flash
 * holds ciphertext alone. The ECDSA peripheral has its key in an eFuse
 * itself, and flash holds nothing of it.
 */
#ifndef MM_DIGITAL_SIGNATURE_H
#define MM_DIGITAL_SIGNATURE_H

#include "factory/private_key.h"

enum {
	MM_DS_HMAC_KEY = 32, /* bytes of the eFuse's key */
	MM_DS_IV = 16,
	MM_DS_C_MAX = 3 * 512 + 48,
	MM_DS_EFUSE_KEYS = 6, /* BLOCK_KEY0 to 5 */
	MM_DS_EFUSE_BLOCK = 4 /* the number of BLOCK_KEY0 among all blocks */
};

struct mm_ds_chip {
	const char *name;
	/* Bytes of its largest modulus, as the vendor's tool has it for TLVs,
	 * and as the older partitions have it; 0: it has no such. */
	uint16_t modulus, older_modulus;
	const uint16_t *curves; /* bits of its ECDSA keys, 0 ends; NULL */
};
/* NULL for a chip that has neither peripheral. */
const struct mm_ds_chip *mm_ds_chip_named(struct mm_span name);

/* Whether the chip takes such a key. MM_E_KEY_TYPE says which it takes.
 * `modulus` is the row's, in bytes. */
enum mm_error mm_ds_check_rsa(const struct mm_ds_chip *chip, uint16_t modulus,
    const struct mm_private_key *key) mm_must_use;
enum mm_error mm_ds_check_ecdsa(const struct mm_ds_chip *chip,
    const struct mm_private_key *key) mm_must_use;

/* Bytes of C with this modulus. */
size_t mm_ds_c_size(uint16_t modulus);
/*
 * C: AES-256-CBC, under HMAC-SHA256(eFuse key, 32 x 0xFF), of Y (d), M (n) and
 * Rb (2^(2 bits) mod n), little-endian and each `modulus` bytes, MD, M', L
 * and 8 x 8. MD is SHA-256(Y, M, Rb, M', L, IV). The IV must be fresh for each
 * device. The key was checked. MM_E_MEMORY.
 */
enum mm_error mm_ds_encrypt(const struct mm_private_key *key, uint16_t modulus,
    const uint8_t hmac_key[MM_DS_HMAC_KEY], const uint8_t iv[MM_DS_IV],
    uint8_t out[MM_DS_C_MAX]) mm_must_use;

#endif
