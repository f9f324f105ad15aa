/*
 * So many in any minute: a count for each of the last sixty seconds of a
 * clock that does not jump.
 */
#ifndef MM_MINUTE_H
#define MM_MINUTE_H

#include <stdint.h>

enum { MM_MINUTE = 60 /* seconds */ };

/* All zeros is one in which nothing was. */
struct mm_minute {
	uint64_t second;            /* the newest that was looked at */
	uint32_t counts[MM_MINUTE]; /* of a second, modulo a minute */
	uint64_t sum;
};

/*
 * Counts one more and returns 0, or counts nothing and returns the seconds (1
 * to 60) until there is room for it. `limit` 0: there always is. `now`: in
 * seconds; what is before the last one is taken for that.
 */
uint64_t mm_minute_take(struct mm_minute *minute, uint64_t limit, uint64_t now);

#endif
