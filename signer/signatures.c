/*
 * What the readers have in common: the signatures that a file carries, and
 * bytes that are all the same.
 */
#include <string.h>

#include "signer/readers.h"

enum mm_error
mm_image_add_signature(
    struct mm_image_reading *r, const struct mm_signature_block *block)
{
	struct mm_list *list = &r->facts->signatures;
	struct mm_signature_block *items;

	if (list->count == MM_SIGNATURE_BLOCKS_MAX)
		return mm_image_wrong(
		    "it carries more than %d signatures, the last at %llu",
		    MM_SIGNATURE_BLOCKS_MAX, (unsigned long long)block->offset);
	items = mm_arena_alloc(r->arena, (list->count + 1) * sizeof(*items));
	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for signatures");
	if (list->count > 0)
		memcpy(items, list->items, list->count * sizeof(*items));
	items[list->count] = *block;
	*list = (struct mm_list){items, list->count + 1};
	return MM_OK;
}

bool
mm_image_is_all(struct mm_span bytes, uint8_t value)
{
	/* All are as the first, and that is it. */
	return bytes.size == 0 ||
	       (bytes.data[0] == value &&
		   memcmp(bytes.data, bytes.data + 1, bytes.size - 1) == 0);
}

bool
mm_image_is_erased(struct mm_span bytes)
{
	return mm_image_is_all(bytes, 0xFF);
}
