#include "policy/grammar.h"

#include <confuse.h>
#include <stdio.h>
#include <string.h>

#include "protocol/comments.h"

enum {
	KEYS_MAX = 32, /* of one section */
	SECTIONS_MAX = 8,
	SCRATCH = 256,  /* room for any one value */
	GIVEN = 1 << 30 /* our flag in cfg_opt_t: it has a value */
};

/*
 * Comes after the text. Where a closing brace is missing, which libConfuse
 * does not mind, this stands inside a section that does not know it.
 */
static const char end_mark[] = "end-of-the-text";

/* What libConfuse's callbacks, which get no pointer, need to know. */
static struct {
	const struct mm_grammar *grammar;
	const char *path;
	bool told; /* the first fault is the one that counts */
	struct mm_grammar_marks *marks; /* NULL: nobody asks */
	struct mm_arena *arena;         /* theirs */
} reading;

static const struct mm_grammar_section *
section_of(const char *name)
{
	for (size_t i = 0; i < reading.grammar->count; i++) {
		const struct mm_grammar_section *section =
		    &reading.grammar->sections[i];

		if (strcmp(section->name != NULL ? section->name : "root",
			name) == 0)
			return section;
	}
	return NULL;
}

static const struct mm_grammar_key *
key_of(const struct mm_grammar_section *section, const char *name)
{
	for (size_t i = 0; section != NULL && i < section->count; i++)
		if (strcmp(section->keys[i].name, name) == 0)
			return &section->keys[i];
	return NULL;
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
	mm_fail(reading.grammar->error, "%s:%d: %.*s", reading.path, cfg->line,
	    MM_SPAN(mm_buffer_span(&text)));
}

static void
mark(const cfg_t *cfg, const struct mm_grammar_key *key)
{
	struct mm_grammar_marks *marks = reading.marks;
	struct mm_span title = mm_span(NULL, 0);

	if (marks == NULL || marks->count == marks->room)
		return;
	if (cfg->title != NULL)
		title = mm_arena_copy(reading.arena, mm_span_text(cfg->title));
	marks->items[marks->count++] = (struct mm_grammar_mark){
	    section_of(cfg->name)->name, title, key->name, (unsigned)cfg->line};
}

/* libConfuse's way to tell a value's verdict; it knows the line now. */
static int
take_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct mm_grammar_key *key =
	    key_of(section_of(cfg->name), opt->name);
	uint64_t scratch[SCRATCH / sizeof(uint64_t)] = {0};
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, 65536);
	if (strcmp(opt->name, end_mark) == 0) {
		*(const char **)result = value;
		return 0;
	}
	if (key == NULL) {
		cfg_error(cfg, "%s does not stand here", opt->name);
		return -1;
	}
	if (opt->nvalues <= 1 && (opt->flags & GIVEN) != 0) {
		cfg_error(cfg, "%s is given twice", opt->name);
		return -1;
	}
	if (key->list && opt->nvalues > key->max) {
		cfg_error(cfg, "%s: %llu of them at most", opt->name,
		    (unsigned long long)key->max);
		return -1;
	}
	error = key->read(key, value, &arena, scratch);
	if (error != MM_OK) {
		cfg_error(cfg, "%s: %s", opt->name, mm_why(error));
		return -1;
	}
	if ((opt->flags & GIVEN) == 0)
		mark(cfg, key);
	opt->flags |= GIVEN;
	*(const char **)result = value;
	return 0;
}

static void
keys_to_options(const struct mm_grammar_section *section, cfg_opt_t *options)
{
	for (size_t i = 0; i < section->count; i++)
		options[i] = (cfg_opt_t){.name = section->keys[i].name,
		    .type = CFGT_STR,
		    .flags = CFGF_NODEFAULT |
			     (section->keys[i].list ? CFGF_LIST : CFGF_NONE),
		    .parsecb = take_value};
}

/* The grammar as libConfuse wants it; cfg_init() copies it all. */
struct options {
	cfg_opt_t top[KEYS_MAX + SECTIONS_MAX + 2];
	cfg_opt_t keys[SECTIONS_MAX][KEYS_MAX + 1];
};

