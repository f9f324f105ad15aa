/*
 * The begin of a run, or its going on: lock, journal, what an earlier run has
 * left; then the list and the order are checked before anything is made.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ca/profile.h"
#include "cli/order_state.h"
#include "cli/produce_run.h"
#include "cli/values.h"

enum {
	ORDER_ARENA = 1 << 20,
	ROOM_UNIT = 32768, /* bytes of disk that a unit takes at least */
	ROOM_RUN = 16 << 20
};

/* The run's own columns of results.csv; the template's stand behind them. */
static const char columns[] =
    "device,state,certificate,index,directory,attempts,why";

struct mm_unit_terms
mm_run_terms(const struct mm_run *run, const struct mm_label_values *given)
{
	return (struct mm_unit_terms){.given = given,
	    .order = mm_span_text(run->order),
	    .ordinal = run->head.ordinal,
	    .now = (uint64_t)time(NULL),
	    .plain_keys = run->plain_keys};
}

/* ---- the journal that is there */

static enum mm_error
other(const struct mm_run *run, const char *what, const char *begun)
{
	return mm_fail(MM_E_STATE,
	    "%s was begun with another %s%s%s; go on with that one, or begin "
	    "another directory with --out",
	    run->directory, what, begun != NULL ? ": " : "",
	    begun != NULL ? begun : "");
}

static enum mm_error
check_same(struct mm_run *run)
{
	const struct mm_journal_head *head = &run->journal.head;
	const char *profile = mm_option(run->invocation, "profile");

	if (strcmp(head->order, run->order) != 0)
		return other(run, "order", head->order);
	if (profile != NULL && strcmp(head->profile, profile) != 0)
		return other(run, "profile", head->profile);
	if (memcmp(head->template, run->facts.sha256, 32) != 0)
		return other(run, "template (or a file that it names)", NULL);
	memcpy(run->profile, head->profile, sizeof(run->profile));
	return MM_OK;
}

/* Without its journal a run's directory is nobody's. */
static enum mm_error
check_fresh(const struct mm_run *run)
{
	struct stat info;

	if (fstatat(run->files.run, "done", &info, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno == ENOENT)
		return MM_OK;
	return mm_fail(MM_E_STATE,
	    "%s has units and no journal: bring the journal back from a copy, "
	    "or begin another directory with --out",
	    run->directory);
}

/* A unit that waits: over already, or one of those that come first. */
static enum mm_error
take_unit(void *self, size_t slot, struct mm_span bytes)
{
	struct mm_run *run = self;
	struct mm_unit_terms terms = mm_run_terms(run, NULL);
	char name[MM_UNIT_NAME + 1];
	struct mm_unit *unit;
	enum mm_error error =
	    mm_unit_decode(run->production, bytes, &terms, &unit);

	if (error != MM_OK)
		return error;
	if (mm_seen_find(&run->devices, mm_unit_device(unit)) != NULL) {
		mm_unit_free(unit);
		return mm_slot_clear(&run->journal, slot);
	}
	run->resumed[run->resumed_count++] =
	    (struct mm_resumed){.unit = unit, .slot = slot};
	if (mm_unit_ordinal(unit) >= run->head.ordinal)
		run->head.ordinal = mm_unit_ordinal(unit) + 1;
	mm_unit_name(mm_unit_device(unit), name);
	error = mm_seen_put(&run->names, mm_span_text(name), 0);
	return error == MM_OK ? mm_seen_put(&run->devices, mm_unit_device(unit),
				    MM_DEVICE_BEGUN)
			      : error;
}

static enum mm_error
open_units(struct mm_run *run)
{
	size_t torn;
	enum mm_error error =
	    mm_slots_open(&run->journal, take_unit, run, &torn);

	if (error == MM_OK)
		error = mm_slots_sync(&run->journal);
	if (error == MM_OK && torn > 0)
		mm_say("%zu units were not whole in the journal: nothing of "
		       "them had left, and they are made anew",
		    torn);
	if (error == MM_OK && run->resumed_count > 0)
		mm_say("%zu units were begun before: they come first",
		    run->resumed_count);
	return error;
}

static enum mm_error
open_rows(struct mm_run *run)
{
	struct mm_buffer *results = &run->rows.files[MM_ROWS_RESULTS].waiting;
	enum mm_error error = mm_rows_open(run->files.run, run->head.sizes,
	    run->facts.registration, &run->rows);

	if (error != MM_OK)
		return error;
	if (run->head.sizes[MM_ROWS_RESULTS] == 0) {
		mm_buffer_printf(results, "%s%s%s\r\n", columns,
		    run->facts.results[0] != '\0' ? "," : "",
		    run->facts.results);
		if (run->facts.registration != NULL)
			error = mm_production_registration_head(run->production,
			    &run->rows.files[MM_ROWS_REGISTRATION].waiting);
	}
	return error;
}

/* Signals are held once the passphrase is there: who is asked for it may still
 * leave by Ctrl-C. */
static enum mm_error
go_on(struct mm_run *run)
{
	uint8_t *key;
	enum mm_error error =
	    mm_seal_key(run->invocation, &run->journal.head.seal, false, &key);

	if (error == MM_OK)
		error = mm_run_journal_unlock(&run->journal, key);
	if (error == MM_OK)
		error = mm_stop_begin(&run->stop);
	if (error != MM_OK)
		return error;
	run->head = run->journal.head;
	error = open_rows(run);
	if (error == MM_OK)
		error = mm_rows_done(&run->rows, &run->devices, &run->names);
	if (error == MM_OK)
		error = open_units(run);
	return error == MM_OK ? mm_unit_files_sweep(&run->files) : error;
}

/* ---- a journal that is made */

static enum mm_error
begin_journal(struct mm_run *run)
{
	uint8_t *key;
	enum mm_error error;

	run->head = (struct mm_journal_head){.ordinal = 0};
	snprintf(run->head.order, sizeof(run->head.order), "%s", run->order);
	snprintf(
	    run->head.profile, sizeof(run->head.profile), "%s", run->profile);
	memcpy(run->head.template, run->facts.sha256, 32);
	mm_seal_terms_new(
	    mm_option(run->invocation, "run-key") == NULL, &run->head.seal);
	error = mm_seal_key(run->invocation, &run->head.seal, true, &key);
	if (error == MM_OK)
		error = mm_run_journal_begin(&run->journal, &run->head, key);
	if (error == MM_OK)
		error = mm_stop_begin(&run->stop);
	if (error != MM_OK)
		return error;
	run->head = run->journal.head;
	error = mm_unit_files_sweep(&run->files);
	return error == MM_OK ? open_rows(run) : error;
}

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
		return MM_OK;
	}
	error = check_name(run, item->device);
	terms.ordinal += checking->left++;
	return error == MM_OK ? mm_production_check(run->production, &terms)
			      : error;
}

