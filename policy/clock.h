/*
 * Which time an entry gets, and when the clock is not to be trusted
 * (DESIGN.md section 3).
 */
#ifndef MM_CLOCK_H
#define MM_CLOCK_H

#include "protocol/error.h"

#include <stdint.h>

struct mm_clock {
	uint64_t start_real, start_boot; /* both clocks at start, seconds */
	uint64_t last;                   /* time of the log's last entry */
	bool accepted;                   /* the operator said --accept-time */
	bool gap;                        /* a start after more than 7 days */
};

/* At start. */
void mm_clock_init(struct mm_clock *clock, uint64_t real, uint64_t boot,
    uint64_t last, bool accepted);
/*
 * The time for the next entry: MM_E_CLOCK_BEHIND (more than 2 s before the
 * last entry), MM_E_CLOCK_JUMPED (the clocks drifted apart by a minute, or
 * the gap at start). Sets nothing.
 */
enum mm_error mm_clock_judge(const struct mm_clock *clock, uint64_t real,
    uint64_t boot, uint64_t *out) mm_must_use;

#endif
