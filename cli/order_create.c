/*
 * mintmark order create: an officer orders so many certificates for these
 * devices, made by these stations, until then.
 */
#include <time.h>

#include "cli/json_value.h"
#include "cli/order_terms.h"
#include "cli/stating.h"
#include "cli/values.h"
#include "policy/order.h"

enum { ARENA = 4 << 20, DAYS = 30, DAY = 86400 };

static enum mm_error
read_order(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_order_claim *out)
{
	static const char *const names[] = {"name", "profile"};
	enum mm_error error =
	    mm_values_named(invocation, names, MM_COUNT(names));

	out->until = (uint64_t)time(NULL) + (uint64_t)DAYS * DAY;
	if (error == MM_OK)
		error = mm_value_number(
		    invocation, "units", 1, MM_ORDER_UNITS_MAX, &out->units);
	if (error == MM_OK)
		error = mm_order_until(invocation, &out->until);
	if (error == MM_OK)
		error = mm_order_reissue(invocation, out->units, &out->reissue);
	if (error == MM_OK)
		error = mm_value_words(
		    invocation, "station", arena, &out->stations);
	if (error == MM_OK)
		error = mm_order_devices(invocation, arena, &out->devices);
	out->name = mm_value_text(invocation, "name", NULL);
	out->profile = mm_value_text(invocation, "profile", "device");
	return error == MM_OK ? mm_order_sound(out) : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_order_claim order = {.units = 0};
	struct mm_stated stated;
	mm_auto(arena) arena = {0};
	json_t *out;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = read_order(invocation, &arena, &order);
	if (error == MM_OK)
		error = mm_state(invocation, MM_STATEMENT_ORDER, MM_ENTRY_ORDER,
		    &order, NULL, &arena, &stated);
	if (error != MM_OK)
		return error;
	out = mm_stated_json(&stated);
	json_object_update_new(out,
	    json_pack("{s:o, s:o, s:I, s:I, s:o}", "order",
		mm_json_text(order.name), "profile",
		mm_json_text(order.profile), "units", (json_int_t)order.units,
		"reissue", (json_int_t)order.reissue, "until",
		mm_json_time(order.until)));
	mm_print(invocation, out);
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    MM_STATING_OPTIONS,
    {"name", "NAME", "what the order is called, for ever", true},
    {"units", "N", "how many certificates", true},
    {"station", "NAME,...", "the stations that may ask", true},
    {"profile", "PROFILE", "the certificates' profile (device)", false},
    {"pattern", "GLOB", "the devices: `*` any characters, `?` one", false},
    {"first", "ID", "or the first of them", false},
    {"last", "ID", "and the last, equally long", false},
    {"devices", "FILE", "or a list, one a line", false},
    {"until", "DAYS|TIME", "its end: 30, or 2026-12-24T18:00:00+01:00 (30)",
	false},
    {"reissue", "N|P%", "how many may be replaced (0)", false},
};

const struct mm_command mm_order_create_command = {
    .noun = "order",
    .verb = "create",
    .operands = "",
    .summary = "a production order with a counted budget",
    .about =
	"Ends that are MAC addresses or vary in A-F count in hexadecimal, "
	"others in decimal:\n24:6F:28:00:00:00 to 24:6F:28:00:13:87 is 5,000, "
	"lamp-0001 to lamp-0999 is 999.",
    .results = MM_STATED_RESULTS ", order, profile, units, reissue, until",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
