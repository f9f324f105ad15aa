/*
 * The begin of a run, or its going on: lock, journal, what an earlier run has
 * left.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/produce_run.h"

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
	    "%s was begun with another %s: %s; go on with that one, or begin "
	    "another directory with --out",
	    run->directory, what, begun);
}

/* A template that could never finish a unit has to be changed for it; what is
 * made with the other one stands beside what was made before. */
static enum mm_error
check_changed(const struct mm_run *run)
{
	const struct mm_journal_head *head = &run->journal.head;
	const char *registers = mm_production_registers(run->production);

	if (mm_option(run->invocation, "changed-template") == NULL)
		return mm_fail(MM_E_STATE,
		    "%s was begun with another template (or a file that it "
		    "names): go on with that one, or begin another directory "
		    "with --out; if the change is meant for this run, say "
		    "--changed-template",
		    run->directory);
	if (head->made + head->scrapped == 0 ||
	    strcmp(head->registers, registers) == 0)
		return MM_OK;
	return mm_fail(MM_E_STATE,
	    "%s was begun with the registration \"%s\", and the template has "
	    "\"%s\" now: units would be missing in one of the two; begin "
	    "another directory with --out",
	    run->directory, head->registers, registers);
}

/* Units that nobody flashed do not stand beside those that were: what the hook
 * does may change from run to run, whether there is one may not. */
static enum mm_error
check_hook(const struct mm_run *run)
{
	bool hooked = run->hook.command != NULL;

	if (hooked == run->journal.head.hooked)
		return MM_OK;
	return mm_fail(MM_E_STATE,
	    hooked ? "%s was begun without a hook: its units were not given to "
		     "one. Leave --hook away, or begin another directory with "
		     "--out"
		   : "%s was begun with a hook, which each unit needs: say "
		     "--hook again (its words may be others), or begin another "
		     "directory with --out",
	    run->directory);
}

static enum mm_error
check_same(struct mm_run *run)
{
	const struct mm_journal_head *head = &run->journal.head;
	const char *profile = mm_option(run->invocation, "profile");
	enum mm_error error;

	if (strcmp(head->order, run->order) != 0)
		return other(run, "order", head->order);
	if (profile != NULL && strcmp(head->profile, profile) != 0)
		return other(run, "profile", head->profile);
	memcpy(run->profile, head->profile, sizeof(run->profile));
	run->changed = memcmp(head->template, run->facts.sha256, 32) != 0;
	error = check_hook(run);
	return error == MM_OK && run->changed ? check_changed(run) : error;
}

/* A unit that waits; whether it is over already is seen later. Its keys are
 * not kept: there may be more of them than can be locked. */
static enum mm_error
take_unit(void *self, size_t slot, struct mm_span bytes)
{
	struct mm_run *run = self;
	struct mm_unit_terms terms = mm_run_terms(run, NULL);
	struct mm_resumed *one = &run->resumed[run->resumed_count];
	struct mm_unit *unit;
	enum mm_error error =
	    mm_unit_decode(run->production, bytes, &terms, &unit);

	if (error != MM_OK)
		return error;
	*one =
	    (struct mm_resumed){.ordinal = mm_unit_ordinal(unit), .slot = slot};
	mm_span_string(mm_unit_device(unit), one->device, sizeof(one->device));
	run->resumed_count++;
	mm_unit_free(unit);
	return MM_OK;
}

static enum mm_error
wait_unit(struct mm_run *run, const struct mm_resumed *one)
{
	char name[MM_UNIT_NAME + 1];
	enum mm_error error;

	if (one->ordinal >= run->head.ordinal)
		run->head.ordinal = one->ordinal + 1;
	mm_unit_name(mm_span_text(one->device), name);
	error = mm_seen_put(&run->names, mm_span_text(name), 0);
	return error == MM_OK ? mm_seen_put(&run->devices,
				    mm_span_text(one->device), MM_DEVICE_BEGUN)
			      : error;
}

/* Those that are over already, and were not taken out of the journal yet. */
static enum mm_error
sort_units(struct mm_run *run)
{
	size_t count = run->resumed_count;
	enum mm_error error = MM_OK;

	run->resumed_count = 0;
	for (size_t i = 0; i < count && error == MM_OK; i++) {
		struct mm_resumed one = run->resumed[i];
		bool over = mm_seen_find(&run->devices,
				mm_span_text(one.device)) != NULL;

		error = over ? mm_slot_clear(&run->journal, one.slot)
			     : wait_unit(run, &one);
		if (!over)
			run->resumed[run->resumed_count++] = one;
	}
	return error;
}

static enum mm_error
settle_units(struct mm_run *run, size_t torn)
{
	enum mm_error error = sort_units(run);

	if (error == MM_OK && torn > 0)
		error = mm_slots_drop_torn(&run->journal, run->files.run);
	if (error == MM_OK)
		error = mm_slots_sync(&run->journal);
	if (error == MM_OK && torn > 0)
		mm_say("%zu units were not whole in the journal, and are made "
		       "anew; %s/%s keeps what was there. A device whose "
		       "certificate had been issued already will be refused",
		    torn, run->directory, MM_JOURNAL_TORN);
	if (error == MM_OK && run->resumed_count > 0)
		mm_say("%zu units were begun before: they come first",
		    run->resumed_count);
	return error;
}

static void
print_head(const struct mm_run *run, struct mm_buffer *out)
{
	mm_buffer_printf(out, "%s%s%s\r\n", columns,
	    run->facts.results[0] != '\0' ? "," : "", run->facts.results);
}

