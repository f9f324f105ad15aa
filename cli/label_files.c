/*
 * Labels as files: one, one a row of a list, or all of them together.
 */
#include "cli/label_job.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "factory/csv.h"

static enum mm_error
draw(struct mm_labels *l)
{
	enum mm_error error;

	mm_buffer_reset(&l->drawn);
	error = l->format->draw(l);
	if (error == MM_OK || l->drawn.error == MM_OK)
		return error;
	return mm_fail(error, "no memory to draw a label");
}

enum mm_error
mm_labels_add(struct mm_labels *l, struct mm_span name, struct mm_span value)
{
	struct mm_label_values *values = &l->values;

	if (values->count == MM_COUNT(values->items))
		return mm_fail(MM_E_RANGE, "a label has at most %zu values",
		    MM_COUNT(values->items));
	values->items[values->count++] = (struct mm_label_value){name, value};
	return MM_OK;
}

/* --- one label --- */

/* Where no lines are said: what there is of serial number and date. */
static void
plan_lines(struct mm_label_plan *plan, const struct mm_label_values *values)
{
	static const char *const lines[] = {"{serial}", "{date}"};
	static const char *const names[] = {"serial", "date"};

	if (plan->line_count > 0)
		return;
	for (size_t i = 0; i < MM_COUNT(lines); i++)
		if (mm_label_value(values, mm_span_text(names[i])) != NULL)
			plan->lines[plan->line_count++] = lines[i];
}

static enum mm_error
make(struct mm_labels *l)
{
	struct mm_label_plan plan = l->plan;
	const struct mm_span date = mm_span_text("date");

	if (mm_label_value(&l->values, date) == NULL) {
		enum mm_error error =
		    mm_labels_add(l, date, mm_span_text(l->date));

		if (error != MM_OK)
			return error;
	}
	plan_lines(&plan, &l->values);
	return mm_label_make(&plan, &l->values, &l->label);
}

static enum mm_error
write_one(struct mm_labels *l)
{
	const char *out = mm_option(l->invocation, "out");
	enum mm_error error = mm_output_check(l->invocation, out);

	if (error == MM_OK)
		error = make(l);
	if (error == MM_OK)
		error = draw(l);
	if (error != MM_OK)
		return error;
	l->count = 1;
	return mm_output(l->invocation, out, mm_buffer_span(&l->drawn));
}

/* --- a label a row --- */

typedef enum mm_error each(struct mm_labels *l);

static enum mm_error
make_row(struct mm_labels *l, const struct mm_csv *csv, each *todo)
{
	struct mm_label_values said = l->values;
	enum mm_error error = MM_OK;

	/* The first of a name is found: the row's. */
	l->values.count = 0;
	for (size_t i = 0; i < csv->count && error == MM_OK; i++)
		error = mm_labels_add(l, csv->names[i], csv->cells[i]);
	for (size_t i = 0; i < said.count && error == MM_OK; i++)
		error =
		    mm_labels_add(l, said.items[i].name, said.items[i].value);
	if (error == MM_OK)
		error = make(l);
	if (error == MM_OK)
		error = todo(l);
	l->values = said;
	return error == MM_OK
		   ? MM_OK
		   : mm_fail(error, "%s, line %llu: %s", csv->path,
			 (unsigned long long)csv->line, mm_why(error));
}

static enum mm_error
each_row(struct mm_labels *l, each *todo)
{
	mm_auto(csv) csv = {0};
	bool more = true;
	enum mm_error error =
	    mm_csv_open(mm_option(l->invocation, "csv"), &csv);

	l->count = 0;
	while (error == MM_OK && more) {
		error = mm_csv_next(&csv, &more);
		if (error == MM_OK && more)
			error = make_row(l, &csv, todo);
		l->count += error == MM_OK && more;
	}
	if (error == MM_OK && l->count == 0)
		return mm_fail(
		    MM_E_FORMAT, "%s has no row after its header", csv.path);
	return error;
}

