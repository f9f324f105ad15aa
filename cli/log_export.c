/*
 * mintmark log export: what was issued and refused, as a file whose digest
 * goes on record; or the whole log, as a directory.
 */
#include <sodium.h>
#include <string.h>

#include "cli/attested.h"
#include "cli/backup.h"
#include "cli/growing_file.h"
#include "cli/json_value.h"
#include "cli/row_scan.h"
#include "cli/values.h"

enum { ARENA = 1 << 20 };

#define EXPORT_KINDS \
	(1U << MM_ENTRY_CERTIFICATE | 1U << MM_ENTRY_IMAGE | \
	    1U << MM_ENTRY_REFUSAL | 1U << MM_ENTRY_PARTITION)

/* ---- a file */

struct export
{
	const struct mm_invocation *invocation;
	struct mm_source *source;
	const struct mm_row_format *format;
	struct mm_row_filter filter;
	struct mm_row_range range;
	struct mm_growing_file file;
	struct mm_export_request request;
	uint64_t rows;
	struct mm_export_answer answer; /* where it was recorded */
	struct mm_arena arena;
};

static enum mm_error
read_format(struct export *e)
{
	static const struct mm_row_format *const formats[] = {
	    &mm_row_csv, &mm_row_json};
	const char *name = mm_option(e->invocation, "format");

	for (size_t i = 0; i < MM_COUNT(formats); i++)
		if (strcmp(name, formats[i]->name) == 0)
			e->format = formats[i];
	if (e->format == NULL)
		return mm_fail(
		    MM_E_USAGE, "--format is csv or json, not \"%s\"", name);
	return MM_OK;
}

static enum mm_error
write_rows(struct export *e, struct mm_row_scan *scan)
{
	struct mm_row row;
	bool more = true;
	enum mm_error error = MM_OK;

	if (e->format->head != NULL)
		e->format->head(e->file.out);
	while (error == MM_OK && more) {
		error = mm_row_scan_next(scan, &row, &more);
		if (error != MM_OK || !more)
			break;
		e->format->row(&row, e->file.out);
		e->rows++;
	}
	return error;
}

static enum mm_error
write_file(struct export *e, const char *path)
{
	struct mm_row_scan *scan = NULL;
	enum mm_error error =
	    mm_row_scan_new(e->source, &e->range, &e->filter, &scan);

	if (error == MM_OK)
		error = mm_growing_file_open(&e->file, path);
	if (error == MM_OK)
		error = write_rows(e, scan);
	if (error == MM_OK)
		error = mm_growing_file_end(
		    &e->file, e->request.sha256, &e->request.size);
	mm_row_scan_free(scan);
	return error;
}

/* ---- on record */

/* The entry is what was asked for, and the receipt proves it. */
static enum mm_error
check_record(struct export *e)
{
	const struct mm_export_request *asked = &e->request;
	struct mm_export_entry body;
	struct mm_checkpoint checkpoint;
	struct mm_receipt receipt;
	struct mm_entry entry;
	enum mm_error error =
	    mm_receipt_decode(e->answer.receipt, &e->arena, &receipt);

	if (error == MM_OK)
		error = mm_receipt_verify(&receipt, mm_source_vkey(e->source),
		    mm_span(NULL, 0), &checkpoint);
	if (error == MM_OK)
		error = mm_entry_decode_as(
		    receipt.entry, MM_ENTRY_EXPORT, &e->arena, &entry, &body);
	if (error != MM_OK)
		return error;
	if (receipt.index != e->answer.index || body.from != asked->from ||
	    body.to != asked->to || body.size != asked->size ||
	    !mm_span_equal(body.format, asked->format) ||
	    !mm_span_equal(body.filter, asked->filter) ||
	    memcmp(body.sha256, asked->sha256, sizeof(body.sha256)) != 0)
		return mm_fail(MM_E_MISMATCH,
		    "the appliance put another export on record (entry %llu)",
		    (unsigned long long)e->answer.index);
	return MM_OK;
}

static enum mm_error
record(struct export *e, const char *receipt_path)
{
	struct mm_appliance appliance;
	enum mm_error error = mm_appliance_read(e->invocation, 0, &appliance);

	if (error == MM_OK)
		error = mm_appliance_ask(&appliance, MM_MESSAGE_EXPORT,
		    &e->request, &e->arena, &e->answer);
	if (error == MM_OK)
		error = check_record(e);
	return error == MM_OK
		   ? mm_output(e->invocation, receipt_path, e->answer.receipt)
		   : error;
}

static bool
is_recorded(const struct mm_invocation *invocation)
{
	return mm_option(invocation, "identity") != NULL &&
	       mm_option(invocation, "no-record") == NULL;
}

static void
report(const struct export *e, const char *path, const char *receipt_path)
{
	bool recorded = is_recorded(e->invocation);
	json_t *out = json_pack("{s:s, s:I, s:I, s:I, s:o, s:I, s:s, s:b}",
	    "log", mm_source_checkpoint(e->source)->origin, "from",
	    (json_int_t)e->range.from, "to", (json_int_t)e->range.to, "rows",
	    (json_int_t)e->rows, "sha256",
	    mm_json_hex(mm_span(e->request.sha256, 32)), "export_size",
	    (json_int_t)e->request.size, "file", path, "recorded", recorded);

	if (recorded) {
		json_object_set_new(
		    out, "index", mm_json_number(e->answer.index));
		json_object_set_new(out, "receipt", json_string(receipt_path));
	}
	mm_print(e->invocation, out);
	if (!recorded && !e->invocation->json)
		mm_say("not on record: nothing but this run says what the "
		       "file holds");
}

