/* CSRs: whatever is read has a key that reads again. */
#include <stdlib.h>

#include "ca/csr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mm_auto(arena) arena = {0};
	struct mm_key key;
	struct mm_csr csr;

	mm_arena_init(&arena, MM_SPKI_MAX);
	if (mm_csr_read(mm_span(data, size), &arena, &csr) == MM_OK &&
	    mm_key_read(csr.spki, &key) != MM_OK)
		abort();
	/* Past the signature, which a fuzzer cannot make. */
	if (mm_key_read(mm_span(data, size), &key) == MM_OK &&
	    mm_key_type_name(key.type)[0] == 'u')
		abort();
	return 0;
}
