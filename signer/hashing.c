#include "signer/hashing.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

enum { BLOCK = 16384 };

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

uint8_t
mm_xor(struct mm_span bytes)
{
	struct {
		uint64_t a, b, c, d;
	} sum = {0}, next;
	uint8_t rest = 0;
	size_t at = 0;

	for (; bytes.size - at >= sizeof(next); at += sizeof(next)) {
		memcpy(&next, bytes.data + at, sizeof(next));
		sum.a ^= next.a;
		sum.b ^= next.b;
		sum.c ^= next.c;
		sum.d ^= next.d;
	}
	for (; at < bytes.size; at++)
		rest ^= bytes.data[at];
	sum.a ^= sum.b ^ sum.c ^ sum.d;
	sum.a ^= sum.a >> 32;
	sum.a ^= sum.a >> 16;
	return (uint8_t)(sum.a ^ sum.a >> 8 ^ rest);
}

/* The second look at a block finds it in the cache nearest to the CPU. */
static int
feed_and_sum(gnutls_hash_hd_t hash, struct mm_span bytes, uint8_t *sum)
{
	int status = 0;

	for (size_t at = 0; at < bytes.size && status == 0; at += BLOCK) {
		struct mm_span block = mm_span(bytes.data + at,
		    bytes.size - at < BLOCK ? bytes.size - at : BLOCK);

		status = feed(hash, block);
		*sum ^= mm_xor(block);
	}
	return status;
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

/* Up to where the bytes are to be summed. */
static uint64_t
summed_to(const struct mm_prefix_hash *prefixes, size_t count)
{
	while (count > 0 && !prefixes[count - 1].summed)
		count--;
	return count > 0 ? prefixes[count - 1].size : 0;
}

enum mm_error
mm_hash_prefixes(struct mm_span head, struct mm_span file,
    struct mm_prefix_hash *prefixes, size_t count)
{
	gnutls_hash_hd_t hash;
	uint64_t sum_end = summed_to(prefixes, count);
	size_t at = 0;
	uint8_t sum = 0;
	int status = gnutls_hash_init(&hash, GNUTLS_DIG_SHA256);

	if (status != 0)
		return failed(status);
	status = feed(hash, head);
	for (size_t i = 0; i < count && status == 0; i++) {
		struct mm_span next;

		if (prefixes[i].size < at || prefixes[i].size > file.size) {
			status = GNUTLS_E_INVALID_REQUEST;
			break;
		}
		next = mm_span(file.data + at, (size_t)prefixes[i].size - at);
		status = at < sum_end ? feed_and_sum(hash, next, &sum)
				      : feed(hash, next);
		at += next.size;
		if (prefixes[i].summed)
			prefixes[i].sum = sum;
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
