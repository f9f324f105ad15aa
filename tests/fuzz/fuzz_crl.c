/*
 * CRLs before they are signed, from whoever decides: whom they list is read to
 * the end, and none of them is a certificate.
 */
#include <stdlib.h>

#include "ca/certificate.h"
#include "ca/crl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
within(struct mm_span part, const uint8_t *data, size_t size)
{
	if (part.size > 0 && (part.data < data || part.size > size ||
				 (size_t)(part.data - data) > size - part.size))
		abort();
}

static void
list(struct mm_der revoked, const uint8_t *data, size_t size)
{
	while (mm_der_more(&revoked)) {
		struct mm_crl_revoked one;

		if (mm_crl_next(&revoked, &one) != MM_OK)
			return;
		within(one.serial, data, size);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mm_span tbs = mm_span(data, size);
	mm_auto(arena) arena = {0};
	struct mm_tbs certificate;
	struct mm_crl crl;

	mm_arena_init(&arena, 1 << 16);
	if (mm_crl_read(tbs, &crl) != MM_OK)
		return 0;
	within(crl.issuer, data, size);
	within(crl.authority, data, size);
	list(crl.revoked, data, size);
	if (mm_tbs_read(tbs, &arena, &certificate) == MM_OK)
		abort();
	return 0;
}
