/*
 * The end of a window: files under their names, the hook, rows, and the commit
 * by which its units count. A unit that does not come so far stays in the
 * journal.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/produce_run.h"
#include "factory/csv.h"

enum { FILES_MAX = 64, SERIAL_TEXT = 2 * 20 + 1 };

/* ---- files */

static void
hold(struct mm_run *run, struct mm_run_unit *unit, enum mm_error error)
{
	unit->state = MM_UNIT_HELD;
	(void)mm_run_fail(run, error);
}

/* What an earlier run has decided goes into the new directory, too. */
static enum mm_error
write_files(struct mm_run *run, struct mm_run_unit *unit,
    const struct mm_unit_file *files, size_t count)
{
	struct mm_unit_file all[FILES_MAX];
	mm_auto(buffer) scrap = {0};

	if (count >= FILES_MAX)
		return mm_fail(MM_E_RANGE, "a unit has too many files");
	memcpy(all, files, count * sizeof(files[0]));
	if (unit->scrap) {
		mm_unit_scrap_text(run, unit, &scrap);
		all[count++] = (struct mm_unit_file){
		    .name = "scrap", .bytes = mm_buffer_span(&scrap)};
	}
	return mm_unit_files_write(&run->files, unit->name, all, count);
}

static enum mm_error
make_files(struct mm_run *run, struct mm_run_unit *unit)
{
	const struct mm_unit_certificate certificate = {
	    .certificate = unit->answer.certificate,
	    .chain = &unit->answer.chain,
	    .receipt = unit->answer.receipt,
	    .index = unit->answer.index};
	const struct mm_unit_file *files;
	size_t count;
	enum mm_error error = mm_unit_answer_check(run, unit);

	if (error != MM_OK)
		return mm_fail(error, "%s: %s", unit->device, mm_why(error));
	error = mm_unit_finish(unit->unit, &certificate, &files, &count);
	if (error != MM_OK)
		return mm_fail(error,
		    "%s: %s. It is issued and waits in the journal: if the "
		    "template has to be another one for it, change it and say "
		    "the same again with --changed-template",
		    unit->device, mm_why(error));
	error = mm_unit_scrap_kept(run, unit);
	return error == MM_OK ? write_files(run, unit, files, count) : error;
}

/* Each of the window's units in this state; stops at an error. */
typedef enum mm_error act(struct mm_run *run, struct mm_run_unit *unit);
static void
each(struct mm_run *run, struct mm_window *window, enum mm_unit_state state,
    act *one)
{
	for (size_t i = 0; i < window->count; i++) {
		struct mm_run_unit *unit = &window->units[i];
		enum mm_error error;

		if (unit->state != state)
			continue;
		error = one(run, unit);
		if (error != MM_OK)
			hold(run, unit, error);
	}
}

static size_t
count_of(const struct mm_window *window, enum mm_unit_state state)
{
	size_t found = 0;

	for (size_t i = 0; i < window->count; i++)
		found += window->units[i].state == state;
	return found;
}

static void
hold_all(struct mm_run *run, struct mm_window *window, enum mm_error error)
{
	for (size_t i = 0; i < window->count; i++)
		hold(run, &window->units[i], error);
}

static enum mm_error
place(struct mm_run *run, struct mm_run_unit *unit)
{
	return mm_unit_files_place(&run->files, unit->name);
}

/* Bytes first, then names. */
static void
put_files(struct mm_run *run, struct mm_window *window)
{
	enum mm_error error;

	each(run, window, MM_UNIT_ANSWERED, make_files);
	if (count_of(window, MM_UNIT_ANSWERED) == 0)
		return;
	error = mm_unit_files_sync(&run->files);
	if (error == MM_OK) {
		each(run, window, MM_UNIT_ANSWERED, place);
		error = mm_unit_files_placed(&run->files);
	}
	if (error != MM_OK)
		hold_all(run, window, error);
}

/* ---- the hook */

static enum mm_error
run_hook(struct mm_run *run, struct mm_run_unit *unit)
{
	struct mm_hook_unit hooked = {
	    .device = mm_unit_device(unit->unit), .index = unit->answer.index};
	struct mm_hook_result result;
	mm_autoclose int directory = -1;
	enum mm_error error =
	    mm_unit_files_enter(&run->files, unit->name, &directory);

	if (error != MM_OK)
		return error;
	hooked.directory = directory;
	hooked.key_count = mm_unit_keys(unit->unit, hooked.keys);
	error = mm_unit_hook(&run->hook, &hooked, &result);
	if (error != MM_OK)
		return error;
	unit->attempts = result.attempts;
	unit->scrap = !result.success;
	snprintf(unit->why, sizeof(unit->why), "%s", result.why);
	return unit->scrap ? mm_unit_scrap_keep(run, unit) : MM_OK;
}

static enum mm_error
try_unit(struct mm_run *run, struct mm_run_unit *unit)
{
	enum mm_error error = MM_OK;

	if (run->hook.command != NULL && !unit->scrap)
		error = run_hook(run, unit);
	if (error == MM_OK && unit->scrap)
		error = mm_unit_scrap_tell(run, unit);
	if (error == MM_OK)
		unit->state = MM_UNIT_OVER;
	return error;
}

