#include "policy/rules_parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "protocol/text.h"

enum {
	WHY_MAX = 255,       /* bytes, as a row of the answer has them */
	WHY_ROOM = 16 * 1024 /* before it is cut */
};

uint64_t
mm_rule_say_(struct mm_buffer *why, uint64_t verdict, const char *format, ...)
{
	char text[600];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	mm_buffer_printf(why, "%s%s", why->size > 0 ? "; " : "", text);
	return verdict;
}

static const struct {
	const char *name;
	mm_rule *judge;
	bool reads; /* looks into the image */
} rules[] = {{"format", mm_rule_format, true}, {"chip", mm_rule_chip, true},
    {"project", mm_rule_project, true}, {"whole", mm_rule_whole, true},
    {"size", mm_rule_size, false}, {"slot", mm_rule_slot, false},
    {"version", mm_rule_version, true},
    {"version-order", mm_rule_version_order, false},
    {"clean", mm_rule_clean, false},
    {"secure-version", mm_rule_secure_version, true},
    {"schemes", mm_rule_schemes, false}, {"unsigned", mm_rule_unsigned, true},
    {"carries", mm_rule_carries, true},
    {"certificate", mm_rule_certificate, false}};

/* A product of which nothing is read asks for nothing that would have to be
 * (policy/product.h). */
static uint64_t
judge(size_t i, const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	if (facts->image != NULL || !rules[i].reads)
		return rules[i].judge(facts, why);
	if (facts->product->unread)
		return SILENT("nobody reads the image here");
	return FAIL("nobody has read the image, which the product does not "
		    "allow");
}

static enum mm_error
fill_row(size_t i, const struct mm_rules_facts *facts, struct mm_arena *arena,
    struct mm_rule_row *row)
{
	mm_auto(buffer) why = {0};
	char text[WHY_MAX + 1];

	mm_buffer_init(&why, WHY_ROOM);
	row->name = mm_span_text(rules[i].name);
	row->verdict = judge(i, facts, &why);
	if (why.error == MM_E_MEMORY)
		return mm_fail(MM_E_MEMORY, "memory is short");
	mm_text_clean(mm_buffer_span(&why), text, sizeof(text));
	row->why = mm_arena_copy(arena, mm_span_text(text));
	return row->why.data != NULL ? MM_OK
				     : mm_fail(MM_E_MEMORY, "memory is short");
}

enum mm_error
mm_rules_judge(const struct mm_rules_facts *facts, struct mm_arena *arena,
    struct mm_list *out, size_t *failed)
{
	struct mm_rule_row *rows =
	    mm_arena_alloc(arena, MM_COUNT(rules) * sizeof(*rows));
	size_t broken = 0;

	if (rows == NULL)
		return mm_fail(MM_E_MEMORY, "memory is short");
	for (size_t i = 0; i < MM_COUNT(rules); i++) {
		enum mm_error error = fill_row(i, facts, arena, &rows[i]);

		if (error != MM_OK)
			return error;
		broken += rows[i].verdict == MM_RULE_FAILED;
	}
	*out = (struct mm_list){rows, MM_COUNT(rules)};
	*failed = broken;
	return MM_OK;
}
