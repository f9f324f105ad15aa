/*
 * ESP images from anybody: what is read fits the file and passes between
 * processes. Checksum and SHA-256 are made right first where there is room for
 * them, so that the fuzzer gets behind them; then the file is read as it came.
 */
#include <stdlib.h>
#include <string.h>

#include "signer/hashing.h"
#include "signer/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA = 65536, HEADER = 24, HASH = 32 };

static void
check_list(const struct mm_image_facts *facts)
{
	for (mm_list_each(const struct mm_esp_facts, esp, facts->esp))
		for (mm_list_each(
			 const struct mm_segment, segment, esp->segments))
			if (segment->offset + segment->size > facts->length)
				abort();
	for (mm_list_each(
		 const struct mm_signature_block, block, facts->signatures))
		if (block->offset >= facts->size)
			abort();
}

static void
check_facts(const struct mm_image_facts *facts, struct mm_span image)
{
	struct mm_image_facts back;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) one = {0};
	mm_auto(buffer) two = {0};

	if (facts->size != image.size || facts->length > facts->size ||
	    facts->trailing > facts->size - facts->length ||
	    (facts->trailing == 0 && !facts->blank))
		abort();
	check_list(facts);
	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&one, ARENA);
	mm_buffer_init(&two, ARENA);
	if (mm_shape_encode(&mm_image_facts_shape, facts, &one) != MM_OK ||
	    mm_shape_decode(&mm_image_facts_shape, mm_buffer_span(&one), &arena,
		&back) != MM_OK ||
	    mm_shape_encode(&mm_image_facts_shape, &back, &two) != MM_OK ||
	    !mm_span_equal(mm_buffer_span(&one), mm_buffer_span(&two)))
		abort();
}

static enum mm_error
read_as(struct mm_span image, const char *as)
{
	struct mm_image_facts facts;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_image_read(image, mm_span_text(as), &arena, &facts);
	if (error == MM_OK)
		check_facts(&facts, image);
	else if (error != MM_E_IMAGE && image.size > 0)
		abort();
	return error;
}

/* Where the segments end, by the header; 0: not in the file. */
static size_t
end_of_segments(const uint8_t *data, size_t size, uint8_t *sum)
{
	size_t at = HEADER;

	for (unsigned i = 0; i < data[1]; i++) {
		uint32_t length;

		if (size - at < 8)
			return 0;
		memcpy(&length, data + at + 4, sizeof(length));
		at += 8;
		if (length > size - at)
			return 0;
		for (uint32_t k = 0; k < length; k++)
			*sum ^= data[at + k];
		at += length;
	}
	return at;
}

static void
seal(uint8_t *data, size_t size)
{
	uint8_t sum = 0xEF;
	size_t end = size < HEADER ? 0 : end_of_segments(data, size, &sum);

	end = (end / 16 + 1) * 16;
	if (end <= HEADER || end > size)
		return;
	data[end - 1] = sum;
	if (data[23] == 1 && size - end >= HASH &&
	    mm_hash(mm_span(data, end), data + end) != MM_OK)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	read_as(mm_span(copy, size), "");
	seal(copy, size);
	read_as(mm_span(copy, size), "");
	if (size > 0 && read_as(mm_span(copy, size), "plain") != MM_OK)
		abort();
	free(copy);
	return 0;
}
