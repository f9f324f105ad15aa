/*
 * Lists of what is new and gone, a file each, with the file that says what
 * they cover.
 */
#include <stdio.h>
#include <string.h>

#include "cli/json_value.h"
#include "cli/register_job.h"

enum { ROW_MAX = 1 << 20 };

struct list {
	struct mm_register_job *job;
	struct mm_growing_file file, range;
	struct mm_register_list about;
	struct mm_buffer row;
	/* aws-bulk: the CA of the last row. */
	struct mm_buffer ca;
	size_t ca_of;
	bool bare; /* without CA */
	/* azure-dps */
	bool csv;
	struct mm_register_azure azure;
};

typedef enum mm_error
each(struct list *list, const struct mm_register_row *row);

/* What was appended to the row goes into the file. */
static void
put(struct list *list)
{
	if (list->row.size > 0)
		fwrite(list->row.data, 1, list->row.size, list->file.out);
	mm_buffer_reset(&list->row);
}

static enum mm_error
each_row(struct list *list, unsigned changes, each *todo, uint64_t *count)
{
	struct mm_register_row row;
	bool more = true;
	enum mm_error error = MM_OK;

	for (*count = 0; error == MM_OK; ++*count) {
		error = mm_register_scan_next(
		    list->job->scan, changes, &row, &more);
		if (error != MM_OK || !more)
			return error;
		error = todo(list, &row);
		put(list);
	}
	return error;
}

static enum mm_error
write_list(struct list *list, enum mm_error (*write)(struct list *list),
    const char *range)
{
	struct mm_register_job *job = list->job;
	bool force = job->invocation->force;
	enum mm_error error = mm_growing_file_open(&list->file, job->out);

	if (error == MM_OK)
		error = write(list);
	if (error == MM_OK)
		error = mm_growing_file_end(
		    &list->file, list->about.sha256, &list->about.size);
	if (error == MM_OK)
		error =
		    mm_register_range(job, &list->about, range, &list->range);
	if (error == MM_OK)
		error = mm_growing_file_commit(&list->file, force);
	return error == MM_OK ? mm_growing_file_commit(&list->range, force)
			      : error;
}

static void
report(const struct list *list, const char *range)
{
	struct mm_register_job *job = list->job;

	json_object_update_new(job->report,
	    json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "file", job->out,
		"range", range, "since", (json_int_t)job->choice.since, "to",
		(json_int_t)mm_source_checkpoint(job->source)->size, "new",
		(json_int_t)job->fresh, "gone", (json_int_t)job->gone));
}

/* The list's name without its directory: they are moved together. */
static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static enum mm_error
make_list(struct list *list, enum mm_error (*write)(struct list *list))
{
	struct mm_register_job *job = list->job;
	char range[PATH_MAX];
	enum mm_error error = MM_OK;

	if (strcmp(job->out, "-") == 0)
		return mm_fail(MM_E_USAGE, "--out is a file, not \"-\"");
	if (snprintf(range, sizeof(range), "%s.range.json", job->out) >=
	    PATH_MAX)
		return mm_fail(MM_E_FILE, "the path %s is too long", job->out);
	list->about.path = base_name(job->out);
	mm_buffer_init(&list->row, ROW_MAX);
	mm_buffer_init(&list->ca, MM_REGISTER_PEM);
	error = mm_output_check(job->invocation, job->out);
	if (error == MM_OK)
		error = mm_output_check(job->invocation, range);
	if (error == MM_OK)
		error = mm_register_open(job);
	if (error == MM_OK)
		error = write_list(list, write, range);
	if (error == MM_OK)
		report(list, range);
	mm_growing_file_clear(&list->file);
	mm_growing_file_clear(&list->range);
	mm_register_azure_clear(&list->azure);
	mm_buffer_clear(&list->row);
	mm_buffer_clear(&list->ca);
	return error;
}

/* --- aws-bulk --- */

static enum mm_error
find_ca(struct list *list, size_t issuer)
{
	if (list->bare || (list->ca.size > 0 && list->ca_of == issuer))
		return MM_OK;
	mm_buffer_reset(&list->ca);
	list->ca_of = issuer;
	return mm_register_issuer(list->job->scan, issuer, false, &list->ca);
}

static enum mm_error
aws_row(struct list *list, const struct mm_register_row *row)
{
	struct mm_register_aws aws = {.policy = NULL};
	enum mm_error error = find_ca(list, row->issuer);

	aws.ca = mm_buffer_span(&list->ca);
	return error == MM_OK
		   ? mm_register_aws_row(&aws, &row->device, &list->row)
		   : error;
}

static enum mm_error
write_aws(struct list *list)
{
	return each_row(list, MM_REGISTER_NEW, aws_row, &list->job->fresh);
}

enum mm_error
mm_register_aws_bulk(struct mm_register_job *job)
{
	struct list list = {
	    .job = job, .bare = mm_option(job->invocation, "no-ca") != NULL};

	return make_list(&list, write_aws);
}

/* --- azure-dps --- */

static enum mm_error
azure_row(struct list *list, const struct mm_register_row *row)
{
	bool gone = row->change == MM_REGISTER_GONE;

	if (gone && row->stays)
		return MM_OK;
	return list->csv ? mm_register_azure_csv(&row->device, gone, &list->row)
			 : mm_register_azure_add(
			       &list->azure, &row->device, gone, &list->row);
}

static enum mm_error
write_azure(struct list *list)
{
	uint64_t gone;
	enum mm_error error;

	if (list->csv)
		fputs(MM_REGISTER_AZURE_HEAD, list->file.out);
	error = each_row(list, MM_REGISTER_GONE, azure_row, &gone);
	if (error == MM_OK)
		error = each_row(
		    list, MM_REGISTER_NEW, azure_row, &list->job->fresh);
	if (error == MM_OK)
		error = mm_register_azure_end(&list->azure, &list->row);
	if (error == MM_OK)
		put(list);
	return error;
}

enum mm_error
mm_register_azure_dps(struct mm_register_job *job)
{
	const char *format = mm_option(job->invocation, "format");
	struct list list = {
	    .job = job, .csv = format != NULL && strcmp(format, "csv") == 0};

	if (format != NULL && !list.csv && strcmp(format, "json") != 0)
		return mm_fail(
		    MM_E_USAGE, "--format is json or csv, not \"%s\"", format);
	return make_list(&list, write_azure);
}