static enum mm_error
check_head(const struct mm_run *run)
{
	mm_auto(buffer) head = {0};

	mm_buffer_init(&head, 1 << 20);
	print_head(run, &head);
	return head.error == MM_OK
		   ? mm_rows_check_head(&run->rows, mm_buffer_span(&head))
		   : mm_fail(MM_E_MEMORY, "no memory for a row");
}

/* What a file that begins begins with. */
static enum mm_error
add_heads(struct mm_run *run)
{
	const struct mm_rows_mark *marks = run->head.marks;
	struct mm_rows_one *files = run->rows.files;

	if (marks[MM_ROWS_RESULTS].size == 0)
		print_head(run, &files[MM_ROWS_RESULTS].waiting);
	if (marks[MM_ROWS_REGISTRATION].size > 0 ||
	    run->facts.registration == NULL)
		return MM_OK;
	return mm_production_registration_head(
	    run->production, &files[MM_ROWS_REGISTRATION].waiting);
}

static enum mm_error
open_rows(struct mm_run *run)
{
	enum mm_error error = mm_rows_open(run->files.run, run->head.marks,
	    run->facts.registration, &run->rows);

	return error == MM_OK ? add_heads(run) : error;
}

static enum mm_error
commit_head(struct mm_run *run)
{
	enum mm_error error = mm_run_journal_commit(&run->journal, &run->head);

	run->head.sequence = run->journal.head.sequence;
	return error;
}

/* Files that were moved away: it is committed that nothing of them counts, and
 * then they are there with their heads. */
static enum mm_error
open_rows_again(struct mm_run *run)
{
	bool anew;
	enum mm_error error = MM_OK;

	mm_rows_moved(
	    run->files.run, run->facts.registration, run->head.marks, &anew);
	if (anew)
		error = commit_head(run);
	if (error == MM_OK)
		error = open_rows(run);
	if (error == MM_OK && run->changed)
		error = check_head(run);
	if (error == MM_OK && anew)
		error = mm_rows_flush(&run->rows, run->head.marks);
	return error == MM_OK && anew ? commit_head(run) : error;
}

/* What is over. Who takes finished units to an archive may. */
static enum mm_error
read_done(struct mm_run *run)
{
	struct mm_rows_past past = {.devices = &run->devices,
	    .names = &run->names,
	    .files = &run->files};
	enum mm_error error = mm_rows_done(&run->rows, &past);

	run->report.missing = past.missing;
	if (error == MM_OK && past.missing > 0)
		mm_say("%ju units that are done have no directory any more, "
		       "units/%s first: they may be in an archive, and are not "
		       "made again",
		    (uintmax_t)past.missing, past.first);
	return error;
}

/* From now on it is this run's template. */
static enum mm_error
take_template(struct mm_run *run)
{
	memcpy(run->head.template, run->facts.sha256, 32);
	snprintf(run->head.registers, sizeof(run->head.registers), "%s",
	    mm_production_registers(run->production));
	return commit_head(run);
}

/* Signals are held once the passphrase is there: who is asked for it may still
 * leave by Ctrl-C. */
static enum mm_error
go_on(struct mm_run *run)
{
	uint8_t *key;
	size_t torn;
	enum mm_error error =
	    mm_seal_key(run->invocation, &run->journal.head.seal, false, &key);

	if (error == MM_OK)
		error = mm_run_journal_unlock(&run->journal, key);
	if (error == MM_OK)
		error = mm_stop_begin(&run->stop);
	if (error != MM_OK)
		return error;
	run->head = run->journal.head;
	error = mm_slots_open(&run->journal, take_unit, run, &torn);
	if (error == MM_OK)
		error = mm_rows_check_done(
		    run->files.run, &run->head.marks[MM_ROWS_DONE]);
	if (error == MM_OK)
		error = mm_run_explain(run);
	if (error == MM_OK)
		error = open_rows_again(run);
	if (error == MM_OK)
		error = mm_unit_files_sweep(&run->files);
	if (error == MM_OK)
		error = read_done(run);
	if (error == MM_OK)
		error = settle_units(run, torn);
	return error == MM_OK && run->changed ? take_template(run) : error;
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
	snprintf(run->head.registers, sizeof(run->head.registers), "%s",
	    mm_production_registers(run->production));
	run->head.hooked = run->hook.command != NULL;
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

/* ---- all of it */

enum mm_error
mm_run_begin(struct mm_run *run)
{
	bool fresh;
	enum mm_error error = mm_unit_files_open(run->directory, &run->files);

	if (error == MM_OK)
		error = mm_memory_fit(run);
	if (error == MM_OK)
		error = mm_run_journal_open(run->directory, &run->journal);
	if (error != MM_OK)
		return error;
	fresh = run->journal.head.sequence == 0;
	error = fresh ? mm_unit_files_empty(&run->files, run->directory)
		      : check_same(run);
	if (error == MM_OK)
		error = mm_unit_files_units(&run->files);
	if (error == MM_OK && !fresh)
		error = go_on(run);
	if (error == MM_OK)
		error = mm_run_check(run);
	if (error == MM_OK && fresh)
		error = begin_journal(run);
	return error;
}

void
mm_run_end(struct mm_run *run)
{
	mm_client_close(run->client);
	mm_rows_clear(&run->rows);
	mm_run_journal_clear(&run->journal);
	mm_unit_files_clear(&run->files);
	mm_run_serials_clear(run);
	mm_seen_clear(&run->devices);
	mm_seen_clear(&run->names);
	mm_device_list_clear(&run->list);
	mm_production_free(run->production);
	mm_stop_end(&run->stop);
}
