#include "protocol/shape.h"

#include <stdio.h>
#include <string.h>

static const struct mm_field hash_item[] = {
    MM_FIELD(mm_hash_item, 0, value, MM_FIXED, 0, 32)};
static const struct mm_field uint_item[] = {
    MM_FIELD(mm_uint_item, 0, value, MM_UINT, 0, INT64_MAX)};
static const struct mm_field bytes_item[] = {
    MM_FIELD(mm_bytes_item, 0, value, MM_BYTES, 1, 65535)};
static const struct mm_field text_item[] = {
    MM_FIELD(mm_text_item, 0, value, MM_TEXT, 1, 255)};

MM_BARE_SHAPE(mm_hash_item_shape, mm_hash_item, hash_item);
MM_BARE_SHAPE(mm_uint_item_shape, mm_uint_item, uint_item);
MM_BARE_SHAPE(mm_bytes_item_shape, mm_bytes_item, bytes_item);
MM_BARE_SHAPE(mm_text_item_shape, mm_text_item, text_item);

const struct mm_shape mm_nothing_shape = {
    "nothing", sizeof(struct mm_nothing), NULL, 0, false};

bool
mm_texts_hold(const struct mm_list *texts, struct mm_span wanted)
{
	for (mm_list_each(const struct mm_text_item, item, *texts))
		if (mm_span_equal(item->value, wanted))
			return true;
	return false;
}

/* In the words of mintmark.cddl: mm_issue_request is issue-request there. */
static enum mm_error
wrong(const struct mm_shape *shape, const struct mm_field *field,
    enum mm_error error)
{
	char name[64];

	snprintf(name, sizeof(name), "%s",
	    shape->name + (strncmp(shape->name, "mm_", 3) == 0 ? 3 : 0));
	for (char *c = name; *c != '\0'; c++)
		if (*c == '_')
			*c = '-';
	if (field == NULL)
		return mm_fail(error, "%s: %s", name, mm_error_text(error));
	return mm_fail(error, "%s, member %s: %s", name, field->name,
	    mm_error_text(error));
}

/* A list's elements name themselves; what is wrong with the list is said here.
 */
static enum mm_error
wrong_list(const struct mm_field *field, enum mm_error error)
{
	return mm_fail(error, "list %s: %s", field->name, mm_error_text(error));
}

static bool
in_bounds(const struct mm_field *field, uint64_t value)
{
	return value >= field->min && value <= field->max;
}

