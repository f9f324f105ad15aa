#include "ca/der.h"

#include <stdio.h>
#include <string.h>

struct mm_der
mm_der(struct mm_span bytes)
{
	if (bytes.data == NULL)
		return (struct mm_der){.bad = true};
	return (struct mm_der){
	    .at = bytes.data, .end = bytes.data + bytes.size};
}

static size_t
left(const struct mm_der *reader)
{
	return (size_t)(reader->end - reader->at);
}

static struct mm_span
fault(struct mm_der *reader)
{
	reader->bad = true;
	return mm_span(NULL, 0);
}

bool
mm_der_more(const struct mm_der *reader)
{
	return !reader->bad && reader->at < reader->end;
}

unsigned
mm_der_peek(const struct mm_der *reader)
{
	return mm_der_more(reader) ? *reader->at : 0;
}

/* X.690 10.1: the length's form is definite and the shortest. */
static bool
take_length(struct mm_der *reader, size_t *length)
{
	size_t count, value = 0;

	if (left(reader) == 0)
		return false;
	count = *reader->at++;
	if (count < 0x80) {
		*length = count;
		return true;
	}
	count &= 0x7f;
	if (count == 0 || count > 4 || left(reader) < count || *reader->at == 0)
		return false;
	for (size_t i = 0; i < count; i++)
		value = value << 8 | *reader->at++;
	*length = value;
	return value >= 0x80;
}

struct mm_span
mm_der_any(struct mm_der *reader, unsigned *tag)
{
	struct mm_span contents;
	size_t length;

	*tag = 0;
	if (!mm_der_more(reader))
		return fault(reader);
	*tag = *reader->at++;
	/* High tag numbers have no place in what is read here. */
	if ((*tag & 0x1f) == 0x1f || !take_length(reader, &length) ||
	    length > left(reader))
		return fault(reader);
	contents = mm_span(reader->at, length);
	reader->at += length;
	return contents;
}

struct mm_span
mm_der_take(struct mm_der *reader, unsigned tag)
{
	struct mm_span contents;
	unsigned found;

	if (mm_der_peek(reader) != tag)
		return fault(reader);
	contents = mm_der_any(reader, &found);
	return contents;
}

struct mm_span
mm_der_whole(struct mm_der *reader, unsigned tag)
{
	const uint8_t *start = reader->at;

	mm_der_take(reader, tag);
	if (reader->bad)
		return mm_span(NULL, 0);
	return mm_span(start, (size_t)(reader->at - start));
}

struct mm_der
mm_der_enter(struct mm_der *reader, unsigned tag)
{
	return mm_der(mm_der_take(reader, tag));
}

/* X.690 8.3.2: the first nine bits are neither all zeros nor all ones. */
static bool
integer_ok(struct mm_span value)
{
	if (value.size == 0)
		return false;
	return value.size == 1 ||
	       !((value.data[0] == 0x00 && value.data[1] < 0x80) ||
		   (value.data[0] == 0xff && value.data[1] >= 0x80));
}

struct mm_span
mm_der_unsigned(struct mm_der *reader)
{
	struct mm_span value = mm_der_take(reader, MM_DER_INTEGER);

	if (!integer_ok(value) || value.data[0] >= 0x80)
		return fault(reader);
	if (value.size > 1 && value.data[0] == 0)
		return mm_span(value.data + 1, value.size - 1);
	return value;
}

struct mm_span
mm_der_bits(struct mm_der *reader)
{
	struct mm_span bits = mm_der_take(reader, MM_DER_BITS);

	if (bits.size == 0 || bits.data[0] != 0)
		return fault(reader);
	return mm_span(bits.data + 1, bits.size - 1);
}

static bool
boolean_ok(struct mm_span value)
{
	return value.size == 1 &&
	       (value.data[0] == 0x00 || value.data[0] == 0xff);
}

bool
mm_der_flag(struct mm_der *reader)
{
	struct mm_span value;

	if (mm_der_peek(reader) != MM_DER_BOOLEAN)
		return false;
	value = mm_der_take(reader, MM_DER_BOOLEAN);
	/* X.690 11.5: a default value is not written. */
	if (value.size != 1 || value.data[0] != 0xff)
		fault(reader);
	return !reader->bad;
}

bool
mm_der_end(const struct mm_der *reader)
{
	return !reader->bad && reader->at == reader->end;
}

static bool
oid_ok(struct mm_span oid)
{
	bool fresh = true; /* at the first byte of an arc */

	for (size_t i = 0; i < oid.size; i++) {
		if (fresh && oid.data[i] == 0x80)
			return false;
		fresh = oid.data[i] < 0x80;
	}
	return oid.size > 0 && fresh;
}

static bool
null_ok(struct mm_span value)
{
	return value.size == 0;
}

static const struct {
	unsigned tag;
	bool (*ok)(struct mm_span contents);
} leaves[] = {
    {MM_DER_BOOLEAN, boolean_ok},
    {MM_DER_INTEGER, integer_ok},
    {MM_DER_NULL, null_ok},
    {MM_DER_OID, oid_ok},
};

static bool
leaf_ok(unsigned tag, struct mm_span contents)
{
	for (size_t i = 0; i < MM_COUNT(leaves); i++)
		if (leaves[i].tag == tag)
			return leaves[i].ok(contents);
	return true;
}

