/* Bytes of a test, written as hex digits; blanks between them do not count. */
#ifndef MM_TESTS_HEX_H
#define MM_TESTS_HEX_H

#include <sodium.h>
#include <string.h>

#include "protocol/bytes.h"

/* Fails the test where `text` is no hex or does not fit. */
static inline struct mm_span
hex(const char *text, uint8_t *out, size_t size)
{
	const char *end;
	size_t used;

	assert_int_equal(
	    sodium_hex2bin(out, size, text, strlen(text), " \n", &used, &end),
	    0);
	assert_int_equal(*end, '\0');
	return mm_span(out, used);
}

/* Fails the test where `bytes` are not the ones of `text`. */
static inline void
assert_hex(struct mm_span bytes, const char *text)
{
	uint8_t wanted[4096];
	struct mm_span span = hex(text, wanted, sizeof(wanted));

	assert_int_equal(bytes.size, span.size);
	assert_memory_equal(bytes.data, span.data, span.size);
}

#endif
