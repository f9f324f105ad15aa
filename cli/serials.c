#include "cli/serials.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "ca/serial.h"
#include "cli/appliance.h"
#include "cli/certificate_answer.h"
#include "cli/values.h"

enum {
	LIST_MAX = 64 << 20,
	LINE_MIN = 3, /* bytes of a line: two digits and its end */
	HEX_MAX = 3 * MM_SERIAL_SIZE
};

/* Hex, colons between the bytes or not; zeros in front do not count. */
static bool
read_hex(const char *text, size_t size, struct mm_arena *arena,
    struct mm_bytes_item *out)
{
	uint8_t bytes[MM_SERIAL_SIZE + 1];
	size_t used = 0;
	const uint8_t *first = bytes;

	if (size > HEX_MAX || sodium_hex2bin(bytes, sizeof(bytes), text, size,
				  ":", &used, NULL) != 0)
		return false;
	while (used > 0 && *first == 0) {
		first++;
		used--;
	}
	if (used == 0 || used > MM_SERIAL_SIZE)
		return false;
	out->value = mm_arena_copy(arena, mm_span(first, used));
	return out->value.data != NULL;
}

static enum mm_error
read_said(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_list *out)
{
	struct mm_bytes_item *items =
	    mm_arena_alloc(arena, MM_REPEATED_MAX * sizeof(*items));
	const char *text;
	size_t count = 0;

	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for serial numbers");
	while ((text = mm_option_nth(invocation, "serial", count)) != NULL)
		if (!read_hex(text, strlen(text), arena, &items[count++]))
			return mm_fail(MM_E_USAGE,
			    "--serial %s is no serial number: 1 to %d bytes "
			    "in hex",
			    text, MM_SERIAL_SIZE);
	*out = (struct mm_list){items, count};
	return MM_OK;
}

/* A line a number; empty ones and those that begin with # are passed over. */
static enum mm_error
read_lines(const char *path, struct mm_span text, struct mm_arena *arena,
    struct mm_list *out)
{
	struct mm_bytes_item *items =
	    mm_arena_alloc(arena, (text.size / LINE_MIN + 1) * sizeof(*items));
	size_t count = 0;

	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for serial numbers");
	for (unsigned number = 1; text.size > 0; number++) {
		const char *line = (const char *)text.data;
		const char *end = memchr(line, '\n', text.size);
		size_t size = end != NULL ? (size_t)(end - line) : text.size;

		text = mm_span(text.data + size + (end != NULL),
		    text.size - size - (end != NULL));
		if (size > 0 && line[size - 1] == '\r')
			size--;
		if (size == 0 || line[0] == '#')
			continue;
		if (!read_hex(line, size, arena, &items[count++]))
			return mm_fail(MM_E_FORMAT,
			    "%s:%u: this is no serial number: 1 to %d bytes "
			    "in hex",
			    path, number, MM_SERIAL_SIZE);
	}
	*out = (struct mm_list){items, count};
	return MM_OK;
}

static enum mm_error
read_list(const char *path, struct mm_arena *arena, struct mm_list *out)
{
	mm_auto(buffer) file = {0};
	enum mm_error error;

	mm_buffer_init(&file, LIST_MAX);
	error = mm_input(path, LIST_MAX, &file);
	if (error == MM_OK)
		error = read_lines(path, mm_buffer_span(&file), arena, out);
	if (error == MM_OK && out->count == 0)
		error = mm_fail(MM_E_FORMAT, "%s lists no serial number", path);
	return error;
}

/* The certificate that the device has now, with its receipt. */
static enum mm_error
read_device(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_list *out)
{
	struct mm_show_request request = {
	    .profile = mm_value_text(invocation, "profile", "device"),
	    .device = mm_value_text(invocation, "device", NULL)};
	const struct mm_certificate_wanted wanted = {
	    .profile = request.profile, .device = request.device};
	struct mm_bytes_item *item = mm_arena_alloc(arena, sizeof(*item));
	uint8_t *serial = mm_arena_alloc(arena, MM_SERIAL_SIZE);
	struct mm_certificate_answer answer;
	struct mm_appliance appliance;
	struct mm_attested attested;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	if (item == NULL || serial == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a serial number");
	if (error == MM_OK)
		error = mm_appliance_ask(
		    &appliance, MM_MESSAGE_SHOW, &request, arena, &answer);
	if (error == MM_E_NOT_FOUND)
		error = mm_fail(error,
		    "device %.*s has no good certificate of profile %.*s here "
		    "(%s)",
		    MM_SPAN(request.device), MM_SPAN(request.profile),
		    mm_why(error));
	if (error == MM_OK)
		error = mm_certificate_answer_check(
		    &answer, &wanted, &appliance.vkey, arena, &attested);
	if (error == MM_OK)
		error = mm_serial_of_tbs(attested.body.certificate.tbs, serial);
	item->value = mm_span(serial, MM_SERIAL_SIZE);
	*out = (struct mm_list){item, 1};
	return error;
}

static int
compare(const void *a, const void *b)
{
	const struct mm_bytes_item *one = a, *other = b;

	return mm_span_compare(one->value, other->value);
}

/* The list keeps its order: what was done of it is told by a count. */
static enum mm_error
check_once(const struct mm_list *serials, struct mm_arena *arena)
{
	size_t size = serials->count * sizeof(struct mm_bytes_item);
	struct mm_bytes_item *sorted = mm_arena_alloc(arena, size);
	char hex[2 * MM_SERIAL_SIZE + 1];

	if (sorted == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for serial numbers");
	memcpy(sorted, serials->items, size);
	qsort(sorted, serials->count, sizeof(*sorted), compare);
	for (size_t i = 1; i < serials->count; i++) {
		struct mm_span one = sorted[i].value;

		if (!mm_span_equal(sorted[i - 1].value, one))
			continue;
		sodium_bin2hex(hex, sizeof(hex), one.data, one.size);
		return mm_fail(MM_E_FORMAT, "%s is there twice", hex);
	}
	return MM_OK;
}

enum mm_error
mm_serials_read(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_list *out)
{
	static const char *const ways[] = {"serial", "list", "device"},
				 *const names[] = {"device", "profile"};
	const char *list = mm_option(invocation, "list");
	enum mm_error error =
	    mm_values_named(invocation, names, MM_COUNT(names));

	if (error == MM_OK &&
	    mm_values_said(invocation, ways, MM_COUNT(ways)) != 1)
		error = mm_fail(MM_E_USAGE, "say --serial, --list or --device");
	if (error == MM_OK && mm_option(invocation, "profile") != NULL &&
	    mm_option(invocation, "device") == NULL)
		error =
		    mm_fail(MM_E_USAGE, "--profile goes with --device alone");
	if (error == MM_OK && mm_option(invocation, "serial") != NULL)
		error = read_said(invocation, arena, out);
	else if (error == MM_OK && list != NULL)
		error = read_list(list, arena, out);
	else if (error == MM_OK)
		error = read_device(invocation, arena, out);
	return error == MM_OK ? check_once(out, arena) : error;
}
