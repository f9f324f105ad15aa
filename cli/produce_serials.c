/*
 * Serial numbers that are given, in a list or with --value: each is that of one
 * unit that was made.
 */
#include <stdio.h>
#include <string.h>

#include "cli/produce_run.h"
#include "factory/csv.h"

static size_t
column_of(const struct mm_csv *csv, const char *name)
{
	size_t i = 0;

	while (i < csv->count && !mm_span_is(csv->names[i], name))
		i++;
	return i;
}

/* A device that takes the place of scrap may have its serial number. */
static enum mm_error
take_serials(struct mm_csv *csv, struct mm_seen *made)
{
	size_t serial = column_of(csv, "serial");
	size_t state = column_of(csv, "state");
	bool more = serial < csv->count && state < csv->count;
	enum mm_error error = MM_OK;

	while (error == MM_OK && more) {
		error = mm_csv_next(csv, &more);
		if (error == MM_OK && more && csv->cells[serial].size > 0 &&
		    mm_span_is(
			csv->cells[state], mm_device_fates[MM_DEVICE_MADE]))
			error =
			    mm_seen_put(made, csv->cells[serial], csv->line);
	}
	return error;
}

enum mm_error
mm_run_serials_read(struct mm_run *run)
{
	mm_auto(csv) csv = {0};
	int fd = -1;
	enum mm_error error;

	mm_buffer_init(&run->serials.last, MM_RUN_SERIAL);
	if (run->head.marks[MM_ROWS_RESULTS].size == 0)
		return MM_OK;
	error = mm_unit_file_read(run->files.run, "results.csv", &fd);
	if (error != MM_OK)
		return error;
	error = mm_csv_take(fdopen(fd, "r"), "results.csv", &csv);
	return error == MM_OK ? take_serials(&csv, &run->serials.made) : error;
}

/* The last typed device's counts, if a unit came of it. */
static enum mm_error
settle_last(struct mm_run *run)
{
	const uint64_t *fate =
	    mm_seen_find(&run->devices, mm_span_text(run->serials.device));
	bool made = fate != NULL && *fate == MM_DEVICE_MADE &&
		    run->serials.last.size > 0;
	enum mm_error error = made ? mm_seen_put(&run->serials.made,
					 mm_buffer_span(&run->serials.last), 0)
				   : MM_OK;

	mm_buffer_reset(&run->serials.last);
	return error;
}

enum mm_error
mm_run_serial_check(struct mm_run *run, const struct mm_list_item *item)
{
	const struct mm_label_value *serial =
	    mm_label_value(&item->given, mm_span_text("serial"));
	const uint64_t *line;
	enum mm_error error = settle_last(run);

	if (error != MM_OK || serial == NULL || serial->value.size == 0)
		return error;
	line = mm_seen_find(&run->serials.made, serial->value);
	if (line != NULL && *line > 0)
		return mm_fail(MM_E_FORMAT,
		    "serial number %.*s is that of another device, which was "
		    "made (results.csv, line %ju)",
		    MM_SPAN(serial->value), (uintmax_t)*line);
	if (line != NULL)
		return mm_fail(MM_E_FORMAT,
		    "serial number %.*s is that of another device, which was "
		    "just made",
		    MM_SPAN(serial->value));
	if (!run->list.scanner)
		return MM_OK;
	mm_span_string(
	    item->device, run->serials.device, sizeof(run->serials.device));
	mm_buffer_add(
	    &run->serials.last, serial->value.data, serial->value.size);
	return run->serials.last.error;
}

void
mm_run_serials_clear(struct mm_run *run)
{
	mm_seen_clear(&run->serials.made);
	mm_buffer_clear(&run->serials.last);
}
