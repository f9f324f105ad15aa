#include "factory/production_text.h"

#include <confuse.h>
#include <stdio.h>
#include <string.h>

#include "protocol/comments.h"

enum { KEYS_MAX = 24, KINDS_MAX = 8, LINES_MAX = 4096 };

/* Comes after the text. Where a closing brace is missing, which libConfuse
 * does not mind, this stands inside a section that does not know it. */
static const char end_mark[] = "end-of-the-text";

/* What libConfuse's callbacks, which get no pointer, need to know. */
static struct {
	const char *path;
	bool told; /* the first fault is the one that counts */
	struct {
		const cfg_opt_t *option;
		unsigned line;
	} lines[LINES_MAX]; /* of each setting's first value */
	size_t count;
} reading;

static unsigned
line_of(const cfg_opt_t *option)
{
	for (size_t i = 0; i < reading.count; i++)
		if (reading.lines[i].option == option)
			return reading.lines[i].line;
	return 0;
}

/* What the section knows, for somebody who mistyped. */
static void
add_known(struct mm_buffer *text, const cfg_t *cfg)
{
	const char *comma = "; known here: ";

	for (const cfg_opt_t *opt = cfg->opts; opt->name != NULL; opt++) {
		if (strcmp(opt->name, end_mark) == 0)
			continue;
		mm_buffer_printf(text, "%s%s", comma, opt->name);
		comma = ", ";
	}
}

static void __attribute__((format(printf, 2, 0)))
tell(cfg_t *cfg, const char *format, va_list arguments)
{
	mm_auto(buffer) text = {0};
	char what[400];

	if (reading.told)
		return;
	reading.told = true;
	vsnprintf(what, sizeof(what), format, arguments);
	if (strstr(what, end_mark) != NULL)
		snprintf(what, sizeof(what),
		    "the file ends before a section's closing brace");
	mm_buffer_init(&text, 2048);
	mm_buffer_add_text(&text, what);
	if (strncmp(what, "no such option", 14) == 0)
		add_known(&text, cfg);
	(void)mm_fail(MM_E_FORMAT, "%s:%d: %.*s", reading.path, cfg->line,
	    MM_SPAN(mm_buffer_span(&text)));
}

static int
take_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	bool list = (opt->flags & CFGF_LIST) != 0;

	*(const char **)result = value;
	if (!list && line_of(opt) != 0) {
		cfg_error(cfg, "%s is given twice", opt->name);
		return -1;
	}
	if (list && opt->nvalues > MM_PRODUCTION_LIST_MAX) {
		cfg_error(cfg, "%s: %d of them at most", opt->name,
		    MM_PRODUCTION_LIST_MAX);
		return -1;
	}
	if (line_of(opt) != 0)
		return 0;
	if (reading.count == LINES_MAX) {
		cfg_error(cfg, "there are too many settings");
		return -1;
	}
	reading.lines[reading.count].option = opt;
	reading.lines[reading.count++].line = (unsigned)cfg->line;
	return 0;
}

/* --- the grammar as libConfuse wants it; cfg_init() copies it all --- */

struct options {
	cfg_opt_t top[KEYS_MAX + KINDS_MAX + 2];
	cfg_opt_t keys[KINDS_MAX][KEYS_MAX + 1];
};

static void
keys_to_options(const struct mm_section_kind *kind, cfg_opt_t *options)
{
	for (size_t i = 0; i < kind->count; i++)
		options[i] = (cfg_opt_t){.name = kind->keys[i].name,
		    .type = CFGT_STR,
		    .flags = CFGF_NODEFAULT |
			     (kind->keys[i].list ? CFGF_LIST : CFGF_NONE),
		    .parsecb = take_value};
}

static enum mm_error
kinds_to_options(
    const struct mm_section_kind *kinds, size_t count, struct options *out)
{
	size_t at = 0;

	if (count > KINDS_MAX)
		return MM_E_BUG;
	for (size_t i = 0; i < count; i++) {
		if (kinds[i].count > KEYS_MAX)
			return MM_E_BUG;
		if (kinds[i].kind[0] == '\0') {
			keys_to_options(&kinds[i], out->top + at);
			at += kinds[i].count;
			continue;
		}
		keys_to_options(&kinds[i], out->keys[i]);
		out->top[at++] = (cfg_opt_t){.name = kinds[i].kind,
		    .type = CFGT_SEC,
		    .flags = CFGF_MULTI |
			     (kinds[i].titled ? CFGF_TITLE | CFGF_NO_TITLE_DUPES
					      : CFGF_NONE),
		    .subopts = out->keys[i]};
	}
	out->top[at] = (cfg_opt_t){.name = end_mark,
	    .type = CFGT_STR,
	    .flags = CFGF_NODEFAULT,
	    .parsecb = take_value};
	return MM_OK;
}

/* --- the text --- */

/* libConfuse expands ${...} from the environment and stops at a NUL. */
static enum mm_error
check_characters(const char *path, struct mm_span text)
{
	unsigned line = 1;

	if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
		return mm_fail(MM_E_FORMAT,
		    "%s:1: a byte order mark stands before the text: save it "
		    "as UTF-8 without one",
		    path);
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];

		line += c == '\n';
		if ((c < ' ' && c != '\n' && c != '\t' && c != '\r') ||
		    c == 0x7f)
			return mm_fail(MM_E_FORMAT,
			    "%s:%u: a control character stands here", path,
			    line);
		if (c == '$' && i + 1 < text.size && text.data[i + 1] == '{')
			return mm_fail(MM_E_FORMAT,
			    "%s:%u: ${...} stands for nothing here; a value "
			    "is {NAME}",
			    path, line);
	}
	return MM_OK;
}