static enum mm_error
grammar_to_options(const struct mm_grammar *grammar, struct options *out)
{
	size_t at = 0;

	if (grammar->count > SECTIONS_MAX)
		return MM_E_BUG;
	for (size_t i = 0; i < grammar->count; i++) {
		const struct mm_grammar_section *section =
		    &grammar->sections[i];

		if (section->count > KEYS_MAX)
			return MM_E_BUG;
		if (section->name == NULL) {
			keys_to_options(section, out->top + at);
			at += section->count;
			continue;
		}
		keys_to_options(section, out->keys[i]);
		out->top[at++] = (cfg_opt_t){.name = section->name,
		    .type = CFGT_SEC,
		    .flags = section->item == 0 ? CFGF_NONE
						: CFGF_MULTI | CFGF_TITLE |
						      CFGF_NO_TITLE_DUPES,
		    .subopts = out->keys[i]};
	}
	out->top[at] = (cfg_opt_t){.name = end_mark,
	    .type = CFGT_STR,
	    .flags = CFGF_NODEFAULT,
	    .parsecb = take_value};
	return MM_OK;
}

static enum mm_error
fault(const struct mm_grammar *grammar, const cfg_t *cfg, const char *key,
    const char *what)
{
	if (strcmp(cfg->name, "root") == 0)
		return mm_fail(
		    grammar->error, "%s: %s %s", reading.path, key, what);
	if (cfg->line == 0)
		return mm_fail(grammar->error,
		    "%s: there is no section %s: its %s %s", reading.path,
		    cfg->name, key, what);
	if (cfg->title == NULL)
		return mm_fail(grammar->error, "%s:%d: %s: %s %s", reading.path,
		    cfg->line, cfg->name, key, what);
	return mm_fail(grammar->error, "%s:%d: %s \"%s\": %s %s", reading.path,
	    cfg->line, cfg->name, cfg->title, key, what);
}

static enum mm_error
fill_list(const struct mm_grammar_key *key, cfg_opt_t *opt,
    struct mm_arena *arena, void *member)
{
	size_t count = cfg_opt_size(opt);
	uint8_t *items = NULL;
	enum mm_error error = MM_OK;

	if (key->item != 0) {
		items = mm_arena_alloc(arena, count * key->item);
		if (items == NULL)
			return MM_E_MEMORY;
		*(struct mm_list *)member = (struct mm_list){items, count};
	}
	for (size_t i = 0; i < count && error == MM_OK; i++)
		error = key->read(key, cfg_opt_getnstr(opt, (unsigned)i), arena,
		    items != NULL ? items + i * key->item : member);
	return error;
}

static enum mm_error
fill_standard(
    const struct mm_grammar_key *key, struct mm_arena *arena, void *member)
{
	void *item = member;

	if (key->standard[0] == '\0')
		return MM_OK;
	if (key->list && key->item != 0) {
		item = mm_arena_alloc(arena, key->item);
		if (item == NULL)
			return MM_E_MEMORY;
		*(struct mm_list *)member = (struct mm_list){item, 1};
	}
	return key->read(key, key->standard, arena, item);
}

static enum mm_error
fill_key(const struct mm_grammar *grammar, const struct mm_grammar_key *key,
    cfg_t *cfg, struct mm_arena *arena, void *member)
{
	cfg_opt_t *opt = cfg_getopt(cfg, key->name);
	size_t count = cfg_opt_size(opt);

	if (count == 0 && key->standard == NULL)
		return fault(grammar, cfg, key->name, "is missing");
	if (count == 0)
		return fill_standard(key, arena, member);
	if (key->list && count < key->min)
		return fault(grammar, cfg, key->name, "has too few");
	if (key->list)
		return fill_list(key, opt, arena, member);
	return key->read(key, cfg_opt_getnstr(opt, 0), arena, member);
}

static enum mm_error
fill_keys(const struct mm_grammar *grammar,
    const struct mm_grammar_section *section, cfg_t *cfg,
    struct mm_arena *arena, uint8_t *out)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < section->count && error == MM_OK; i++)
		error = fill_key(grammar, &section->keys[i], cfg, arena,
		    out + section->keys[i].offset);
	return error;
}

static enum mm_error
fill_title(const struct mm_grammar *grammar, const cfg_t *cfg,
    struct mm_arena *arena, void *item)
{
	struct mm_span title = mm_span_text(cfg->title);

	if (title.size == 0 || title.size > 64 || !mm_text_ok(title))
		return fault(grammar, cfg, "its name",
		    "is 1 to 64 bytes of printable text");
	title = mm_arena_copy(arena, title);
	*(struct mm_span *)item = title;
	return title.data != NULL ? MM_OK : MM_E_MEMORY;
}

