#include <sodium.h>
#include <string.h>

#include "factory/nvs_reading.h"
#include "signer/numbers.h"

#define wrong(...) mm_fail(MM_E_FORMAT, __VA_ARGS__)

/* --- namespaces and values --- */

static struct mm_span
name_of(const uint8_t *entry)
{
	return mm_span(entry + NVS_NAME,
	    strnlen((const char *)entry + NVS_NAME, NVS_NAME_SIZE));
}

static void
read_name(struct nvs_reading *reading, size_t page, size_t entry)
{
	const uint8_t *at = nvs_found_at(reading, page, entry)->at;
	uint8_t index;

	if (at == NULL || at[0] != 0)
		return;
	index = at[NVS_DATA];
	if (at[NVS_TYPE] != MM_NVS_U8 || index == 0 ||
	    index > MM_NVS_NAMESPACES)
		mm_nvs_harm(reading, page, entry, "the namespace has no index");
	else if (reading->names[index].data != NULL)
		mm_nvs_harm(
		    reading, page, entry, "two namespaces have the same index");
	else
		reading->names[index] = name_of(at);
}

static uint64_t
number_of(const uint8_t *entry)
{
	unsigned type = entry[NVS_TYPE], bits = 8 * (type & 0xf);
	uint64_t number = mm_little(entry + NVS_DATA, type & 0xf);

	if (mm_nvs_is_signed(type) && bits < 64 && number >> (bits - 1) != 0)
		number |= UINT64_MAX << bits;
	return number;
}

/* Chunks by namespace, key and number. */
static int
by_chunk(const void *left, const void *right)
{
	const uint8_t *a = (*(struct nvs_found *const *)left)->at;
	const uint8_t *b = (*(struct nvs_found *const *)right)->at;
	int order = a[0] - b[0];

	if (order == 0)
		order = mm_span_compare(name_of(a), name_of(b));
	return order != 0 ? order : a[NVS_CHUNK] - b[NVS_CHUNK];
}

static void
sort_chunks(struct nvs_reading *reading)
{
	for (size_t i = 0; i < reading->page_count * MM_NVS_ENTRIES; i++)
		if (reading->found[i].at != NULL &&
		    reading->found[i].at[NVS_TYPE] == MM_NVS_BLOB_DATA)
			reading->chunks[reading->chunk_count++] =
			    &reading->found[i];
	qsort(reading->chunks, reading->chunk_count, sizeof(*reading->chunks),
	    by_chunk);
}

/* The chunk of this number of the blob with this index. */
static struct nvs_found *
find_chunk(
    const struct nvs_reading *reading, const uint8_t *index, unsigned chunk)
{
	uint8_t wanted[MM_NVS_ENTRY];
	struct nvs_found of = {.at = wanted}, *key = &of, **found;

	memcpy(wanted, index, sizeof(wanted));
	wanted[NVS_CHUNK] = (uint8_t)chunk;
	found = chunk >= NVS_NO_CHUNK || reading->chunk_count == 0
		    ? NULL
		    : bsearch(&key, reading->chunks, reading->chunk_count,
			  sizeof(*reading->chunks), by_chunk);
	return found != NULL ? *found : NULL;
}

/* A blob's chunks put together; where it begins goes to `item`. */
static const char *
join_chunks(
    struct nvs_reading *reading, const uint8_t *index, struct mm_nvs_item *item)
{
	size_t total = mm_little_u32(index + NVS_DATA), size = 0;
	unsigned count = index[NVS_DATA + 4], first = index[NVS_DATA + 5];

	item->bytes = mm_span(reading->values, 0);
	for (unsigned i = 0; i < count; i++) {
		struct nvs_found *found = find_chunk(reading, index, first + i);
		size_t part;

		if (found == NULL)
			return "a chunk of the blob is missing";
		if (found->used)
			return "another blob has the same chunk";
		found->used = true;
		if (i == 0) {
			size_t place = (size_t)(found - reading->found);

			item->page = place / MM_NVS_ENTRIES;
			item->entry = place % MM_NVS_ENTRIES;
		}
		part = mm_little(found->at + NVS_DATA, 2);
		memcpy(reading->values + size, found->at + MM_NVS_ENTRY, part);
		size += part;
	}
	if (size != total)
		return "the blob's size is not its chunks'";
	item->bytes.size = size;
	reading->values += size;
	return NULL;
}

