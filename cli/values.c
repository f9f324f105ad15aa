#include "cli/values.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

enum mm_error
mm_value_index(const struct mm_invocation *invocation, size_t at, uint64_t *out)
{
	const char *text = invocation->operands[at];

	if (mm_decimal_read(mm_span_text(text), out))
		return MM_OK;
	return mm_fail(MM_E_USAGE,
	    "INDEX is an entry's number, from 0 on, not \"%s\"", text);
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

/* Two digits and what stands after them. */
static bool
take_pair(const char **at, int *out, const char *after)
{
	const char *text = *at;

	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9' ||
	    text[2] == '\0' || strchr(after, text[2]) == NULL)
		return false;
	*out = 10 * (text[0] - '0') + text[1] - '0';
	*at += 3;
	return true;
}

/* RFC 3339 section 5.6 `time-offset`, of which the first character is read:
 * the seconds that local time is ahead. */
static bool
take_offset(char sign, const char *at, long *out)
{
	int hours, minutes;
	char whole[8];

	*out = 0;
	if (sign == 'Z')
		return *at == '\0';
	if (strlen(at) != strlen("00:00"))
		return false;
	snprintf(whole, sizeof(whole), "%s.", at);
	at = whole;
	if (!take_pair(&at, &hours, ":") || !take_pair(&at, &minutes, ".") ||
	    hours > 23 || minutes > 59)
		return false;
	*out = (sign == '-' ? -1 : 1) * (hours * 3600L + minutes * 60L);
	return true;
}

static bool
read_rfc3339(const char *at, uint64_t *out)
{
	struct tm tm = {.tm_isdst = 0}, back;
	int century, year;
	long offset;
	time_t time;
	char first[4];

	if (strlen(at) < strlen("0000-00-00T00:00:00Z"))
		return false;
	snprintf(first, sizeof(first), "%.2s.", at);
	if (!take_pair(&(const char *){first}, &century, "."))
		return false;
	at += 2;
	if (!take_pair(&at, &year, "-") || !take_pair(&at, &tm.tm_mon, "-") ||
	    !take_pair(&at, &tm.tm_mday, "Tt ") ||
	    !take_pair(&at, &tm.tm_hour, ":") ||
	    !take_pair(&at, &tm.tm_min, ":") ||
	    !take_pair(&at, &tm.tm_sec, "Z+-") ||
	    !take_offset(at[-1], at, &offset))
		return false;
	tm.tm_year = 100 * century + year - 1900;
	tm.tm_mon--;
	back = tm;
	time = timegm(&back);
	/* The 31st of February becomes another day. */
	if (back.tm_mday != tm.tm_mday || back.tm_mon != tm.tm_mon ||
	    back.tm_hour != tm.tm_hour || back.tm_min != tm.tm_min ||
	    back.tm_sec != tm.tm_sec || time < offset)
		return false;
	*out = (uint64_t)(time - offset);
	return true;
}

enum mm_error
mm_value_time(
    const struct mm_invocation *invocation, const char *name, uint64_t *out)
{
	const char *text = mm_option(invocation, name);

	if (text == NULL || mm_decimal_read(mm_span_text(text), out) ||
	    read_rfc3339(text, out))
		return MM_OK;
	return mm_fail(MM_E_USAGE,
	    "--%s is a time as in 2024-01-31T12:00:00Z, or POSIX seconds, not "
	    "\"%s\"",
	    name, text);
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
