/*
 * The template's label, and how it is drawn.
 */
#include <sodium.h>
#include <string.h>

#include "factory/production_parts.h"

enum { HEADS = 4096, MODULE = 10 /* bytes of SVG, at most */ };

static enum mm_error
draw_svg(const struct mm_production_label *how, const struct mm_label *label,
    struct mm_buffer *out)
{
	mm_label_svg(label, (unsigned)how->mm, out);
	return out->error;
}

static enum mm_error
draw_png(const struct mm_production_label *how, const struct mm_label *label,
    struct mm_buffer *out)
{
	return mm_label_png(label, (unsigned)how->scale, out);
}

static enum mm_error
draw_zpl(const struct mm_production_label *how, const struct mm_label *label,
    struct mm_buffer *out)
{
	return mm_label_zpl(label, (unsigned)how->mm, (unsigned)how->dots, out);
}

static enum mm_error
draw_text(const struct mm_production_label *how, const struct mm_label *label,
    struct mm_buffer *out)
{
	(void)how;
	mm_label_text(label, false, out);
	return out->error;
}

static const struct mm_label_drawing {
	const char *file;
	enum mm_error (*draw)(const struct mm_production_label *how,
	    const struct mm_label *label, struct mm_buffer *out);
} drawings[] = {{"label.svg", draw_svg}, {"label.png", draw_png},
    {"label.zpl", draw_zpl}, {"label.txt", draw_text}};

/* Room at once: a buffer that grows leaves its old bytes behind. */
static enum mm_error
make_room(const struct mm_production_label *how, const struct mm_label *label,
    struct mm_buffer *out)
{
	size_t side = label->side + 2 * MM_LABEL_QUIET;
	size_t dots = (size_t)(how->mm * how->dots);

	mm_buffer_grow(out, MODULE * side * side + dots * dots / 4 + HEADS);
	if (out->error != MM_OK)
		return mm_fail(out->error, "no memory for a label");
	mm_buffer_reset(out);
	return MM_OK;
}

enum mm_error
mm_production_draw(const struct mm_production *p,
    const struct mm_label_values *values, struct mm_buffer *out)
{
	const struct mm_production_label *how = &p->label;
	struct mm_label label;
	enum mm_error error;

	if (!how->there)
		return MM_OK;
	error = mm_label_make(&how->plan, values, &label);
	if (error == MM_OK)
		error = make_room(how, &label, out);
	if (error == MM_OK)
		error = how->drawing->draw(how, &label, out);
	sodium_memzero(&label, sizeof(label));
	return mm_production_in_line(p, how->line, error);
}

/* --- read --- */

static const struct mm_setting_choice label_kinds[] = {{"text", MM_LABEL_TEXT},
    {"url", MM_LABEL_URL}, {"esp", MM_LABEL_ESP}, {"matter", MM_LABEL_MATTER}};
static const struct mm_setting_choice label_levels[] = {
    {"L", MM_LABEL_L}, {"M", MM_LABEL_M}, {"Q", MM_LABEL_Q}, {"H", MM_LABEL_H}};
static const struct mm_setting_choice label_formats[] = {
    {"svg", 0}, {"png", 1}, {"zpl", 2}, {"text", 3}};

static enum mm_error
read_label_lines(struct mm_production *p, const struct mm_section *section)
{
	const struct mm_setting *lines = mm_setting_named(section, "lines");
	struct mm_label_plan *plan = &p->label.plan;

	if (lines == NULL)
		return MM_OK;
	if (lines->count > MM_LABEL_LINES)
		return mm_production_wrong(p, lines->line, MM_E_RANGE,
		    "a label has at most %d lines", MM_LABEL_LINES);
	p->label.lines_line = lines->line;
	for (size_t i = 0; i < lines->count; i++)
		plan->lines[plan->line_count++] = lines->values[i];
	return MM_OK;
}

static enum mm_error
read_label_numbers(struct mm_production_label *label, struct mm_production *p,
    const struct mm_section *section)
{
	enum mm_error error = mm_setting_number(
	    p, section, "mm", MM_LABEL_MM_MIN, MM_LABEL_MM_MAX, &label->mm);

	if (error == MM_OK)
		error =
		    mm_setting_number(p, section, "dots", 6, 24, &label->dots);
	return error == MM_OK ? mm_setting_number(
				    p, section, "scale", 1, 20, &label->scale)
			      : error;
}

enum mm_error
mm_production_label(struct mm_production *p)
{
	const struct mm_section *section = mm_production_section(p, "label");
	struct mm_production_label *label = &p->label;
	unsigned kind = MM_LABEL_TEXT, level = MM_LABEL_M, format = 0;
	enum mm_error error;

	*label = (struct mm_production_label){
	    .there = section != NULL, .mm = 25, .dots = 8, .scale = 8};
	if (section == NULL)
		return MM_OK;
	label->line = section->line;
	error = mm_setting_word(
	    p, section, "kind", label_kinds, MM_COUNT(label_kinds), &kind);
	if (error == MM_OK)
		error = mm_setting_word(p, section, "level", label_levels,
		    MM_COUNT(label_levels), &level);
	if (error == MM_OK)
		error = mm_setting_word(p, section, "format", label_formats,
		    MM_COUNT(label_formats), &format);
	if (error == MM_OK)
		error = read_label_numbers(label, p, section);
	if (error == MM_OK)
		error = read_label_lines(p, section);
	label->drawing = &drawings[format];
	label->file = drawings[format].file;
	label->plan.kind = (enum mm_label_kind)kind;
	label->plan.level = (enum mm_label_level)level;
	mm_setting_text(
	    section, "template", &label->plan.template, &label->template_line);
	if (error == MM_OK && label->plan.template == NULL &&
	    (kind == MM_LABEL_TEXT || kind == MM_LABEL_URL))
		return mm_production_wrong(p, section->line, MM_E_FORMAT,
		    "the label has no template: say what its code says");
	return error;
}