static const char *
read_item(
    struct nvs_reading *reading, const uint8_t *at, struct mm_nvs_item *item)
{
	size_t size = mm_little(at + NVS_DATA, 2);

	item->namespace_index = at[0];
	item->namespace_name = reading->names[at[0]];
	item->key = name_of(at);
	item->type =
	    at[NVS_TYPE] == MM_NVS_BLOB_INDEX ? MM_NVS_BLOB : at[NVS_TYPE];
	if (at[NVS_TYPE] == MM_NVS_BLOB_INDEX)
		return join_chunks(reading, at, item);
	if (mm_nvs_is_number(at[NVS_TYPE]))
		item->number = number_of(at);
	else
		item->bytes = mm_span(at + MM_NVS_ENTRY,
		    item->type == MM_NVS_STRING ? size - 1 : size);
	return NULL;
}

static void
add_item(struct nvs_reading *reading, size_t page, size_t entry)
{
	const uint8_t *at = nvs_found_at(reading, page, entry)->at;
	struct mm_nvs_item item = {.page = page, .entry = entry};
	const char *fault;

	if (at == NULL || at[NVS_TYPE] == MM_NVS_BLOB_DATA)
		return;
	fault = read_item(reading, at, &item);
	if (fault != NULL) {
		mm_nvs_harm(reading, page, entry, fault);
		return;
	}
	if (item.namespace_index != 0 && item.namespace_name.data == NULL)
		mm_nvs_harm(
		    reading, page, entry, "no namespace has this index");
	reading->items[reading->items_count++] = item;
}

static void
tell_orphans(struct nvs_reading *reading)
{
	for (size_t i = 0; i < reading->page_count * MM_NVS_ENTRIES; i++) {
		const struct nvs_found *found = &reading->found[i];

		if (found->at != NULL &&
		    found->at[NVS_TYPE] == MM_NVS_BLOB_DATA && !found->used)
			mm_nvs_harm(reading, i / MM_NVS_ENTRIES,
			    i % MM_NVS_ENTRIES, "a chunk belongs to no blob");
	}
}

static int
by_place(const void *left, const void *right)
{
	const struct mm_nvs_item *a = left, *b = right;

	if (a->page != b->page)
		return a->page < b->page ? -1 : 1;
	return a->entry < b->entry ? -1 : a->entry > b->entry;
}

static int
by_name(const void *left, const void *right)
{
	const struct mm_nvs_item *a = *(const struct mm_nvs_item *const *)left;
	const struct mm_nvs_item *b = *(const struct mm_nvs_item *const *)right;

	if (a->namespace_index != b->namespace_index)
		return a->namespace_index < b->namespace_index ? -1 : 1;
	return mm_span_compare(a->key, b->key);
}

static void
tell_twice(struct nvs_reading *reading, const struct mm_nvs_item **sorted)
{
	for (size_t i = 0; i < reading->items_count; i++)
		sorted[i] = &reading->items[i];
	qsort(sorted, reading->items_count, sizeof(*sorted), by_name);
	for (size_t i = 1; i < reading->items_count; i++)
		if (by_name(&sorted[i - 1], &sorted[i]) == 0)
			mm_nvs_harm(reading, sorted[i]->page, sorted[i]->entry,
			    "the key is there twice");
}

/* --- all of it --- */

static enum mm_error
read_all(struct nvs_reading *reading)
{
	size_t entries = reading->page_count * MM_NVS_ENTRIES;
	const struct mm_nvs_item **sorted =
	    mm_arena_alloc(reading->arena, entries * sizeof(*sorted));

	mm_nvs_scan(reading);
	if (reading->sound == 0 && reading->unsound > 0)
		return wrong("no entry can be read: the key is another "
			     "image's, or the image is encrypted and none was "
			     "given, or it is not encrypted and one was");
	for (size_t i = 0; i < entries; i++)
		read_name(reading, i / MM_NVS_ENTRIES, i % MM_NVS_ENTRIES);
	sort_chunks(reading);
	for (size_t i = 0; i < entries; i++)
		add_item(reading, i / MM_NVS_ENTRIES, i % MM_NVS_ENTRIES);
	qsort(reading->items, reading->items_count, sizeof(*reading->items),
	    by_place);
	tell_orphans(reading);
	if (sorted != NULL)
		tell_twice(reading, sorted);
	return sorted != NULL ? MM_OK : MM_E_MEMORY;
}

