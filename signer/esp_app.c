/*
 * The descriptors in ESP images, which say what program it is: of an app
 * (esp_app_desc_t) 256 bytes at the start of segment 0, of a bootloader
 * (esp_bootloader_desc_t) 80 bytes at the start of its first segment in RAM.
 */
#include <stdio.h>
#include <string.h>

#include "signer/esp_parts.h"

enum {
	APP_SIZE = 256,
	APP_SECURE_VERSION = 0x04, /* offsets in the app's */
	APP_VERSION = 0x10,
	APP_PROJECT = 0x30,
	APP_TIME = 0x50,
	APP_DATE = 0x60,
	APP_IDF = 0x70,
	APP_ELF = 0x90,
	APP_PAGE = 0xB4,
	PAGE_MIN = 13, /* log2: 8 to 64 KiB */
	PAGE_MAX = 16,

	BOOT_SIZE = 80,
	BOOT_MAGIC = 0x50,
	BOOT_RESERVED = 1, /* offsets in the bootloader's */
	BOOT_SECURE_VERSION = 3,
	BOOT_VERSION = 4,
	BOOT_IDF = 8,
	BOOT_DATE = 40,
	BOOT_RESERVED_2 = 64,

	LINE = 32, /* bytes of the longer texts */
	DATE = 16,
	BOOT_DATE_SIZE = 24
};
#define APP_MAGIC UINT32_C(0xABCD5432)

/* The text of a field that NULs fill; false where it is none. */
static bool
field_text(struct mm_span field, struct mm_span *out)
{
	const uint8_t *end = memchr(field.data, '\0', field.size);
	size_t size = end == NULL ? field.size : (size_t)(end - field.data);

	for (size_t i = size; i < field.size; i++)
		if (field.data[i] != 0)
			return false;
	*out = mm_span(field.data, size);
	return mm_text_ok(*out);
}

/* A field's text, copied. */
static enum mm_error
read_text(struct mm_image_reading *r, uint64_t at, size_t size,
    const char *what, struct mm_span *out)
{
	struct mm_span text;

	if (!field_text(mm_span(r->image.data + at, size), &text))
		return mm_esp_wrong(at,
		    "the %s is not printable text filled up with zeros", what);
	if (text.size == 0)
		return MM_OK;
	text = mm_arena_copy(r->arena, text);
	if (text.data == NULL)
		return mm_fail(MM_E_MEMORY, "no room for an image's facts");
	*out = text;
	return MM_OK;
}

/* "Jan  2 2025 12:34:56"; reproducible builds have neither. */
static enum mm_error
read_built(struct mm_image_reading *r, uint64_t at, struct mm_span *out)
{
	struct mm_span date = {0}, time = {0};
	char text[2 * DATE + 2];
	int size;
	enum mm_error error = read_text(r, at + APP_DATE, DATE, "date", &date);

	if (error == MM_OK)
		error = read_text(r, at + APP_TIME, DATE, "time", &time);
	if (error != MM_OK || date.size + time.size == 0)
		return error;
	size = snprintf(text, sizeof(text), "%.*s%s%.*s", MM_SPAN(date),
	    date.size > 0 && time.size > 0 ? " " : "", MM_SPAN(time));
	*out = mm_arena_copy(r->arena, mm_span(text, (size_t)size));
	return out->data == NULL
		   ? mm_fail(MM_E_MEMORY, "no room for an image's facts")
		   : MM_OK;
}

static enum mm_error
read_elf(struct mm_image_reading *r, uint64_t at, struct mm_span *out)
{
	static const uint8_t none[MM_ESP_HASH];
	struct mm_span hash = mm_span(r->image.data + at, MM_ESP_HASH);

	if (memcmp(hash.data, none, sizeof(none)) == 0)
		return MM_OK;
	*out = mm_arena_copy(r->arena, hash);
	return out->data == NULL
		   ? mm_fail(MM_E_MEMORY, "no room for an image's facts")
		   : MM_OK;
}

