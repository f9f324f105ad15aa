#include <string.h>

#include "factory/plan.h"
#include "protocol/text.h"

/* espefuse asks before it burns; the script's word is the answer. */
static const char unasked[] = "--do-not-confirm";
static const char burner[] = "espefuse";

enum { CLEAN_MAX = 1024, WIDTH = 76 };

static bool
is_plain(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./:=,+@%-";

	return word[0] != '\0' && word[strspn(word, plain)] == '\0';
}

static void
add_word(const char *word, struct mm_buffer *out)
{
	if (is_plain(word)) {
		mm_buffer_add_text(out, word);
		return;
	}
	mm_buffer_add_text(out, "'");
	for (; *word != '\0'; word++)
		if (*word == '\'')
			mm_buffer_add_text(out, "'\\''");
		else
			mm_buffer_add(out, word, 1);
	mm_buffer_add_text(out, "'");
}

static const char *
word_at(const struct mm_plan_step *step, size_t i)
{
	return ((const char *const *)step->words.items)[i];
}

static const struct mm_plan_step *
step_at(const struct mm_plan *plan, size_t i)
{
	return &((const struct mm_plan_step *)plan->steps.items)[i];
}

static const char *
note_at(const struct mm_plan *plan, size_t i)
{
	return ((const char *const *)plan->notes.items)[i];
}

/* The words that espefuse's global options stand before. */
static bool
is_command(const char *word)
{
	return strncmp(word, "burn-", 5) == 0 ||
	       strncmp(word, "write-protect-", 14) == 0;
}

static void
add_line(const struct mm_plan_step *step, bool asked, struct mm_buffer *out)
{
	bool pending = !asked && strcmp(word_at(step, 0), burner) == 0;

	for (size_t i = 0; i < step->words.count; i++) {
		const char *word = word_at(step, i);

		if (i > 0)
			mm_buffer_add_text(out, " ");
		/* Never the value of --chip or --port. */
		if (pending && i % 2 == 1 && is_command(word)) {
			mm_buffer_printf(out, "%s ", unasked);
			pending = false;
		}
		add_word(word, out);
	}
}

void
mm_plan_line(const struct mm_plan_step *step, struct mm_buffer *out)
{
	add_line(step, true, out);
}

/* Text in lines of WIDTH, each behind `margin`; broken at spaces. */
static void
add_wrapped(const char *margin, const char *text, struct mm_buffer *out)
{
	size_t room = WIDTH - strlen(margin);

	while (*text != '\0') {
		size_t size = strlen(text), end = size;

		if (size > room)
			for (end = room; end > 0 && text[end] != ' '; end--)
				continue;
		if (end == 0)
			end = strcspn(text, " ");
		mm_buffer_printf(out, "%s%.*s\n", margin, (int)end, text);
		text += end;
		text += strspn(text, " ");
	}
}

static size_t
count_irreversible(const struct mm_plan *plan)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->steps.count; i++)
		count += step_at(plan, i)->irreversible;
	return count;
}

/* --- for people --- */

static void
add_step_text(
    const struct mm_plan_step *step, size_t number, struct mm_buffer *out)
{
	mm_buffer_printf(out, "\n%zu. %s%s\n", number, step->id,
	    step->irreversible ? " (IRREVERSIBLE)" : "");
	add_wrapped("   ", step->why, out);
	mm_buffer_add_text(out, "     ");
	mm_plan_line(step, out);
	mm_buffer_add_text(out, "\n");
}

void
mm_plan_text(const struct mm_plan_order *order, const struct mm_plan *plan,
    struct mm_buffer *out)
{
	size_t last = count_irreversible(plan), count = plan->steps.count;

	mm_buffer_printf(out, "%s: %zu steps, %zu of them irreversible%s\n",
	    order->chip->name, count, last,
	    last > 0 ? " and last; nothing was run" : "; nothing was run");
	for (size_t i = 0; i < count; i++) {
		if (last > 0 && i == count - last)
			mm_buffer_add_text(out,
			    "\n--- What follows burns eFuses and cannot be "
			    "undone. ---\n");
		add_step_text(step_at(plan, i), i + 1, out);
	}
	mm_buffer_add_text(out, "\nNotes\n");
	for (size_t i = 0; i < plan->notes.count; i++) {
		mm_buffer_add_text(out, "\n");
		add_wrapped("   ", note_at(plan, i), out);
	}
}

/* --- for a shell --- */

static void
add_comment(const char *text, struct mm_buffer *out)
{
	char clean[CLEAN_MAX];

	mm_text_clean(mm_span_text(text), clean, sizeof(clean));
	add_wrapped("# ", clean, out);
}

static const char head[] =
    "set -eu\n"
    "burn=no\n"
    "if [ $# -eq 1 ] && [ \"$1\" = " MM_PLAN_WORD " ]; then\n"
    "\tburn=yes\n"
    "elif [ $# -gt 0 ]; then\n"
    "\tprintf 'usage: %s [" MM_PLAN_WORD "]\\n' \"$0\" >&2\n"
    "\texit 64\n"
    "fi\n"
    "irreversible() {\n"
    "\tif [ \"$burn\" = yes ]; then\n"
    "\t\t\"$@\"\n"
    "\t\treturn\n"
    "\tfi\n"
    "\tprintf 'skipped, for it cannot be undone:'\n"
    "\tprintf ' %s' \"$@\"\n"
    "\tprintf '\\n'\n"
    "}\n";

static void
add_step_script(const struct mm_plan_step *step, size_t number, size_t count,
    struct mm_buffer *out)
{
	mm_buffer_printf(out, "\n# %zu of %zu%s\n", number, count,
	    step->irreversible ? ", IRREVERSIBLE" : "");
	add_comment(step->why, out);
	if (step->irreversible)
		mm_buffer_add_text(out, "irreversible ");
	add_line(step, !step->irreversible, out);
	mm_buffer_add_text(out, "\n");
}

void
mm_plan_script(const struct mm_plan_order *order, const struct mm_plan *plan,
    struct mm_buffer *out)
{
	size_t count = plan->steps.count;

	mm_buffer_printf(out,
	    "#!/bin/sh\n"
	    "# Flashes and locks an %s; made by `mintmark flash plan`.\n"
	    "# What cannot be undone is skipped, unless the only argument is\n"
	    "# " MM_PLAN_WORD ".\n",
	    order->chip->name);
	mm_buffer_add_text(out, head);
	for (size_t i = 0; i < count; i++)
		add_step_script(step_at(plan, i), i + 1, count, out);
	for (size_t i = 0; i < plan->notes.count; i++) {
		mm_buffer_add_text(out, "\n");
		add_comment(note_at(plan, i), out);
	}
}
