#include "protocol/cbor.h"

#include <cbor.h>
#include <string.h>

enum head_type { NOTHING, UINT, NEGINT, BYTES, TEXT, ARRAY, MAP, TAG, BOOL };

/* One head as libcbor's streaming half saw it. */
struct head {
	enum head_type type;
	uint64_t value;
	struct mm_span bytes;
};

static void
see(void *head, enum head_type type, uint64_t value)
{
	*(struct head *)head = (struct head){.type = type, .value = value};
}

#define SEE_INTEGER(name, type, kind) \
	static void name(void *head, type value) \
	{ \
		see(head, kind, value); \
	}
SEE_INTEGER(see_uint8, uint8_t, UINT)
SEE_INTEGER(see_uint16, uint16_t, UINT)
SEE_INTEGER(see_uint32, uint32_t, UINT)
SEE_INTEGER(see_uint64, uint64_t, UINT)
SEE_INTEGER(see_negint8, uint8_t, NEGINT)
SEE_INTEGER(see_negint16, uint16_t, NEGINT)
SEE_INTEGER(see_negint32, uint32_t, NEGINT)
SEE_INTEGER(see_negint64, uint64_t, NEGINT)
SEE_INTEGER(see_array, size_t, ARRAY)
SEE_INTEGER(see_map, size_t, MAP)
#undef SEE_INTEGER

static void
see_bytes(void *head, cbor_data data, size_t size)
{
	see(head, BYTES, size);
	((struct head *)head)->bytes = mm_span(data, size);
}

static void
see_text(void *head, cbor_data data, size_t size)
{
	see(head, TEXT, size);
	((struct head *)head)->bytes = mm_span(data, size);
}

static void
see_bool(void *head, bool value)
{
	see(head, BOOL, value);
}

/* What deterministic CBOR of ours never holds leaves the head NOTHING. */
static void
see_nothing(void *head)
{
	see(head, NOTHING, 0);
}

/* The one tag that exists here is read before libcbor sees it. */
static void
see_tag(void *head, uint64_t value)
{
	(void)value;
	see(head, NOTHING, 0);
}

static void
see_float(void *head, float value)
{
	(void)value;
	see(head, NOTHING, 0);
}

static void
see_double(void *head, double value)
{
	(void)value;
	see(head, NOTHING, 0);
}

static const struct cbor_callbacks callbacks = {
    .uint8 = see_uint8,
    .uint16 = see_uint16,
    .uint32 = see_uint32,
    .uint64 = see_uint64,
    .negint8 = see_negint8,
    .negint16 = see_negint16,
    .negint32 = see_negint32,
    .negint64 = see_negint64,
    .byte_string = see_bytes,
    .byte_string_start = see_nothing,
    .string = see_text,
    .string_start = see_nothing,
    .array_start = see_array,
    .indef_array_start = see_nothing,
    .map_start = see_map,
    .indef_map_start = see_nothing,
    .tag = see_tag,
    .float2 = see_float,
    .float4 = see_float,
    .float8 = see_double,
    .undefined = see_nothing,
    .null = see_nothing,
    .boolean = see_bool,
    .indef_break = see_nothing,
};

struct mm_cbor
mm_cbor(struct mm_span bytes)
{
	struct mm_cbor reader = {.at = bytes.data, .end = bytes.data};

	if (bytes.size > 0)
		reader.end += bytes.size;
	return reader;
}

static size_t
left(const struct mm_cbor *reader)
{
	return (size_t)(reader->end - reader->at);
}

static void
stop(struct mm_cbor *reader, enum mm_error error)
{
	if (reader->error == MM_OK)
		reader->error = error;
	reader->at = reader->end;
}

/* RFC 8949 section 4.2.1: the shortest form of an argument. */
static size_t
shortest(uint64_t value)
{
	if (value < 24)
		return 1;
	if (value <= UINT8_MAX)
		return 2;
	if (value <= UINT16_MAX)
		return 3;
	return value <= UINT32_MAX ? 5 : 9;
}

