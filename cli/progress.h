/*
 * How far a long reading is: one line on stderr, on a terminal only, a few
 * times a second, and gone in the end.
 */
#ifndef MM_PROGRESS_H
#define MM_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct mm_progress {
	const char *what;    /* is counted: "entries" */
	uint64_t first;      /* that was told: where the counting began */
	int64_t begun, told; /* milliseconds of the monotonic clock */
	bool terminal, counting;
	bool drawn;     /* a line is there */
	uint64_t bytes; /* read so far, by whoever knows; 0: nobody does */
};

void mm_progress_begin(struct mm_progress *progress, const char *what);
/* `self`: a struct mm_progress, so that this can be a callback. */
void mm_progress_tell(void *self, uint64_t done, uint64_t size);
/* Takes the line away; may be called twice. */
void mm_progress_end(struct mm_progress *progress);

#endif
