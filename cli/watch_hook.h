/*
 * A program of the operator's, run once for an entry by `sh -c`: the entry's
 * JSON on its standard input, and in its environment MINTMARK_INDEX,
 * MINTMARK_KIND, MINTMARK_TIME (RFC 3339) and MINTMARK_LOG.
 */
#ifndef MM_WATCH_HOOK_H
#define MM_WATCH_HOOK_H

#include "log/entry.h"

struct mm_hook_entry {
	uint64_t index;
	struct mm_entry frame;
	struct mm_span bytes; /* the entry as it is in the log */
	const char *origin;
};

/* Waits for its end; MM_E_HOOK where that is not exit status 0. */
enum mm_error
mm_hook_run(const char *command, const struct mm_hook_entry *entry) mm_must_use;

#endif