static enum mm_error
read_page(struct mm_span image, uint64_t at, uint64_t *out)
{
	unsigned log = image.data[at];

	if (log == 0)
		return MM_OK;
	if (log < PAGE_MIN || log > PAGE_MAX)
		return mm_esp_wrong(
		    at, "there is no MMU page of 2^%u bytes", log);
	*out = UINT64_C(1) << log;
	return MM_OK;
}

static enum mm_error
read_app(struct mm_image_reading *r, const struct mm_segment *segment,
    struct mm_esp_facts *esp)
{
	struct mm_image_facts *facts = r->facts;
	uint64_t at = segment->offset;
	enum mm_error error;

	if (segment->size < APP_SIZE)
		return mm_esp_wrong(
		    at, "the app descriptor does not fit into its segment");
	facts->format = mm_span_text(mm_image_format_name(MM_FORMAT_ESP_APP));
	facts->secure_version = mm_esp_u32(r->image, at + APP_SECURE_VERSION);
	error = read_text(
	    r, at + APP_VERSION, LINE, "app's version", &facts->version);
	if (error == MM_OK)
		error = read_text(r, at + APP_PROJECT, LINE, "project's name",
		    &facts->project);
	if (error == MM_OK)
		error = read_text(
		    r, at + APP_IDF, LINE, "ESP-IDF version", &esp->idf);
	if (error == MM_OK)
		error = read_built(r, at, &esp->built);
	if (error == MM_OK)
		error = read_elf(r, at + APP_ELF, &esp->elf_sha256);
	if (error == MM_OK)
		error = read_page(r->image, at + APP_PAGE, &esp->mmu_page);
	return error;
}

/* Its magic is one byte only, so all that is fixed must be right. */
static bool
is_bootloader(struct mm_span image, const struct mm_segment *segment)
{
	static const uint8_t zeros[BOOT_SIZE - BOOT_RESERVED_2];
	const uint8_t *at = image.data + segment->offset;
	struct mm_span idf, date;

	return segment->address != 0 && segment->size >= BOOT_SIZE &&
	       at[0] == BOOT_MAGIC &&
	       memcmp(at + BOOT_RESERVED, zeros, 2) == 0 &&
	       memcmp(at + BOOT_RESERVED_2, zeros, sizeof(zeros)) == 0 &&
	       field_text(mm_span(at + BOOT_IDF, LINE), &idf) &&
	       field_text(mm_span(at + BOOT_DATE, BOOT_DATE_SIZE), &date) &&
	       idf.size > 0;
}

static enum mm_error
read_bootloader(struct mm_image_reading *r, const struct mm_segment *segment,
    struct mm_esp_facts *esp)
{
	struct mm_image_facts *facts = r->facts;
	uint64_t at = segment->offset;
	char version[16];
	int size = snprintf(version, sizeof(version), "%lu",
	    (unsigned long)mm_esp_u32(r->image, at + BOOT_VERSION));
	enum mm_error error;

	facts->format =
	    mm_span_text(mm_image_format_name(MM_FORMAT_BOOTLOADER));
	facts->secure_version = r->image.data[at + BOOT_SECURE_VERSION];
	facts->version =
	    mm_arena_copy(r->arena, mm_span(version, (size_t)size));
	if (facts->version.data == NULL)
		return mm_fail(MM_E_MEMORY, "no room for an image's facts");
	error = read_text(r, at + BOOT_IDF, LINE, "ESP-IDF version", &esp->idf);
	if (error == MM_OK)
		error = read_text(
		    r, at + BOOT_DATE, BOOT_DATE_SIZE, "date", &esp->built);
	return error;
}

enum mm_error
mm_esp_describe(struct mm_image_reading *r, const struct mm_esp_layout *layout,
    struct mm_esp_facts *esp)
{
	const struct mm_segment *first = &layout->segments[0];

	if (first->size >= 4 &&
	    mm_esp_u32(r->image, first->offset) == APP_MAGIC)
		return read_app(r, first, esp);
	for (size_t i = 0; i < layout->count; i++)
		if (is_bootloader(r->image, &layout->segments[i]))
			return read_bootloader(r, &layout->segments[i], esp);
	r->facts->format =
	    mm_span_text(mm_image_format_name(MM_FORMAT_ESP_IMAGE));
	return MM_OK;
}
