/*
 * Which values a template names, and where; and the order in which its own
 * are made.
 */
#include <string.h>

#include "factory/production_parts.h"

/* A text of the template, on its way to names. */
struct text {
	struct mm_production *p;
	const char *what;
	unsigned line;
	bool optional, issued; /* the certificate is there when it is filled */
};

/* Calls `each` with every name of a text; MM_E_USAGE as label.h. */
static enum mm_error
each_name(const char *text,
    enum mm_error (*each)(void *context, struct mm_span name), void *context)
{
	enum mm_error error = MM_OK;

	for (const char *at = text; *at != '\0' && error == MM_OK;) {
		size_t plain = strcspn(at, "{}"), size;

		at += plain;
		if (*at == '\0')
			break;
		if (at[0] == at[1]) {
			at += 2;
			continue;
		}
		size = strcspn(at + 1, "{}");
		if (at[0] == '}' || at[1 + size] != '}' || size == 0)
			return mm_fail(MM_E_USAGE,
			    "\"%s\" has a brace that is no {name}; a brace by "
			    "itself is written twice",
			    text);
		error = each(context, mm_span(at + 1, size));
		at += size + 2;
	}
	return error;
}

static enum mm_error
add_name(void *context, struct mm_span name)
{
	const struct text *text = context;
	struct mm_production *p = text->p;

	if (!text->issued && mm_span_is(name, "certificate-serial"))
		return mm_fail(MM_E_FORMAT,
		    "%s names {certificate-serial}, which is not there before "
		    "the certificate is: name it in label or images themselves",
		    text->what);
	for (size_t i = 0; i < p->name_count; i++)
		if (mm_span_equal(p->names[i].name, name)) {
			p->names[i].optional &= text->optional;
			return MM_OK;
		}
	if (p->name_count == MM_PRODUCTION_NAMES_MAX)
		return mm_fail(MM_E_RANGE, "too many values are named");
	p->names[p->name_count++] = (struct mm_production_name){
	    name, p->path, text->line, text->optional};
	return MM_OK;
}

static enum mm_error
add_text(const struct text *text, const char *words)
{
	struct text copy = *text;
	enum mm_error error;

	if (words == NULL)
		return MM_OK;
	error = each_name(words, add_name, &copy);
	return mm_production_in_line(text->p, text->line, error);
}

/* --- which --- */

static enum mm_error
add_values(struct mm_production *p)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < p->value_count && error == MM_OK; i++) {
		const struct text text = {
		    p, "a value's text", p->values[i].line, false, false};

		error = add_text(&text, p->values[i].text);
		/* One that the list gives is asked for by its name. */
		if (error == MM_OK && p->values[i].making == MM_VALUE_GIVEN)
			error = add_name(
			    (void *)(uintptr_t)&text, p->values[i].name);
	}
	return error;
}

/* What a label says that has no template of its own (label.h). */
static enum mm_error
add_usual(struct mm_production *p)
{
	struct text text = {p, "the label", p->label.line, false, true};
	enum mm_error error;

	if (p->label.plan.template != NULL)
		return MM_OK;
	if (p->label.plan.kind == MM_LABEL_MATTER)
		return add_text(&text, "{payload}");
	error = add_text(&text, "{name}{transport}");
	text.optional = true;
	return error == MM_OK ? add_text(&text, "{pop}") : error;
}

static enum mm_error
add_label(struct mm_production *p)
{
	const struct mm_label_plan *plan = &p->label.plan;
	const struct text text = {
	    p, "the label", p->label.template_line, false, true};
	const struct text lines = {
	    p, "the label", p->label.lines_line, false, true};
	enum mm_error error = p->label.there ? add_usual(p) : MM_OK;

	if (error == MM_OK)
		error = add_text(&text, plan->template);
	for (size_t i = 0; i < plan->line_count && error == MM_OK; i++)
		error = add_text(&lines, plan->lines[i]);
	return error;
}