/* ---- rows */

static const char *
word_of(const struct mm_run_unit *unit)
{
	if (unit->state == MM_UNIT_REFUSED)
		return mm_device_fates[MM_DEVICE_REFUSED];
	return mm_device_fates[unit->scrap ? MM_DEVICE_SCRAP : MM_DEVICE_MADE];
}

static enum mm_error
add_rows(struct mm_run *run, struct mm_run_unit *unit)
{
	struct mm_buffer *results = &run->rows.files[MM_ROWS_RESULTS].waiting;
	char serial[SERIAL_TEXT];
	enum mm_error error = MM_OK;

	sodium_bin2hex(
	    serial, sizeof(serial), unit->serial, sizeof(unit->serial));
	mm_buffer_printf(&run->rows.files[MM_ROWS_DONE].waiting, "%s %s\n",
	    unit->device, word_of(unit));
	mm_buffer_printf(results, "%s,%s,%s,%ju,units/%s,%ju,", unit->device,
	    word_of(unit), serial, (uintmax_t)unit->answer.index, unit->name,
	    (uintmax_t)unit->attempts);
	mm_csv_cell(mm_span_text(unit->why), results);
	if (run->facts.results[0] != '\0') {
		mm_buffer_add(results, ",", 1);
		error = mm_unit_results(unit->unit, results);
	}
	mm_buffer_add(results, "\r\n", 2);
	if (error == MM_OK && !unit->scrap)
		error = mm_unit_registration(
		    unit->unit, &run->rows.files[MM_ROWS_REGISTRATION].waiting);
	run->head.made += !unit->scrap;
	run->head.scrapped += unit->scrap;
	return error;
}

/* After rows that could not be made or written whole none is: those that wait
 * are not known to be good. */
static enum mm_error
commit(struct mm_run *run, struct mm_window *window)
{
	enum mm_error error = MM_OK;

	if (run->broken)
		return run->fault;
	for (size_t i = 0; i < window->count && error == MM_OK; i++)
		if (window->units[i].state == MM_UNIT_OVER)
			error = add_rows(run, &window->units[i]);
	if (error == MM_OK)
		error = mm_rows_flush(&run->rows, run->head.marks);
	if (error == MM_OK)
		error = mm_run_journal_commit(&run->journal, &run->head);
	run->broken = error != MM_OK;
	return error;
}

/* ---- what counts now */

/* It may have been placed by a run that did not come to its end; nothing that
 * the journal does not know stays. */
static enum mm_error
remove_refused(struct mm_run *run, const struct mm_run_unit *unit)
{
	enum mm_error error;

	if (!mm_unit_files_there(&run->files, unit->name))
		return MM_OK;
	error = mm_unit_files_remove(run->files.units, unit->name);
	return error == MM_OK ? mm_unit_files_placed(&run->files) : error;
}

static enum mm_error
settle(struct mm_run *run, struct mm_run_unit *unit)
{
	bool refused = unit->state == MM_UNIT_REFUSED;
	uint64_t fate = refused       ? MM_DEVICE_REFUSED
			: unit->scrap ? MM_DEVICE_SCRAP
				      : MM_DEVICE_MADE;
	char directory[PATH_MAX];
	enum mm_error error;

	snprintf(directory, sizeof(directory), "%s/units/%s", run->directory,
	    unit->name);
	run->report.made += fate == MM_DEVICE_MADE;
	run->report.scrapped += fate == MM_DEVICE_SCRAP;
	run->report.refused += refused;
	mm_report_unit(&run->report,
	    &(const struct mm_told_unit){.device = unit->device,
		.state = word_of(unit),
		.directory = refused ? NULL : directory,
		.serial =
		    mm_span(unit->serial, refused ? 0 : sizeof(unit->serial)),
		.index = unit->answer.index,
		.attempts = unit->attempts,
		.error = unit->error,
		.why = unit->why});
	*mm_seen_find(&run->devices, mm_span_text(unit->device)) = fate;
	error = refused ? remove_refused(run, unit) : MM_OK;
	return error == MM_OK ? mm_slot_clear(&run->journal, unit->slot)
			      : error;
}

void
mm_window_finish(struct mm_run *run, struct mm_window *window)
{
	enum mm_error error = MM_OK;

	put_files(run, window);
	each(run, window, MM_UNIT_ANSWERED, try_unit);
	if (count_of(window, MM_UNIT_OVER) + count_of(window, MM_UNIT_REFUSED) >
	    0)
		error = commit(run, window);
	if (error == MM_OK) {
		each(run, window, MM_UNIT_REFUSED, settle);
		each(run, window, MM_UNIT_OVER, settle);
	} else
		hold_all(run, window, error);
	for (size_t i = 0; i < window->count; i++) {
		mm_unit_free(window->units[i].unit);
		mm_arena_clear(&window->units[i].arena);
	}
	window->count = 0;
	mm_report_progress(&run->report);
}
