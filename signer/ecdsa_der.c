/*
 * ECDSA signatures: Ecdsa-Sig-Value in DER (RFC 3279 2.2.3), and r and s
 * behind each other. Libraries take more than DER; a chip, and who compares,
 * does not.
 */
#include <string.h>

#include "signer/public_key.h"

enum { SEQUENCE = 0x30, INTEGER = 0x02 };

/* One INTEGER at the front of `left`: X.690 8.3.2, minimal; not negative, not
 * zero, as long as the field at most. */
static bool
read_integer(struct mm_span *left, size_t coordinate, uint8_t *out)
{
	const uint8_t *value = left->data + 2;
	size_t size;

	if (left->size < 3 || left->data[0] != INTEGER ||
	    left->data[1] > left->size - 2)
		return false;
	size = left->data[1];
	*left = mm_span(value + size, left->size - 2 - size);
	if (size == 0 || value[0] >= 0x80)
		return false;
	if (value[0] == 0) {
		if (size == 1 || value[1] < 0x80)
			return false;
		value++;
		size--;
	}
	if (size > coordinate)
		return false;
	memset(out, 0, coordinate - size);
	memcpy(out + coordinate - size, value, size);
	return true;
}

enum mm_error
mm_ecdsa_raw(struct mm_span der, size_t coordinate, uint8_t *out)
{
	uint8_t raw[2 * MM_POINT_MAX];
	struct mm_span left;

	if (der.size < 2 || der.data[0] != SEQUENCE || der.data[1] >= 0x80 ||
	    der.data[1] != der.size - 2)
		return mm_fail(MM_E_IMAGE_SIGNATURE,
		    "the signature is no DER Ecdsa-Sig-Value (RFC 3279 2.2.3), "
		    "or something stands behind it");
	left = mm_span(der.data + 2, der.size - 2);
	if (!read_integer(&left, coordinate, raw) ||
	    !read_integer(&left, coordinate, raw + coordinate) ||
	    left.size != 0)
		return mm_fail(MM_E_IMAGE_SIGNATURE,
		    "the signature's r and s are not two positive, minimal "
		    "INTEGERs of at most %zu bytes",
		    coordinate);
	memcpy(out, raw, 2 * coordinate);
	return MM_OK;
}

static size_t
put_integer(const uint8_t *value, size_t coordinate, uint8_t *out)
{
	size_t sign;

	while (coordinate > 1 && value[0] == 0) {
		value++;
		coordinate--;
	}
	sign = value[0] >= 0x80;
	out[0] = INTEGER;
	out[1] = (uint8_t)(sign + coordinate);
	out[2] = 0;
	memcpy(out + 2 + sign, value, coordinate);
	return 2 + sign + coordinate;
}

static bool
is_zero(const uint8_t *value, size_t size)
{
	uint8_t any = 0;

	while (size > 0)
		any |= value[--size];
	return any == 0;
}

enum mm_error
mm_ecdsa_der(const uint8_t *raw, size_t coordinate, struct mm_buffer *out)
{
	uint8_t der[2 + 2 * (3 + MM_POINT_MAX)] = {SEQUENCE};
	size_t size = 2;

	if (is_zero(raw, coordinate) || is_zero(raw + coordinate, coordinate))
		return mm_fail(
		    MM_E_IMAGE_SIGNATURE, "the signature's r or s is zero");
	size += put_integer(raw, coordinate, der + size);
	size += put_integer(raw + coordinate, coordinate, der + size);
	der[1] = (uint8_t)(size - 2);
	mm_buffer_add(out, der, size);
	return out->error;
}
