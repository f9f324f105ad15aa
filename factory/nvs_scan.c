#include <string.h>

#include "factory/nvs_reading.h"
#include "signer/crc.h"
#include "signer/numbers.h"

static const struct {
	uint32_t state;
	const char *name;
} states[] = {
    {NVS_PAGE_EMPTY, "empty"},
    {NVS_PAGE_ACTIVE, "active"},
    {NVS_PAGE_FULL, "full"},
    {NVS_PAGE_FREEING, "freeing"},
    {NVS_PAGE_CORRUPT, "corrupt"},
};

const char *
mm_nvs_state_name(uint32_t state)
{
	for (size_t i = 0; i < MM_COUNT(states); i++)
		if (states[i].state == state)
			return states[i].name;
	return "unknown";
}

void
mm_nvs_harm(
    struct nvs_reading *reading, size_t page, size_t entry, const char *what)
{
	if (reading->damage_count < reading->damage_max)
		reading->damage[reading->damage_count++] =
		    (struct mm_nvs_damage){page, entry, what};
}

bool
mm_nvs_is_blank(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0xff)
			return false;
	return true;
}

static const uint8_t *
page_at(const struct nvs_reading *reading, size_t page)
{
	return reading->image + page * MM_NVS_PAGE;
}

static const uint8_t *
entry_at(const struct nvs_reading *reading, size_t page, size_t entry)
{
	return page_at(reading, page) + MM_NVS_FIRST + entry * MM_NVS_ENTRY;
}

/* --- entries: which of them can be read --- */

/* Types whose data lies in the entries behind. */
static bool
has_bytes(unsigned type)
{
	return type == MM_NVS_STRING || type == MM_NVS_BLOB ||
	       type == MM_NVS_BLOB_DATA;
}

/* What is wrong with a written entry whose CRC is right; NULL: nothing. */
static const char *
fault_of(const struct nvs_reading *reading, size_t page, size_t entry)
{
	const uint8_t *at = entry_at(reading, page, entry);
	unsigned type = at[NVS_TYPE], span = at[NVS_SPAN];
	size_t size = mm_little(at + NVS_DATA, 2);

	if (mm_nvs_type_name(type) == NULL)
		return "the type is unknown";
	if (span == 0 || span > MM_NVS_ENTRIES - entry ||
	    (span > 1 && !has_bytes(type)))
		return "the span is wrong";
	if (memchr(at + NVS_NAME, '\0', NVS_NAME_SIZE) == NULL ||
	    at[NVS_NAME] == '\0')
		return "the key has no name, or no end";
	for (size_t i = 1; i < span; i++)
		if (nvs_entry_state(page_at(reading, page), entry + i) !=
		    NVS_WRITTEN)
			return "data is missing";
	if (!has_bytes(type))
		return NULL;
	if (span != 1 + nvs_entries_of(size))
		return "the size is not the span's";
	if (mm_crc_esp(mm_span(at + MM_NVS_ENTRY, size)) !=
	    mm_little_u32(at + NVS_DATA_CRC))
		return "the CRC of the data is wrong";
	if (type == MM_NVS_STRING &&
	    (size == 0 || at[MM_NVS_ENTRY + size - 1] != '\0'))
		return "the string has no end";
	return NULL;
}

/* Returns how many entries are taken here. */
static size_t
scan_entry(struct nvs_reading *reading, size_t page, size_t entry)
{
	const uint8_t *at = entry_at(reading, page, entry);
	unsigned state = nvs_entry_state(page_at(reading, page), entry);
	const char *fault;

	if (state != NVS_WRITTEN) {
		if (state == NVS_EMPTY && !mm_nvs_is_blank(at, MM_NVS_ENTRY))
			mm_nvs_harm(
			    reading, page, entry, "an empty entry has bytes");
		else if (state != NVS_EMPTY && state != NVS_ERASED)
			mm_nvs_harm(
			    reading, page, entry, "the state is unknown");
		return 1;
	}
	if (mm_nvs_entry_crc(at) != mm_little_u32(at + NVS_ENTRY_CRC)) {
		reading->unsound++;
		mm_nvs_harm(
		    reading, page, entry, "the CRC of the entry is wrong");
		return 1;
	}
	reading->sound++;
	fault = fault_of(reading, page, entry);
	if (fault == NULL)
		nvs_found_at(reading, page, entry)->at = at;
	else
		mm_nvs_harm(reading, page, entry, fault);
	return at[NVS_SPAN] == 0 || at[NVS_SPAN] > MM_NVS_ENTRIES - entry
		   ? 1
		   : at[NVS_SPAN];
}

static void
count_states(struct nvs_reading *reading, size_t page)
{
	for (size_t i = 0; i < MM_NVS_ENTRIES; i++) {
		unsigned state = nvs_entry_state(page_at(reading, page), i);

		reading->pages[page].written += state == NVS_WRITTEN;
		reading->pages[page].erased += state == NVS_ERASED;
	}
}

static void
scan_page(struct nvs_reading *reading, size_t number)
{
	const uint8_t *at = page_at(reading, number);
	struct mm_nvs_page *page = &reading->pages[number];

	page->state = mm_little_u32(at);
	if (page->state == NVS_PAGE_EMPTY) {
		if (!mm_nvs_is_blank(at, MM_NVS_PAGE))
			mm_nvs_harm(reading, number, NVS_WHOLE_PAGE,
			    "an empty page has bytes");
		return;
	}
	page->sequence = mm_little_u32(at + NVS_SEQUENCE);
	page->version = at[NVS_VERSION] == NVS_VERSION_2   ? 2
			: at[NVS_VERSION] == NVS_VERSION_1 ? 1
							   : 0;
	if (page->state == NVS_PAGE_CORRUPT) {
		mm_nvs_harm(reading, number, NVS_WHOLE_PAGE,
		    "the device has called the page corrupt");
		return;
	}
	if (mm_nvs_page_crc(at) != mm_little_u32(at + NVS_PAGE_CRC)) {
		mm_nvs_harm(reading, number, NVS_WHOLE_PAGE,
		    "the CRC of the page's header is wrong");
		return;
	}
	if (strcmp(mm_nvs_state_name(page->state), "unknown") == 0)
		mm_nvs_harm(
		    reading, number, NVS_WHOLE_PAGE, "the state is unknown");
	if (page->version == 0)
		mm_nvs_harm(
		    reading, number, NVS_WHOLE_PAGE, "the version is unknown");
	count_states(reading, number);
	for (size_t i = 0; i < MM_NVS_ENTRIES;)
		i += scan_entry(reading, number, i);
}

static void
check_pages(struct nvs_reading *reading)
{
	size_t active = 0;

	for (size_t i = 0; i < reading->page_count; i++) {
		const struct mm_nvs_page *page = &reading->pages[i];

		if (page->state == NVS_PAGE_ACTIVE && active++ > 0)
			mm_nvs_harm(reading, i, NVS_WHOLE_PAGE,
			    "there is an active page before this one");
	}
}

void
mm_nvs_scan(struct nvs_reading *reading)
{
	for (size_t i = 0; i < reading->page_count; i++)
		scan_page(reading, i);
	check_pages(reading);
}
