/*
 * What is checked before anything is made: the list's devices and values, the
 * order, the disk.
 */
#include <stdio.h>
#include <string.h>

#include "ca/profile.h"
#include "cli/order_state.h"
#include "cli/produce_run.h"

enum {
	ORDER_ARENA = 1 << 20,
	ROOM_UNIT = 32768, /* bytes of disk that a unit takes at least */
	ROOM_RUN = 16 << 20
};

/* ---- the list */

/* What may be there once: where it was before. */
static enum mm_error
once(struct mm_seen *seen, const struct mm_list_item *item, struct mm_span text,
    const char *what)
{
	const uint64_t *line = mm_seen_find(seen, text);

	if (line == NULL)
		return mm_seen_put(seen, text, item->line);
	return mm_fail(MM_E_FORMAT, "%s %.*s is that of line %ju, too", what,
	    MM_SPAN(text), (uintmax_t)*line);
}

struct checking {
	struct mm_seen devices, serials;
	uint64_t left; /* units that are to be made */
};

static enum mm_error
check_name(struct mm_run *run, struct mm_span device)
{
	char name[MM_UNIT_NAME + 1];

	mm_unit_name(device, name);
	if (mm_seen_find(&run->names, mm_span_text(name)) != NULL)
		return mm_fail(MM_E_FORMAT,
		    "another device has the directory units/%s already", name);
	return mm_seen_put(&run->names, mm_span_text(name), 0);
}

/* What is wrong with a row is the file's fault. */
static enum mm_error
of_file(enum mm_error error)
{
	return error == MM_E_USAGE || error == MM_E_DEVICE_ID ? MM_E_FORMAT
							      : error;
}

enum mm_error
mm_run_item_wrong(const struct mm_run *run, const struct mm_list_item *item,
    enum mm_error error)
{
	if (error == MM_OK || item->line == 0)
		return error;
	return mm_fail(of_file(error), "%s, line %ju: %s", run->list.path,
	    (uintmax_t)item->line, mm_why(error));
}

enum mm_error
mm_run_try(const struct mm_run *run, const struct mm_unit_terms *terms)
{
	enum mm_error error = mm_production_check(run->production, terms);

	return error != MM_E_USAGE ? error
				   : mm_fail(MM_E_FORMAT, "%s", mm_why(error));
}

/* Devices that are over or begun are not looked at further. */
static enum mm_error
check_item(struct mm_run *run, const struct mm_list_item *item,
    struct checking *checking)
{
	const struct mm_label_value *serial =
	    mm_label_value(&item->given, mm_span_text("serial"));
	struct mm_unit_terms terms = mm_run_terms(run, &item->given);
	const uint64_t *fate;
	enum mm_error error = mm_device_check(item->device);

	if (error == MM_OK)
		error = once(&checking->devices, item, item->device, "device");
	if (error == MM_OK && serial != NULL && serial->value.size > 0 &&
	    run->list.path != NULL)
		error = once(
		    &checking->serials, item, serial->value, "serial number");
	if (error != MM_OK)
		return error;
	fate = mm_seen_find(&run->devices, item->device);
	if (fate != NULL) {
		run->report.before += *fate != MM_DEVICE_BEGUN;
		if (item->line == 0 && *fate != MM_DEVICE_BEGUN)
			mm_run_aside(run, item->device, *fate, MM_OK);
		return MM_OK;
	}
	error = mm_run_serial_check(run, item);
	if (error == MM_OK)
		error = check_name(run, item->device);
	terms.ordinal += checking->left++;
	return error == MM_OK ? mm_run_try(run, &terms) : error;
}

static enum mm_error
check_rows(struct mm_run *run, struct checking *checking)
{
	struct mm_list_item item;
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < run->list.count && error == MM_OK; i++) {
		mm_device_list_item(&run->list, i, &item);
		error = check_item(run, &item, checking);
		error = mm_run_item_wrong(run, &item, error);
		if (error != MM_OK && item.line == 0)
			mm_run_aside(
			    run, item.device, MM_DEVICE_REFUSED, error);
		if (error == MM_OK && mm_stop_count(&run->stop) > 0)
			error =
			    mm_fail(MM_E_STOPPED, "while the list was checked");
	}
	return error;
}

