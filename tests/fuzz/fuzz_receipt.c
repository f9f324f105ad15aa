/* Receipts from anybody: what is read can be written, and is the same. */
#include <stdlib.h>
#include <string.h>

#include "log/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1 << 20, TEXT_MAX = 131072 };

/* An empty `extra` line is read and not written. */
static bool
has_empty_extra(struct mm_span text)
{
	return memmem(text.data, text.size, "\nextra \n", 8) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mm_span text = mm_span(data, size);
	struct mm_receipt receipt;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) back = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA_MAX);
	mm_buffer_init(&back, TEXT_MAX);
	if (mm_receipt_decode(text, &arena, &receipt) != MM_OK)
		return 0;
	error = mm_receipt_encode(&receipt, &back);
	/* We read longer entries than we write. */
	if (error == MM_E_RANGE)
		return 0;
	if (error != MM_OK || (!mm_span_equal(mm_buffer_span(&back), text) &&
				  !has_empty_extra(text)))
		abort();
	return 0;
}
