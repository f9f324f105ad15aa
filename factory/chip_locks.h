/*
 * What each chip has to be locked with: flash encryption, secure boot, key
 * blocks and the bits that close its doors, a row a chip (Espressif's
 * technical reference manuals, soc_caps.h, and the eFuse definitions and
 * rules of espefuse 5). signer/chips.h has what its images look like.
 */
#ifndef MM_FACTORY_CHIP_LOCKS_H
#define MM_FACTORY_CHIP_LOCKS_H

#include "signer/chips.h"

enum {
	MM_FLASH_KEY_SIZES = 2,
	MM_FLASH_KEY_MAX = 64,
	/* When a bit is burned, bits: */
	MM_LOCK_ENCRYPTION = 1, /* flash is encrypted, development too */
	MM_LOCK_RELEASE = 2,    /* flash is encrypted for good */
	MM_LOCK_BOOT = 4        /* secure boot is on */
};

struct mm_lock_bit {
	const char *name; /* the eFuse, as espefuse calls it */
	unsigned when;
};

/* What the vendor's own bootloader sets beside those bits. */
struct mm_lock_value {
	const char *name, *value;
	unsigned when;
};

struct mm_chip_locks {
	const char *chip;
	/* Bytes of a flash encryption key, the usual one first; 0: no more. */
	uint8_t key_sizes[MM_FLASH_KEY_SIZES];
	uint8_t key_blocks; /* BLOCK_KEY0 and on; 0: named by use (ESP32) */
	bool hmac;          /* HMAC and DS peripherals */
	bool sha384;        /* eFuse SECURE_BOOT_SHA384_EN */
	/* BLOCK_KEY5 takes no flash encryption key (a fault of the chip). */
	bool last_block_faulty;
	const struct mm_lock_bit *bits;     /* up to one without a name */
	const struct mm_lock_value *values; /* the same; NULL: none */
	/* Fields that flash encryption for good write-protects, and much with
	 * them: `doors` when the bits are burned, for a cache that is turned
	 * off by accident ends the chip; `sealed` behind SECURE_BOOT_EN, which
	 * is one of those that it protects. NULL: none. */
	const char *doors, *sealed;
};

/* NULL for a chip whose locks are not known. */
const struct mm_chip_locks *mm_chip_locks(const struct mm_chip *chip);

/* Whether the chip takes a flash encryption key of so many bytes. MM_E_RANGE
 * says which it takes, MM_E_FORMAT that it takes none that is known. */
enum mm_error
mm_chip_flash_key_check(const struct mm_chip *chip, size_t size) mm_must_use;

/* Whether it has the first ESP32's own encryption scheme; else AES-XTS. */
bool mm_chip_is_first(const struct mm_chip *chip);

#endif
