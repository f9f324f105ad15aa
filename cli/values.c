#include "cli/values.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "log/note.h"
#include "protocol/statement.h"

enum mm_error
mm_value_number(const struct mm_invocation *invocation, const char *name,
    uint64_t min, uint64_t max, uint64_t *out)
{
	const char *text = mm_option(invocation, name);
	uint64_t value;

	if (text == NULL)
		return MM_OK;
	if (!mm_decimal_read(mm_span_text(text), &value) || value < min ||
	    value > max)
		return mm_fail(MM_E_USAGE,
		    "--%s is a number from %" PRIu64 " to %" PRIu64
		    ", not \"%s\"",
		    name, min, max, text);
	*out = value;
	return MM_OK;
}

static size_t
count_words(const char *text)
{
	size_t count = 1;

	for (; *text != '\0'; text++)
		count += *text == ',';
	return count;
}

enum mm_error
mm_value_words(const struct mm_invocation *invocation, const char *name,
    struct mm_arena *arena, struct mm_list *out)
{
	const char *text = mm_option(invocation, name);
	struct mm_text_item *items;
	size_t count;

	if (text == NULL) {
		*out = (struct mm_list){NULL, 0};
		return MM_OK;
	}
	count = count_words(text);
	items = mm_arena_alloc(arena, count * sizeof(*items));
	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "--%s is too long", name);
	for (size_t i = 0; i < count; i++) {
		size_t length = strcspn(text, ",");

		if (length == 0)
			return mm_fail(MM_E_USAGE,
			    "--%s has nothing before or after a comma", name);
		items[i].value = mm_span(text, length);
		text += length + 1;
	}
	*out = (struct mm_list){items, count};
	return MM_OK;
}

enum mm_error
mm_value_hex(const struct mm_invocation *invocation, const char *name,
    size_t max, struct mm_arena *arena, struct mm_span *out)
{
	const char *text = mm_option(invocation, name);
	uint8_t *bytes;
	size_t size;

	if (text == NULL) {
		*out = mm_span(NULL, 0);
		return MM_OK;
	}
	bytes = mm_arena_alloc(arena, max);
	if (bytes == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for --%s", name);
	if (sodium_hex2bin(bytes, max, text, strlen(text), ":", &size, NULL) !=
		0 ||
	    size == 0)
		return mm_fail(MM_E_USAGE,
		    "--%s is 1 to %zu bytes in hex, not \"%s\"", name, max,
		    text);
	*out = mm_span(bytes, size);
	return MM_OK;
}

struct mm_span
mm_value_text(const struct mm_invocation *invocation, const char *name,
    const char *otherwise)
{
	const char *text = mm_option(invocation, name);

	return mm_span_text(text != NULL ? text : otherwise);
}

enum mm_error
mm_values_named(const struct mm_invocation *invocation,
    const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct mm_span text =
		    mm_value_text(invocation, names[i], "unsaid");

		if (text.size < 1 || text.size > MM_NAME_MAX ||
		    !mm_text_ok(text))
			return mm_fail(MM_E_USAGE,
			    "--%s is 1 to %d bytes of printable text, not "
			    "\"%.*s\"",
			    names[i], MM_NAME_MAX, MM_SPAN(text));
	}
	return MM_OK;
}

size_t
mm_values_said(const struct mm_invocation *invocation, const char *const *names,
    size_t count)
{
	size_t said = 0;

	for (size_t i = 0; i < count; i++)
		said += mm_option(invocation, names[i]) != NULL;
	return said;
}
