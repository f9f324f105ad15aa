/*
 * A range of the log, read once, as rows. What later entries say of earlier
 * ones is known before the first row comes out, and so is that all of it is
 * the checkpoint's: nothing unproven is ever shown. Meanwhile the rows that
 * match lie in a file without a name; memory holds two bits an entry, and the
 * revocations.
 */
#ifndef MM_ROW_SCAN_H
#define MM_ROW_SCAN_H

#include "cli/row.h"
#include "cli/source.h"

struct mm_row_range {
	uint64_t from, to; /* entries that have rows, `to` not included */
	uint64_t until;    /* and states are what these entries say */
};

/* --from and --to, entries' numbers, with `until` at the end. MM_E_USAGE;
 * MM_E_NOT_FOUND past the log's. */
enum mm_error mm_row_range_read(const struct mm_invocation *invocation,
    const struct mm_source *source, struct mm_row_range *out) mm_must_use;

struct mm_row_scan;

/* Reads it all. MM_E_LOG_WRONG, MM_E_ENTRY, MM_E_FILE, MM_E_DISK_FULL. */
enum mm_error
mm_row_scan_new(struct mm_source *source, const struct mm_row_range *range,
    const struct mm_row_filter *filter, struct mm_row_scan **out) mm_must_use;
void mm_row_scan_free(struct mm_row_scan *scan);
/* The next row; `more` is false after the last. */
enum mm_error mm_row_scan_next(
    struct mm_row_scan *scan, struct mm_row *out, bool *more) mm_must_use;

/* The first entry at or after a time (`after`: after it), or the log's size:
 * times never run backwards. */
enum mm_error mm_row_find_time(struct mm_source *source, uint64_t time,
    bool after, uint64_t *out) mm_must_use;

#endif
