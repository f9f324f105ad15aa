/*
 * NVS: an image is read, with a key and without; what a CSV makes is read
 * without damage, and makes the same image again. The first byte says which.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "factory/nvs.h"
#include "protocol/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGES = 4, SIZE = PAGES * MM_NVS_PAGE };

static void
must(bool held)
{
	if (!held)
		abort();
}

/* --- from a CSV --- */

static enum mm_error
add_item(struct mm_nvs *nvs, const struct mm_nvs_item *item)
{
	if (item->namespace_index == 0)
		return mm_nvs_namespace(nvs, item->key);
	if (mm_nvs_is_number(item->type))
		return mm_nvs_number(nvs, item->key, item->type, item->number);
	return item->type == MM_NVS_STRING
		   ? mm_nvs_string(nvs, item->key, item->bytes)
		   : mm_nvs_blob(nvs, item->key, item->bytes);
}

static void
make_again(struct mm_span image, const uint8_t *key, unsigned version)
{
	mm_auto(nvs_contents) contents = {0};
	mm_auto(arena) arena = {0};
	struct mm_nvs *nvs;
	struct mm_span made;

	mm_arena_init(&arena, mm_nvs_arena(image.size));
	must(mm_nvs_read(image, key, &arena, &contents) == MM_OK);
	must(contents.damage.count == 0);
	must(mm_nvs_new(SIZE, version, &nvs) == MM_OK);
	for (mm_list_each(const struct mm_nvs_item, item, contents.items))
		must(add_item(nvs, item) == MM_OK);
	must(mm_nvs_finish(nvs, key, &made) == MM_OK);
	must(mm_span_equal(image, made));
	mm_nvs_free(nvs);
}

static void
from_csv(struct mm_span text, const uint8_t *key, unsigned version)
{
	const struct mm_nvs_source source = {.name = "csv", .text = text};
	struct mm_nvs *nvs;
	struct mm_nvs_use use;
	struct mm_span image;

	/* What lies in the working directory is not the input's. */
	if (text.size == 0 || memmem(text.data, text.size, "file", 4) != NULL)
		return;
	must(mm_nvs_new(SIZE, version, &nvs) == MM_OK);
	if (mm_nvs_csv(nvs, &source) == MM_OK) {
		must(mm_nvs_finish(nvs, key, &image) == MM_OK);
		mm_nvs_used(nvs, &use);
		/* Without an entry nothing shows what the key is. */
		if (use.namespaces > 0)
			make_again(image, key, version);
	} else {
		must(mm_nvs_finish(nvs, key, &image) != MM_OK);
	}
	mm_nvs_free(nvs);
}

/* --- an image --- */

static void
read_image(struct mm_span image, const uint8_t *key)
{
	mm_auto(nvs_contents) contents = {0};
	mm_auto(arena) arena = {0};
	size_t bytes = 0;

	mm_arena_init(&arena, mm_nvs_arena(image.size));
	if (mm_nvs_read(image, key, &arena, &contents) != MM_OK)
		return;
	for (mm_list_each(const struct mm_nvs_item, item, contents.items)) {
		must(item->page < image.size / MM_NVS_PAGE);
		must(item->entry < MM_NVS_ENTRIES);
		must(item->key.size > 0 && item->key.size <= MM_NVS_NAME);
		bytes += item->bytes.size;
		for (size_t i = 0; i < item->bytes.size; i++)
			bytes += item->bytes.data[i] == 'x';
	}
	must(bytes <= 2 * image.size);
}

/* Whole pages, of which the input is the beginning, and as it is. */
static void
from_image(struct mm_span bytes, const uint8_t *key)
{
	static uint8_t image[SIZE];

	read_image(bytes, key);
	memset(image, 0xff, sizeof(image));
	if (bytes.size > 0)
		memcpy(
		    image, bytes.data, bytes.size < SIZE ? bytes.size : SIZE);
	read_image(mm_span(image, SIZE), key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t key[MM_NVS_KEY];
	uint8_t partition[MM_NVS_PAGE];
	bool keyed = size > 0 && (data[0] & 1) != 0;

	if (size == 0 || sodium_init() < 0)
		return 0;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	mm_nvs_keys_encode(key, partition);
	must(mm_nvs_keys_decode(mm_span(partition, MM_NVS_PAGE), key) == MM_OK);
	if ((data[0] & 2) != 0)
		from_csv(mm_span(data + 1, size - 1), keyed ? key : NULL,
		    (data[0] & 4) != 0 ? 1 : 2);
	else
		from_image(mm_span(data + 1, size - 1), keyed ? key : NULL);
	return 0;
}
