#include "signer/image.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

static const struct mm_field facts_fields[] = {
    MM_FIELD(mm_image_facts, 0, size, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_image_facts, 1, sha256, MM_FIXED, 0, 32),
    MM_FIELD(mm_image_facts, 2, format, MM_TEXT, 1, 64)};
MM_SHAPE(mm_image_facts_shape, mm_image_facts, facts_fields);

enum mm_error
mm_image_read(struct mm_span image, struct mm_image_facts *out)
{
	struct mm_image_facts facts = {.size = image.size};
	int failed;

	if (image.size == 0)
		return mm_fail(MM_E_INSPECTOR, "the image is empty");
	/* GnuTLS uses the CPU's SHA instructions where it has them. */
	failed = gnutls_hash_fast(
	    GNUTLS_DIG_SHA256, image.data, image.size, facts.sha256);
	if (failed != 0)
		return mm_fail(
		    MM_E_INSPECTOR, "SHA-256: %s", gnutls_strerror(failed));
	facts.format = mm_span_text("plain");
	*out = facts;
	return MM_OK;
}
