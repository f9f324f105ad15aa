/*
 * Inside the reader of ESP images: where its parts lie, and the descriptors
 * that say what it is. Offsets and sizes are bytes of the file.
 */
#ifndef MM_ESP_PARTS_H
#define MM_ESP_PARTS_H

#include "signer/readers.h"

enum { MM_ESP_HEADER = 24, MM_ESP_SEGMENT_HEADER = 8, MM_ESP_HASH = 32 };

/* MM_E_IMAGE, with the offset before the text. */
enum mm_error mm_esp_wrong(uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The parts of an image, all inside the file. */
struct mm_esp_layout {
	struct mm_segment segments[MM_SEGMENTS_MAX];
	size_t count;
	uint64_t checksum; /* offset of its byte */
	bool hashed;
	uint64_t length; /* of it all, appended SHA-256 included */
};

uint32_t mm_esp_u32(struct mm_span image, uint64_t offset);

/*
 * Looks for an app's or a bootloader's descriptor (esp_app.c) and fills in
 * what it says, `format` among it. MM_E_IMAGE where one is broken.
 */
enum mm_error mm_esp_describe(struct mm_image_reading *r,
    const struct mm_esp_layout *layout, struct mm_esp_facts *esp) mm_must_use;

#endif
