/*
 * An image that is being read: what is found where, and what is wrong.
 */
#ifndef MM_FACTORY_NVS_READING_H
#define MM_FACTORY_NVS_READING_H

#include "factory/nvs_parts.h"

enum { NVS_WHOLE_PAGE = MM_NVS_ENTRIES };

/* An entry whose CRC is right, where it is live. */
struct nvs_found {
	const uint8_t *at; /* NULL: none begins here */
	bool used;         /* a chunk that an index names */
};

struct nvs_reading {
	struct mm_arena *arena;
	struct mm_nvs_contents *out;
	const uint8_t *image;
	size_t page_count;
	struct nvs_found *found;   /* MM_NVS_ENTRIES a page */
	struct nvs_found **chunks; /* the chunks among them, sorted */
	size_t chunk_count;
	struct mm_nvs_page *pages;
	struct mm_nvs_item *items;
	struct mm_nvs_damage *damage;
	size_t items_count, damage_count, damage_max;
	size_t sound, unsound; /* entries by their CRC */
	struct mm_span names[256];
	uint8_t *values; /* what is left of room for values */
};

static inline struct nvs_found *
nvs_found_at(const struct nvs_reading *reading, size_t page, size_t entry)
{
	return &reading->found[page * MM_NVS_ENTRIES + entry];
}

/* Tells damage; `entry` NVS_WHOLE_PAGE: of the page. */
void mm_nvs_harm(
    struct nvs_reading *reading, size_t page, size_t entry, const char *what);
bool mm_nvs_is_blank(const uint8_t *bytes, size_t size) mm_must_use;
/* Fills `found` and `pages`, and counts sound and unsound entries. */
void mm_nvs_scan(struct nvs_reading *reading);

#endif
