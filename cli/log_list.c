/*
 * mintmark log list: a row a matter, filtered.
 */
#include <stdio.h>
#include <string.h>

#include "cli/row_scan.h"
#include "cli/values.h"

static enum mm_error
read_range(const struct mm_invocation *invocation, struct mm_source *source,
    struct mm_row_range *out)
{
	struct mm_row_range range,
	    times = {0, mm_source_checkpoint(source)->size, 0};
	uint64_t since = 0, until = INT64_MAX;
	enum mm_error error = mm_value_time(invocation, "since", &since);

	if (error == MM_OK)
		error = mm_value_time(invocation, "until", &until);
	if (error == MM_OK && since > until)
		error = mm_fail(
		    MM_E_USAGE, "--since is a time after that of --until");
	if (error == MM_OK)
		error = mm_row_range_read(invocation, source, &range);
	if (error == MM_OK && since > 0)
		error = mm_row_find_time(source, since, false, &times.from);
	if (error == MM_OK && mm_option(invocation, "until") != NULL)
		error = mm_row_find_time(source, until, true, &times.to);
	if (error != MM_OK)
		return error;
	if (range.from < times.from)
		range.from = times.from;
	if (range.to > times.to)
		range.to = times.to;
	if (range.to < range.from)
		range.to = range.from;
	/* The state that rows have is that of now, wherever they end. */
	range.until = mm_source_checkpoint(source)->size;
	*out = range;
	return MM_OK;
}

static const struct mm_row_format *
choose_format(const struct mm_invocation *invocation)
{
	if (invocation->json)
		return &mm_row_json;
	return mm_option(invocation, "csv") != NULL ? &mm_row_csv
						    : &mm_row_table;
}

static enum mm_error
print(const struct mm_row_format *format, struct mm_row_scan *scan,
    uint64_t limit)
{
	struct mm_row row;
	enum mm_error error;
	bool more = true;

	if (format->head != NULL)
		format->head(stdout);
	for (uint64_t i = 0; i < limit && more; i++) {
		error = mm_row_scan_next(scan, &row, &more);
		if (error != MM_OK)
			return error;
		if (more)
			format->row(&row, stdout);
	}
	return mm_output_end();
}

static enum mm_error
list(const struct mm_invocation *invocation, struct mm_source *source,
    const struct mm_row_filter *filter, uint64_t limit)
{
	struct mm_row_scan *scan = NULL;
	struct mm_row_range range;
	enum mm_error error = read_range(invocation, source, &range);

	if (error == MM_OK)
		error = mm_row_scan_new(source, &range, filter, &scan);
	if (error == MM_OK)
		error = print(choose_format(invocation), scan, limit);
	mm_row_scan_free(scan);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_source *source = NULL;
	struct mm_row_filter filter;
	uint64_t limit = UINT64_MAX;
	enum mm_error error =
	    mm_row_filter_read(invocation, MM_ROW_KINDS, &filter);

	if (error == MM_OK && invocation->json &&
	    mm_option(invocation, "csv") != NULL)
		error = mm_fail(MM_E_USAGE, "--csv and --json exclude each "
					    "other");
	if (error == MM_OK)
		error =
		    mm_value_number(invocation, "limit", 1, INT64_MAX, &limit);
	if (error == MM_OK)
		error = mm_source_open(invocation, 0, &source);
	if (error == MM_OK)
		error = list(invocation, source, &filter, limit);
	mm_source_close(source);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_SOURCE_OPTIONS,
    MM_ROW_FILTER_OPTIONS,
    {"from", "INDEX", "from this entry on (0)", false},
    {"to", "INDEX", "to the entry before this one (the log's end)", false},
    {"since", "TIME", "from this time on: 2024-01-31T12:00:00Z or seconds",
	false},
    {"until", "TIME", "up to this time, which is included", false},
    {"limit", "N", "the first N rows", false},
    {"csv", NULL, "as CSV (RFC 4180) with a header", false},
};

const struct mm_command mm_log_list_command = {
    .noun = "log",
    .verb = "list",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "what happened, a row a matter: filters, table, CSV, JSON",
    .about =
	"Each row has the state that it has at the log's end: signed, void, "
	"unsigned,\nrefused or revoked. Rows come out when every entry that "
	"was read has been held\nagainst the checkpoint; whether these entries "
	"are allowed is what `log verify`\nchecks. Where several filters are "
	"said, all are met. Kinds: genesis, policy,\nprincipal, order, "
	"certificate, image, refusal, start, key, revocation, crl,\nexport, "
	"pending, withdrawal, release, ceremony, csr, import, inherited,\n"
	"partition, scrap; signatures and voids are states. In CSV, a cell "
	"that a spreadsheet\n"
	"would calculate (= + - @ in front) has an apostrophe before it.",
    .results = "one object a line (NDJSON), in each: " MM_ROW_KEYS,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
