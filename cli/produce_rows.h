/*
 * The three files that grow with a run, in its directory:
 *
 *	done		a line a unit that is over: DEVICE made|scrap
 *	results.csv	a row a unit, for people and their systems
 *	registration...	rows for a cloud or a broker, of units that were made
 *
 * What counts of each is what the journal has committed: its size, and a digest
 * of its end. What stands behind that comes from a crash and is cut off; what
 * somebody has changed is not.
 */
#ifndef MM_PRODUCE_ROWS_H
#define MM_PRODUCE_ROWS_H

#include "cli/produce_files.h"
#include "cli/produce_journal.h"
#include "cli/produce_list.h"
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

/* `done` against its mark, before anything is opened. MM_E_FORMAT. */
enum mm_error
mm_rows_check_done(int run, const struct mm_rows_mark *mark) mm_must_use;
/* Whether what is committed of `done` is there; nothing is touched. The errors
 * of mm_rows_open(). */
enum mm_error
mm_rows_done_check(int run, const struct mm_rows_mark *mark) mm_must_use;
/*
 * results.csv and the registration may have been moved away: their marks are
 * set to nothing, `anew`, which is to be committed before mm_rows_open().
 */
void mm_rows_moved(int run, const char *registration,
    struct mm_rows_mark marks[MM_RUN_FILES], bool *anew);
/* Opens the files in the directory `run`, holds them against their marks and
 * then cuts each to its committed size; `registration` may be NULL. MM_E_FORMAT
 * where one was changed, and none is touched. */
enum mm_error
mm_rows_open(int run, const struct mm_rows_mark marks[MM_RUN_FILES],
    const char *registration, struct mm_rows *out) mm_must_use;
/* All of `done`: devices with their fates, and their directories' names;
 * directories that are not there any more are counted. */
struct mm_rows_past {
	struct mm_seen *devices, *names;
	const struct mm_unit_files *files;
	uint64_t missing;
	char first[MM_UNIT_NAME + 1]; /* of those */
};
enum mm_error
mm_rows_done(const struct mm_rows *rows, struct mm_rows_past *past) mm_must_use;
/* MM_E_STATE where results.csv has rows, and its head is not `head`. */
enum mm_error
mm_rows_check_head(const struct mm_rows *rows, struct mm_span head) mm_must_use;
/* What waits is written and durable; marks to commit. MM_E_FILE,
 * MM_E_DISK_FULL: the files are as they were, if the disk lets them; MM_E_FILE
 * also where one was removed or replaced under its name. */
enum mm_error mm_rows_flush(
    struct mm_rows *rows, struct mm_rows_mark marks[MM_RUN_FILES]) mm_must_use;
void mm_rows_clear(struct mm_rows *rows);

#endif
