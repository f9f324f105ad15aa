/* TBS: whatever is read is put into a certificate and comes out of it, and
 * passes its check only with the same bytes as before. */
#include <stdlib.h>

#include "ca/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mm_subject_part part = {
    {(const uint8_t *)"2.5.4.3", 7}, {(const uint8_t *)"{name}", 6}};

static const struct mm_profile profile = {
    .name = {(const uint8_t *)"root-ca", 7},
    .purpose = MM_PURPOSE_CA,
    .subject = {&part, 1},
    .keys = 1 << MM_KEY_P256,
    .key_usage = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN};

static void
go_round(struct mm_span tbs)
{
	mm_auto(buffer) certificate = {0};
	mm_auto(buffer) again = {0};

	mm_buffer_init(&certificate, tbs.size + 64);
	mm_buffer_init(&again, tbs.size);
	if (mm_certificate_assemble(tbs, mm_span(tbs.data, 1), &certificate) !=
		MM_OK ||
	    mm_certificate_tbs(mm_buffer_span(&certificate), &again) != MM_OK ||
	    !mm_span_equal(mm_buffer_span(&again), tbs))
		abort();
}

/* What is checked and found good is what would be built. */
static void
build_again(struct mm_span tbs, const struct mm_tbs *read)
{
	struct mm_certificate_plan plan = {.profile = &profile,
	    .subject = mm_span_text("root"),
	    .spki = read->spki,
	    .now = read->not_before};
	mm_auto(buffer) built = {0};

	mm_buffer_init(&built, 8192);
	if (mm_tbs_check(tbs, &plan) != MM_OK)
		return;
	if (mm_tbs_build(&plan, read->serial, &built) != MM_OK ||
	    !mm_span_equal(mm_buffer_span(&built), tbs))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mm_span tbs = mm_span(data, size);
	mm_auto(arena) arena = {0};
	struct mm_tbs read;

	mm_arena_init(&arena, 16384);
	if (mm_tbs_read(tbs, &arena, &read) != MM_OK)
		return 0;
	go_round(tbs);
	build_again(tbs, &read);
	return 0;
}
