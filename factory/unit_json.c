/*
 * unit.json: what a hook reads of its unit. Nothing secret is in it.
 */
#include <jansson.h>
#include <string.h>

#include "factory/unit_parts.h"

enum { SCHEMA = 1 };

static json_t *
text(struct mm_span bytes)
{
	return json_stringn((const char *)bytes.data, bytes.size);
}

static json_t *
values_json(const struct mm_unit *unit)
{
	const struct mm_production *p = unit->production;
	json_t *out = json_object();

	for (size_t i = 0; i < p->value_count; i++) {
		const struct mm_label_value *value =
		    mm_label_value(&unit->values.list, p->values[i].name);

		if (value != NULL && !p->values[i].secret)
			json_object_setn_new(out,
			    (const char *)value->name.data, value->name.size,
			    text(value->value));
	}
	return out;
}

static json_t *
files_json(const struct mm_unit *unit)
{
	json_t *out = json_array();

	for (size_t i = 0; i < unit->file_count; i++)
		json_array_append_new(out, json_string(unit->files[i].name));
	return out;
}

/* Where each image goes. */
static json_t *
images_json(const struct mm_production *p)
{
	json_t *out = json_array();

	for (size_t i = 0; i < p->image_count; i++) {
		const struct mm_production_image *image = &p->images[i];

		json_array_append_new(
		    out, json_pack("{s:s, s:s, s:o, s:b}", "partition",
			     image->name, "file", image->file, "offset",
			     image->partition != NULL
				 ? json_integer((json_int_t)image->plan.offset)
				 : json_null(),
			     "encrypted", image->plan.encrypted));
	}
	return out;
}

static json_t *
keys_json(const struct mm_unit *unit)
{
	struct mm_unit_key keys[MM_UNIT_KEYS];
	size_t count = mm_unit_keys(unit, keys);
	json_t *out = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(
		    out, json_pack("{s:s, s:i, s:i}", "name", keys[i].name,
			     "descriptor", keys[i].fd, "size",
			     (int)keys[i].bytes.size));
	return out;
}

static json_t *
unit_json(const struct mm_unit *unit)
{
	const struct mm_production *p = unit->production;
	const struct mm_label_value *order =
	    mm_label_value(&unit->values.list, mm_span_text("order"));
	const struct mm_registration *row = &unit->registration;

	return json_pack("{s:i, s:s, s:o, s:I, s:I, s:s?, s:s, s:s, s:s, s:s?, "
			 "s:o, s:o, s:o, s:o}",
	    "schema", SCHEMA, "device", row->device, "order",
	    order != NULL ? text(order->value) : json_null(), "ordinal",
	    (json_int_t)unit->ordinal, "index", (json_int_t)row->index,
	    "common_name", row->name[0] != '\0' ? row->name : NULL, "serial",
	    row->serial, "sha256", row->sha256, "key",
	    p->csr ? "csr" : mm_device_key_name(p->key), "chip",
	    p->chip != NULL ? p->chip->name : NULL, "values", values_json(unit),
	    "images", images_json(p), "keys", keys_json(unit), "files",
	    files_json(unit));
}

enum mm_error
mm_unit_json(const struct mm_unit *unit, struct mm_buffer *out)
{
	json_t *object = unit_json(unit);
	mm_autofree char *words = NULL;

	if (object != NULL)
		words = json_dumps(object, JSON_INDENT(2));
	json_decref(object);
	if (words == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for unit.json");
	mm_buffer_printf(out, "%s\n", words);
	return out->error;
}
