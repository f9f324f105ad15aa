#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "factory/plan_parts.h"

enum { WORD_MAX = 8192 };

void
mm_plan_fail(struct mm_plan_making *m, enum mm_error error)
{
	if (m->error == MM_OK)
		m->error = error;
}

const char *
mm_plan_word(struct mm_plan_making *m, const char *format, ...)
{
	char word[WORD_MAX];
	va_list arguments;
	struct mm_span copy;
	int size;

	va_start(arguments, format);
	size = vsnprintf(word, sizeof(word), format, arguments);
	va_end(arguments);
	if (size < 0 || (size_t)size >= sizeof(word)) {
		mm_plan_fail(
		    m, mm_fail(MM_E_RANGE, "a file's name is too long"));
		return "";
	}
	copy = mm_arena_copy(m->arena, mm_span(word, (size_t)size + 1));
	if (copy.data == NULL) {
		mm_plan_fail(m, mm_fail(MM_E_MEMORY, "no memory for a plan"));
		return "";
	}
	return (const char *)copy.data;
}

void
mm_plan_add(struct mm_plan_making *m, const char *word)
{
	if (m->word_count == MM_PLAN_WORDS_MAX)
		mm_plan_fail(
		    m, mm_fail(MM_E_RANGE, "a step has too many words"));
	else
		m->words[m->word_count++] = word;
}

void
mm_plan_add_number(struct mm_plan_making *m, uint64_t number)
{
	mm_plan_add(m, mm_plan_word(m, "0x%llx", (unsigned long long)number));
}

void
mm_plan_add_file(struct mm_plan_making *m, const char *path)
{
	if (path[0] == '-')
		mm_plan_fail(
		    m, mm_fail(MM_E_FORMAT,
			   "a tool would take %s for an option: say ./%s", path,
			   path));
	mm_plan_add(m, path);
}

void
mm_plan_begin(struct mm_plan_making *m, const char *tool)
{
	m->word_count = 0;
	mm_plan_add(m, tool);
	mm_plan_add(m, "--chip");
	mm_plan_add(m, m->order->chip->name);
	if (m->order->port == NULL)
		return;
	mm_plan_add(m, "--port");
	mm_plan_add(m, m->order->port);
}

void
mm_plan_end(struct mm_plan_making *m, const char *id, bool irreversible,
    const char *why)
{
	size_t size = m->word_count * sizeof(m->words[0]);
	const char **words = mm_arena_alloc(m->arena, size);

	if (m->step_count == MM_PLAN_STEPS_MAX)
		mm_plan_fail(
		    m, mm_fail(MM_E_RANGE, "the plan has too many steps"));
	else if (words == NULL)
		mm_plan_fail(m, mm_fail(MM_E_MEMORY, "no memory for a plan"));
	if (m->error != MM_OK)
		return;
	memcpy(words, m->words, size);
	m->steps[m->step_count++] = (struct mm_plan_step){.id = id,
	    .irreversible = irreversible,
	    .words = {words, m->word_count},
	    .why = why};
}
