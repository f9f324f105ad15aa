/*
 * A plan as one object of JSON, for those who run its steps by a program.
 */
#include <sodium.h>
#include <string.h>

#include "factory/plan.h"
#include "protocol/cbor.h"

enum { LINE_MAX_BYTES = 1 << 20, SCHEMA = 1 };

/* A path need not be text: then it is {"unreadable": its bytes, hexadecimal},
 * as everywhere. */
static json_t *
text_json(struct mm_span text)
{
	mm_autofree char *hex = NULL;
	size_t size = 2 * text.size + 1;

	if (mm_text_ok(text))
		return json_stringn((const char *)text.data, text.size);
	hex = malloc(size);
	if (hex == NULL)
		return NULL;
	return json_pack("{s:s}", "unreadable",
	    sodium_bin2hex(hex, size, text.data, text.size));
}

static json_t *
texts_json(const struct mm_list *list)
{
	const char *const *items = list->items;
	json_t *out = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(out, text_json(mm_span_text(items[i])));
	return out;
}

static json_t *
step_json(const struct mm_plan_step *step, size_t number)
{
	mm_auto(buffer) line = {0};

	mm_buffer_init(&line, LINE_MAX_BYTES);
	mm_plan_line(step, &line);
	return json_pack("{s:I, s:s, s:b, s:o, s:o, s:s}", "number",
	    (json_int_t)number, "id", step->id, "irreversible",
	    step->irreversible, "command", texts_json(&step->words), "line",
	    text_json(mm_buffer_span(&line)), "why", step->why);
}

json_t *
mm_plan_json(const struct mm_plan_order *order, const struct mm_plan *plan)
{
	const struct mm_plan_step *steps = plan->steps.items;
	json_int_t irreversible = 0;
	json_t *list = json_array();

	for (size_t i = 0; i < plan->steps.count; i++) {
		irreversible += steps[i].irreversible;
		json_array_append_new(list, step_json(&steps[i], i + 1));
	}
	return json_pack("{s:i, s:s, s:o, s:I, s:I, s:o, s:o}", "schema",
	    SCHEMA, "chip", order->chip->name, "port",
	    order->port != NULL ? text_json(mm_span_text(order->port))
				: json_null(),
	    "table_offset", (json_int_t)order->table_offset, "irreversible",
	    irreversible, "steps", list, "notes", texts_json(&plan->notes));
}
