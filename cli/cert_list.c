/*
 * mintmark cert list: the certificates of a log, a line each, and what became
 * of them.
 */
#include <stdio.h>
#include <string.h>

#include "cli/json_value.h"
#include "cli/row_scan.h"
#include "cli/values.h"

static const char *const states[] = {[MM_ROW_UNSIGNED] = "unsigned",
    [MM_ROW_SIGNED] = "signed",
    [MM_ROW_VOID] = "void",
    [MM_ROW_REVOKED] = "revoked"};

static const char *
state_name(const struct mm_row *row)
{
	return row->state < MM_COUNT(states) && states[row->state] != NULL
		   ? states[row->state]
		   : "";
}

/* What a revoked one was revoked for; an absent text is none. */
static const char *
or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

static void
print_head(void)
{
	printf("%-20s  %-10s  %-8s  %-20s  %-12s  %-12s  %-20s  %s\n", "device",
	    "profile", "state", "reason", "order", "station", "time", "serial");
}

static void
print_row(const struct mm_row *row)
{
	char time[MM_TIME_TEXT];

	mm_time_text(row->time, time);
	printf("%-20s  %-10s  %-8s  %-20s  %-12s  %-12s  %-20s  %s\n",
	    row->what, row->profile, state_name(row), or_dash(row->reason),
	    or_dash(row->order), or_dash(row->station), time, row->serial);
}

static void
print_json(const struct mm_row *row)
{
	json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:o}",
	    "device", row->what, "profile", row->profile, "state",
	    state_name(row), "reason", row->reason, "order", row->order,
	    "station", row->station, "time", mm_json_time(row->time), "serial",
	    row->serial, "index", mm_json_number(row->index));

	json_dumpf(out, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(out);
}

static enum mm_error
print(const struct mm_invocation *invocation, struct mm_row_scan *scan)
{
	const char *profile = mm_option(invocation, "profile");
	struct mm_row row;
	bool more = true;
	enum mm_error error = MM_OK;

	if (!invocation->json)
		print_head();
	while (error == MM_OK && more) {
		error = mm_row_scan_next(scan, &row, &more);
		if (error != MM_OK || !more ||
		    (profile != NULL && strcmp(profile, row.profile) != 0))
			continue;
		if (invocation->json)
			print_json(&row);
		else
			print_row(&row);
	}
	return error == MM_OK ? mm_output_end() : error;
}

static enum mm_error
list(const struct mm_invocation *invocation, struct mm_source *source,
    const struct mm_row_filter *filter)
{
	uint64_t size = mm_source_checkpoint(source)->size;
	const struct mm_row_range all = {0, size, size};
	struct mm_row_scan *scan = NULL;
	enum mm_error error = mm_row_scan_new(source, &all, filter, &scan);

	if (error == MM_OK)
		error = print(invocation, scan);
	mm_row_scan_free(scan);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static const char *const names[] = {"profile"};
	struct mm_source *source = NULL;
	struct mm_row_filter filter;
	enum mm_error error = mm_row_filter_read(
	    invocation, UINT64_C(1) << MM_ENTRY_CERTIFICATE, &filter);

	if (error == MM_OK)
		error = mm_values_named(invocation, names, MM_COUNT(names));
	if (error == MM_OK)
		error = mm_source_open(invocation, 0, &source);
	if (error == MM_OK)
		error = list(invocation, source, &filter);
	mm_source_close(source);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_SOURCE_OPTIONS,
    {"device", "ID", "of this device", false},
    {"profile", "PROFILE", "of this profile", false},
    {"serial", "HEX", "with this serial number", false},
    {"order", "NAME", "that rest on this order", false},
    {"station", "NAME", "asked for by this principal", false},
    {"revoked", NULL, "those that are revoked", false},
};

const struct mm_command mm_cert_list_command = {
    .noun = "cert",
    .verb = "list",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "the certificates of a log, and what became of them",
    .about = "The whole log is read, and held against its checkpoint, before "
	     "the first line\ncomes out: `cert show` finds one at once.",
    .results = "one object a line (NDJSON), in each: device, profile, state, "
	       "reason, order,\nstation, time, serial, index",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
