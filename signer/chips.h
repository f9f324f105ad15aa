/*
 * What is known of each chip (Espressif's soc_caps.h, technical reference
 * manuals and secure boot documents): a row each.
 */
#ifndef MM_CHIPS_H
#define MM_CHIPS_H

#include "protocol/bytes.h"

enum mm_chip_secure_boot { /* bits */
	MM_CHIP_V1 = 1,
	MM_CHIP_V2_RSA = 2,
	MM_CHIP_V2_ECDSA = 4,
	/* The vendor calls its hardware ECDSA insecure for secure boot. */
	MM_CHIP_ECDSA_UNSAFE = 8
};

struct mm_chip {
	const char *name; /* "esp32c3" */
	uint16_t id;      /* in the image's header */
	/* What the chip verifies; 0: not known yet. */
	unsigned secure_boot;
	uint8_t digest_slots;           /* key digests in eFuse */
	uint8_t blocks;                 /* V2 signature blocks of an image */
	uint8_t secure_version_bits;    /* of the eFuse field; 0: unknown */
	uint32_t bootloader;            /* offset in flash */
	uint32_t mmu_page;              /* bytes, where the image says none */
	uint8_t digest_size;            /* bytes of a key digest in eFuse */
	const char *const *frequencies; /* mm_chip_frequency() */
};

/* NULL for an unknown one. */
const struct mm_chip *mm_chip_named(struct mm_span name);
const struct mm_chip *mm_chip_numbered(uint64_t id);
/* What the image header's frequency code means there ("80m"); NULL. */
const char *mm_chip_frequency(const struct mm_chip *chip, unsigned code);

#endif
