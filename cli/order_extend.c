/*
 * mintmark order extend: an officer gives an order other units, time or
 * stations.
 */
#include "cli/order_revision.h"
#include "cli/order_terms.h"
#include "cli/values.h"

static enum mm_error
extend_devices(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_order_claim *terms)
{
	static const char *const ways[] = {
	    "pattern", "first", "last", "devices"};
	struct mm_devices devices = {.pattern = {NULL, 0}};
	enum mm_error error;

	if (mm_values_said(invocation, ways, MM_COUNT(ways)) == 0)
		return MM_OK;
	error = mm_order_devices(invocation, arena, &devices);
	if (error == MM_OK)
		terms->devices = devices;
	return error;
}

static enum mm_error
extend_terms(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_order_claim *terms)
{
	static const char *const changes[] = {"units", "until", "reissue",
	    "station", "pattern", "first", "devices"};
	enum mm_error error;

	if (terms->closed)
		return mm_fail(MM_E_ORDER_CLOSED,
		    "order %.*s is closed; `order reopen` opens it again",
		    MM_SPAN(terms->name));
	if (mm_values_said(invocation, changes, MM_COUNT(changes)) == 0)
		return mm_fail(MM_E_USAGE, "nothing is said to be changed");
	error = mm_value_number(
	    invocation, "units", 1, MM_ORDER_UNITS_MAX, &terms->units);
	if (error == MM_OK)
		error = mm_order_until(invocation, &terms->until);
	if (error == MM_OK)
		error =
		    mm_order_reissue(invocation, terms->units, &terms->reissue);
	if (error == MM_OK && mm_option(invocation, "station") != NULL)
		error = mm_value_words(
		    invocation, "station", arena, &terms->stations);
	return error == MM_OK ? extend_devices(invocation, arena, terms)
			      : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	return mm_order_revise(invocation, extend_terms);
}

static const struct mm_cli_option options[] = {
    MM_STATING_OPTIONS,
    {"units", "N", "how many certificates in all (as it was)", false},
    {"until", "DAYS|TIME",
	"its end, from now or as in order create (as it was)", false},
    {"reissue", "N|P%", "how many may be replaced (as it was)", false},
    {"station", "NAME,...", "all stations that may ask (as it was)", false},
    {"pattern", "GLOB", "the devices (as they were)", false},
    {"first", "ID", "or the first of them", false},
    {"last", "ID", "and the last, equally long", false},
    {"devices", "FILE", "or a list, one a line", false},
};

const struct mm_command mm_order_extend_command = {
    .noun = "order",
    .verb = "extend",
    .operands = "ORDER",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer gives an order other units, time or stations",
    .results = MM_REVISION_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
