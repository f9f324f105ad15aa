/*
 * Flash encryption on the host: the bytes that a chip's hardware would make
 * of a plain image at its place in flash, and back (ESP-IDF, "Flash
 * Encryption"; espsecure's encrypt-flash-data). Two schemes:
 *
 *   AES-XTS, all chips but the first. The data unit is 128 bytes, aligned in
 *   flash; its bytes are reversed before and after; the tweak is the unit's
 *   address. Keys of 32 bytes (AES-128), 64 (AES-256), and the ESP32-C2's 16,
 *   of which SHA-256 makes 32.
 *
 *   The first ESP32's: AES-256 a block of 16 bytes, decrypting where flash is
 *   encrypted, under a key into which every 32 bytes of flash mix their own
 *   address, as eFuse FLASH_CRYPT_CONFIG says. Keys of 32 bytes, or of 24
 *   under the 3/4 coding scheme.
 *
 * The same bytes at another address are other bytes: an image is encrypted
 * for one place. There is no integrity in it; a wrong key or address shows
 * only in that the outcome is no image.
 */
#ifndef MM_FACTORY_FLASH_ENCRYPTION_H
#define MM_FACTORY_FLASH_ENCRYPTION_H

#include "factory/chip_locks.h"
#include "factory/der.h"

enum {
	MM_FLASH_BLOCK = 16,              /* what addresses and sizes are
					   * multiples of */
	MM_FLASH_CRYPT_CONFIG = 0xf,      /* what ESP-IDF burns */
	MM_FLASH_FIRST_LIMIT = 0x1000000, /* the first ESP32's addresses end */
	/* directions */
	MM_FLASH_ENCRYPT = 1,
	MM_FLASH_DECRYPT = 0
};

/* A key made ready for one chip. What it holds of the key is wiped. */
struct mm_flash_cipher;

/*
 * `key` is copied; `crypt_config`, 0 to 15, is the first ESP32's alone, for
 * others it must be MM_FLASH_CRYPT_CONFIG. MM_E_RANGE: the key's size or the
 * configuration; MM_E_FORMAT: the chip's scheme is unknown, or the two halves
 * of an XTS key are the same, which is no key.
 */
enum mm_error
mm_flash_cipher_new(const struct mm_chip *chip, struct mm_span key,
    uint64_t crypt_config, struct mm_flash_cipher **out) mm_must_use;
void mm_flash_cipher_free(struct mm_flash_cipher *cipher);

/*
 * `in.size` bytes at `address` of flash, from `in` to `out`, which may be the
 * same memory. A long image may come piece by piece, in any order. MM_E_RANGE,
 * and nothing is written, where address or size are no multiples of 16, the
 * piece is empty or beyond what the scheme can address.
 */
enum mm_error mm_flash_cipher_run(struct mm_flash_cipher *cipher, int direction,
    uint64_t address, struct mm_span in, uint8_t *out) mm_must_use;

/* A new key of the chip's usual size, from the system's CSPRNG. MM_E_FORMAT:
 * its scheme is unknown. */
enum mm_error mm_flash_key_make(
    const struct mm_chip *chip, struct mm_flash_secret *out) mm_must_use;
/* The same of another size that the chip takes: 64 bytes for AES-256, 16 where
 * an ESP32-C2 has secure boot, too. MM_E_RANGE: it does not. */
enum mm_error mm_flash_key_make_sized(const struct mm_chip *chip, size_t size,
    struct mm_flash_secret *out) mm_must_use;

#endif
