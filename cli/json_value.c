#include "cli/json_value.h"

#include <sodium.h>
#include <string.h>

#include "log/note.h"

json_t *
mm_json_number(uint64_t number)
{
	return json_integer((json_int_t)number);
}

json_t *
mm_json_time(uint64_t seconds)
{
	char text[MM_TIME_TEXT];

	mm_time_text(seconds, text);
	return json_string(text);
}

json_t *
mm_json_hex(struct mm_span bytes)
{
	size_t size = 2 * bytes.size + 1;
	mm_autofree char *text = malloc(size);

	if (text == NULL)
		return NULL;
	sodium_bin2hex(text, size, bytes.data, bytes.size);
	return json_stringn_nocheck(text, size - 1);
}

json_t *
mm_json_base64(struct mm_span bytes)
{
	mm_auto(buffer) text = {0};

	/* libsodium writes a NUL behind it. */
	mm_buffer_init(&text, 4 * (bytes.size / 3 + 1) + 1);
	mm_base64_write(bytes, &text);
	return json_stringn((const char *)text.data, text.size);
}

json_t *
mm_json_unreadable(struct mm_span bytes)
{
	return json_pack("{s:o}", "unreadable", mm_json_hex(bytes));
}

json_t *
mm_json_text(struct mm_span text)
{
	if (!mm_text_ok(text))
		return mm_json_unreadable(text);
	return json_stringn((const char *)text.data, text.size);
}

json_t *
mm_json_lines(struct mm_span text)
{
	const uint8_t *at = text.data, *end = text.data + text.size;

	for (const uint8_t *from = at; from <= end; at++) {
		if (at < end && *at != '\n' && *at != '\t')
			continue;
		if (!mm_text_ok(mm_span(from, (size_t)(at - from))))
			return mm_json_unreadable(text);
		from = at + 1;
	}
	return json_stringn((const char *)text.data, text.size);
}

static json_t *
show_list(const struct mm_field *field, const struct mm_list *list)
{
	json_t *out = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(out,
		    mm_json_shape(field->of,
			(const uint8_t *)list->items + i * field->of->size));
	return out;
}

static json_t *
show(const struct mm_field *field, const void *member)
{
	switch ((enum mm_field_type)field->type) {
	case MM_UINT:
		return mm_json_number(*(const uint64_t *)member);
	case MM_BOOL:
		return json_boolean(*(const bool *)member);
	case MM_BYTES:
	case MM_ITEM:
		return mm_json_hex(*(const struct mm_span *)member);
	case MM_TEXT:
		return mm_json_text(*(const struct mm_span *)member);
	case MM_FIXED:
		return mm_json_hex(mm_span(member, field->size));
	case MM_STRUCT:
		return mm_json_shape(field->of, member);
	case MM_LIST:
		return show_list(field, member);
	}
	return NULL;
}

static bool
is_absent(const struct mm_field *field, const uint8_t *member)
{
	if (!field->optional)
		return false;
	if (field->type == MM_LIST)
		return ((const struct mm_list *)(const void *)member)->count ==
		       0;
	if (field->type == MM_BYTES || field->type == MM_TEXT)
		return ((const struct mm_span *)(const void *)member)->size ==
		       0;
	return sodium_is_zero(member, field->size) != 0;
}

json_t *
mm_json_shape(const struct mm_shape *shape, const void *in)
{
	json_t *out = shape->bare ? NULL : json_object();

	for (size_t i = 0; i < shape->count; i++) {
		const struct mm_field *field = &shape->fields[i];
		const uint8_t *member = (const uint8_t *)in + field->offset;
		mm_view *view = mm_view_of(shape, field);
		json_t *value;

		if (is_absent(field, member))
			continue;
		value =
		    view != NULL ? view(field, member) : show(field, member);
		if (shape->bare)
			return value;
		json_object_set_new(out, field->name, value);
	}
	return out;
}
