#include "signer/scheme.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

/* By GnuTLS, which uses the CPU's SHA instructions where it has them. */
static enum mm_error
digest_sha256(struct mm_span image, uint8_t out[32])
{
	int failed = gnutls_hash_fast(
	    GNUTLS_DIG_SHA256, image.data, image.size, out);

	if (failed != 0)
		return mm_fail(MM_E_INSPECTOR, "SHA-256: %s",
		    gnutls_strerror(failed));
	return MM_OK;
}

static const struct mm_scheme schemes[] = {
    {"sha256-ecdsa",
	"ECDSA over SHA-256 of the whole file, DER: sig-sha256-ecdsa of AWS "
	"FreeRTOS",
	digest_sha256},
};

const struct mm_scheme *
mm_scheme_find(struct mm_span name)
{
	for (size_t i = 0; i < MM_COUNT(schemes); i++)
		if (mm_span_is(name, schemes[i].name))
			return &schemes[i];
	return NULL;
}