/* Values that go nowhere: a word that is spelt otherwise here and there. */
static enum mm_error
check_values(const struct mm_run *run)
{
	for (size_t i = 0; i < run->list.value_count; i++) {
		struct mm_span name = run->list.values[i].name;

		if (!mm_production_uses(run->production, name))
			return mm_fail(MM_E_USAGE,
			    "--value %.*s: nothing in %s names it",
			    MM_SPAN(name),
			    mm_option(run->invocation, "template"));
	}
	return MM_OK;
}

static enum mm_error
tell_columns(const struct mm_run *run)
{
	mm_auto(buffer) unused = {0};
	const char *name = (const char *)run->list.cells.data;

	mm_buffer_init(&unused, 1 << 20);
	for (size_t i = 0; i < run->list.columns; i++) {
		struct mm_span column = mm_span_text(name);

		name += column.size + 1;
		if (i == run->list.column ||
		    mm_production_uses(run->production, column))
			continue;
		mm_buffer_printf(&unused, "%s%.*s", unused.size > 0 ? ", " : "",
		    MM_SPAN(column));
	}
	if (unused.error != MM_OK)
		return mm_fail(MM_E_MEMORY, "no memory for a list's columns");
	if (unused.size > 0)
		mm_say("%s: nothing names its column(s) %.*s; values that the "
		       "template makes are made as it says, and not of these",
		    run->list.path, (int)unused.size,
		    (const char *)unused.data);
	return MM_OK;
}

/* ---- the order */

static enum mm_error
check_order(struct mm_run *run, uint64_t wanted)
{
	const char *profile = mm_option(run->invocation, "profile");
	mm_auto(arena) arena = {0};
	const struct mm_order_state *state;
	struct mm_list states;
	uint64_t left;
	enum mm_error error;

	mm_arena_init(&arena, ORDER_ARENA);
	error = mm_order_states(&run->appliance, run->order, &arena, &states);
	if (error == MM_E_NOT_FOUND)
		return mm_fail(MM_E_ORDER,
		    "there is no order \"%s\" here; an officer makes one with "
		    "mintmark order create",
		    run->order);
	if (error != MM_OK)
		return error;
	state = mm_list_at(states, struct mm_order_state, 0);
	if (profile != NULL && !mm_span_is(state->profile, profile))
		return mm_fail(MM_E_PROFILE,
		    "order %s is for the profile %.*s, not %s", run->order,
		    MM_SPAN(state->profile), profile);
	if (run->profile[0] != '\0' &&
	    !mm_span_is(state->profile, run->profile))
		return mm_fail(MM_E_PROFILE,
		    "order %s is for the profile %.*s now, and %s was begun "
		    "with %s: begin another directory with --out",
		    run->order, MM_SPAN(state->profile), run->directory,
		    run->profile);
	mm_span_string(state->profile, run->profile, sizeof(run->profile));
	left = state->units > state->issued ? state->units - state->issued : 0;
	if (run->resumed_count == 0 && wanted > 0 && state->closed)
		return mm_fail(MM_E_ORDER_CLOSED,
		    "order %s is closed; an officer opens it again with "
		    "mintmark order reopen",
		    run->order);
	if (run->resumed_count == 0 && wanted > 0 && left == 0)
		return mm_fail(MM_E_ORDER_EXHAUSTED,
		    "all %ju units of order %s are used; an officer extends it "
		    "with mintmark order extend",
		    (uintmax_t)state->units, run->order);
	if (wanted > left)
		mm_say("the order has %ju units left, the list wants %ju",
		    (uintmax_t)left, (uintmax_t)wanted);
	return MM_OK;
}

enum mm_error
mm_run_check(struct mm_run *run)
{
	struct checking checking = {.left = 0};
	uint64_t total;
	enum mm_error error = check_values(run);

	if (error == MM_OK)
		error = tell_columns(run);
	if (error == MM_OK)
		error = mm_run_serials_read(run);
	if (error == MM_OK)
		error = check_rows(run, &checking);
	mm_seen_clear(&checking.devices);
	mm_seen_clear(&checking.serials);
	total = checking.left + run->resumed_count;
	if (error == MM_OK && (total > 0 || run->list.scanner))
		error = check_order(run, checking.left);
	if (error == MM_OK)
		error = mm_unit_files_room(
		    &run->files, ROOM_RUN + total * ROOM_UNIT);
	if (error == MM_OK)
		mm_report_begin(&run->report, run->list.scanner ? 0 : total);
	return error;
}
