/*
 * Which entries a watch tells of: the filters of a list (row.h), for one
 * entry by itself, which knows nothing of those before and after it.
 */
#ifndef MM_WATCH_FILTER_H
#define MM_WATCH_FILTER_H

#include "cli/row.h"

/* An entry that cannot be read is told of, whatever the filter. */
bool mm_watch_filter(
    const struct mm_row_filter *filter, uint64_t index, struct mm_span entry);

#endif
