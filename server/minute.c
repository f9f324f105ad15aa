#include "server/minute.h"

/* Forgets what was a minute ago by `now`. */
static void
move_on(struct mm_minute *minute, uint64_t now)
{
	uint64_t steps = now - minute->second;

	if (now <= minute->second)
		return;
	if (steps > MM_MINUTE)
		steps = MM_MINUTE;
	for (uint64_t i = 0; i < steps; i++) {
		uint32_t *count = &minute->counts[(now - i) % MM_MINUTE];

		minute->sum -= *count;
		*count = 0;
	}
	minute->second = now;
}

/* Seconds until so many have gone that there is room for one. */
static uint64_t
wait_of(const struct mm_minute *minute, uint64_t limit)
{
	uint64_t over = minute->sum - limit + 1, gone = 0;

	for (uint64_t i = 1; i < MM_MINUTE; i++) {
		gone += minute->counts[(minute->second + i) % MM_MINUTE];
		if (gone >= over)
			return i;
	}
	return MM_MINUTE;
}

uint64_t
mm_minute_take(struct mm_minute *minute, uint64_t limit, uint64_t now)
{
	move_on(minute, now);
	if (limit != 0 && minute->sum >= limit)
		return wait_of(minute, limit);
	if (minute->counts[minute->second % MM_MINUTE] < UINT32_MAX) {
		minute->counts[minute->second % MM_MINUTE]++;
		minute->sum++;
	}
	return 0;
}
