/*
 * Blobs of what a log takes over from another one, from anybody: each item is
 * the one encoding of its meaning, and all of the blob is items.
 */
#include <stdlib.h>

#include "log/inheritance.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1 << 16, ITEM_MAX = 1 << 16 };

/* Whether there was one. */
static bool
take_one(struct mm_span *rest)
{
	struct mm_span before = *rest;
	struct mm_inherited one;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) again = {0};

	mm_arena_init(&arena, ARENA_MAX);
	mm_buffer_init(&again, ITEM_MAX);
	if (mm_inherited_next(rest, &arena, &one) != MM_OK)
		return false;
	before.size -= rest->size;
	if (before.size == 0 || rest->data != before.data + before.size ||
	    mm_shape_encode(&mm_inherited_shape, &one, &again) != MM_OK ||
	    !mm_span_equal(mm_buffer_span(&again), before))
		abort();
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mm_span rest = mm_span(data, size);

	while (rest.size > 0 && take_one(&rest))
		;
	return 0;
}
