/*
 * Which values a template names, and where; and the order in which its own
 * are made.
 */
#include <string.h>

#include "factory/production_parts.h"
#include "factory/unit_images_parts.h"

/* A text of the template, on its way to names. */
struct text {
	struct mm_production *p;
	const char *what;
	unsigned line;
	bool optional, issued; /* the certificate is there when it is filled */
	bool path;             /* of a file */
};

/* Calls `each` with every name of a text. */
static enum mm_error
each_name(struct mm_production *p, const char *text,
    enum mm_error (*each)(void *context, struct mm_span name), void *context)
{
	struct unit_text read;
	enum mm_error error =
	    mm_unit_text_read(mm_span_text(text), &p->arena, &read);

	if (error != MM_OK)
		return error;
	for (size_t i = 0; i < read.count && error == MM_OK; i++)
		if (read.pieces[i].name)
			error = each(context, read.pieces[i].bytes);
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
			p->names[i].path |= text->path;
			return MM_OK;
		}
	if (p->name_count == MM_PRODUCTION_NAMES_MAX)
		return mm_fail(MM_E_RANGE, "too many values are named");
	p->names[p->name_count++] = (struct mm_production_name){.name = name,
	    .line = text->line,
	    .optional = text->optional,
	    .path = text->path};
	return MM_OK;
}

static enum mm_error
add_text(const struct text *text, const char *words)
{
	struct text copy = *text;
	enum mm_error error;

	if (words == NULL)
		return MM_OK;
	error = each_name(text->p, words, add_name, &copy);
	return mm_production_in_line(text->p, text->line, error);
}

/* --- which --- */

static enum mm_error
add_values(struct mm_production *p)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < p->value_count && error == MM_OK; i++) {
		const struct text text = {.p = p,
		    .what = "a value's text",
		    .line = p->values[i].line};

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
	struct text text = {
	    .p = p, .what = "the label", .line = p->label.line, .issued = true};
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
	const struct text text = {.p = p,
	    .what = "the label",
	    .line = p->label.template_line,
	    .issued = true};
	const struct text lines = {.p = p,
	    .what = "the label",
	    .line = p->label.lines_line,
	    .issued = true};
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
	struct text text = {.p = p,
	    .what = "an image",
	    .line = image->line,
	    .optional = true,
	    .issued = true};
	struct mm_span name;
	enum mm_error error = MM_OK;

	for (size_t i = 0; error == MM_OK; i++) {
		name = mm_unit_image_name(image->image, i, &text.path);
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
	const char *template = plan->template;
	enum mm_error error;

	if (!p->label.there)
		return MM_OK;
	if (template == NULL)
		template = plan->kind == MM_LABEL_MATTER
			       ? "{payload}"
			       : "{name}{transport}{pop}";
	error = each_name(p, template, add_secret, p);
	for (size_t i = 0; i < plan->line_count && error == MM_OK; i++)
		error = each_name(p, plan->lines[i], add_secret, p);
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
		error = each_name(o->p, value->text, visit_name, o);
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
			error = each_name(
			    p, p->values[at].text, add_secret_text, &o);
		if (error != MM_OK)
			return error;
		p->values[at].secret |= o.state[0] != 0;
	}
	return MM_OK;
}

/* Errors say which file could not be read. */
static enum mm_error
check_paths(const struct mm_production *p)
{
	for (size_t i = 0; i < p->name_count; i++) {
		const struct mm_production_name *name = &p->names[i];
		const struct mm_production_value *value =
		    mm_production_value_named(p, name->name);

		if (name->path && value != NULL && value->secret)
			return mm_production_wrong(p, name->line, MM_E_FORMAT,
			    "the path of a file names {%.*s}, which is a "
			    "secret: paths are seen",
			    MM_SPAN(name->name));
	}
	return MM_OK;
}

enum mm_error
mm_production_names(struct mm_production *p)
{
	const struct text csr = {
	    .p = p, .what = "csr", .line = p->csr_line, .path = true};
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
	if (error == MM_OK)
		error = check_paths(p);
	return error == MM_OK ? find_secrets(p) : error;
}

bool
mm_production_uses(const struct mm_production *p, struct mm_span name)
{
	for (size_t i = 0; i < p->name_count; i++)
		if (mm_span_equal(p->names[i].name, name))
			return true;
	return mm_production_value_named(p, name) != NULL;
}