/* A page, of all places, that begins as one of NVS does. */
static bool
is_nvs(struct mm_span image)
{
	for (size_t at = 0; at < image.size; at += MM_NVS_PAGE)
		if (mm_nvs_page_crc(image.data + at) ==
			mm_little_u32(image.data + at + NVS_PAGE_CRC) &&
		    mm_little_u32(image.data + at) != NVS_PAGE_EMPTY)
			return true;
	return mm_nvs_is_blank(image.data, image.size);
}

/* Bytes of the arena for each entry. */
enum {
	EACH = sizeof(struct nvs_found) + sizeof(struct mm_nvs_item) +
	       2 * sizeof(struct mm_nvs_damage) + 2 * sizeof(void *)
};

size_t
mm_nvs_arena(size_t size)
{
	size_t pages = size / MM_NVS_PAGE + 1;

	return pages * ((MM_NVS_ENTRIES + 2) * (size_t)EACH +
			   sizeof(struct mm_nvs_page)) +
	       4096;
}

static enum mm_error
make_room(struct nvs_reading *reading, struct mm_span image)
{
	size_t entries = reading->page_count * MM_NVS_ENTRIES;
	struct mm_nvs_contents *out = reading->out;

	reading->damage_max = 2 * (entries + reading->page_count);
	reading->found =
	    mm_arena_alloc(reading->arena, entries * sizeof(*reading->found));
	reading->chunks =
	    mm_arena_alloc(reading->arena, entries * sizeof(*reading->chunks));
	reading->items =
	    mm_arena_alloc(reading->arena, entries * sizeof(*reading->items));
	reading->pages = mm_arena_alloc(
	    reading->arena, reading->page_count * sizeof(*reading->pages));
	reading->damage = mm_arena_alloc(
	    reading->arena, reading->damage_max * sizeof(*reading->damage));
	out->image = sodium_malloc(image.size);
	out->values = sodium_malloc(image.size);
	if (reading->found == NULL || reading->chunks == NULL ||
	    reading->items == NULL || reading->pages == NULL ||
	    reading->damage == NULL || out->image == NULL ||
	    out->values == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an NVS image");
	memcpy(out->image, image.data, image.size);
	reading->image = out->image;
	reading->values = out->values;
	return MM_OK;
}

enum mm_error
mm_nvs_read(struct mm_span image, const uint8_t *key, struct mm_arena *arena,
    struct mm_nvs_contents *out)
{
	struct nvs_reading reading = {.arena = arena, .out = out};
	enum mm_error error;

	*out = (struct mm_nvs_contents){.image = NULL};
	if (image.size == 0 || image.size % MM_NVS_PAGE != 0 ||
	    image.size > MM_NVS_SIZE_MAX)
		return wrong("an NVS image has whole pages of 0x1000 bytes, "
			     "0x%x at most, not 0x%zx",
		    (unsigned)MM_NVS_SIZE_MAX, image.size);
	if (!is_nvs(image))
		return wrong("this is not an NVS image, or it is encrypted "
			     "for flash as a whole");
	reading.page_count = image.size / MM_NVS_PAGE;
	error = make_room(&reading, image);
	if (error == MM_OK && key != NULL)
		error = mm_nvs_crypt(key, false, out->image, image.size);
	if (error == MM_OK)
		error = read_all(&reading);
	if (error != MM_OK)
		return error;
	out->pages = (struct mm_list){reading.pages, reading.page_count};
	out->items = (struct mm_list){reading.items, reading.items_count};
	out->damage = (struct mm_list){reading.damage, reading.damage_count};
	return MM_OK;
}

void
mm_nvs_contents_clear(struct mm_nvs_contents *contents)
{
	sodium_free(contents->image);
	sodium_free(contents->values);
	*contents = (struct mm_nvs_contents){.image = NULL};
}