static enum mm_error
check_rows(struct mm_run *run, struct checking *checking)
{
	struct mm_list_item item;
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < run->list.count && error == MM_OK; i++) {
		mm_device_list_item(&run->list, i, &item);
		error = check_item(run, &item, checking);
		if (error != MM_OK && item.line > 0)
			error =
			    mm_fail(error, "%s, line %ju: %s", run->list.path,
				(uintmax_t)item.line, mm_why(error));
		if (error == MM_OK && mm_stop_count(&run->stop) > 0)
			error = mm_fail(
			    MM_E_STOPPED, "stopped while the list was checked");
	}
	return error;
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
	mm_span_string(state->profile, run->profile, sizeof(run->profile));
	left = state->units > state->issued ? state->units - state->issued : 0;
	if (run->resumed_count == 0 && wanted > 0 && state->closed)
		return mm_fail(
		    MM_E_ORDER_CLOSED, "order %s is closed", run->order);
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

/* ---- all of it */

static enum mm_error
check_all(struct mm_run *run)
{
	struct checking checking = {.left = 0};
	uint64_t total;
	enum mm_error error = check_rows(run, &checking);

	mm_seen_clear(&checking.devices);
	mm_seen_clear(&checking.serials);
	total = checking.left + run->resumed_count;
	if (error == MM_OK && (total > 0 || run->list.scanner))
		error = check_order(run, checking.left);
	if (error == MM_OK)
		error = mm_unit_files_room(
		    &run->files, ROOM_RUN + total * ROOM_UNIT);
	if (error == MM_OK)
		mm_report_begin(&run->report, run->invocation,
		    run->list.scanner ? 0 : total);
	return error;
}

enum mm_error
mm_run_begin(struct mm_run *run)
{
	bool fresh;
	enum mm_error error = mm_unit_files_open(run->directory, &run->files);

	if (error == MM_OK)
		error = mm_run_journal_open(run->directory, &run->journal);
	if (error != MM_OK)
		return error;
	fresh = run->journal.head.sequence == 0;
	error = fresh ? check_fresh(run) : check_same(run);
	if (error == MM_OK && !fresh)
		error = go_on(run);
	if (error == MM_OK)
		error = check_all(run);
	if (error == MM_OK && fresh)
		error = begin_journal(run);
	return error;
}

void
mm_run_end(struct mm_run *run)
{
	while (run->resumed_next < run->resumed_count)
		mm_unit_free(run->resumed[run->resumed_next++].unit);
	mm_client_close(run->client);
	mm_rows_clear(&run->rows);
	mm_run_journal_clear(&run->journal);
	mm_unit_files_clear(&run->files);
	mm_seen_clear(&run->devices);
	mm_seen_clear(&run->names);
	mm_device_list_clear(&run->list);
	mm_production_free(run->production);
	mm_stop_end(&run->stop);
}
