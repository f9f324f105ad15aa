/*
 * Windows of units: while the appliance works on one, the one before is checked
 * and gets its files, and the next one its keys. With a hook, or where devices
 * are typed, a window is one unit, which is over before the next begins.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/produce_run.h"
#include "factory/der.h"

enum {
	MAKING_MS = 500, /* a window is sent then, full or not: RSA keys */
	SECOND_MS = 1000
};

enum mm_error
mm_run_fail(struct mm_run *run, enum mm_error error)
{
	if (run->fault != MM_OK)
		return error;
	snprintf(run->why, sizeof(run->why), "%s", mm_why(error));
	run->fault = error;
	return error;
}

/* Whether no further unit is begun. */
static bool
is_ending(struct mm_run *run)
{
	return run->fault != MM_OK || mm_stop_count(&run->stop) > 0;
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * SECOND_MS + now.tv_nsec / 1000000;
}

/* ---- one unit */

static void
add(struct mm_window *window, struct mm_unit *unit, size_t slot)
{
	struct mm_run_unit *one = &window->units[window->count++];

	*one = (struct mm_run_unit){.unit = unit, .slot = slot};
	mm_span_string(mm_unit_device(unit), one->device, sizeof(one->device));
	mm_unit_name(mm_unit_device(unit), one->name);
}

/* Its key exists from here on, in the journal first of all. */
static enum mm_error
seal(struct mm_run *run, const struct mm_unit *unit, size_t *slot)
{
	struct mm_buffer bytes = mm_flash_secret_buffer(&run->sealing);
	enum mm_error error = mm_unit_encode(unit, &bytes);

	if (error == MM_OK)
		error =
		    mm_slot_put(&run->journal, mm_buffer_span(&bytes), slot);
	sodium_memzero(run->sealing.data, run->sealing.size);
	return error;
}

static enum mm_error
make(struct mm_run *run, const struct mm_list_item *item,
    struct mm_window *window)
{
	struct mm_unit_terms terms = mm_run_terms(run, &item->given);
	struct mm_unit *unit;
	size_t slot;
	enum mm_error error =
	    mm_seen_put(&run->devices, item->device, MM_DEVICE_BEGUN);

	if (error == MM_OK)
		error = mm_unit_new(run->production, &terms, &unit);
	if (error != MM_OK)
		return error;
	error = seal(run, unit, &slot);
	if (error != MM_OK) {
		mm_unit_free(unit);
		return error;
	}
	run->head.ordinal++;
	add(window, unit, slot);
	return MM_OK;
}

/* ---- the next one */

/* False: the list is at its end. */
static bool
next_row(struct mm_run *run, struct mm_list_item *item)
{
	while (run->row < run->list.count) {
		mm_device_list_item(&run->list, run->row++, item);
		if (mm_seen_find(&run->devices, item->device) == NULL)
			return true;
	}
	return false;
}

void
mm_run_aside(struct mm_run *run, struct mm_span device, uint64_t fate,
    enum mm_error error)
{
	char shown[MM_DEVICE_SHOWN], name[MM_UNIT_NAME + 1] = "";
	char directory[PATH_MAX];
	bool over = fate != MM_DEVICE_REFUSED;

	run->report.scrap_before +=
	    fate == MM_DEVICE_SCRAP && !run->list.scanner;
	mm_device_show(device, shown);
	if (over)
		mm_unit_name(device, name);
	snprintf(
	    directory, sizeof(directory), "%s/units/%s", run->directory, name);
	mm_report_aside(
	    &run->report, &(const struct mm_told_unit){.device = shown,
			      .state = mm_device_fates[fate],
			      .directory = over ? directory : NULL,
			      .error = error,
			      .why = over ? "already" : mm_why(error)});
}

/* Whoever is at the scanner is told at once, and goes on. */
static bool
may_make(struct mm_run *run, const struct mm_list_item *item)
{
	const uint64_t *fate = mm_seen_find(&run->devices, item->device);
	struct mm_unit_terms terms = mm_run_terms(run, &item->given);
	char name[MM_UNIT_NAME + 1];
	enum mm_error error = MM_OK;

	if (fate != NULL && *fate != MM_DEVICE_REFUSED) {
		mm_run_aside(run, item->device, *fate, MM_OK);
		return false;
	}
	mm_unit_name(item->device, name);
	if (fate == NULL && mm_seen_find(&run->names, mm_span_text(name)))
		error = mm_fail(
		    MM_E_EXISTS, "another device has the directory %s", name);
	if (error == MM_OK)
		error = mm_run_serial_check(run, item);
	if (error == MM_OK)
		error = mm_run_try(run, &terms);
	if (error == MM_OK)
		error = mm_seen_put(&run->names, mm_span_text(name), 0);
	if (error != MM_OK)
		mm_run_aside(run, item->device, MM_DEVICE_REFUSED, error);
	return error == MM_OK;
}

