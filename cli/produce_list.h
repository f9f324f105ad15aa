/*
 * The devices of a run: a list (CSV with a column `device`, and values for the
 * template in the others), one device, or ids from standard input, a line
 * each, as a bar-code scanner types them (produce_scanner.c). --value gives a
 * value to all.
 */
#ifndef MM_PRODUCE_LIST_H
#define MM_PRODUCE_LIST_H

#include "cli/command.h"
#include "cli/produce_stop.h"
#include "factory/label.h"

enum {
	MM_UNIT_NAME = 64, /* a device id, and its directory's name */
	MM_DEVICE_SHOWN = MM_UNIT_NAME + 4,
	MM_TYPED = 4096 /* bytes of a line */
};

/* A device, and what is said of it. */
struct mm_list_item {
	struct mm_span device;
	uint64_t line; /* of the list; 0: there is none */
	struct mm_label_values given;
};

struct mm_device_list {
	const char *path; /* for people; NULL: no list */
	bool scanner;     /* ids come one by one */
	struct mm_label_value values[MM_REPEATED_MAX]; /* --value */
	size_t value_count;
	/* Names of the columns, then the cells of each row; each text ends with
	 * a NUL. Rows are where they begin. */
	struct mm_buffer cells;
	size_t columns, column; /* `device` is this one */
	struct mm_list_row {
		size_t at;
		uint64_t line;
	} * rows;
	size_t count, room;
	/* The scanner's line. */
	char typed[MM_TYPED], scanned[MM_TYPED + 1];
	size_t typed_size;
};

/* By --from, --one and --value: a list is read whole. MM_E_USAGE, MM_E_FILE,
 * MM_E_FORMAT with the line. To be cleared in any case. */
enum mm_error mm_device_list_open(const struct mm_invocation *invocation,
    struct mm_device_list *out) mm_must_use;
void mm_device_list_clear(struct mm_device_list *list);

/* A row of a list, from 0 on; its spans point into the list. */
void mm_device_list_item(
    const struct mm_device_list *list, size_t row, struct mm_list_item *out);
/* The next device that is typed; `more` is false where there is none any more,
 * or the run is to stop. An id that is none is MM_E_DEVICE_ID,
 * and `out` has it. */
enum mm_error mm_device_list_scan(struct mm_device_list *list,
    struct mm_stop *stop, struct mm_list_item *out, bool *more) mm_must_use;

/* Whatever was said to be a device id, for people: what is not printable ASCII
 * is `?`, and what is too long is cut. */
void mm_device_show(struct mm_span device, char out[MM_DEVICE_SHOWN]);
/* The name of a device's directory: every byte but A-Z a-z 0-9 . _ - is `_`,
 * and so is a dot at its begin. */
void mm_unit_name(struct mm_span device, char out[MM_UNIT_NAME + 1]);

#endif