/* Whether an optional member is in its absent form: all zero. */
static bool
is_absent(const struct mm_field *field, const void *member)
{
	const uint8_t *bytes = member;

	if (field->type == MM_LIST)
		return ((const struct mm_list *)member)->count == 0;
	if (field->type == MM_BYTES || field->type == MM_TEXT ||
	    field->type == MM_ITEM)
		return ((const struct mm_span *)member)->size == 0;
	for (size_t i = 0; i < field->size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* What one decoding carries along. */
struct decoding {
	struct mm_cbor reader;
	struct mm_arena *arena;
};

static enum mm_error
decode_struct(const struct mm_shape *shape, struct decoding *d, void *out);

static enum mm_error
decode_list(const struct mm_field *field, struct decoding *d, void *member)
{
	size_t count = mm_cbor_array(&d->reader);
	uint8_t *items;
	enum mm_error error;

	if (d->reader.error != MM_OK)
		return wrong_list(field, d->reader.error);
	if (!in_bounds(field, count))
		return wrong_list(field, MM_E_RANGE);
	items = mm_arena_alloc(d->arena, count * field->of->size);
	if (items == NULL)
		return wrong_list(field, MM_E_MEMORY);
	for (size_t i = 0; i < count; i++) {
		error =
		    decode_struct(field->of, d, items + i * field->of->size);
		if (error != MM_OK)
			return error;
	}
	*(struct mm_list *)member = (struct mm_list){items, count};
	return MM_OK;
}

static enum mm_error
decode_span(const struct mm_field *field, struct mm_span span, void *member)
{
	if (!in_bounds(field, span.size))
		return MM_E_RANGE;
	*(struct mm_span *)member = span;
	return MM_OK;
}

static enum mm_error
decode_fixed(const struct mm_field *field, struct mm_span span, void *member)
{
	if (span.size != field->size)
		return MM_E_RANGE;
	memcpy(member, span.data, span.size);
	return MM_OK;
}

static enum mm_error
decode_value(const struct mm_field *field, struct decoding *d, void *member)
{
	struct mm_cbor *reader = &d->reader;
	enum mm_error error = MM_OK;
	uint64_t number;

	switch ((enum mm_field_type)field->type) {
	case MM_UINT:
		number = mm_cbor_uint(reader);
		if (!in_bounds(field, number))
			error = MM_E_RANGE;
		*(uint64_t *)member = number;
		break;
	case MM_BOOL:
		*(bool *)member = mm_cbor_bool(reader);
		break;
	case MM_BYTES:
		error = decode_span(field, mm_cbor_bytes(reader), member);
		break;
	case MM_TEXT:
		error = decode_span(field, mm_cbor_text(reader), member);
		break;
	case MM_FIXED:
		error = decode_fixed(field, mm_cbor_bytes(reader), member);
		break;
	case MM_STRUCT:
		return decode_struct(field->of, d, member);
	case MM_ITEM:
		error = decode_span(field, mm_cbor_item(reader), member);
		break;
	case MM_LIST:
		return decode_list(field, d, member);
	}
	return reader->error != MM_OK ? reader->error : error;
}

static enum mm_error
decode_field(const struct mm_shape *shape, const struct mm_field *field,
    struct decoding *d, uint8_t *out)
{
	enum mm_error error = decode_value(field, d, out + field->offset);

	/* A nested shape or a list has named what is wrong already. */
	if (error != MM_OK)
		return field->of != NULL ? error : wrong(shape, field, error);
	if (field->optional && is_absent(field, out + field->offset))
		return wrong(shape, field, MM_E_SHAPE);
	return MM_OK;
}

/* The keys in the map must be the table's, in order; optional ones may miss. */
static enum mm_error
decode_map(const struct mm_shape *shape, struct decoding *d, uint8_t *out)
{
	size_t pairs = mm_cbor_map(&d->reader), next = 0;
	uint64_t former = 0;

	for (size_t i = 0; i < pairs; i++) {
		uint64_t key = mm_cbor_uint(&d->reader);
		enum mm_error error;

		if (d->reader.error != MM_OK)
			return wrong(shape, NULL, d->reader.error);
		if (i > 0 && key <= former)
			return wrong(shape, NULL, MM_E_CBOR_FORM);
		former = key;
		while (next < shape->count && shape->fields[next].key < key &&
		       shape->fields[next].optional)
			next++;
		if (next == shape->count || shape->fields[next].key != key)
			return mm_fail(MM_E_SHAPE,
			    "%s: key %llu is unknown or a field before it "
			    "is missing",
			    shape->name, (unsigned long long)key);
		error = decode_field(shape, &shape->fields[next++], d, out);
		if (error != MM_OK)
			return error;
	}
	if (d->reader.error != MM_OK)
		return wrong(shape, NULL, d->reader.error);
	for (; next < shape->count; next++)
		if (!shape->fields[next].optional)
			return wrong(shape, &shape->fields[next], MM_E_SHAPE);
	return MM_OK;
}

static enum mm_error
decode_struct(const struct mm_shape *shape, struct decoding *d, void *out)
{
	if (shape->bare)
		return decode_field(shape, &shape->fields[0], d, out);
	return decode_map(shape, d, out);
}

enum mm_error
mm_shape_decode(const struct mm_shape *shape, struct mm_span in,
    struct mm_arena *arena, void *out)
{
	struct decoding d = {.reader = mm_cbor(in), .arena = arena};
	void *whole = mm_arena_alloc(arena, shape->size);
	enum mm_error error;

	if (whole == NULL)
		return mm_fail(
		    MM_E_MEMORY, "%s does not fit into its arena", shape->name);
	error = decode_struct(shape, &d, whole);
	if (error == MM_OK)
		error = mm_cbor_end(&d.reader);
	if (error == MM_OK)
		memcpy(out, whole, shape->size);
	return error;
}

static enum mm_error encode_struct(
    const struct mm_shape *shape, const void *in, struct mm_buffer *out);

static enum mm_error
encode_list(const struct mm_field *field, const struct mm_list *list,
    struct mm_buffer *out)
{
	const uint8_t *items = list->items;
	enum mm_error error = MM_OK;

	if (!in_bounds(field, list->count))
		return wrong_list(field, MM_E_RANGE);
	mm_cbor_put_array(out, list->count);
	for (size_t i = 0; i < list->count && error == MM_OK; i++)
		error =
		    encode_struct(field->of, items + i * field->of->size, out);
	return error;
}

static enum mm_error
encode_text(struct mm_span text, struct mm_buffer *out)
{
	if (!mm_text_ok(text))
		return MM_E_TEXT;
	mm_cbor_put_text(out, text);
	return MM_OK;
}

/* A span that claims to be an item is checked before it is believed. */
static enum mm_error
encode_item(struct mm_span item, struct mm_buffer *out)
{
	struct mm_cbor reader = mm_cbor(item);

	mm_cbor_item(&reader);
	mm_buffer_add(out, item.data, item.size);
	return mm_cbor_end(&reader);
}

static enum mm_error
encode_value(
    const struct mm_field *field, const void *member, struct mm_buffer *out)
{
	const struct mm_span *span = member;

	switch ((enum mm_field_type)field->type) {
	case MM_UINT:
		if (!in_bounds(field, *(const uint64_t *)member))
			return MM_E_RANGE;
		mm_cbor_put_uint(out, *(const uint64_t *)member);
		return MM_OK;
	case MM_BOOL:
		mm_cbor_put_bool(out, *(const bool *)member);
		return MM_OK;
	case MM_FIXED:
		mm_cbor_put_bytes(out, mm_span(member, field->size));
		return MM_OK;
	case MM_STRUCT:
		return encode_struct(field->of, member, out);
	case MM_LIST:
		return encode_list(field, member, out);
	case MM_BYTES:
	case MM_TEXT:
	case MM_ITEM:
		break;
	}
	if (!in_bounds(field, span->size))
		return MM_E_RANGE;
	if (field->type == MM_TEXT)
		return encode_text(*span, out);
	if (field->type == MM_ITEM)
		return encode_item(*span, out);
	mm_cbor_put_bytes(out, *span);
	return MM_OK;
}

static enum mm_error
encode_field(const struct mm_shape *shape, const struct mm_field *field,
    const uint8_t *in, struct mm_buffer *out)
{
	enum mm_error error = encode_value(field, in + field->offset, out);

	if (error != MM_OK && field->of == NULL)
		return wrong(shape, field, error);
	return error;
}

static enum mm_error
encode_map(
    const struct mm_shape *shape, const uint8_t *in, struct mm_buffer *out)
{
	size_t pairs = 0;
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < shape->count; i++)
		pairs +=
		    !shape->fields[i].optional ||
		    !is_absent(&shape->fields[i], in + shape->fields[i].offset);
	mm_cbor_put_map(out, pairs);
	for (size_t i = 0; i < shape->count && error == MM_OK; i++) {
		const struct mm_field *field = &shape->fields[i];

		if (field->optional && is_absent(field, in + field->offset))
			continue;
		mm_cbor_put_uint(out, field->key);
		error = encode_field(shape, field, in, out);
	}
	return error;
}

static enum mm_error
encode_struct(
    const struct mm_shape *shape, const void *in, struct mm_buffer *out)
{
	if (shape->bare)
		return encode_field(shape, &shape->fields[0], in, out);
	return encode_map(shape, in, out);
}

enum mm_error
mm_shape_encode(
    const struct mm_shape *shape, const void *in, struct mm_buffer *out)
{
	size_t before = out->size;
	enum mm_error error = encode_struct(shape, in, out);

	if (error == MM_OK && out->error != MM_OK)
		error = mm_fail(out->error, "%s: %s", shape->name,
		    mm_error_text(out->error));
	/* Half an item is none. */
	if (error != MM_OK)
		out->size = before;
	return error;
}
