/*
 * Certificates from anybody before the linter, under every standard, alone and
 * below another one; and as the answer of a CA outside. The first two bytes
 * say how long the certificate is that comes first; the issuer's follows.
 */
#include <stdlib.h>

#include "ca/lint.h"
#include "ca/request.h"
#include "protocol/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1 << 16 };

/* A verdict names its clause, and is the same when asked again. */
static void
judge(struct mm_span der, uint64_t standard, struct mm_span issuer)
{
	struct mm_lint found = {.clause = NULL};
	enum mm_error error =
	    mm_lint_certificate(der, standard, issuer, &found);

	if (error == MM_E_STANDARD &&
	    (found.clause == NULL || found.what[0] == '\0'))
		abort();
	if (mm_lint_certificate(der, standard, issuer, NULL) != error)
		abort();
	(void)!mm_lint_tbs(der, standard, issuer, NULL);
}

/* What may be imported for a CA's key can be read as an issuer. */
static void
import(struct mm_span der, struct mm_span spki)
{
	mm_auto(buffer) tbs = {0};
	mm_auto(arena) arena = {0};
	struct mm_tbs read;
	bool reads;

	mm_buffer_init(&tbs, der.size);
	mm_arena_init(&arena, ARENA_MAX);
	if (mm_imported_tbs(der, &tbs) != MM_OK)
		return;
	reads = mm_issuer_read(mm_buffer_span(&tbs), &arena, &read) == MM_OK;
	if (reads)
		spki = read.spki;
	for (uint64_t use = MM_KEY_ROOT_CA; use <= MM_KEY_CODE_SIGNING; use++)
		if (mm_imported_check(der, use, spki) == MM_OK && !reads &&
		    use != MM_KEY_CODE_SIGNING)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t first = size < 2 ? 0 : (size_t)data[0] << 8 | data[1];
	struct mm_span der, issuer;

	if (size < 2)
		return 0;
	if (first > size - 2)
		first = size - 2;
	der = mm_span(data + 2, first);
	issuer = mm_span(data + 2 + first, size - 2 - first);
	for (uint64_t standard = 0; standard <= MM_STANDARDS; standard++) {
		judge(der, standard, mm_span(NULL, 0));
		judge(der, standard, issuer);
	}
	import(der, issuer);
	return 0;
}
