#include "cli/order_terms.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ca/profile.h"
#include "cli/values.h"
#include "log/note.h"

enum { DAYS_MAX = 36500, DAY = 86400, LIST_MAX = 65536, LINES_MAX = 1024 };

/* --- devices --- */

/* The next line without its end; false where there is none. */
static bool
take_line(struct mm_span *text, struct mm_span *line)
{
	const uint8_t *end;

	if (text->size == 0)
		return false;
	end = memchr(text->data, '\n', text->size);
	*line = mm_span(
	    text->data, end != NULL ? (size_t)(end - text->data) : text->size);
	*text = end != NULL ? mm_span(end + 1, text->size - line->size - 1)
			    : mm_span(NULL, 0);
	if (line->size > 0 && line->data[line->size - 1] == '\r')
		line->size--;
	return true;
}

/* The line is named by its number: what stands in it may be anything. */
static enum mm_error
check_line(const char *path, unsigned number, struct mm_span line)
{
	enum mm_error error = mm_device_check(line);

	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s:%u: %s", path, number,
				    mm_error_text(error));
}

/* A device has one certificate: it would be a unit that is never made. */
static enum mm_error
check_new(const char *path, unsigned number, struct mm_span line,
    const struct mm_text_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (mm_span_equal(items[i].value, line))
			return mm_fail(MM_E_FORMAT,
			    "%s:%u: device %.*s is listed twice", path, number,
			    MM_SPAN(line));
	return MM_OK;
}

static enum mm_error
split_list(const char *path, struct mm_span text, struct mm_arena *arena,
    struct mm_list *out)
{
	struct mm_text_item *items =
	    mm_arena_alloc(arena, LINES_MAX * sizeof(*items));
	struct mm_span line;
	unsigned number = 0;
	size_t count = 0;
	enum mm_error error;

	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for devices");
	while (take_line(&text, &line)) {
		number++;
		if (line.size == 0)
			continue;
		error = check_line(path, number, line);
		if (error == MM_OK)
			error = check_new(path, number, line, items, count);
		if (error != MM_OK)
			return error;
		if (count == LINES_MAX)
			return mm_fail(MM_E_RANGE,
			    "an order lists at most %d devices; say a "
			    "pattern or a first and a last one",
			    LINES_MAX);
		items[count++].value = line;
	}
	*out = (struct mm_list){items, count};
	return MM_OK;
}

/* One id a line. */
static enum mm_error
read_list(const char *path, struct mm_arena *arena, struct mm_list *out)
{
	mm_auto(buffer) file = {0};
	struct mm_list list;
	enum mm_error error;

	mm_buffer_init(&file, LIST_MAX);
	error = mm_input(path, LIST_MAX, &file);
	if (error == MM_OK)
		error = split_list(path,
		    mm_arena_copy(arena, mm_buffer_span(&file)), arena, &list);
	if (error == MM_OK && list.count == 0)
		error = mm_fail(MM_E_FORMAT, "%s lists no device", path);
	if (error == MM_OK)
		*out = list;
	return error;
}

enum mm_error
mm_order_devices(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_devices *out)
{
	static const char *const ways[] = {"pattern", "first", "devices"};
	const char *list = mm_option(invocation, "devices");
	bool first = mm_option(invocation, "first") != NULL;
	bool last = mm_option(invocation, "last") != NULL;

	if (mm_values_said(invocation, ways, MM_COUNT(ways)) != 1 ||
	    first != last)
		return mm_fail(MM_E_USAGE,
		    "say --pattern, or --first and --last, or --devices");
	out->pattern = mm_value_text(invocation, "pattern", NULL);
	out->first = mm_value_text(invocation, "first", NULL);
	out->last = mm_value_text(invocation, "last", NULL);
	return list != NULL ? read_list(list, arena, &out->list) : MM_OK;
}

/* --- until when, and how many again --- */

/* Small numbers are days: POSIX seconds of 1970 are nobody's deadline. */
static bool
read_days(const char *said, uint64_t now, uint64_t *out)
{
	uint64_t days;

	if (!mm_decimal_read(mm_span_text(said), &days) || days < 1 ||
	    days > DAYS_MAX)
		return false;
	*out = now + days * DAY;
	return true;
}

enum mm_error
mm_order_until(const struct mm_invocation *invocation, uint64_t *out)
{
	const char *said = mm_option(invocation, "until");
	uint64_t now = (uint64_t)time(NULL), until = 0;
	enum mm_error error = MM_OK;

	if (said == NULL)
		return MM_OK;
	if (!read_days(said, now, &until))
		error = mm_value_time(invocation, "until", &until);
	if (error == MM_OK && until <= now)
		error = mm_fail(MM_E_USAGE,
		    "--until %s is over: say 1 to %d days, or a time to come",
		    said, DAYS_MAX);
	if (error == MM_OK)
		*out = until;
	return error;
}

enum mm_error
mm_order_reissue(
    const struct mm_invocation *invocation, uint64_t units, uint64_t *out)
{
	const char *said = mm_option(invocation, "reissue");
	char *end;
	unsigned long percent;

	if (said == NULL || said[0] == '\0' || said[strlen(said) - 1] != '%')
		return mm_value_number(
		    invocation, "reissue", 0, MM_ORDER_UNITS_MAX, out);
	percent = strtoul(said, &end, 10);
	if (*said < '0' || *said > '9' || strcmp(end, "%") != 0 ||
	    percent > 100)
		return mm_fail(MM_E_USAGE,
		    "--reissue %s: say a number, or 0%% to 100%%", said);
	*out = units * percent / 100;
	return MM_OK;
}