static struct head
next_head(struct mm_cbor *reader)
{
	struct head head = {.type = NOTHING};
	struct cbor_decoder_result result;
	size_t payload;

	if (reader->error != MM_OK)
		return head;
	if (left(reader) == 0) {
		stop(reader, MM_E_CBOR);
		return head;
	}
	/* libcbor 0.8 refuses the tags 6 to 20 in one byte. */
	if (*reader->at == 0xc0 + MM_CBOR_TAG_SIGN1) {
		reader->at++;
		see(&head, TAG, MM_CBOR_TAG_SIGN1);
		return head;
	}
	result =
	    cbor_stream_decode(reader->at, left(reader), &callbacks, &head);
	if (result.status != CBOR_DECODER_FINISHED) {
		stop(reader, MM_E_CBOR);
		return head;
	}
	payload = head.type == BYTES || head.type == TEXT ? head.bytes.size : 0;
	if (head.type == NOTHING ||
	    result.read - payload != shortest(head.value)) {
		stop(reader, MM_E_CBOR_FORM);
		return (struct head){.type = NOTHING};
	}
	reader->at += result.read;
	return head;
}

static struct head
expect(struct mm_cbor *reader, enum head_type type)
{
	struct head head = next_head(reader);

	if (reader->error == MM_OK && head.type != type)
		stop(reader, MM_E_SHAPE);
	return reader->error == MM_OK ? head : (struct head){.type = NOTHING};
}

uint64_t
mm_cbor_uint(struct mm_cbor *reader)
{
	return expect(reader, UINT).value;
}

int64_t
mm_cbor_int(struct mm_cbor *reader)
{
	struct head head = next_head(reader);

	if (reader->error != MM_OK)
		return 0;
	if ((head.type != UINT && head.type != NEGINT) ||
	    head.value > INT32_MAX) {
		stop(reader, MM_E_SHAPE);
		return 0;
	}
	return head.type == UINT ? (int64_t)head.value
				 : -1 - (int64_t)head.value;
}

bool
mm_cbor_bool(struct mm_cbor *reader)
{
	return expect(reader, BOOL).value != 0;
}

struct mm_span
mm_cbor_bytes(struct mm_cbor *reader)
{
	return expect(reader, BYTES).bytes;
}

struct mm_span
mm_cbor_text(struct mm_cbor *reader)
{
	struct mm_span text = expect(reader, TEXT).bytes;

	if (reader->error == MM_OK && !mm_text_ok(text)) {
		stop(reader, MM_E_TEXT);
		return mm_span(NULL, 0);
	}
	return text;
}

/* Each element takes a byte at least, so a count is bounded by what is left. */
static size_t
expect_count(struct mm_cbor *reader, enum head_type type, size_t each)
{
	uint64_t count = expect(reader, type).value;

	if (count > left(reader) / each) {
		stop(reader, MM_E_CBOR);
		return 0;
	}
	return (size_t)count;
}

size_t
mm_cbor_array(struct mm_cbor *reader)
{
	return expect_count(reader, ARRAY, 1);
}

size_t
mm_cbor_map(struct mm_cbor *reader)
{
	return expect_count(reader, MAP, 2);
}

uint64_t
mm_cbor_tag(struct mm_cbor *reader)
{
	return expect(reader, TAG).value;
}

static void skip(struct mm_cbor *reader, unsigned depth);

/* RFC 8949 section 4.2.1: keys ascend bytewise, so none is there twice. */
static void
skip_map(struct mm_cbor *reader, uint64_t pairs, unsigned depth)
{
	struct mm_span former = {NULL, 0};

	for (uint64_t i = 0; i < pairs && reader->error == MM_OK; i++) {
		const uint8_t *start = reader->at;
		struct mm_span key;

		skip(reader, depth);
		if (reader->error != MM_OK)
			return;
		key = mm_span(start, (size_t)(reader->at - start));
		if (i > 0 && mm_span_compare(former, key) >= 0) {
			stop(reader, MM_E_CBOR_FORM);
			return;
		}
		former = key;
		skip(reader, depth);
	}
}

static void
skip(struct mm_cbor *reader, unsigned depth)
{
	struct head head;

	if (depth == 0) {
		stop(reader, MM_E_CBOR_DEPTH);
		return;
	}
	head = next_head(reader);
	if (reader->error != MM_OK)
		return;
	if (head.type == TEXT && !mm_text_ok(head.bytes))
		stop(reader, MM_E_TEXT);
	if (head.type == TAG)
		skip(reader, depth - 1);
	if ((head.type == ARRAY || head.type == MAP) &&
	    head.value > left(reader) / (head.type == MAP ? 2 : 1)) {
		stop(reader, MM_E_CBOR);
		return;
	}
	if (head.type == MAP)
		skip_map(reader, head.value, depth - 1);
	if (head.type == ARRAY)
		for (uint64_t i = 0; i < head.value && reader->error == MM_OK;
		     i++)
			skip(reader, depth - 1);
}

