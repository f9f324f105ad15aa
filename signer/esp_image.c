/*
 * ESP images: header, segments, checksum, SHA-256 (ESP-IDF's
 * esp_app_format.h and esp_image_format.c), and what stands behind them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "signer/chips.h"
#include "signer/esp_parts.h"
#include "signer/numbers.h"

enum {
	SEGMENT_COUNT = 1, /* offsets in the header */
	FLASH_MODE = 2,
	FLASH_CODES = 3,
	ENTRY = 4,
	WRITE_PROTECT = 8,
	DRIVE = 9,
	CHIP = 12,
	OLD_REVISION = 14,
	MIN_REVISION = 15,
	MAX_REVISION = 17,
	RESERVED = 19,
	HASHED = 23,
	SEGMENT_MAX = 16 << 20,
	SIZE_CODES = 8, /* 1 to 128 MiB */
	CHECKSUM_START = 0xEF,
	V1_SPARE = 12 /* bytes behind a V1 signature to the page's end */
};

static const char *const flash_modes[] = {
    "qio", "qout", "dio", "dout", "fast-read", "slow-read"};

enum mm_error
mm_esp_wrong(uint64_t offset, const char *format, ...)
{
	char text[256];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	return mm_image_wrong(
	    "at byte %llu: %s", (unsigned long long)offset, text);
}

static uint16_t
u16_at(struct mm_span image, uint64_t offset)
{
	return (uint16_t)mm_little(image.data + offset, 2);
}

uint32_t
mm_esp_u32(struct mm_span image, uint64_t offset)
{
	return mm_little_u32(image.data + offset);
}

static enum mm_error
read_segment(struct mm_span image, uint64_t at, struct mm_segment *out)
{
	uint64_t left = image.size - at;
	uint32_t size;

	if (left < MM_ESP_SEGMENT_HEADER)
		return mm_esp_wrong(
		    at, "the file ends where a segment's header should be");
	left -= MM_ESP_SEGMENT_HEADER;
	size = mm_esp_u32(image, at + 4);
	if (size % 4 != 0)
		return mm_esp_wrong(at + 4,
		    "a segment has %lu bytes: no multiple of 4",
		    (unsigned long)size);
	if (size >= SEGMENT_MAX)
		return mm_esp_wrong(at + 4,
		    "a segment has %lu bytes: 16 MiB and more is none",
		    (unsigned long)size);
	if (size > left)
		return mm_esp_wrong(at + 4,
		    "a segment has %lu bytes, and the file only %llu more",
		    (unsigned long)size, (unsigned long long)left);
	*out = (struct mm_segment){
	    .address = mm_esp_u32(image, at),
	    .offset = at + MM_ESP_SEGMENT_HEADER,
	    .size = size,
	};
	return MM_OK;
}

/* The checksum is the last byte of a block of 16. */
static enum mm_error
lay_end(struct mm_span image, uint64_t end, struct mm_esp_layout *layout)
{
	uint64_t length;

	layout->checksum = end | 15;
	layout->hashed = image.data[HASHED] == 1;
	length = layout->checksum + 1 + (layout->hashed ? MM_ESP_HASH : 0);
	if (length > image.size)
		return mm_esp_wrong(image.size,
		    "the file ends before its %s, at byte %llu",
		    layout->checksum >= image.size ? "checksum" : "SHA-256",
		    (unsigned long long)length);
	layout->length = length;
	return MM_OK;
}

