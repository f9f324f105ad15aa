/*
 * mintmark flash label: QR codes with serial number and date, one label, one
 * file a row of a list, or a sheet for an order.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/json_value.h"
#include "cli/label_job.h"
#include "cli/values.h"

enum {
	DATE_TEXT = 11,
	FILE_MAX = 64 << 20,
	SIZE = 25, /* mm */
	DOTS = 8,  /* per mm: 203 dpi */
	SCALE = 8  /* pixels a module */
};

/* --- the ways to draw --- */

static enum mm_error
draw_svg(struct mm_labels *l)
{
	mm_label_svg(&l->label, (unsigned)l->mm, &l->drawn);
	return l->drawn.error;
}

static enum mm_error
draw_png(struct mm_labels *l)
{
	return mm_label_png(&l->label, (unsigned)l->scale, &l->drawn);
}

static enum mm_error
draw_zpl(struct mm_labels *l)
{
	return mm_label_zpl(
	    &l->label, (unsigned)l->mm, (unsigned)l->dots, &l->drawn);
}

static enum mm_error
draw_text(struct mm_labels *l)
{
	mm_label_text(
	    &l->label, mm_option(l->invocation, "invert") != NULL, &l->drawn);
	return l->drawn.error;
}

static const struct mm_label_format formats[] = {{"svg", draw_svg, false, true},
    {"png", draw_png, false, false}, {"zpl", draw_zpl, true, false},
    {"text", draw_text, true, false}};

/* --- the command line --- */

/* Which of these words the option is; `out` keeps its value without it. */
static enum mm_error
read_word(const struct mm_invocation *invocation, const char *name,
    const char *const *words, size_t count, unsigned *out)
{
	const char *said = mm_option(invocation, name);

	if (said == NULL)
		return MM_OK;
	for (unsigned i = 0; i < count; i++)
		if (strcmp(said, words[i]) == 0) {
			*out = i;
			return MM_OK;
		}
	return mm_fail(MM_E_USAGE, "--%s cannot be \"%s\"", name, said);
}

static enum mm_error
read_words(struct mm_labels *l)
{
	static const char *const kinds[MM_LABEL_KINDS] = {
	    [MM_LABEL_TEXT] = "text",
	    [MM_LABEL_URL] = "url",
	    [MM_LABEL_ESP] = "esp",
	    [MM_LABEL_MATTER] = "matter"};
	static const char *const levels[MM_LABEL_LEVELS] = {"L", "M", "Q", "H"};
	const char *names[MM_COUNT(formats)];
	unsigned kind = MM_LABEL_TEXT, level = MM_LABEL_M, format = 0;
	enum mm_error error =
	    read_word(l->invocation, "kind", kinds, MM_COUNT(kinds), &kind);

	for (size_t i = 0; i < MM_COUNT(formats); i++)
		names[i] = formats[i].name;
	if (error == MM_OK)
		error = read_word(
		    l->invocation, "level", levels, MM_COUNT(levels), &level);
	if (error == MM_OK)
		error = read_word(
		    l->invocation, "format", names, MM_COUNT(names), &format);
	l->plan.kind = (enum mm_label_kind)kind;
	l->plan.level = (enum mm_label_level)level;
	l->format = &formats[format];
	return error;
}

static enum mm_error
read_numbers(struct mm_labels *l)
{
	enum mm_error error = mm_value_number(
	    l->invocation, "size", MM_LABEL_MM_MIN, MM_LABEL_MM_MAX, &l->mm);

	if (error == MM_OK)
		error = mm_value_number(l->invocation, "dots", 6, 24, &l->dots);
	if (error == MM_OK)
		error =
		    mm_value_number(l->invocation, "scale", 1, 20, &l->scale);
	return error;
}

/* What is not said of it stays unsaid in errors: it may be a secret. */
static enum mm_error
read_values(struct mm_labels *l)
{
	const char *said;

	for (size_t i = 0;
	     (said = mm_option_nth(l->invocation, "value", i)) != NULL; i++) {
		const char *equal = strchr(said, '=');
		struct mm_span name;
		enum mm_error error;

		if (equal == NULL || equal == said)
			return mm_fail(MM_E_USAGE,
			    "--value is NAME=VALUE (number %zu)", i + 1);
		name = mm_span(said, (size_t)(equal - said));
		if (mm_label_value(&l->values, name) != NULL)
			return mm_fail(MM_E_USAGE, "--value %.*s is said twice",
			    MM_SPAN(name));
		error = mm_labels_add(l, name, mm_span_text(equal + 1));
		if (error != MM_OK)
			return error;
	}
	l->said = l->values.count;
	return MM_OK;
}

static enum mm_error
read_lines(struct mm_labels *l)
{
	const char *line;

	while ((line = mm_option_nth(
		    l->invocation, "line", l->plan.line_count)) != NULL) {
		if (l->plan.line_count == MM_LABEL_LINES)
			return mm_fail(MM_E_USAGE,
			    "a label has at most %d lines", MM_LABEL_LINES);
		l->plan.lines[l->plan.line_count++] = line;
	}
	return MM_OK;
}

