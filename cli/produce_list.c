#include "cli/produce_list.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "factory/csv.h"

enum { CHUNK = 65536 };

#define CELLS_MAX ((size_t)1 << 31)

void
mm_unit_name(struct mm_span device, char out[MM_UNIT_NAME + 1])
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				    "pqrstuvwxyz0123456789._-";

	mm_span_string(device, out, MM_UNIT_NAME + 1);
	for (char *c = out; *c != '\0'; c++)
		if (strchr(plain, *c) == NULL || (c == out && *c == '.'))
			*c = '_';
}

void
mm_device_show(struct mm_span device, char out[MM_DEVICE_SHOWN])
{
	size_t size = device.size < MM_UNIT_NAME ? device.size : MM_UNIT_NAME;

	for (size_t i = 0; i < size; i++)
		out[i] = (char)(device.data[i] >= ' ' && device.data[i] <= '~'
				    ? device.data[i]
				    : '?');
	strcpy(out + size, device.size > size ? "..." : "");
}

void
mm_device_list_clear(struct mm_device_list *list)
{
	mm_buffer_clear(&list->cells);
	free(list->rows);
	list->rows = NULL;
}

/* ---- --value NAME=TEXT */

static enum mm_error
take_value(struct mm_device_list *list, const char *said)
{
	const char *equal = strchr(said, '=');
	struct mm_label_value value;

	if (equal == NULL || equal == said || equal[1] == '\0')
		return mm_fail(
		    MM_E_USAGE, "--value is NAME=TEXT, not \"%s\"", said);
	value.name = mm_span(said, (size_t)(equal - said));
	value.value = mm_span_text(equal + 1);
	if (mm_span_is(value.name, "device"))
		return mm_fail(MM_E_USAGE, "a device is said by --one");
	for (size_t i = 0; i < list->value_count; i++)
		if (mm_span_equal(list->values[i].name, value.name))
			return mm_fail(MM_E_USAGE, "--value %.*s is said twice",
			    MM_SPAN(value.name));
	list->values[list->value_count++] = value;
	return MM_OK;
}

static enum mm_error
take_values(const struct mm_invocation *invocation, struct mm_device_list *list)
{
	const char *said;
	enum mm_error error = MM_OK;

	for (size_t i = 0; error == MM_OK && (said = mm_option_nth(invocation,
						  "value", i)) != NULL;
	     i++)
		error = take_value(list, said);
	return error;
}

/* ---- a list */

static void
put_cells(
    struct mm_device_list *list, const struct mm_span *cells, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		mm_buffer_add(&list->cells, cells[i].data, cells[i].size);
		mm_buffer_add(&list->cells, "", 1);
	}
}