static enum mm_error
lay_out(struct mm_span image, struct mm_esp_layout *layout)
{
	uint64_t at = MM_ESP_HEADER;
	enum mm_error error = MM_OK;

	if (image.size < MM_ESP_HEADER)
		return mm_esp_wrong(image.size, "the file ends in the header");
	layout->count = image.data[SEGMENT_COUNT];
	if (layout->count == 0 || layout->count > MM_SEGMENTS_MAX)
		return mm_esp_wrong(SEGMENT_COUNT,
		    "%zu segments: 1 to %d are possible", layout->count,
		    MM_SEGMENTS_MAX);
	if (image.data[HASHED] > 1)
		return mm_esp_wrong(HASHED,
		    "the flag of the appended SHA-256 is %u: 0 or 1",
		    image.data[HASHED]);
	for (size_t i = 0; i < layout->count && error == MM_OK; i++) {
		struct mm_segment *segment = &layout->segments[i];

		error = read_segment(image, at, segment);
		if (error == MM_OK)
			at = segment->offset + segment->size;
	}
	return error == MM_OK ? lay_end(image, at, layout) : error;
}

enum mm_error
mm_esp_look(struct mm_span image, struct mm_prefix_hash *prefix)
{
	struct mm_esp_layout layout = {0};
	enum mm_error error = lay_out(image, &layout);

	if (error == MM_OK)
		*prefix = (struct mm_prefix_hash){
		    .size = layout.checksum + 1, .summed = true};
	return error;
}

static enum mm_error
read_flash(
    struct mm_span image, const struct mm_chip *chip, struct mm_esp_facts *esp)
{
	unsigned mode = image.data[FLASH_MODE];
	unsigned frequency = image.data[FLASH_CODES] & 15U;
	unsigned size = image.data[FLASH_CODES] >> 4;
	const char *name = mm_chip_frequency(chip, frequency);

	if (mode >= MM_COUNT(flash_modes))
		return mm_esp_wrong(
		    FLASH_MODE, "there is no flash mode %u", mode);
	if (name == NULL)
		return mm_esp_wrong(FLASH_CODES,
		    "there is no flash frequency of code %u", frequency);
	if (size >= SIZE_CODES)
		return mm_esp_wrong(
		    FLASH_CODES, "there is no flash size of code %u", size);
	esp->flash_mode = mm_span_text(flash_modes[mode]);
	esp->flash_frequency = mm_span_text(name);
	esp->flash_size = UINT64_C(1) << (20 + size);
	return MM_OK;
}

static enum mm_error
read_header(
    struct mm_span image, const struct mm_chip **chip, struct mm_esp_facts *esp)
{
	uint16_t id = u16_at(image, CHIP);

	*chip = mm_chip_numbered(id);
	if (*chip == NULL)
		return mm_esp_wrong(
		    CHIP, "no chip is known that has the id %u", id);
	if (mm_esp_u32(image, RESERVED) != 0)
		return mm_esp_wrong(
		    RESERVED, "reserved bytes of the header are not 0");
	esp->entry = mm_esp_u32(image, ENTRY);
	esp->write_protect = image.data[WRITE_PROTECT];
	esp->drive = mm_esp_u32(image, DRIVE) & 0xFFFFFF;
	esp->old_revision = image.data[OLD_REVISION];
	esp->min_revision = u16_at(image, MIN_REVISION);
	esp->max_revision = u16_at(image, MAX_REVISION);
	esp->mmu_page = (*chip)->mmu_page;
	return read_flash(image, *chip, esp);
}

/*
 * XOR of the segments' bytes. What was summed goes up to the checksum's byte:
 * that one goes out again with the padding, and so do the headers.
 */
static uint8_t
sum_segments(
    const struct mm_image_reading *r, const struct mm_esp_layout *layout)
{
	const uint8_t *data = r->image.data;
	size_t end = (size_t)layout->checksum + 1, at = 0;
	uint8_t sum = mm_reading_sum(r);

	for (size_t i = 0; i < layout->count; i++) {
		const struct mm_segment *segment = &layout->segments[i];

		sum ^= mm_xor(mm_span(data + at, (size_t)segment->offset - at));
		at = (size_t)(segment->offset + segment->size);
	}
	return sum ^ mm_xor(mm_span(data + at, end - at));
}