static enum mm_error
check_use(const struct mm_labels *l)
{
	bool csv = mm_option(l->invocation, "csv") != NULL;
	bool sheet = mm_option(l->invocation, "sheet") != NULL;
	const char *out = mm_option(l->invocation, "out");

	if (sheet && !csv)
		return mm_fail(MM_E_USAGE, "--sheet goes with --csv");
	if (sheet && !l->format->job && !l->format->pages)
		return mm_fail(
		    MM_E_USAGE, "a sheet is svg, zpl or text, not png");
	if (sheet && l->format->pages && strcmp(out, "-") == 0)
		return mm_fail(MM_E_USAGE,
		    "a sheet in svg is a file a page: --out is its name, "
		    "not \"-\"");
	if (csv && !sheet && strchr(out, '{') == NULL)
		return mm_fail(MM_E_USAGE,
		    "--csv makes one file a row: --out has a {name} in it, "
		    "like labels/{serial}.%s; or say --sheet",
		    l->format->name);
	return MM_OK;
}

static enum mm_error
read_all(struct mm_labels *l)
{
	enum mm_error error = read_words(l);

	l->plan.template = mm_option(l->invocation, "template");
	if (error == MM_OK)
		error = read_numbers(l);
	if (error == MM_OK)
		error = read_values(l);
	if (error == MM_OK)
		error = read_lines(l);
	return error == MM_OK ? check_use(l) : error;
}

/* --- the command --- */

static void
report(const struct mm_labels *l)
{
	const char *out = mm_option(l->invocation, "out");
	json_t *object = json_pack(
	    "{s:s, s:I}", "file", out, "labels", (json_int_t)l->count);

	if (l->pages > 0)
		json_object_set_new(object, "pages", mm_json_number(l->pages));
	mm_print(l->invocation, object);
}

static void
today(char out[DATE_TEXT])
{
	char text[MM_TIME_TEXT];

	mm_time_text((uint64_t)time(NULL), text);
	snprintf(out, DATE_TEXT, "%.*s", DATE_TEXT - 1, text);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_labels l = {
	    .invocation = invocation, .mm = SIZE, .dots = DOTS, .scale = SCALE};
	enum mm_error error;

	today(l.date);
	mm_buffer_init(&l.drawn, FILE_MAX);
	error = read_all(&l);
	if (error == MM_OK)
		error = mm_labels_write(&l);
	if (error == MM_OK && strcmp(mm_option(invocation, "out"), "-") != 0)
		report(&l);
	mm_growing_file_clear(&l.file);
	mm_buffer_clear(&l.drawn);
	return error;
}

static const struct mm_cli_option options[] = {
    {"kind", "KIND", "text, url, esp or matter (text)", false},
    {"template", "TEXT", "what the code says, {name} for a value", false},
    {"value", "NAME=VALUE", "a value", MM_OPTION_REPEATED},
    {"csv", "LIST", "a label a row; the columns are values", false},
    {"sheet", NULL, "all of them together: pages of A4, or one job", false},
    {"line", "TEXT", "a line that people read ({serial}, {date})",
	MM_OPTION_REPEATED},
    {"format", "svg|png|zpl|text", "how it is drawn", true},
    {"level", "L|M|Q|H", "error correction, at least (M)", false},
    {"size", "MM", "svg, zpl: the code's side with its margin (25)", false},
    {"dots", "N", "zpl: the printer's dots per mm (8)", false},
    {"scale", "N", "png: pixels a module (8)", false},
    {"invert", NULL, "text: for dark letters on a light ground", false},
    {"out", "FILE", "the label; \"-\" is stdout", true},
};

const struct mm_command mm_flash_label_command = {
    .noun = "flash",
    .verb = "label",
    .operands = "",
    .summary = "a device's label: a QR code with lines, or a sheet of them",
    .about =
	"  --kind text    --template is what the code says\n"
	"  --kind url     a URL; values are percent-encoded in it\n"
	"  --kind esp     the JSON of Espressif's provisioning apps, of the "
	"values name,\n"
	"                 transport and, where there is one, pop; values are "
	"JSON strings\n"
	"  --kind matter  the value payload, MT:..., as it was made elsewhere\n"
	"A template has {name} where a value goes, {{ and }} for braces. "
	"{date} is today\n(UTC) where nobody says it. What no template names "
	"is on no label. A row's value\ncounts before one of --value. A "
	"command line can be seen by other users of the\ncomputer: secrets "
	"come by --csv.\n\n"
	"--csv without --sheet makes a file a row: --out has a {name} in it. "
	"With --sheet,\nsvg is pages of A4, OUT.svg, OUT-2.svg and so on; "
	"zpl is one job. Of png there is\nthe code alone, without lines.",
    .results = "file, labels, pages (of a sheet in svg); nothing with --out -",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
