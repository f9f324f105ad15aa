/*
 * The vectors of the vendors' tools, tests/vectors/esp: rows of their
 * tab-separated indexes, and the files that these name.
 */
#ifndef MM_TESTS_ESP_VECTORS_H
#define MM_TESTS_ESP_VECTORS_H

#include <stdio.h>
#include <string.h>

#include "signer/scheme.h"

enum { VECTOR_COLUMNS = 9, VECTOR_MAX = 1 << 20, VECTOR_ARENA = 65536 };

struct vector_row {
	const char *column[VECTOR_COLUMNS];
	size_t count;
};

struct vector_index {
	const char *directory; /* "secure_boot_v2" */
	FILE *file;
	char line[1024];
	size_t rows;
};

static inline void
vector_open(struct vector_index *index, const char *directory, const char *name)
{
	char path[256];

	snprintf(
	    path, sizeof(path), "tests/vectors/esp/%s/%s", directory, name);
	*index = (struct vector_index){.directory = directory};
	index->file = fopen(path, "r");
	assert_non_null(index->file);
}

/* False at the end, where the index is closed. */
static inline bool
vector_next(struct vector_index *index, struct vector_row *row)
{
	char *at = index->line;

	do {
		if (fgets(index->line, sizeof(index->line), index->file) ==
		    NULL) {
			fclose(index->file);
			return false;
		}
	} while (index->line[0] == '#');
	index->line[strcspn(index->line, "\n")] = '\0';
	*row = (struct vector_row){.count = 0};
	while (at != NULL && row->count < VECTOR_COLUMNS)
		row->column[row->count++] = strsep(&at, "\t");
	index->rows++;
	return true;
}

/* The bytes of a file; the caller clears them. */
static inline struct mm_span
vector_file(const char *directory, const char *name, struct mm_buffer *out)
{
	char path[256];

	snprintf(
	    path, sizeof(path), "tests/vectors/esp/%s/%s", directory, name);
	mm_buffer_clear(out);
	mm_buffer_init(out, VECTOR_MAX);
	assert_int_equal(mm_file_read(path, VECTOR_MAX, out), MM_OK);
	return mm_buffer_span(out);
}

static inline void
vector_key(const char *directory, const char *name, struct mm_public_key *out)
{
	mm_auto(buffer) file = {0};

	assert_int_equal(
	    mm_public_key_read(vector_file(directory, name, &file), out),
	    MM_OK);
}

/* An image as it is read, or, where it is broken, as plain bytes. */
struct vector_image {
	struct mm_buffer bytes;
	struct mm_arena arena;
	struct mm_image_facts facts;
	struct mm_image image;
};

static inline void
mm_vector_image_clear(struct vector_image *image)
{
	mm_buffer_clear(&image->bytes);
	mm_arena_clear(&image->arena);
}
#define vector_auto __attribute__((cleanup(mm_vector_image_clear)))

static inline void
vector_read(struct vector_image *out)
{
	struct mm_span bytes = mm_buffer_span(&out->bytes);
	enum mm_error error;

	mm_arena_clear(&out->arena);
	mm_arena_init(&out->arena, VECTOR_ARENA);
	error =
	    mm_image_read(bytes, mm_span(NULL, 0), &out->arena, &out->facts);
	if (error == MM_E_IMAGE)
		error = mm_image_read(
		    bytes, mm_span_text("plain"), &out->arena, &out->facts);
	assert_int_equal(error, MM_OK);
	out->image = (struct mm_image){bytes, &out->facts};
}

static inline void
vector_image(const char *directory, const char *name, struct vector_image *out)
{
	vector_file(directory, name, &out->bytes);
	vector_read(out);
}

static inline void
vector_expect(
    const struct vector_row *row, enum mm_error error, const char *yes)
{
	bool right = strcmp(row->column[1], yes) == 0
			 ? error == MM_OK
			 : error == MM_E_IMAGE_SIGNATURE;

	if (!right)
		fail_msg("%s: %s, but %s (%s)", row->column[0], row->column[1],
		    mm_error_name(error),
		    error != MM_OK ? mm_why(error) : "verified");
}

#endif