struct mm_span
mm_cbor_item(struct mm_cbor *reader)
{
	const uint8_t *start = reader->at;

	skip(reader, MM_CBOR_DEPTH);
	if (reader->error != MM_OK)
		return mm_span(NULL, 0);
	return mm_span(start, (size_t)(reader->at - start));
}

enum mm_error
mm_cbor_end(const struct mm_cbor *reader)
{
	if (reader->error != MM_OK)
		return mm_fail(
		    reader->error, "%s", mm_error_text(reader->error));
	if (left(reader) != 0)
		return mm_fail(MM_E_TRAILING,
		    "%zu bytes stand after the end of the item", left(reader));
	return MM_OK;
}

static void
put_head(struct mm_buffer *out, uint64_t value,
    size_t (*encode)(uint64_t, unsigned char *, size_t))
{
	uint8_t head[9];
	size_t size = encode(value, head, sizeof(head));

	if (size == 0)
		out->error = MM_E_BUG;
	mm_buffer_add(out, head, size);
}

/* libcbor takes counts as size_t. */
#define AS_UINT64(name) \
	static size_t name##_(uint64_t value, unsigned char *out, size_t size) \
	{ \
		return name((size_t)value, out, size); \
	}
AS_UINT64(cbor_encode_bytestring_start)
AS_UINT64(cbor_encode_string_start)
AS_UINT64(cbor_encode_array_start)
AS_UINT64(cbor_encode_map_start)
#undef AS_UINT64

void
mm_cbor_put_uint(struct mm_buffer *out, uint64_t value)
{
	put_head(out, value, cbor_encode_uint);
}

void
mm_cbor_put_int(struct mm_buffer *out, int64_t value)
{
	if (value >= 0)
		put_head(out, (uint64_t)value, cbor_encode_uint);
	else
		put_head(out, (uint64_t)(-1 - value), cbor_encode_negint);
}

void
mm_cbor_put_bool(struct mm_buffer *out, bool value)
{
	mm_buffer_add(out, value ? "\xf5" : "\xf4", 1);
}

void
mm_cbor_put_bytes(struct mm_buffer *out, struct mm_span bytes)
{
	put_head(out, bytes.size, cbor_encode_bytestring_start_);
	mm_buffer_add(out, bytes.data, bytes.size);
}

void
mm_cbor_put_text(struct mm_buffer *out, struct mm_span text)
{
	put_head(out, text.size, cbor_encode_string_start_);
	mm_buffer_add(out, text.data, text.size);
}

void
mm_cbor_put_array(struct mm_buffer *out, size_t count)
{
	put_head(out, count, cbor_encode_array_start_);
}

void
mm_cbor_put_map(struct mm_buffer *out, size_t pairs)
{
	put_head(out, pairs, cbor_encode_map_start_);
}

void
mm_cbor_put_tag(struct mm_buffer *out, uint64_t tag)
{
	put_head(out, tag, cbor_encode_tag);
}

/*
 * The length of the UTF-8 sequence at `at`, 0 where there is none (RFC 3629
 * section 4); its code point goes to `point`.
 */
static size_t
sequence(const uint8_t *at, size_t size, uint32_t *point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = at[0] < 0x80             ? 1
			: (at[0] & 0xe0) == 0xc0 ? 2
			: (at[0] & 0xf0) == 0xe0 ? 3
			: (at[0] & 0xf8) == 0xf0 ? 4
						 : 0;

	if (length == 0 || length > size)
		return 0;
	*point = length == 1 ? at[0] : at[0] & (0x7fU >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (at[i] & 0x3f);
	}
	if (*point < least[length] || *point > 0x10ffff ||
	    (*point >= 0xd800 && *point <= 0xdfff))
		return 0;
	return length;
}

/*
 * Unicode's controls, those that turn the direction of writing, and those that
 * nobody sees: two names that look alike would be two. Ascending.
 */
static const struct {
	uint32_t first, last;
} hidden[] = {{0x00, 0x1f}, {0x7f, 0x9f}, {0xad, 0xad}, {0x34f, 0x34f},
    {0x61c, 0x61c}, {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f},
    {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},
    {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb},
    {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}};

static bool
is_hidden(uint32_t point)
{
	for (size_t i = 0; i < MM_COUNT(hidden) && hidden[i].first <= point;
	     i++)
		if (point <= hidden[i].last)
			return true;
	return false;
}

bool
mm_text_ok(struct mm_span text)
{
	size_t i = 0;

	while (i < text.size) {
		uint32_t point;
		size_t length = sequence(text.data + i, text.size - i, &point);

		if (length == 0 || is_hidden(point))
			return false;
		i += length;
	}
	return true;
}
