/*
 * ESP images for tests: vectors read, changed and sealed anew with the right
 * checksum and SHA-256, and images made of nothing but segments' sizes.
 */
#ifndef MM_TEST_ESP_MAKE_H
#define MM_TEST_ESP_MAKE_H

#include <stdio.h>
#include <string.h>

#include "signer/hashing.h"
#include "signer/image.h"

#define ESP_VECTORS "tests/vectors/esp/app_image/"

static inline void
esp_load(const char *path, struct mm_buffer *out)
{
	mm_buffer_init(out, 1 << 26);
	if (mm_file_read(path, 1 << 26, out) != MM_OK)
		abort();
}

static inline void
esp_vector(const char *name, struct mm_buffer *out)
{
	char path[256];

	snprintf(path, sizeof(path), ESP_VECTORS "%s", name);
	esp_load(path, out);
}

static inline uint32_t
esp_u32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static inline void
esp_put(uint8_t *at, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* Checksum and SHA-256 made right for what the header says; byte by byte, and
 * not as the reader does it. */
static inline void
esp_seal(struct mm_buffer *image)
{
	uint8_t *data = image->data, sum = 0xEF;
	size_t at = 24;

	for (unsigned i = 0; i < data[1]; i++) {
		size_t size = esp_u32(data + at + 4);

		at += 8;
		for (size_t k = 0; k < size; k++)
			sum ^= data[at + k];
		at += size;
	}
	at = (at / 16 + 1) * 16;
	data[at - 1] = sum;
	if (data[23] == 1 && mm_hash(mm_span(data, at), data + at) != MM_OK)
		abort();
}

/* An image for the ESP32-C3, whose segments are of these sizes. */
static inline void
esp_make(const uint32_t *sizes, uint8_t count, struct mm_buffer *out)
{
	size_t at = 24, whole = 24;
	uint8_t *data;

	for (unsigned i = 0; i < count; i++)
		whole += 8 + sizes[i];
	whole = (whole / 16 + 1) * 16 + 32;
	mm_buffer_init(out, whole + 65536);
	data = mm_buffer_grow(out, whole);
	if (data == NULL)
		abort();
	memset(data, 0, whole);
	data[0] = 0xE9;
	data[1] = count;
	data[2] = 2;
	data[3] = 0x20;
	esp_put(data + 4, 0x40380004);
	data[8] = 0xEE;
	data[12] = 5;
	data[23] = 1;
	for (unsigned i = 0; i < count; i++) {
		esp_put(data + at, 0x3fc80000 + i * 0x1000);
		esp_put(data + at + 4, sizes[i]);
		memset(data + at + 8, (int)(0x41 + i), sizes[i]);
		at += 8 + sizes[i];
	}
	esp_seal(out);
}

#endif
