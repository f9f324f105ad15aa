#include <sodium.h>
#include <string.h>

#include "factory/nvs_parts.h"
#include "signer/crc.h"
#include "signer/numbers.h"
#include "signer/partitions.h"

/* A partition that can be written to has three pages at least, and the last
 * one is kept empty for the device to move entries to. */
enum { WRITABLE = 3 * MM_NVS_PAGE };

static const struct {
	unsigned type;
	const char *name;
} type_names[] = {
    {MM_NVS_U8, "u8"},
    {MM_NVS_I8, "i8"},
    {MM_NVS_U16, "u16"},
    {MM_NVS_I16, "i16"},
    {MM_NVS_U32, "u32"},
    {MM_NVS_I32, "i32"},
    {MM_NVS_U64, "u64"},
    {MM_NVS_I64, "i64"},
    {MM_NVS_STRING, "string"},
    {MM_NVS_BLOB, "blob"},
    {MM_NVS_BLOB_DATA, "blob_data"},
    {MM_NVS_BLOB_INDEX, "blob_index"},
};

const char *
mm_nvs_type_name(unsigned type)
{
	for (size_t i = 0; i < MM_COUNT(type_names); i++)
		if (type_names[i].type == type)
			return type_names[i].name;
	return NULL;
}

uint32_t
mm_nvs_entry_crc(const uint8_t entry[MM_NVS_ENTRY])
{
	uint8_t covered[MM_NVS_ENTRY - 4];

	memcpy(covered, entry, NVS_ENTRY_CRC);
	memcpy(
	    covered + NVS_ENTRY_CRC, entry + NVS_NAME, MM_NVS_ENTRY - NVS_NAME);
	return mm_crc_esp(mm_span(covered, sizeof(covered)));
}

uint32_t
mm_nvs_page_crc(const uint8_t page[MM_NVS_PAGE])
{
	return mm_crc_esp(
	    mm_span(page + NVS_SEQUENCE, NVS_PAGE_CRC - NVS_SEQUENCE));
}

enum mm_error
mm_nvs_size_read(const char *text, size_t *out)
{
	uint64_t size = 0;

	if (!mm_partition_number(mm_span_text(text), &size))
		return mm_fail(MM_E_RANGE,
		    "the size \"%s\" is no number of bytes, as 0x6000, 24K or "
		    "1M: take the partition's from the partition table",
		    text);
	if (size == 0 || size > MM_NVS_SIZE_MAX)
		return mm_fail(MM_E_RANGE,
		    "the size %s is not one from 4K to %dM: take the "
		    "partition's from the partition table",
		    text, MM_NVS_SIZE_MAX >> 20);
	if (size % MM_NVS_PAGE != 0)
		return mm_fail(MM_E_RANGE,
		    "the size %s is no multiple of 4K (0x1000), the pages of "
		    "NVS: take the partition's from the partition table",
		    text);
	*out = (size_t)size;
	return MM_OK;
}

/* --- pages --- */

static void
begin_page(struct mm_nvs *nvs, size_t number)
{
	uint8_t *page = nvs_page_at(nvs, number);

	nvs->page = number;
	nvs->entry = 0;
	mm_little_put(NVS_PAGE_ACTIVE, 4, page);
	mm_little_put(number, 4, page + NVS_SEQUENCE);
	page[NVS_VERSION] = nvs->version == 1 ? NVS_VERSION_1 : NVS_VERSION_2;
	mm_little_put(mm_nvs_page_crc(page), 4, page + NVS_PAGE_CRC);
}

enum mm_error
mm_nvs_next_page(struct mm_nvs *nvs)
{
	if (nvs->page + 1 == nvs->usable)
		return mm_fail(MM_E_RANGE,
		    "the partition of 0x%zx bytes is full%s: make it larger, "
		    "here and in the partition table",
		    nvs->size,
		    nvs->size >= WRITABLE ? " (its last page stays empty)"
					  : "");
	mm_little_put(NVS_PAGE_FULL, 4, nvs_page_at(nvs, nvs->page));
	begin_page(nvs, nvs->page + 1);
	return MM_OK;
}

enum mm_error
mm_nvs_new(size_t size, unsigned version, struct mm_nvs **out)
{
	struct mm_nvs *nvs;

	if (size == 0 || size % MM_NVS_PAGE != 0 || size > MM_NVS_SIZE_MAX)
		return mm_fail(MM_E_RANGE,
		    "an NVS partition has whole pages of 0x1000 bytes, not "
		    "0x%zx",
		    size);
	if (version != 1 && version != 2)
		return mm_fail(MM_E_RANGE, "NVS has the versions 1 and 2");
	nvs = calloc(1, sizeof(*nvs));
	if (nvs == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an NVS image");
	nvs->size = size;
	nvs->usable = size / MM_NVS_PAGE - (size >= WRITABLE ? 1 : 0);
	nvs->version = version;
	for (nvs->slots = 256; nvs->slots < 2 * nvs->usable * MM_NVS_ENTRIES;)
		nvs->slots *= 2;
	nvs->image = sodium_malloc(size);
	nvs->known = malloc(nvs->slots * sizeof(*nvs->known));
	if (nvs->image == NULL || nvs->known == NULL) {
		mm_nvs_free(nvs);
		return mm_fail(MM_E_MEMORY, "no memory for an NVS image");
	}
	mm_nvs_reset(nvs);
	*out = nvs;
	return MM_OK;
}

void
mm_nvs_free(struct mm_nvs *nvs)
{
	if (nvs == NULL)
		return;
	sodium_free(nvs->image);
	free(nvs->known);
	mm_flash_secret_clear(&nvs->file);
	mm_flash_secret_clear(&nvs->value);
	free(nvs);
}

void
mm_nvs_reset(struct mm_nvs *nvs)
{
	memset(nvs->image, 0xff, nvs->size);
	memset(nvs->known, 0, nvs->slots * sizeof(*nvs->known));
	nvs->namespaces = nvs->keys = 0;
	nvs->error = MM_OK;
	begin_page(nvs, 0);
}

void
mm_nvs_used(const struct mm_nvs *nvs, struct mm_nvs_use *out)
{
	*out = (struct mm_nvs_use){
	    .pages = nvs->page + 1,
	    .of = nvs->usable,
	    .entries = nvs->entry,
	    .namespaces = nvs->namespaces,
	    .keys = nvs->keys,
	};
}

enum mm_error
mm_nvs_finish(struct mm_nvs *nvs, const uint8_t *key, struct mm_span *out)
{
	size_t used = (nvs->page + 1) * MM_NVS_PAGE;
	enum mm_error error = nvs->error;

	if (error == MM_OK && key != NULL)
		error = nvs->error = mm_nvs_crypt(key, true, nvs->image, used);
	if (error == MM_OK)
		*out = mm_span(
		    nvs->image, nvs->size >= WRITABLE ? nvs->size : used);
	return error;
}
