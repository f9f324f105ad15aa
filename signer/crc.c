#include "signer/crc.h"

/* Four bits at a time: the table of the 16 remainders stays readable. */
static const uint32_t remainders[16] = {0x00000000, 0x1db71064, 0x3b6e20c8,
    0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320,
    0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278,
    0xbdbdf21c};

static uint32_t
run(uint32_t crc, struct mm_span bytes)
{
	for (size_t i = 0; i < bytes.size; i++) {
		crc ^= bytes.data[i];
		crc = crc >> 4 ^ remainders[crc & 15];
		crc = crc >> 4 ^ remainders[crc & 15];
	}
	return ~crc;
}

uint32_t
mm_crc_std(struct mm_span bytes)
{
	return run(0xffffffff, bytes);
}

uint32_t
mm_crc_esp(struct mm_span bytes)
{
	return run(0, bytes);
}
