/*
 * Where in a text something was said: for what is found later, once the whole
 * is there to be looked at.
 */
#include <string.h>

#include "policy/grammar.h"

enum { MARKS_MAX = 4096 };

enum mm_error
mm_grammar_marks_init(struct mm_grammar_marks *marks, struct mm_arena *arena)
{
	struct mm_grammar_mark *items =
	    mm_arena_alloc(arena, MARKS_MAX * sizeof(*items));

	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "memory is short");
	*marks = (struct mm_grammar_marks){items, 0, MARKS_MAX};
	return MM_OK;
}

static bool
is_section(const struct mm_grammar_mark *mark, const char *name)
{
	if (mark->section == NULL || name == NULL)
		return mark->section == name;
	return strcmp(mark->section, name) == 0;
}

unsigned
mm_grammar_line(const struct mm_grammar_marks *marks, const char *section,
    struct mm_span title, const char *key)
{
	unsigned line = 0;

	for (size_t i = 0; i < marks->count; i++) {
		const struct mm_grammar_mark *mark = &marks->items[i];

		if (!is_section(mark, section) ||
		    !mm_span_equal(mark->title, title))
			continue;
		if (key != NULL && strcmp(mark->key, key) == 0)
			return mark->line;
		if (line == 0)
			line = mark->line;
	}
	return line;
}