static enum mm_error
check_sums(struct mm_image_reading *r, const struct mm_esp_layout *layout)
{
	uint8_t sum = CHECKSUM_START ^ sum_segments(r, layout);
	uint8_t hash[MM_ESP_HASH];
	const uint8_t *at = r->image.data + layout->checksum;
	enum mm_error error;

	if (*at != sum)
		return mm_esp_wrong(layout->checksum,
		    "the checksum is 0x%02x, and should be 0x%02x", *at, sum);
	if (!layout->hashed)
		return MM_OK;
	error = mm_reading_hash(r, layout->checksum + 1, hash);
	if (error == MM_OK && memcmp(at + 1, hash, sizeof(hash)) != 0)
		error = mm_esp_wrong(layout->checksum + 1,
		    "the appended SHA-256 is not the image's");
	return error;
}

/* elf2image's last segment, which leaves just the room for a signature. */
static struct mm_span
padded_for(struct mm_span image, const struct mm_esp_layout *layout,
    const struct mm_chip *chip, uint64_t page)
{
	const struct mm_segment *last = &layout->segments[layout->count - 1];

	if (layout->count < 2 || last->address != 0 ||
	    !mm_image_is_all(
		mm_span(image.data + last->offset, (size_t)last->size), 0))
		return (struct mm_span){0};
	if (layout->length % page == 0)
		return mm_span_text("secure-boot-v2");
	if ((chip->secure_boot & MM_CHIP_V1) != 0 &&
	    (layout->length + MM_SECURE_BOOT_V1_SIZE + V1_SPARE) % page == 0)
		return mm_span_text("secure-boot-v1");
	return (struct mm_span){0};
}

/* Signatures, and what is neither those nor the padding before a sector. */
static enum mm_error
read_behind(
    struct mm_image_reading *r, uint64_t length, const struct mm_chip *chip)
{
	struct mm_image_facts *facts = r->facts;
	struct mm_span behind =
	    mm_span(r->image.data + length, r->image.size - (size_t)length);
	enum mm_error error;

	facts->length = length;
	error = mm_secure_boot_v2_read(r);
	if (error == MM_OK && facts->length < length)
		return mm_esp_wrong(facts->length,
		    "a sector of signatures begins inside the image");
	if (error == MM_OK && facts->signatures.count == 0 &&
	    (chip->secure_boot & MM_CHIP_V1) != 0)
		error = mm_secure_boot_v1_read(r, length);
	if (error != MM_OK || facts->signatures.count > 0)
		return error;
	facts->trailing = behind.size;
	facts->blank = mm_image_is_erased(behind);
	return MM_OK;
}

static enum mm_error
copy_segments(struct mm_image_reading *r, const struct mm_esp_layout *layout,
    struct mm_list *out)
{
	struct mm_span copy = mm_arena_copy(
	    r->arena, mm_span(layout->segments,
			  layout->count * sizeof(struct mm_segment)));

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no room for an image's facts");
	*out = (struct mm_list){copy.data, layout->count};
	return MM_OK;
}

enum mm_error
mm_esp_read(struct mm_image_reading *r)
{
	struct mm_esp_facts *esp = mm_arena_alloc(r->arena, sizeof(*esp));
	struct mm_esp_layout layout = {0};
	const struct mm_chip *chip;
	enum mm_error error;

	if (esp == NULL)
		return mm_fail(MM_E_MEMORY, "no room for an image's facts");
	error = lay_out(r->image, &layout);
	if (error == MM_OK)
		error = read_header(r->image, &chip, esp);
	if (error == MM_OK)
		error = check_sums(r, &layout);
	if (error == MM_OK)
		error = copy_segments(r, &layout, &esp->segments);
	if (error == MM_OK)
		error = mm_esp_describe(r, &layout, esp);
	if (error != MM_OK)
		return error;
	esp->hashed = layout.hashed;
	esp->padded = padded_for(r->image, &layout, chip, esp->mmu_page);
	r->facts->chip = mm_span_text(chip->name);
	r->facts->esp = (struct mm_list){esp, 1};
	return read_behind(r, layout.length, chip);
}