static enum mm_error
parse(cfg_t *cfg, struct mm_span text)
{
	mm_auto(buffer) marked = {0};
	FILE *file;
	int result;

	mm_buffer_init(&marked, text.size + 64);
	mm_comments_blank(text, &marked);
	mm_buffer_printf(&marked, "\n%s = yes\n", end_mark);
	if (marked.error != MM_OK)
		return marked.error;
	file = fmemopen(marked.data, marked.size, "r");
	if (file == NULL)
		return MM_E_MEMORY;
	result = cfg_parse_fp(cfg, file);
	fclose(file);
	if (result == CFG_SUCCESS && !reading.told)
		return MM_OK;
	if (!reading.told)
		return mm_fail(MM_E_FORMAT, "%s:%d: it cannot be read",
		    reading.path, cfg->line);
	return MM_E_FORMAT;
}

/* --- settings --- */

static enum mm_error
keep_setting(cfg_t *cfg, const char *name, struct mm_arena *arena,
    struct mm_setting *out)
{
	cfg_opt_t *opt = cfg_getopt(cfg, name);
	size_t count = cfg_opt_size(opt);

	out->name = name;
	out->line = line_of(opt);
	out->count = count;
	out->values = mm_arena_alloc(arena, (count + 1) * sizeof(char *));
	if (out->values == NULL)
		return MM_E_MEMORY;
	for (size_t i = 0; i < count; i++) {
		const char *text = cfg_opt_getnstr(opt, (unsigned)i);
		struct mm_span copy =
		    mm_arena_copy(arena, mm_span(text, strlen(text) + 1));

		out->values[i] = (const char *)copy.data;
		if (copy.data == NULL)
			return MM_E_MEMORY;
	}
	return MM_OK;
}

static enum mm_error
keep_section(cfg_t *cfg, const struct mm_section_kind *kind,
    struct mm_arena *arena, struct mm_section *out)
{
	struct mm_setting *settings =
	    mm_arena_alloc(arena, kind->count * sizeof(*settings));
	enum mm_error error = settings != NULL ? MM_OK : MM_E_MEMORY;

	*out = (struct mm_section){
	    .kind = kind->kind, .line = (unsigned)cfg->line};
	if (kind->titled) {
		const char *title = cfg_title(cfg);
		struct mm_span copy =
		    mm_arena_copy(arena, mm_span(title, strlen(title) + 1));

		out->title = (const char *)copy.data;
		if (copy.data == NULL)
			return MM_E_MEMORY;
	}
	for (size_t i = 0; i < kind->count && error == MM_OK; i++) {
		struct mm_setting *next = &settings[out->count];

		if (line_of(cfg_getopt(cfg, kind->keys[i].name)) == 0)
			continue;
		error = keep_setting(cfg, kind->keys[i].name, arena, next);
		if (next->line < out->line)
			out->line = next->line;
		out->count++;
	}
	out->settings = settings;
	return error;
}

static size_t
count_sections(
    cfg_t *cfg, const struct mm_section_kind *kinds, size_t kind_count)
{
	size_t count = 0;

	for (size_t i = 0; i < kind_count; i++)
		count +=
		    kinds[i].kind[0] == '\0' ? 1 : cfg_size(cfg, kinds[i].kind);
	return count;
}

static enum mm_error
keep_kind(cfg_t *cfg, const struct mm_section_kind *kind,
    struct mm_arena *arena, struct mm_section *items, size_t *count)
{
	size_t there = kind->kind[0] == '\0' ? 1 : cfg_size(cfg, kind->kind);
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < there && error == MM_OK; i++) {
		cfg_t *one = kind->kind[0] == '\0'
				 ? cfg
				 : cfg_getnsec(cfg, kind->kind, (unsigned)i);

		if (i > 0 && !kind->titled)
			return mm_fail(MM_E_FORMAT,
			    "%s:%d: a second %s ends here; one can be",
			    reading.path, one->line, kind->kind);
		error = keep_section(one, kind, arena, &items[(*count)++]);
	}
	return error;
}

static void
free_cfg(cfg_t **cfg)
{
	if (*cfg != NULL)
		cfg_free(*cfg);
}

enum mm_error
mm_production_text(const char *path, struct mm_span text,
    const struct mm_section_kind *kinds, size_t kind_count,
    struct mm_arena *arena, struct mm_list *sections)
{
	struct options options = {0};
	__attribute__((cleanup(free_cfg))) cfg_t *cfg = NULL;
	struct mm_section *items = NULL;
	size_t count = 0;
	enum mm_error error = check_characters(path, text);

	if (error == MM_OK)
		error = kinds_to_options(kinds, kind_count, &options);
	if (error != MM_OK)
		return error;
	reading.path = path;
	reading.told = false;
	reading.count = 0;
	cfg = cfg_init(options.top, CFGF_NONE);
	if (cfg == NULL)
		return mm_fail(MM_E_MEMORY, "cannot hold %s", path);
	cfg_set_error_function(cfg, tell);
	error = parse(cfg, text);
	if (error != MM_OK)
		return error;
	items = mm_arena_alloc(
	    arena, count_sections(cfg, kinds, kind_count) * sizeof(*items));
	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "cannot hold %s", path);
	for (size_t i = 0; i < kind_count && error == MM_OK; i++)
		error = keep_kind(cfg, &kinds[i], arena, items, &count);
	if (error == MM_OK)
		*sections = (struct mm_list){items, count};
	return error;
}

const struct mm_setting *
mm_setting_named(const struct mm_section *section, const char *name)
{
	for (size_t i = 0; i < section->count; i++)
		if (strcmp(section->settings[i].name, name) == 0)
			return &section->settings[i];
	return NULL;
}
