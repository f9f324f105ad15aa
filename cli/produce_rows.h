/*
 * The three files that grow with a run, in its directory:
 *
 *	done		a line a unit that is over: DEVICE made|scrap
 *	results.csv	a row a unit, for people and their systems
 *	registration...	rows for a cloud or a broker, of units that were made
 *
 * What counts of each is the size that the journal has committed. What stands
 * behind it comes from a crash and is cut off.
 */
#ifndef MM_PRODUCE_ROWS_H
#define MM_PRODUCE_ROWS_H

#include "cli/produce_journal.h"
#include "cli/produce_seen.h"

enum mm_rows_file { MM_ROWS_DONE, MM_ROWS_RESULTS, MM_ROWS_REGISTRATION };

/* What became of a device in this run, or before. */
enum mm_device_fate {
	MM_DEVICE_BEGUN, /* in the journal */
	MM_DEVICE_REFUSED,
	MM_DEVICE_MADE,
	MM_DEVICE_SCRAP,
	MM_DEVICE_FATES
};
extern const char *const mm_device_fates[MM_DEVICE_FATES]; /* their words */

struct mm_rows {
	struct mm_rows_one {
		int fd; /* -1: the template registers nothing */
		char name[64];
		uint64_t size;            /* on the disk */
		struct mm_buffer waiting; /* not yet */
	} files[MM_RUN_FILES];
};

/* Opens the files in the directory `run` and cuts each to its committed size;
 * `registration` may be NULL. MM_E_FORMAT where one is shorter. */
enum mm_error mm_rows_open(int run, const uint64_t sizes[MM_RUN_FILES],
    const char *registration, struct mm_rows *out) mm_must_use;
/* All of `done`: devices with their fates, and their directories' names. */
enum mm_error mm_rows_done(const struct mm_rows *rows, struct mm_seen *devices,
    struct mm_seen *names) mm_must_use;
/* What waits is written and durable; sizes to commit. MM_E_FILE,
 * MM_E_DISK_FULL: the files are as they were, if the disk lets them. */
enum mm_error
mm_rows_flush(struct mm_rows *rows, uint64_t sizes[MM_RUN_FILES]) mm_must_use;
void mm_rows_clear(struct mm_rows *rows);

/* A cell of a CSV, quoted where it has to be (RFC 4180). */
void mm_rows_cell(struct mm_buffer *row, struct mm_span cell);

#endif