static enum mm_error
fill_sections(const struct mm_grammar *grammar,
    const struct mm_grammar_section *section, cfg_t *cfg,
    struct mm_arena *arena, uint8_t *out)
{
	size_t count = cfg_size(cfg, section->name);
	uint8_t *items;
	enum mm_error error = MM_OK;

	if (count > section->max)
		return mm_fail(grammar->error,
		    "%s: there are %zu sections %s; %zu are the most",
		    reading.path, count, section->name, section->max);
	items = mm_arena_alloc(arena, count * section->item);
	if (items == NULL)
		return MM_E_MEMORY;
	for (size_t i = 0; i < count && error == MM_OK; i++) {
		cfg_t *one = cfg_getnsec(cfg, section->name, (unsigned)i);
		uint8_t *item = items + i * section->item;

		error = fill_title(grammar, one, arena, item);
		if (error == MM_OK)
			error = fill_keys(grammar, section, one, arena, item);
	}
	*(struct mm_list *)(void *)(out + section->offset) =
	    (struct mm_list){items, count};
	return error;
}

static enum mm_error
fill(const struct mm_grammar *grammar, cfg_t *cfg, struct mm_arena *arena,
    uint8_t *out)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < grammar->count && error == MM_OK; i++) {
		const struct mm_grammar_section *section =
		    &grammar->sections[i];

		if (section->item != 0)
			error =
			    fill_sections(grammar, section, cfg, arena, out);
		else
			error = fill_keys(grammar, section,
			    section->name == NULL
				? cfg
				: cfg_getsec(cfg, section->name),
			    arena, out);
	}
	return error;
}

/* What some editors put before UTF-8, and nobody sees. */
static bool
has_mark(struct mm_span text)
{
	return text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0;
}

/* libConfuse expands ${...} from the environment and stops at a NUL. */
static enum mm_error
check_characters(
    const struct mm_grammar *grammar, const char *path, struct mm_span text)
{
	unsigned line = 1;

	if (has_mark(text))
		return mm_fail(grammar->error,
		    "%s:1: a byte order mark (BOM, bytes EF BB BF) stands "
		    "before the text: save it as UTF-8 without one",
		    path);
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];

		line += c == '\n';
		if ((c < ' ' && c != '\n' && c != '\t' && c != '\r') ||
		    c == 0x7f)
			return mm_fail(grammar->error,
			    "%s:%u: a control character stands here", path,
			    line);
		if (c == '$' && i + 1 < text.size && text.data[i + 1] == '{')
			return mm_fail(grammar->error,
			    "%s:%u: ${...} stands for nothing here", path,
			    line);
	}
	return MM_OK;
}

static enum mm_error
parse(const struct mm_grammar *grammar, cfg_t *cfg, struct mm_span text)
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
	if (result == CFG_SUCCESS)
		return MM_OK;
	if (!reading.told)
		return mm_fail(grammar->error, "%s:%d: it cannot be read",
		    reading.path, cfg->line);
	return grammar->error;
}

static void
free_cfg(cfg_t **cfg)
{
	if (*cfg != NULL)
		cfg_free(*cfg);
}

enum mm_error
mm_grammar_read(const struct mm_grammar *grammar, const char *path,
    struct mm_span text, struct mm_arena *arena, void *out)
{
	return mm_grammar_read_marked(grammar, path, text, arena, NULL, out);
}

enum mm_error
mm_grammar_read_marked(const struct mm_grammar *grammar, const char *path,
    struct mm_span text, struct mm_arena *arena, struct mm_grammar_marks *marks,
    void *out)
{
	struct options options = {0};
	__attribute__((cleanup(free_cfg))) cfg_t *cfg = NULL;
	enum mm_error error = check_characters(grammar, path, text);

	if (error == MM_OK)
		error = grammar_to_options(grammar, &options);
	if (error != MM_OK)
		return error;
	reading.grammar = grammar;
	reading.path = path;
	reading.told = false;
	reading.marks = marks;
	reading.arena = arena;
	cfg = cfg_init(options.top, CFGF_NONE);
	if (cfg == NULL)
		return mm_fail(MM_E_MEMORY, "cannot hold %s", path);
	cfg_set_error_function(cfg, tell);
	error = parse(grammar, cfg, text);
	if (error == MM_OK)
		error = fill(grammar, cfg, arena, out);
	return error;
}
