/*
 * NVS images made from text, and read again.
 */
#ifndef MM_TEST_NVS_ROOM_H
#define MM_TEST_NVS_ROOM_H

#include <stdio.h>
#include <string.h>

#include "factory/nvs.h"
#include "protocol/shape.h"

#define NVS_HEADER "key,type,encoding,value\n"

static inline struct mm_nvs *
nvs_new(size_t size, unsigned version)
{
	struct mm_nvs *nvs;

	assert_int_equal(mm_nvs_new(size, version, &nvs), MM_OK);
	return nvs;
}

/* Adds rows below the usual header. */
static inline enum mm_error
nvs_rows(struct mm_nvs *nvs, const char *rows)
{
	static char text[65536];
	struct mm_nvs_source source = {.name = "in.csv"};

	snprintf(text, sizeof(text), "%s%s", NVS_HEADER, rows);
	source.text = mm_span_text(text);
	return mm_nvs_csv(nvs, &source);
}

/* A namespace and numbers, `count` entries in all. */
static inline void
nvs_fill(struct mm_nvs *nvs, size_t count)
{
	char key[32];

	assert_int_equal(mm_nvs_namespace(nvs, mm_span_text("ns")), MM_OK);
	for (size_t i = 1; i < count; i++) {
		snprintf(key, sizeof(key), "fill%zu", i);
		assert_int_equal(
		    mm_nvs_number(nvs, mm_span_text(key), MM_NVS_U8, i & 0xff),
		    MM_OK);
	}
}

struct nvs_read {
	struct mm_arena arena;
	struct mm_nvs_contents contents;
};

static inline void
mm_nvs_read_clear(struct nvs_read *read)
{
	mm_nvs_contents_clear(&read->contents);
	mm_arena_clear(&read->arena);
}
#define nvs_auto __attribute__((cleanup(mm_nvs_read_clear))) struct nvs_read

static inline enum mm_error
nvs_read(struct mm_span image, const uint8_t *key, struct nvs_read *out)
{
	mm_nvs_read_clear(out);
	mm_arena_init(&out->arena, mm_nvs_arena(image.size));
	return mm_nvs_read(image, key, &out->arena, &out->contents);
}

static inline const struct mm_nvs_item *
nvs_find(const struct nvs_read *read, const char *name, const char *key)
{
	for (mm_list_each(const struct mm_nvs_item, item, read->contents.items))
		if (item->namespace_index != 0 &&
		    mm_span_is(item->namespace_name, name) &&
		    mm_span_is(item->key, key))
			return item;
	return NULL;
}

/* Makes the image of what was read, in its order. */
static inline void
nvs_again(const struct nvs_read *read, struct mm_nvs *nvs)
{
	enum mm_error error = MM_OK;

	mm_nvs_reset(nvs);
	for (mm_list_each(
		 const struct mm_nvs_item, item, read->contents.items)) {
		if (item->namespace_index == 0)
			error = mm_nvs_namespace(nvs, item->key);
		else if (mm_nvs_is_number(item->type))
			error = mm_nvs_number(
			    nvs, item->key, item->type, item->number);
		else if (item->type == MM_NVS_STRING)
			error = mm_nvs_string(nvs, item->key, item->bytes);
		else
			error = mm_nvs_blob(nvs, item->key, item->bytes);
		assert_int_equal(error, MM_OK);
	}
}

#endif
