#include "factory/chip_locks.h"

#include <string.h>

#define ALWAYS MM_LOCK_ENCRYPTION
#define RELEASE MM_LOCK_RELEASE
#define BOOT MM_LOCK_BOOT

static const struct mm_lock_bit esp32[] = {{"JTAG_DISABLE", RELEASE | BOOT},
    {"DISABLE_DL_ENCRYPT", RELEASE}, {"DISABLE_DL_DECRYPT", ALWAYS},
    {"DISABLE_DL_CACHE", ALWAYS}, {NULL, 0}};
static const struct mm_lock_bit s2[] = {{"DIS_DOWNLOAD_ICACHE", ALWAYS},
    {"DIS_DOWNLOAD_DCACHE", ALWAYS}, {"HARD_DIS_JTAG", RELEASE | BOOT},
    {"DIS_BOOT_REMAP", ALWAYS | BOOT}, {"DIS_LEGACY_SPI_BOOT", ALWAYS | BOOT},
    {"DIS_DOWNLOAD_MANUAL_ENCRYPT", RELEASE}, {NULL, 0}};
static const struct mm_lock_bit s3[] = {{"DIS_DOWNLOAD_ICACHE", ALWAYS},
    {"DIS_DOWNLOAD_DCACHE", ALWAYS}, {"DIS_PAD_JTAG", RELEASE | BOOT},
    {"DIS_USB_JTAG", RELEASE | BOOT}, {"DIS_DIRECT_BOOT", ALWAYS | BOOT},
    {"DIS_DOWNLOAD_MANUAL_ENCRYPT", RELEASE}, {NULL, 0}};
static const struct mm_lock_bit c2[] = {{"DIS_DOWNLOAD_ICACHE", ALWAYS},
    {"DIS_PAD_JTAG", RELEASE | BOOT}, {"DIS_DIRECT_BOOT", ALWAYS | BOOT},
    {"DIS_DOWNLOAD_MANUAL_ENCRYPT", RELEASE}, {NULL, 0}};
static const struct mm_lock_bit c3[] = {{"DIS_DOWNLOAD_ICACHE", ALWAYS},
    {"DIS_PAD_JTAG", RELEASE | BOOT}, {"DIS_USB_JTAG", RELEASE | BOOT},
    {"DIS_DIRECT_BOOT", ALWAYS | BOOT},
    {"DIS_DOWNLOAD_MANUAL_ENCRYPT", RELEASE}, {NULL, 0}};
static const struct mm_lock_bit h2[] = {{"DIS_PAD_JTAG", RELEASE | BOOT},
    {"DIS_USB_JTAG", RELEASE | BOOT}, {"DIS_DIRECT_BOOT", ALWAYS | BOOT},
    {"DIS_DOWNLOAD_MANUAL_ENCRYPT", RELEASE}, {NULL, 0}};
/* Their download mode reaches flash by the memory controller, not a cache. */
static const struct mm_lock_bit p4[] = {{"SPI_DOWNLOAD_MSPI_DIS", ALWAYS},
    {"DIS_PAD_JTAG", RELEASE | BOOT}, {"DIS_USB_JTAG", RELEASE | BOOT},
    {"DIS_DIRECT_BOOT", ALWAYS | BOOT},
    {"DIS_DOWNLOAD_MANUAL_ENCRYPT", RELEASE}, {NULL, 0}};

/* chip, key sizes, key blocks, HMAC, SHA-384, faulty last block, bits */
static const struct mm_chip_locks table[] = {
    {"esp32", {32, 24}, 0, false, false, false, esp32},
    {"esp32s2", {32, 64}, 6, true, false, false, s2},
    {"esp32c3", {32, 0}, 6, true, false, true, c3},
    {"esp32s3", {32, 64}, 6, true, false, true, s3},
    {"esp32c2", {32, 16}, 1, false, false, false, c2},
    {"esp32c6", {32, 0}, 6, true, false, true, c3},
    {"esp32h2", {32, 0}, 6, true, false, true, h2},
    {"esp32p4", {32, 64}, 6, true, true, false, p4},
    {"esp32c61", {32, 0}, 6, false, false, false, p4},
    {"esp32c5", {32, 0}, 6, true, true, false, p4},
    /* Its eFuses are the H2's. */
    {"esp32h21", {32, 0}, 6, true, false, true, h2},
    {"esp32s31", {32, 64}, 5, true, false, false, p4},
};

const struct mm_chip_locks *
mm_chip_locks(const struct mm_chip *chip)
{
	for (size_t i = 0; i < MM_COUNT(table); i++)
		if (strcmp(table[i].chip, chip->name) == 0)
			return &table[i];
	return NULL;
}

bool
mm_chip_is_first(const struct mm_chip *chip)
{
	return chip->id == 0;
}

enum mm_error
mm_chip_flash_key_check(const struct mm_chip *chip, size_t size)
{
	const struct mm_chip_locks *locks = mm_chip_locks(chip);

	if (locks == NULL)
		return mm_fail(MM_E_FORMAT,
		    "how flash is encrypted on %s is not known here",
		    chip->name);
	for (size_t i = 0; i < MM_FLASH_KEY_SIZES; i++)
		if (size > 0 && size == locks->key_sizes[i])
			return MM_OK;
	if (locks->key_sizes[1] == 0)
		return mm_fail(MM_E_RANGE,
		    "the flash encryption key has %zu bytes; %s takes %u", size,
		    chip->name, locks->key_sizes[0]);
	return mm_fail(MM_E_RANGE,
	    "the flash encryption key has %zu bytes; %s takes %u or %u", size,
	    chip->name, locks->key_sizes[0], locks->key_sizes[1]);
}
