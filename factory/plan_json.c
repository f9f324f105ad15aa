/*
 * A plan as one object of JSON, for those who run its steps by a program.
 */
#include <jansson.h>

#include "factory/production_parts.h"

enum { LINE_MAX_BYTES = 1 << 16, SCHEMA = 1 };

static json_t *
texts(const struct mm_list *list)
{
	const char *const *items = list->items;
	json_t *out = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(out, json_string(items[i]));
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
	    step->irreversible, "command", texts(&step->words), "line",
	    json_stringn((const char *)line.data, line.size), "why", step->why);
}

enum mm_error
mm_plan_json(const struct mm_plan_order *order, const struct mm_plan *plan,
    struct mm_buffer *out)
{
	const struct mm_plan_step *steps = plan->steps.items;
	json_int_t irreversible = 0;
	json_t *list = json_array(), *whole;
	mm_autofree char *text = NULL;

	for (size_t i = 0; i < plan->steps.count; i++) {
		irreversible += steps[i].irreversible;
		json_array_append_new(list, step_json(&steps[i], i + 1));
	}
	whole = json_pack("{s:i, s:s, s:s?, s:I, s:I, s:o, s:o}", "schema",
	    SCHEMA, "chip", order->chip->name, "port", order->port,
	    "table_offset", (json_int_t)order->table_offset, "irreversible",
	    irreversible, "steps", list, "notes", texts(&plan->notes));
	if (whole != NULL)
		text = json_dumps(whole, JSON_INDENT(2));
	json_decref(whole);
	if (text == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a plan");
	mm_buffer_printf(out, "%s\n", text);
	return out->error;
}
