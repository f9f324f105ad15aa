/*
 * The template's text, read by libConfuse into settings that know their
 * lines. What they mean is production_read.c's to say; what a comment is,
 * protocol/comments.h's.
 */
#ifndef MM_FACTORY_PRODUCTION_TEXT_H
#define MM_FACTORY_PRODUCTION_TEXT_H

#include "protocol/bytes.h"

enum {
	MM_PRODUCTION_TEXT_MAX = 1 << 20,
	MM_PRODUCTION_LIST_MAX = 32 /* items of a list */
};

/* What may stand in a kind of section; outside of any, `kind` is "". */
struct mm_setting_key {
	const char *name;
	bool list;
};
struct mm_section_kind {
	const char *kind;
	bool titled; /* kind NAME { ... }, more than one */
	const struct mm_setting_key *keys;
	size_t count;
};

struct mm_setting {
	const char *name;
	unsigned line;
	const char **values; /* one, or a list's */
	size_t count;
};
struct mm_section {
	const char *kind, *title; /* "" and NULL: outside of any */
	unsigned line;            /* of its first setting, or of its end */
	const struct mm_setting *settings;
	size_t count;
};

/*
 * Reads the text of the file `path` into the arena: the settings outside of
 * any section come first, as a section "" that is always there. MM_E_FORMAT,
 * with file and line: unknown, given twice, malformed.
 */
enum mm_error mm_production_text(const char *path, struct mm_span text,
    const struct mm_section_kind *kinds, size_t kind_count,
    struct mm_arena *arena, struct mm_list *sections) mm_must_use;

/* NULL where it is not given. */
const struct mm_setting *
mm_setting_named(const struct mm_section *section, const char *name);

#endif