/* An image tells itself, with the row's line, what has no value. */
static enum mm_error
add_image(struct mm_production *p, const struct mm_production_image *image)
{
	struct text text = {p, "an image", image->line, true, true};
	struct mm_span name;
	enum mm_error error = MM_OK;

	for (size_t i = 0; error == MM_OK; i++) {
		name = mm_unit_image_name(image->image, i);
		if (name.size == 0)
			break;
		error = mm_production_in_line(
		    p, image->line, add_name(&text, name));
	}
	return error;
}

/* A label that shows a secret is one itself. */
static enum mm_error
add_secret(void *context, struct mm_span name)
{
	struct mm_production *p = context;
	const struct mm_production_value *value =
	    mm_production_value_named(p, name);

	p->label.secret |= value != NULL && value->secret;
	return MM_OK;
}

static enum mm_error
find_secrets(struct mm_production *p)
{
	const struct mm_label_plan *plan = &p->label.plan;
	const char *template =
	    plan->template != NULL ? plan->template : "{name}{transport}{pop}";
	enum mm_error error;

	if (!p->label.there)
		return MM_OK;
	error = each_name(template, add_secret, p);
	for (size_t i = 0; i < plan->line_count && error == MM_OK; i++)
		error = each_name(plan->lines[i], add_secret, p);
	return error;
}

/* --- in which order --- */

struct ordering {
	struct mm_production *p;
	uint8_t state[MM_PRODUCTION_VALUES_MAX]; /* 1: begun, 2: done */
	size_t count;
	const struct mm_production_value *by;
};

static enum mm_error visit(struct ordering *o, size_t at);

static enum mm_error
visit_name(void *context, struct mm_span name)
{
	struct ordering *o = context;
	const struct mm_production_value *by = o->by,
					 *value = mm_production_value_named(
					     o->p, name);
	enum mm_error error;

	if (value == NULL)
		return MM_OK;
	if (o->state[value - o->p->values] == 1)
		return mm_production_wrong(o->p, by->line, MM_E_FORMAT,
		    "value \"%.*s\" names \"%.*s\", which is made of it: "
		    "values cannot be made in a circle",
		    MM_SPAN(by->name), MM_SPAN(name));
	error = visit(o, (size_t)(value - o->p->values));
	o->by = by;
	return error;
}

static enum mm_error
visit(struct ordering *o, size_t at)
{
	const struct mm_production_value *value = &o->p->values[at];
	enum mm_error error = MM_OK;

	if (o->state[at] == 2)
		return MM_OK;
	o->state[at] = 1;
	o->by = value;
	if (value->making == MM_VALUE_TEXT)
		error = each_name(value->text, visit_name, o);
	o->state[at] = 2;
	o->p->order[o->count++] = value;
	return error;
}

static enum mm_error
order_values(struct mm_production *p)
{
	struct ordering o = {.p = p};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < p->value_count && error == MM_OK; i++)
		error = visit(&o, i);
	return error;
}

/* A text made of a secret is one; they come in order here. */
static enum mm_error
add_secret_text(void *context, struct mm_span name)
{
	struct ordering *o = context;
	const struct mm_production_value *value =
	    mm_production_value_named(o->p, name);

	o->state[0] |= value != NULL && value->secret;
	return MM_OK;
}

static enum mm_error
spread_secrets(struct mm_production *p)
{
	for (size_t i = 0; i < p->value_count; i++) {
		size_t at = (size_t)(p->order[i] - p->values);
		struct ordering o = {.p = p};
		enum mm_error error = MM_OK;

		if (p->values[at].making == MM_VALUE_TEXT)
			error =
			    each_name(p->values[at].text, add_secret_text, &o);
		if (error != MM_OK)
			return error;
		p->values[at].secret |= o.state[0] != 0;
	}
	return MM_OK;
}

enum mm_error
mm_production_names(struct mm_production *p)
{
	const struct text csr = {p, "csr", p->csr_line, false, false};
	enum mm_error error = add_values(p);

	if (error == MM_OK)
		error = add_text(&csr, p->csr_path);
	if (error == MM_OK)
		error = add_label(p);
	for (size_t i = 0; i < p->image_count && error == MM_OK; i++)
		error = add_image(p, &p->images[i]);
	if (error == MM_OK)
		error = order_values(p);
	if (error == MM_OK)
		error = spread_secrets(p);
	return error == MM_OK ? find_secrets(p) : error;
}