static enum mm_error
export_checked(struct export *e, const char *path, const char *receipt_path,
    struct mm_buffer *filter)
{
	enum mm_error error =
	    mm_row_filter_text(&e->filter, EXPORT_KINDS, filter);

	if (error != MM_OK)
		return mm_fail(MM_E_USAGE,
		    "the filters are too long to go on record (512 bytes)");
	error = mm_source_open(e->invocation, 0, &e->source);
	if (error == MM_OK)
		error = mm_row_range_read(e->invocation, e->source, &e->range);
	if (error == MM_OK)
		error = write_file(e, path);
	e->request.from = e->range.from;
	e->request.to = e->range.to;
	e->request.format = mm_span_text(e->format->name);
	e->request.filter = mm_buffer_span(filter);
	if (error == MM_OK && is_recorded(e->invocation))
		error = record(e, receipt_path);
	if (error == MM_OK)
		error = mm_growing_file_commit(&e->file, e->invocation->force);
	if (error == MM_OK)
		report(e, path, receipt_path);
	return error;
}

static enum mm_error
export_file(const struct mm_invocation *invocation, const char *path)
{
	struct export e = {.invocation = invocation};
	char receipt_path[PATH_MAX];
	mm_auto(buffer) filter = {0};
	enum mm_error error = read_format(&e);

	if (error == MM_OK && strcmp(path, "-") == 0)
		error = mm_fail(MM_E_USAGE, "--out is a file, not \"-\"");
	if (snprintf(receipt_path, sizeof(receipt_path), "%s.receipt", path) >=
	    PATH_MAX)
		return mm_fail(MM_E_FILE, "the path %s is too long", path);
	if (error == MM_OK)
		error = mm_row_filter_read(invocation, EXPORT_KINDS, &e.filter);
	if (error == MM_OK)
		error = mm_output_check(invocation, path);
	if (error == MM_OK && is_recorded(invocation))
		error = mm_output_check(invocation, receipt_path);
	mm_arena_init(&e.arena, ARENA);
	if (error == MM_OK)
		error = export_checked(&e, path, receipt_path, &filter);
	mm_growing_file_clear(&e.file);
	mm_arena_clear(&e.arena);
	mm_source_close(e.source);
	return error;
}

/* ---- a directory */

static enum mm_error
back_up(const struct mm_invocation *invocation, const char *directory)
{
	static const char *const files_only[] = {"from", "no-record", "device",
	    "serial", "station", "order", "kind", "refused", "revoked",
	    "product"};
	struct mm_source *source = NULL;
	struct mm_backup_report found;
	enum mm_error error;

	if (mm_values_said(invocation, files_only, MM_COUNT(files_only)) > 0)
		return mm_fail(MM_E_USAGE,
		    "a backup is whole: ranges and filters go with --format");
	error = mm_source_open(invocation, 0, &source);
	if (error == MM_OK)
		error = mm_backup(source, directory, &found);
	if (error == MM_OK)
		mm_print(invocation,
		    json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "log",
			mm_source_checkpoint(source)->origin, "directory",
			directory, "before", (json_int_t)found.before, "size",
			(json_int_t)found.size, "blobs",
			(json_int_t)found.blobs, "cosigned",
			(json_int_t)found.cosigned));
	mm_source_close(source);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *format = mm_option(invocation, "format");
	const char *out = mm_option(invocation, "out");
	const char *to = mm_option(invocation, "to");

	if (format == NULL && out == NULL && to != NULL)
		return back_up(invocation, to);
	if (format == NULL || out == NULL)
		return mm_fail(MM_E_USAGE,
		    "say --format and --out, or --to and the directory of a "
		    "backup");
	return export_file(invocation, out);
}

static const struct mm_cli_option options[] = {
    MM_SOURCE_OPTIONS,
    {"format", "csv|json", "issued and refused, as a file", false},
    {"out", "FILE", "that file; its receipt becomes FILE.receipt", false},
    {"from", "INDEX", "from this entry on (0)", false},
    {"to", "INDEX|DIR",
	"to the entry before this one (the log's end);\n"
	"                             "
	"without --format: a backup into DIR",
	false},
    {"no-record", NULL, "do not put the file's digest on record", false},
    MM_ROW_FILTER_OPTIONS,
};

const struct mm_command mm_log_export_command = {
    .noun = "log",
    .verb = "export",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "what was issued and refused, as a file on record; a backup",
    .about =
	"With --format: certificates, images, partitions and refusals (or "
	"--kind), with the\nstate that they have at the range's end. The same "
	"range and "
	"filters give the same bytes at\nany time, from the appliance or from "
	"a copy. An appliance puts the file's\nSHA-256 into the log: the "
	"receipt of that entry is the file's signature (`receipt\nverify`). "
	"From a directory nothing is recorded. Columns and keys are those of\n"
	"`log list`.\n\n"
	"With --to DIR alone: a backup, a tlog-tiles directory that is checked "
	"against the\ncheckpoint while it is written. Said again, it adds what "
	"is new.",
    .results =
	"of a file: log, from, to, rows, sha256, export_size, file, "
	"recorded;\nwhere it is recorded: index, receipt\nof a backup: log, "
	"directory, before, size, blobs, cosigned "
	"(size,\n0 for none)",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
