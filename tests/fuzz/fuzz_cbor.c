/*
 * The strict reader over any bytes: it must come to an end, within them, and
 * what it takes for an item must be one that it takes again by itself.
 */
#include <stdlib.h>

#include "protocol/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mm_cbor reader = mm_cbor(mm_span(data, size));
	struct mm_span item = mm_cbor_item(&reader);
	struct mm_cbor again = mm_cbor(item);

	if (reader.error != MM_OK)
		return 0;
	if (item.data != data || item.size == 0 || item.size > size)
		abort();
	mm_cbor_item(&again);
	if (mm_cbor_end(&again) != MM_OK)
		abort();
	return 0;
}