/* --- one file a row --- */

static enum mm_error
row_path(const struct mm_labels *l, struct mm_buffer *path)
{
	enum mm_error error;

	mm_buffer_init(path, PATH_MAX - 1);
	error = mm_label_fill(
	    mm_option(l->invocation, "out"), &l->values, true, path);
	if (error == MM_OK)
		mm_buffer_add(path, "", 1);
	return error == MM_OK ? path->error
			      : mm_fail(error, "--out: %s", mm_why(error));
}

static enum mm_error
keep_path(struct mm_labels *l, const char *path)
{
	size_t wanted = l->paths_room > 0 ? 2 * l->paths_room : 64;
	char **grown = l->paths;

	if (l->path_count == l->paths_room)
		grown = reallocarray(grown, wanted, sizeof(*grown));
	if (grown == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for that many labels");
	if (l->path_count == l->paths_room)
		l->paths_room = wanted;
	l->paths = grown;
	grown[l->path_count] = strdup(path);
	if (grown[l->path_count] == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for that many labels");
	l->path_count++;
	return MM_OK;
}

static enum mm_error
check_row(struct mm_labels *l)
{
	mm_auto(buffer) path = {0};
	enum mm_error error = row_path(l, &path);

	if (error == MM_OK)
		error = mm_output_check(l->invocation, (char *)path.data);
	if (error == MM_OK)
		error = draw(l);
	return error == MM_OK ? keep_path(l, (char *)path.data) : error;
}

static int
compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum mm_error
check_different(struct mm_labels *l)
{
	qsort(l->paths, l->path_count, sizeof(*l->paths), compare_paths);
	for (size_t i = 1; i < l->path_count; i++)
		if (strcmp(l->paths[i - 1], l->paths[i]) == 0)
			return mm_fail(MM_E_USAGE,
			    "two rows have the same file, %s; name it by "
			    "something that differs",
			    l->paths[i]);
	return MM_OK;
}

static enum mm_error
write_row(struct mm_labels *l)
{
	mm_auto(buffer) path = {0};
	enum mm_error error = row_path(l, &path);

	if (error == MM_OK)
		error = draw(l);
	return error == MM_OK ? mm_output(l->invocation, (char *)path.data,
				    mm_buffer_span(&l->drawn))
			      : error;
}

static enum mm_error
write_files(struct mm_labels *l)
{
	enum mm_error error = each_row(l, check_row);

	if (error == MM_OK)
		error = check_different(l);
	while (l->path_count > 0)
		free(l->paths[--l->path_count]);
	free(mm_take(l->paths));
	return error == MM_OK ? each_row(l, write_row) : error;
}

/* --- a sheet: a job --- */

static enum mm_error
write_in_job(struct mm_labels *l)
{
	FILE *file = l->file.out != NULL ? l->file.out : stdout;
	enum mm_error error = draw(l);

	/* Whether it has arrived is asked at the end. */
	if (error == MM_OK)
		fwrite(l->drawn.data, 1, l->drawn.size, file);
	return error;
}

static enum mm_error
write_job(struct mm_labels *l)
{
	const char *out = mm_option(l->invocation, "out");
	uint8_t sha256[32];
	uint64_t size;
	enum mm_error error = each_row(l, draw);

	if (error == MM_OK)
		error = mm_output_check(l->invocation, out);
	if (error == MM_OK && strcmp(out, "-") == 0) {
		error = each_row(l, write_in_job);
		return error == MM_OK ? mm_output_end() : error;
	}
	if (error == MM_OK)
		error = mm_growing_file_open(&l->file, out);
	if (error == MM_OK)
		error = each_row(l, write_in_job);
	if (error == MM_OK)
		error = mm_growing_file_end(&l->file, sha256, &size);
	return error == MM_OK
		   ? mm_growing_file_commit(&l->file, l->invocation->force)
		   : error;
}

/* --- a sheet: pages --- */

/* OUT.svg, then OUT-2.svg. */
static enum mm_error
page_path(const struct mm_labels *l, uint64_t page, char out[PATH_MAX])
{
	const char *name = mm_option(l->invocation, "out");
	const char *dot = strrchr(name, '.');
	int stem = dot != NULL && strchr(dot, '/') == NULL && dot != name
		       ? (int)(dot - name)
		       : (int)strlen(name);
	int length = page == 1
			 ? snprintf(out, PATH_MAX, "%s", name)
			 : snprintf(out, PATH_MAX, "%.*s-%llu%s", stem, name,
			       (unsigned long long)page, name + stem);

	return length < PATH_MAX
		   ? MM_OK
		   : mm_fail(MM_E_FILE, "the path %s is too long", name);
}

static enum mm_error
end_page(struct mm_labels *l)
{
	char path[PATH_MAX];
	enum mm_error error = page_path(l, l->pages, path);

	mm_label_sheet_end(&l->drawn);
	if (error == MM_OK && l->drawn.error != MM_OK)
		error = mm_fail(l->drawn.error, "no memory for a page");
	if (error == MM_OK)
		error =
		    mm_output(l->invocation, path, mm_buffer_span(&l->drawn));
	mm_buffer_reset(&l->drawn);
	return error;
}

static enum mm_error
begin_page(struct mm_labels *l)
{
	mm_buffer_reset(&l->drawn);
	mm_label_sheet_begin(&l->sheet, &l->drawn);
	l->pages++;
	return MM_OK;
}

static enum mm_error
place(struct mm_labels *l)
{
	enum mm_error error = MM_OK;

	if (l->pages == 0)
		error = begin_page(l);
	if (mm_label_sheet_add(&l->sheet, &l->label, &l->drawn))
		return error;
	error = end_page(l);
	if (error == MM_OK)
		error = begin_page(l);
	mm_label_sheet_add(&l->sheet, &l->label, &l->drawn);
	return error;
}

/* Every page that there will be. */
static enum mm_error
check_pages(struct mm_labels *l)
{
	uint64_t a_page = (uint64_t)l->sheet.columns * l->sheet.rows;
	enum mm_error error = MM_OK;

	for (uint64_t page = 1;
	     page <= (l->count + a_page - 1) / a_page && error == MM_OK;
	     page++) {
		char path[PATH_MAX];

		error = page_path(l, page, path);
		if (error == MM_OK)
			error = mm_output_check(l->invocation, path);
	}
	return error;
}

static enum mm_error
only_made(struct mm_labels *l)
{
	(void)l;
	return MM_OK;
}

static enum mm_error
write_pages(struct mm_labels *l)
{
	enum mm_error error = each_row(l, only_made);

	if (error == MM_OK)
		error = mm_label_sheet_init(
		    &l->sheet, (unsigned)l->mm, l->label.line_count);
	if (error == MM_OK)
		error = check_pages(l);
	if (error == MM_OK)
		error = each_row(l, place);
	return error == MM_OK ? end_page(l) : error;
}

/* What is read again after all of it was found good. */
static enum mm_error
check_list(const char *path)
{
	struct stat about;

	if (stat(path, &about) == 0 && !S_ISREG(about.st_mode))
		return mm_fail(MM_E_USAGE,
		    "%s is no file; --csv is read twice: write the list to a "
		    "file first",
		    path);
	return MM_OK;
}

enum mm_error
mm_labels_write(struct mm_labels *l)
{
	const char *list = mm_option(l->invocation, "csv");
	enum mm_error error;

	if (list == NULL)
		return write_one(l);
	error = check_list(list);
	if (error != MM_OK)
		return error;
	if (mm_option(l->invocation, "sheet") == NULL)
		return write_files(l);
	return l->format->pages ? write_pages(l) : write_job(l);
}
