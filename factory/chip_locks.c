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

static const struct mm_lock_value esp32_values[] = {
    {"CONSOLE_DEBUG_DISABLE", "1", RELEASE | BOOT}, {NULL, NULL, 0}};
/* An odd number of its bits disables JTAG: the S2 has one bit, others three. */
static const struct mm_lock_value s2_values[] = {
    {"SOFT_DIS_JTAG", "1", BOOT}, {NULL, NULL, 0}};
static const struct mm_lock_value soft_jtag[] = {
    {"SOFT_DIS_JTAG", "7", BOOT}, {NULL, NULL, 0}};
static const struct mm_lock_value c5_values[] = {{"SOFT_DIS_JTAG", "7", BOOT},
    {"XTS_DPA_PSEUDO_LEVEL", "1", RELEASE}, {NULL, NULL, 0}};
static const struct mm_lock_value c61_values[] = {
    {"XTS_DPA_PSEUDO_LEVEL", "1", RELEASE}, {NULL, NULL, 0}};

#define ICACHE "DIS_ICACHE"

/* chip, key sizes, key blocks, HMAC, SHA-384, faulty last block, bits, values,
 * doors, sealed */
static const struct mm_chip_locks table[] = {
    {"esp32", {32, 24}, 0, false, false, false, esp32, esp32_values,
	"DIS_CACHE", NULL},
    {"esp32s2", {32, 64}, 6, true, false, false, s2, s2_values, ICACHE, NULL},
    {"esp32c3", {32, 0}, 6, true, false, true, c3, soft_jtag, ICACHE, NULL},
    {"esp32s3", {32, 64}, 6, true, false, true, s3, soft_jtag, ICACHE, NULL},
    /* Its release mode is one only where the key's length cannot change. */
    {"esp32c2", {32, 16}, 1, false, false, false, c2, NULL, NULL,
	"XTS_KEY_LENGTH_256"},
    {"esp32c6", {32, 0}, 6, true, false, true, c3, soft_jtag, ICACHE, NULL},
    {"esp32h2", {32, 0}, 6, true, false, true, h2, soft_jtag, ICACHE, NULL},
    {"esp32p4", {32, 64}, 6, true, true, false, p4, soft_jtag, NULL, NULL},
    {"esp32c61", {32, 0}, 6, false, false, false, p4, c61_values, ICACHE, NULL},
    {"esp32c5", {32, 0}, 6, true, true, false, p4, c5_values, ICACHE, NULL},
    /* Its eFuses are the H2's. */
    {"esp32h21", {32, 0}, 6, true, false, true, h2, soft_jtag, ICACHE, NULL},
    {"esp32s31", {32, 64}, 5, true, false, false, p4, soft_jtag, NULL, NULL},
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
		    "how flash is encrypted on %s is not known here: there "
		    "was no document on it",
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
