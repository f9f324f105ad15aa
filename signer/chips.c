#include "signer/chips.h"

#define RSA MM_CHIP_V2_RSA
#define ECDSA MM_CHIP_V2_ECDSA
#define UNSAFE MM_CHIP_ECDSA_UNSAFE

/* Names of the header's frequency codes 0, 1, 2 and 15, as the chip's clock
 * makes them of these. On C6 and H4 the two fastest have one code. */
static const char *const at_80[] = {"40m", "26m", "20m", "80m"};
static const char *const at_80_c6[] = {"80m", "26m", "20m", "80m"};
static const char *const at_60[] = {"30m", "20m", "15m", "60m"};
static const char *const at_48[] = {"24m", "16m", "12m", "48m"};
static const char *const at_48_h4[] = {"48m", "16m", "12m", "48m"};

enum { PAGE = 65536 };

/* name, id, secure boot, digest slots, blocks, bits of SECURE_VERSION,
 * bootloader, MMU page, bytes of a digest, frequencies */
static const struct mm_chip chips[] = {
    {"esp32", 0, MM_CHIP_V1 | RSA, 1, 1, 32, 0x1000, PAGE, 32, at_80},
    {"esp32s2", 2, RSA, 3, 3, 16, 0x1000, PAGE, 32, at_80},
    {"esp32c3", 5, RSA, 3, 3, 16, 0, PAGE, 32, at_80},
    {"esp32s3", 9, RSA, 3, 3, 16, 0, PAGE, 32, at_80},
    {"esp32c2", 12, ECDSA, 1, 1, 4, 0, PAGE, 16, at_60},
    {"esp32c6", 13, RSA | ECDSA, 3, 3, 16, 0, PAGE, 32, at_80_c6},
    {"esp32h2", 16, RSA | ECDSA | UNSAFE, 3, 3, 16, 0, PAGE, 32, at_48},
    {"esp32p4", 18, RSA | ECDSA | UNSAFE, 3, 3, 16, 0x2000, PAGE, 32, at_80},
    {"esp32c61", 20, ECDSA | UNSAFE, 3, 3, 16, 0, PAGE, 32, at_80},
    {"esp32c5", 23, RSA | ECDSA | UNSAFE, 3, 3, 9, 0x2000, PAGE, 32, at_80},
    {"esp32h21", 25, RSA, 3, 3, 16, 0, PAGE, 32, at_48},
    /* The vendor has not said yet how these two boot securely. */
    {"esp32h4", 28, 0, 0, 0, 0, 0x2000, PAGE, 32, at_48_h4},
    {"esp32e22", 31, 0, 0, 0, 0, 0, PAGE, 32, at_80},
    {"esp32s31", 32, RSA, 3, 3, 16, 0x2000, PAGE, 32, at_80},
};

const struct mm_chip *
mm_chip_named(struct mm_span name)
{
	for (size_t i = 0; i < MM_COUNT(chips); i++)
		if (mm_span_is(name, chips[i].name))
			return &chips[i];
	return NULL;
}

const struct mm_chip *
mm_chip_numbered(uint64_t id)
{
	for (size_t i = 0; i < MM_COUNT(chips); i++)
		if (chips[i].id == id)
			return &chips[i];
	return NULL;
}

const char *
mm_chip_frequency(const struct mm_chip *chip, unsigned code)
{
	if (code <= 2)
		return chip->frequencies[code];
	return code == 15 ? chip->frequencies[3] : NULL;
}
