/*
 * What the tests of both Secure Boots do with vectors: verify, attach, look
 * at what came out.
 */
#ifndef MM_TESTS_SECURE_BOOT_H
#define MM_TESTS_SECURE_BOOT_H

#include "esp_vectors.h"

static const struct mm_span none;

static inline const struct mm_scheme *
scheme(const char *name)
{
	const struct mm_scheme *found = mm_scheme_family(mm_span_text(name));

	assert_non_null(found);
	return found;
}

static inline enum mm_error
verify(const char *family, const struct vector_image *image,
    const struct mm_public_key *key)
{
	return scheme(family)->verify(&image->image, none, key, NULL);
}

static inline size_t
blocks_of(const struct vector_image *image)
{
	return image->facts.signatures.count;
}

static inline const struct mm_signature_block *
block_of(const struct vector_image *image, size_t i)
{
	assert_true(i < blocks_of(image));
	return mm_list_at(
	    image->facts.signatures, struct mm_signature_block, i);
}

/* What an attached file is when it is written. */
static inline void
write_attached(struct mm_attached *attached, struct vector_image *out)
{
	mm_buffer_clear(&out->bytes);
	mm_buffer_init(&out->bytes, VECTOR_MAX);
	assert_int_equal(mm_attached_write(attached, &out->bytes), MM_OK);
	assert_int_equal(mm_attached_size(attached), out->bytes.size);
	mm_attached_clear(attached);
	vector_read(out);
}

static inline void
assert_file(
    const struct vector_image *image, const char *directory, const char *name)
{
	mm_auto(buffer) wanted = {0};
	struct mm_span bytes = vector_file(directory, name, &wanted);

	assert_int_equal(image->bytes.size, bytes.size);
	assert_memory_equal(image->bytes.data, bytes.data, bytes.size);
}

#endif
