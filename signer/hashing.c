#include "signer/hashing.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

static enum mm_error
failed(int status)
{
	return mm_fail(MM_E_INSPECTOR, "SHA-2: %s", gnutls_strerror(status));
}

static int
feed(gnutls_hash_hd_t hash, struct mm_span bytes)
{
	return bytes.size == 0 ? 0 : gnutls_hash(hash, bytes.data, bytes.size);
}

static int
feed_erased(gnutls_hash_hd_t hash, uint64_t count)
{
	uint8_t erased[4096];
	int status = 0;

	memset(erased, 0xFF, sizeof(erased));
	while (count > 0 && status == 0) {
		size_t size =
		    count < sizeof(erased) ? (size_t)count : sizeof(erased);

		status = gnutls_hash(hash, erased, size);
		count -= size;
	}
	return status;
}

/* The hash so far, with the padding behind it; `hash` goes on. */
static int
branch(gnutls_hash_hd_t hash, struct mm_prefix_hash *prefix)
{
	gnutls_hash_hd_t copy = gnutls_hash_copy(hash);
	int status;

	if (copy == NULL)
		return GNUTLS_E_HASH_FAILED;
	status = feed_erased(copy, prefix->fill);
	gnutls_hash_deinit(copy, prefix->out);
	return status;
}

enum mm_error
mm_hash_prefixes(struct mm_span head, struct mm_span file,
    struct mm_prefix_hash *prefixes, size_t count)
{
	gnutls_hash_hd_t hash;
	size_t at = 0;
	int status = gnutls_hash_init(&hash, GNUTLS_DIG_SHA256);

	if (status != 0)
		return failed(status);
	status = feed(hash, head);
	for (size_t i = 0; i < count && status == 0; i++) {
		if (prefixes[i].size < at || prefixes[i].size > file.size) {
			status = GNUTLS_E_INVALID_REQUEST;
			break;
		}
		status = feed(hash,
		    mm_span(file.data + at, (size_t)prefixes[i].size - at));
		at = (size_t)prefixes[i].size;
		if (status == 0)
			status = branch(hash, &prefixes[i]);
	}
	gnutls_hash_deinit(hash, NULL);
	return status == 0 ? MM_OK : failed(status);
}

enum mm_error
mm_hash(struct mm_span bytes, uint8_t out[32])
{
	struct mm_prefix_hash whole = {.size = bytes.size};
	enum mm_error error =
	    mm_hash_prefixes((struct mm_span){0}, bytes, &whole, 1);

	if (error == MM_OK)
		memcpy(out, whole.out, sizeof(whole.out));
	return error;
}

enum mm_error
mm_hash_384(struct mm_span bytes, uint8_t out[48])
{
	int status = gnutls_hash_fast(GNUTLS_DIG_SHA384,
	    bytes.size > 0 ? bytes.data : (const uint8_t *)"", bytes.size, out);

	return status == 0 ? MM_OK : failed(status);
}
