/*
 * mintmark order create: an officer orders so many certificates for these
 * devices, made by these stations, until then.
 */
#include <string.h>
#include <time.h>

#include "ca/profile.h"
#include "cli/appliance.h"
#include "cli/attested.h"
#include "cli/officer.h"
#include "cli/values.h"
#include "policy/order.h"

enum {
	ARENA = 4 << 20,
	UNITS_MAX = 10000000,
	DAYS = 30,
	DAYS_MAX = 36500,
	DAY = 86400,
	LIST_MAX = 65536,
	LINES_MAX = 1024
};

/* --- the devices --- */

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

static enum mm_error
split_list(struct mm_span text, struct mm_arena *arena, struct mm_list *out)
{
	struct mm_text_item *items =
	    mm_arena_alloc(arena, LINES_MAX * sizeof(*items));
	struct mm_span line;
	size_t count = 0;

	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for devices");
	while (take_line(&text, &line)) {
		if (line.size == 0)
			continue;
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
		error = split_list(
		    mm_arena_copy(arena, mm_buffer_span(&file)), arena, &list);
	if (error != MM_OK)
		return error;
	if (list.count == 0)
		return mm_fail(MM_E_FORMAT, "%s lists no device", path);
	for (mm_list_each(const struct mm_text_item, item, list)) {
		error = mm_device_check(item->value);
		if (error != MM_OK)
			return mm_fail(error, "%s, line \"%.*s\": %s", path,
			    MM_SPAN(item->value), mm_error_text(error));
	}
	*out = list;
	return MM_OK;
}

static enum mm_error
read_devices(const struct mm_invocation *invocation, struct mm_arena *arena,
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

static enum mm_error
read_order(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_order_claim *out)
{
	uint64_t days = DAYS;
	static const char *const names[] = {"name", "profile"};
	enum mm_error error =
	    mm_values_named(invocation, names, MM_COUNT(names));

	if (error == MM_OK)
		error = mm_value_number(
		    invocation, "units", 1, UNITS_MAX, &out->units);
	if (error == MM_OK)
		error =
		    mm_value_number(invocation, "until", 1, DAYS_MAX, &days);
	if (error == MM_OK)
		error = mm_value_words(
		    invocation, "station", arena, &out->stations);
	if (error == MM_OK)
		error = read_devices(invocation, arena, &out->devices);
	out->name = mm_value_text(invocation, "name", NULL);
	out->profile = mm_value_text(invocation, "profile", "device");
	out->until = (uint64_t)time(NULL) + days * DAY;
	return error == MM_OK ? mm_order_sound(out) : error;
}

/* --- the statement --- */

static enum mm_error
sign(const struct mm_invocation *invocation, const struct mm_vkey *vkey,
    const struct mm_order_claim *order, struct mm_buffer *out)
{
	struct mm_officer_key *officer;
	enum mm_error error =
	    mm_officer_read(mm_option(invocation, "officer"), &officer);

	if (error != MM_OK)
		return error;
	error = mm_officer_state(
	    officer, mm_span_text(vkey->name), MM_STATEMENT_ORDER, order, out);
	mm_officer_free(officer);
	return error;
}

/* What was logged is what was signed here. */
static enum mm_error
check(const struct mm_statement_answer *answer, struct mm_span statement,
    const struct mm_vkey *vkey, struct mm_arena *arena, struct mm_attested *out)
{
	struct mm_attested attested;
	struct mm_list logged;
	enum mm_error error =
	    mm_attested_read(answer->receipt, vkey, arena, &attested);

	if (error == MM_OK)
		error = mm_attested_is(&attested, MM_ENTRY_ORDER);
	if (error != MM_OK)
		return error;
	logged = attested.body.statement.statements;
	for (mm_list_each(const struct mm_bytes_item, item, logged))
		if (mm_span_equal(item->value, statement)) {
			*out = attested;
			return MM_OK;
		}
	return mm_fail(MM_E_MISMATCH, "the receipt speaks of another order");
}

static enum mm_error
report(const struct mm_invocation *invocation,
    const struct mm_order_claim *order, struct mm_span receipt,
    const struct mm_attested *attested)
{
	const char *path = mm_option(invocation, "receipt");
	json_t *out = mm_attested_json(attested);
	enum mm_error error =
	    path == NULL ? MM_OK : mm_output(invocation, path, receipt);

	if (error != MM_OK) {
		json_decref(out);
		return error;
	}
	json_object_update_new(
	    out, json_pack("{s:s%, s:s%, s:I}", "order", order->name.data,
		     order->name.size, "profile", order->profile.data,
		     order->profile.size, "units", (json_int_t)order->units));
	mm_print(invocation, out);
	return MM_OK;
}

static enum mm_error
create(const struct mm_invocation *invocation,
    const struct mm_order_claim *order, struct mm_arena *arena)
{
	const char *path = mm_option(invocation, "receipt");
	mm_auto(buffer) statement = {0};
	struct mm_bytes_item item;
	struct mm_statement_request request = {.statements = {&item, 1}};
	struct mm_statement_answer answer;
	struct mm_appliance appliance;
	struct mm_attested attested;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_buffer_init(&statement, MM_STATEMENT_MAX);
	if (error == MM_OK && path != NULL)
		error = mm_output_check(invocation, path);
	if (error == MM_OK)
		error = sign(invocation, &appliance.vkey, order, &statement);
	item.value = mm_buffer_span(&statement);
	if (error == MM_OK)
		error = mm_appliance_ask(
		    &appliance, MM_MESSAGE_STATEMENT, &request, arena, &answer);
	if (error == MM_OK)
		error = check(
		    &answer, item.value, &appliance.vkey, arena, &attested);
	return error == MM_OK
		   ? report(invocation, order, answer.receipt, &attested)
		   : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_order_claim order = {.units = 0};
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = read_order(invocation, &arena, &order);
	return error == MM_OK ? create(invocation, &order, &arena) : error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"officer", "KEY", "the officer's key that signs the order", true},
    {"name", "NAME", "what the order is called, for ever", true},
    {"units", "N", "how many certificates", true},
    {"station", "NAME,...", "the stations that may ask", true},
    {"profile", "PROFILE", "the certificates' profile (device)", false},
    {"pattern", "GLOB", "the devices: `*` any characters, `?` one", false},
    {"first", "ID", "or the first of them", false},
    {"last", "ID", "and the last, equally long", false},
    {"devices", "FILE", "or a list, one a line", false},
    {"until", "DAYS", "how long it is open (30)", false},
    {"receipt", "FILE", "where its receipt goes", false},
    MM_OPTION_WAIT,
};

const struct mm_command mm_order_create_command = {
    .noun = "order",
    .verb = "create",
    .operands = "",
    .summary = "a production order with a counted budget",
    .results = MM_ATTESTED_RESULTS "\norder, profile, units, principal",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