static bool
next_typed(struct mm_run *run, struct mm_list_item *item)
{
	bool more = true;

	while (more) {
		enum mm_error error =
		    mm_device_list_scan(&run->list, &run->stop, item, &more);

		if (error == MM_E_DEVICE_ID)
			mm_run_aside(
			    run, item->device, MM_DEVICE_REFUSED, error);
		else if (error != MM_OK)
			return mm_run_fail(run, error) == MM_OK;
		else if (more && may_make(run, item))
			return true;
	}
	return false;
}

struct resuming {
	struct mm_run *run;
	struct mm_unit *unit;
};

static enum mm_error
decode(void *self, size_t slot, struct mm_span bytes)
{
	struct resuming *r = self;
	struct mm_unit_terms terms = mm_run_terms(r->run, NULL);

	(void)slot;
	return mm_unit_decode(r->run->production, bytes, &terms, &r->unit);
}

static enum mm_error
resume(struct mm_run *run, struct mm_window *window)
{
	size_t slot = run->resumed[run->resumed_next++].slot;
	struct resuming r = {.run = run};
	enum mm_error error = mm_slot_open(&run->journal, slot, decode, &r);

	if (error == MM_OK)
		add(window, r.unit, slot);
	return error;
}

static bool
add_next(struct mm_run *run, struct mm_window *window)
{
	struct mm_list_item item;
	enum mm_error error;

	if (run->resumed_next < run->resumed_count) {
		error = resume(run, window);
		return error == MM_OK || mm_run_fail(run, error) == MM_OK;
	}
	if (!(run->list.scanner ? next_typed(run, &item)
				: next_row(run, &item)))
		return false;
	error = make(run, &item, window);
	if (error == MM_OK)
		return true;
	return mm_run_fail(run, mm_run_item_wrong(run, &item, error)) == MM_OK;
}

/* ---- windows */

/* What is not durably in the journal is not asked for. */
static void
fill(struct mm_run *run, struct mm_window *window)
{
	int64_t until = now_ms() + MAKING_MS;
	enum mm_error error;

	while (window->count < run->window && !is_ending(run) &&
	       (run->resumed_next < run->resumed_count ||
		   mm_slots_free(&run->journal) > 0) &&
	       (window->count == 0 || now_ms() < until))
		if (!add_next(run, window))
			break;
	if (window->count == 0)
		return;
	error = mm_slots_sync(&run->journal);
	for (size_t i = 0; i < window->count && error != MM_OK; i++)
		window->units[i].state = MM_UNIT_HELD;
	if (error != MM_OK)
		(void)mm_run_fail(run, error);
}

/* False: there was no further unit. */
static bool
one_window(struct mm_run *run, struct mm_window *window)
{
	fill(run, window);
	if (window->count == 0)
		return false;
	mm_window_send(run, window);
	mm_window_receive(run, window, NULL);
	mm_window_finish(run, window);
	return true;
}

/* A run's first unit goes alone: where template and appliance do not fit, it
 * costs one. */
static void
try_first(struct mm_run *run, struct mm_window *window)
{
	size_t size = run->window;

	run->window = 1;
	(void)one_window(run, window);
	run->window = size;
}

/* The appliance has always something to do: what it has answered is finished,
 * and what comes next is made, while it works on another window. */
static void
overlapping(struct mm_run *run)
{
	struct mm_window *now = &run->windows[0], *next = &run->windows[1];
	struct mm_window *done;

	fill(run, now);
	mm_window_send(run, now);
	while (now->count > 0) {
		fill(run, next);
		mm_window_receive(run, now, next);
		mm_window_send(run, next);
		mm_window_finish(run, now);
		done = now;
		now = next;
		next = done;
	}
}

void
mm_run_work(struct mm_run *run)
{
	enum mm_error error =
	    mm_flash_secret_new(MM_UNIT_SEALED_MAX, &run->sealing);

	run->windows = calloc(MM_RUN_WINDOWS, sizeof(run->windows[0]));
	if (error == MM_OK && run->windows == NULL)
		error = mm_fail(MM_E_MEMORY, "no memory for a window");
	if (error != MM_OK)
		(void)mm_run_fail(run, error);
	else if (run->window == 1)
		while (one_window(run, run->windows))
			;
	else {
		if (run->head.made == 0)
			try_first(run, run->windows);
		overlapping(run);
	}
	mm_flash_secret_clear(&run->sealing);
	mm_flash_secrets_keep(0);
	free(run->windows);
	run->windows = NULL;
}
