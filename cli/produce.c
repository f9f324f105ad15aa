/*
 * mintmark produce: a station's whole run over an order. What it is made of
 * stands in produce_run.h.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "cli/produce_run.h"
#include "cli/values.h"

/* Devices' keys are in memory: no core is written, nobody attaches. */
static enum mm_error
hide_memory(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) == 0 &&
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
		return MM_OK;
	return mm_fail(
	    MM_E_SYSTEM, "cannot switch core dumps off: %s", strerror(errno));
}

/* What the template's keys need, so that none is lost or lies open unasked. */
static enum mm_error
check_facts(const struct mm_run *run)
{
	const struct mm_production_facts *facts = &run->facts;

	if (run->plain_keys)
		return MM_OK;
	if (facts->plain != NULL)
		return mm_fail(MM_E_USAGE,
		    "%s; encrypt it (conf/production.conf shows how), or say "
		    "--plain-keys if that is wanted",
		    facts->plain);
	if (facts->lost_always != NULL)
		return mm_fail(MM_E_USAGE,
		    "%s would be in no file: give an image for it, or say "
		    "--plain-keys",
		    facts->lost_always);
	if (facts->lost != NULL && run->hook.command == NULL)
		return mm_fail(MM_E_USAGE,
		    "%s would be lost: a --hook that burns it gets it as a "
		    "descriptor, or --plain-keys writes it to a file",
		    facts->lost);
	return MM_OK;
}

static enum mm_error
read_options(struct mm_run *run)
{
	static const char *const names[] = {"order", "profile"};
	const struct mm_invocation *invocation = run->invocation;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &run->appliance);

	run->directory = mm_option(invocation, "out");
	run->order = mm_option(invocation, "order");
	run->plain_keys = mm_option(invocation, "plain-keys") != NULL;
	run->hook = (struct mm_hook){.command = mm_option(invocation, "hook"),
	    .order = run->order,
	    .retries = MM_HOOK_RETRIES,
	    .timeout = MM_HOOK_TIMEOUT,
	    .stop = &run->stop};
	if (error == MM_OK)
		error = mm_values_named(invocation, names, MM_COUNT(names));
	if (error == MM_OK)
		error = mm_value_number(invocation, "retries", 0,
		    MM_HOOK_RETRIES_MAX, &run->hook.retries);
	if (error == MM_OK)
		error = mm_value_number(invocation, "hook-timeout", 1,
		    MM_HOOK_TIMEOUT_MAX, &run->hook.timeout);
	return error;
}

/* What it cannot be is the file's fault, not the command line's. */
static enum mm_error
read_template(struct mm_run *run)
{
	enum mm_error error = mm_production_read(
	    mm_option(run->invocation, "template"), &run->production);

	return error != MM_E_USAGE ? error
				   : mm_fail(MM_E_FORMAT, "%s", mm_why(error));
}

static enum mm_error
read_all(struct mm_run *run)
{
	enum mm_error error = read_options(run);

	if (error == MM_OK)
		error = read_template(run);
	if (error != MM_OK)
		return error;
	mm_production_facts(run->production, &run->facts);
	error = check_facts(run);
	if (error == MM_OK)
		error = mm_device_list_open(run->invocation, &run->list);
	run->report.each = run->list.path == NULL;
	run->window = run->list.path == NULL || run->hook.command != NULL
			  ? 1
			  : MM_JOURNAL_WINDOW;
	return error;
}

/* The error that the run leaves with, its words kept. */
static enum mm_error
verdict(struct mm_run *run)
{
	const struct mm_run_report *report = &run->report;

	if (run->fault != MM_OK)
		return mm_fail(run->fault, "%s", run->why);
	if (mm_stop_count(&run->stop) > 0)
		return mm_fail(MM_E_STOPPED,
		    "what was begun is finished: say the same again to go on");
	if (report->scrapped + report->refused > 0)
		return mm_fail(MM_E_UNITS,
		    "%ju units are scrap and %ju were refused; saying the same "
		    "again tries those that were refused once more",
		    (uintmax_t)report->scrapped, (uintmax_t)report->refused);
	if (report->scrap_before > 0)
		return mm_fail(MM_E_UNITS,
		    "%ju devices are scrap already: take others",
		    (uintmax_t)report->scrap_before);
	return MM_OK;
}

/* The last line, for scripts also where the run did not begin. */
static void
tell_end(struct mm_run *run, enum mm_error error)
{
	mm_report_end(&run->report, run->order,
	    MM_JOURNAL_SLOTS - mm_slots_free(&run->journal),
	    error == MM_OK || error == MM_E_UNITS ? "complete"
						  : mm_error_name(error));
}

static enum mm_error
work(struct mm_run *run)
{
	enum mm_error error;

	if (run->list.scanner && isatty(STDIN_FILENO) == 1)
		mm_say("scan or type device ids, a line each; Ctrl-D ends");
	mm_run_work(run);
	error = mm_slots_sync(&run->journal);
	if (error != MM_OK)
		(void)mm_run_fail(run, error);
	error = verdict(run);
	tell_end(run, error);
	return error;
}

static enum mm_error
run_all(struct mm_run *run)
{
	enum mm_error error = mm_run_begin(run);
	char why[MM_RUN_WHY];

	if (error == MM_OK)
		return work(run);
	snprintf(why, sizeof(why), "%s", mm_why(error));
	if (run->invocation->json)
		tell_end(run, error);
	return mm_fail(error, "%s", why);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_run *run = calloc(1, sizeof(*run));
	enum mm_error error;

	if (run == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a run");
	run->invocation = run->report.invocation = invocation;
	run->stop.fd = run->journal.fd = -1;
	run->files.run = run->files.units = -1;
	for (size_t i = 0; i < MM_RUN_FILES; i++)
		run->rows.files[i].fd = -1;
	mm_memory_allow();
	error = hide_memory();
	if (error == MM_OK)
		error = read_all(run);
	if (error == MM_OK)
		error = run_all(run);
	mm_run_end(run);
	free(run);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"order", "ORDER", "the order that covers the devices", true},
    {"template", "FILE", "what a unit is made of (conf/production.conf)", true},
    {"out", "RUN", "the run's directory; the same again goes on", true},
    {"from", "LIST", "CSV with a column `device`; - is stdin", false},
    {"one", "DEVICE", "one device (neither: ids from stdin)", false},
    {"value", "NAME=TEXT", "a value for every unit", MM_OPTION_REPEATED},
    {"profile", "PROFILE", "the order's, to be sure of it", false},
    MM_OPTION_PASSPHRASE,
    {"run-key", "FILE", "random bytes, mode 600, instead of a passphrase",
	false},
    {"hook", "COMMAND", "run for each unit: flashes it, burns its keys", false},
    {"retries", "N", "how often a hook that fails is run again (2)", false},
    {"hook-timeout", "SECONDS", "of one attempt (300)", false},
    {"plain-keys", NULL, "private keys are files, in clear", false},
    {"changed-template", NULL, "go on, with the template as it is now", false},
    MM_OPTION_WAIT,
};

const struct mm_command mm_produce_command = {
    .noun = "produce",
    .operands = "",
    .summary = "a station's whole run over an order, device after device",
    .about =
	"Each device gets values, a key, a certificate and its files in\n"
	"RUN/units/DEVICE. Whatever ends the run: say the same again. What\n"
	"was begun goes on with the key that it had, which the journal keeps\n"
	"sealed by the passphrase or the run key.",
    .results = MM_PRODUCE_RESULTS,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
