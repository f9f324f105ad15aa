/*
 * Numbers as the formats of this room have them: little-endian in binaries,
 * digits where people write them.
 */
#ifndef MM_NUMBERS_H
#define MM_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

/* Of `size` bytes, 8 at most. */
static inline uint64_t
mm_little(const uint8_t *bytes, size_t size)
{
	uint64_t value = 0;

	while (size-- > 0)
		value = value << 8 | bytes[size];
	return value;
}

static inline uint32_t
mm_little_u32(const uint8_t *bytes)
{
	return (uint32_t)mm_little(bytes, 4);
}

/* The lowest `size` bytes of it. */
static inline void
mm_little_put(uint64_t value, size_t size, uint8_t *out)
{
	for (; size > 0; size--, value >>= 8)
		*out++ = (uint8_t)value;
}

/* A hex digit's value, 0 to 15; 16: it is none. */
static inline unsigned
mm_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10U : 16;
}

#endif