/* Of the universal class just SEQUENCE and SET are constructed. */
static bool
form_ok(unsigned tag)
{
	bool constructed = (tag & 0x20) != 0;
	bool holds = (tag & 0x1f) == 0x10 || (tag & 0x1f) == 0x11;

	return (tag & 0xc0) != 0 ? true : tag != 0 && constructed == holds;
}

static bool
sound(struct mm_span elements, unsigned depth)
{
	struct mm_der reader = mm_der(elements);

	while (mm_der_more(&reader)) {
		unsigned tag;
		struct mm_span contents = mm_der_any(&reader, &tag);
		bool constructed = (tag & 0x20) != 0;

		if (reader.bad || !form_ok(tag))
			return false;
		if (constructed && (depth == 0 || !sound(contents, depth - 1)))
			return false;
		if (!constructed && !leaf_ok(tag, contents))
			return false;
	}
	return mm_der_end(&reader);
}

bool
mm_der_sound(struct mm_span elements)
{
	return sound(elements, MM_DER_DEPTH);
}

void
mm_der_put(
    struct mm_buffer *out, unsigned tag, const void *contents, size_t size)
{
	size_t opened = mm_der_open(out, tag);

	mm_buffer_add(out, contents, size);
	mm_der_close(out, opened);
}

size_t
mm_der_open(struct mm_buffer *out, unsigned tag)
{
	/* The length's byte follows when the length is known. */
	const uint8_t head[2] = {(uint8_t)tag, 0};

	mm_buffer_add(out, head, sizeof(head));
	return out->size;
}

void
mm_der_close(struct mm_buffer *out, size_t opened)
{
	size_t length, extra = 0;

	if (out->error != MM_OK)
		return;
	length = out->size - opened;
	if (length >= 0x80)
		for (size_t rest = length; rest > 0; rest >>= 8)
			extra++;
	if (mm_buffer_grow(out, extra) == NULL)
		return;
	memmove(out->data + opened + extra, out->data + opened, length);
	out->data[opened - 1] = (uint8_t)(extra == 0 ? length : 0x80 | extra);
	for (size_t i = 0; i < extra; i++)
		out->data[opened + i] =
		    (uint8_t)(length >> 8 * (extra - 1 - i));
}

static bool
take_arc(struct mm_span *text, uint64_t *arc)
{
	size_t digits = 0;

	*arc = 0;
	for (; text->size > 0 && *text->data >= '0' && *text->data <= '9';
	     text->data++, text->size--, digits++)
		*arc = *arc * 10 + (uint64_t)(*text->data - '0');
	/* 18 digits cannot overflow; a leading zero is another spelling. */
	return digits > 0 && digits <= 18 &&
	       (digits == 1 || text->data[-(ptrdiff_t)digits] != '0');
}

static void
put_arc(struct mm_buffer *out, uint64_t arc)
{
	uint8_t bytes[10];
	size_t at = sizeof(bytes);

	bytes[--at] = arc & 0x7f;
	while (arc >>= 7)
		bytes[--at] = (uint8_t)(0x80 | (arc & 0x7f));
	mm_buffer_add(out, bytes + at, sizeof(bytes) - at);
}

/* X.690 8.19.4: the first two arcs share one number. */
static bool
put_arcs(struct mm_buffer *out, struct mm_span text)
{
	uint64_t first, arc;

	if (!take_arc(&text, &first) || first > 2)
		return false;
	for (bool second = true; text.size > 0 || second; second = false) {
		if (text.size == 0 || *text.data != '.')
			return false;
		text = mm_span(text.data + 1, text.size - 1);
		if (!take_arc(&text, &arc) || (second && first < 2 && arc > 39))
			return false;
		put_arc(out, second ? first * 40 + arc : arc);
	}
	return true;
}

enum mm_error
mm_der_put_oid(struct mm_buffer *out, struct mm_span text)
{
	size_t opened = mm_der_open(out, MM_DER_OID);

	if (text.size >= MM_OID_TEXT_SIZE || !put_arcs(out, text))
		return mm_fail(MM_E_POLICY,
		    "\"%.*s\" is not a dotted object identifier",
		    MM_SPAN(text));
	mm_der_close(out, opened);
	return out->error;
}

bool
mm_der_oid_text(struct mm_span oid, char out[MM_OID_TEXT_SIZE])
{
	uint64_t arc = 0;
	size_t at = 0;

	if (!oid_ok(oid))
		return false;
	for (size_t i = 0; i < oid.size; i++) {
		int length;

		if (arc >> 56 != 0)
			return false;
		arc = arc << 7 | (oid.data[i] & 0x7f);
		if (oid.data[i] >= 0x80)
			continue;
		if (at == 0) {
			unsigned first = arc < 80 ? (unsigned)(arc / 40) : 2;

			length = snprintf(out, MM_OID_TEXT_SIZE, "%u.%llu",
			    first, (unsigned long long)(arc - first * 40));
		} else {
			length = snprintf(out + at, MM_OID_TEXT_SIZE - at,
			    ".%llu", (unsigned long long)arc);
		}
		at += (size_t)length;
		if (at >= MM_OID_TEXT_SIZE)
			return false;
		arc = 0;
	}
	return true;
}
