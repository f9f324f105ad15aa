/*
 * PEM as RFC 7468 has it: exactly one block. Explanatory text may stand
 * before it (certtool and openssl -text put some there), nothing but white
 * space after it.
 */
#include "ca/certificate.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "protocol/text.h"

enum { LINE = 64 };

enum mm_error
mm_pem_encode(const char *label, struct mm_span der, struct mm_buffer *out)
{
	size_t size =
	    sodium_base64_encoded_len(der.size, sodium_base64_VARIANT_ORIGINAL);
	mm_autofree char *text = malloc(size);

	if (text == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for PEM");
	sodium_bin2base64(
	    text, size, der.data, der.size, sodium_base64_VARIANT_ORIGINAL);
	mm_buffer_printf(out, "-----BEGIN %s-----\n", label);
	for (size_t at = 0; at + 1 < size; at += LINE)
		mm_buffer_printf(out, "%.*s\n", LINE, text + at);
	mm_buffer_printf(out, "-----END %s-----\n", label);
	return out->error;
}

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_text(struct mm_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!is_space(text.data[i]) &&
		    (text.data[i] < 0x20 || text.data[i] > 0x7e))
			return false;
	return true;
}

static bool
is_blank(struct mm_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!is_space(text.data[i]))
			return false;
	return true;
}

/* Cuts `text` at `mark`: what is before it and what comes after it. */
static bool
cut(struct mm_span text, const char *mark, struct mm_span *before,
    struct mm_span *after)
{
	size_t length = strlen(mark);
	const uint8_t *found =
	    text.size == 0 ? NULL : memmem(text.data, text.size, mark, length);

	if (found == NULL)
		return false;
	*before = mm_span(text.data, (size_t)(found - text.data));
	*after = mm_span(found + length, text.size - before->size - length);
	return true;
}

static enum mm_error
decode_body(struct mm_span body, struct mm_buffer *out)
{
	mm_auto(buffer) bytes = {0};
	uint8_t *place;
	size_t size;

	mm_buffer_init(&bytes, body.size);
	place = mm_buffer_grow(&bytes, body.size);
	if (place == NULL)
		return mm_fail(bytes.error, "no memory for PEM");
	/* Padding and the last bits are checked by libsodium. */
	if (!mm_text_is_ascii(body) ||
	    sodium_base642bin(place, body.size, (const char *)body.data,
		body.size, "\r\n", &size, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    size == 0)
		return mm_fail(MM_E_FORMAT, "the PEM block is not base64");
	mm_buffer_add(out, place, size);
	return out->error;
}

enum mm_error
mm_pem_decode(const char *label, struct mm_span pem, struct mm_buffer *out)
{
	char begin[96], end[96];
	struct mm_span lead, rest, body, tail, none;

	snprintf(begin, sizeof(begin), "-----BEGIN %s-----", label);
	snprintf(end, sizeof(end), "-----END %s-----", label);
	if (!cut(pem, begin, &lead, &rest))
		return mm_fail(
		    MM_E_FORMAT, "there is no PEM block \"%s\"", label);
	if (!is_text(lead) || cut(lead, "-----BEGIN", &none, &none) ||
	    (lead.size > 0 && lead.data[lead.size - 1] != '\n'))
		return mm_fail(MM_E_FORMAT,
		    "something else than text is before the PEM block");
	if (!cut(rest, end, &body, &tail))
		return mm_fail(
		    MM_E_FORMAT, "the PEM block \"%s\" does not end", label);
	if (!is_blank(tail))
		return mm_fail(MM_E_FORMAT,
		    "something follows the PEM block \"%s\"", label);
	return decode_body(body, out);
}