static enum mm_error
add_row(struct mm_device_list *list, const struct mm_span *cells, uint64_t line)
{
	if (list->count == list->room) {
		size_t room = list->room > 0 ? 2 * list->room : 256;
		struct mm_list_row *rows =
		    realloc(list->rows, room * sizeof(*rows));

		if (rows == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for a list");
		list->rows = rows;
		list->room = room;
	}
	list->rows[list->count++] =
	    (struct mm_list_row){.at = list->cells.size, .line = line};
	put_cells(list, cells, list->columns);
	return list->cells.error == MM_OK
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a list of this size");
}

/* A value is said by the list or by --value, not by both. */
static enum mm_error
take_header(struct mm_device_list *list, const struct mm_csv *csv)
{
	list->columns = list->column = csv->count;
	for (size_t i = 0; i < csv->count; i++) {
		if (mm_span_is(csv->names[i], "device"))
			list->column = i;
		for (size_t j = 0; j < list->value_count; j++)
			if (mm_span_equal(csv->names[i], list->values[j].name))
				return mm_fail(MM_E_USAGE,
				    "%s has a column %.*s, which --value says "
				    "too: leave one away",
				    list->path, MM_SPAN(csv->names[i]));
	}
	if (list->column == csv->count)
		return mm_fail(MM_E_FORMAT,
		    "%s, line 1: no column is called device", list->path);
	put_cells(list, csv->names, csv->count);
	return MM_OK;
}

static enum mm_error
take_rows(struct mm_device_list *list, struct mm_csv *csv)
{
	enum mm_error error = take_header(list, csv);
	bool more = true;

	while (error == MM_OK && more) {
		error = mm_csv_next(csv, &more);
		if (error == MM_OK && more)
			error = add_row(list, csv->cells, csv->line);
	}
	if (error == MM_OK && list->count == 0)
		error = mm_fail(MM_E_FORMAT, "%s names no device", list->path);
	return error;
}

/* A list that is piped is kept aside first, since it is read from its begin:
 * in memory, for it may have secrets. */
static FILE *
keep_stdin(void)
{
	static char chunk[CHUNK];
	mm_autoclose int memory = memfd_create("list", MFD_CLOEXEC);
	FILE *kept = memory >= 0 ? fdopen(memory, "w+") : NULL;
	size_t got;

	if (kept == NULL)
		return NULL;
	(void)mm_take_fd(memory);
	while ((got = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
		if (fwrite(chunk, 1, got, kept) != got)
			break;
	sodium_memzero(chunk, sizeof(chunk));
	if (ferror(stdin) == 0 && ferror(kept) == 0 && fflush(kept) == 0) {
		rewind(kept);
		return kept;
	}
	fclose(kept);
	return NULL;
}

static enum mm_error
read_list(struct mm_device_list *list)
{
	mm_auto(csv) csv = {0};
	enum mm_error error;

	if (strcmp(list->path, "-") == 0) {
		list->path = "standard input";
		error = mm_csv_take(keep_stdin(), list->path, &csv);
	} else {
		error = mm_csv_open(list->path, &csv);
	}
	return error == MM_OK ? take_rows(list, &csv) : error;
}

/* ---- what was said */

static enum mm_error
one(struct mm_device_list *list, const char *device)
{
	struct mm_span name = mm_span_text("device"),
		       cell = mm_span_text(device);

	list->columns = 1;
	list->column = 0;
	put_cells(list, &name, 1);
	return add_row(list, &cell, 0);
}

enum mm_error
mm_device_list_open(
    const struct mm_invocation *invocation, struct mm_device_list *out)
{
	const char *device = mm_option(invocation, "one");
	enum mm_error error;

	*out = (struct mm_device_list){.path = mm_option(invocation, "from")};
	mm_buffer_init(&out->cells, CELLS_MAX);
	if (device != NULL && out->path != NULL)
		return mm_fail(MM_E_USAGE, "--from and --one: say one of the "
					   "two, or none to scan devices");
	error = take_values(invocation, out);
	if (error != MM_OK)
		return error;
	out->scanner = device == NULL && out->path == NULL;
	if (out->path != NULL)
		return read_list(out);
	return device != NULL ? one(out, device) : MM_OK;
}

static void
give_values(const struct mm_device_list *list, struct mm_list_item *out)
{
	memcpy(out->given.items + out->given.count, list->values,
	    list->value_count * sizeof(list->values[0]));
	out->given.count += list->value_count;
}

void
mm_device_list_item(
    const struct mm_device_list *list, size_t row, struct mm_list_item *out)
{
	const char *name = (const char *)list->cells.data;
	const char *cell = name + list->rows[row].at;

	out->line = list->rows[row].line;
	out->given.count = list->columns;
	for (size_t i = 0; i < list->columns; i++) {
		struct mm_label_value *value = &out->given.items[i];

		value->name = mm_span_text(name);
		value->value = mm_span_text(cell);
		name += value->name.size + 1;
		cell += value->value.size + 1;
	}
	out->device = out->given.items[list->column].value;
	give_values(list, out);
}
