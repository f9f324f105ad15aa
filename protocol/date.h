/*
 * Dates of the Gregorian calendar, in UTC. It is reckoned here: gmtime(3)
 * reads the time zone's file when it is first called, and a sandboxed process
 * may not open one.
 */
#ifndef MM_DATE_H
#define MM_DATE_H

#include <stdint.h>

enum { MM_DAY = 86400, MM_TIME_TEXT = 24 };

struct mm_date {
	unsigned year, month, day; /* month and day from 1 */
};

/* Days since 1 January 1970, which is the first date that may be asked for;
 * the 31st of a short month is the next one's first. */
uint64_t mm_days_of(struct mm_date date);
struct mm_date mm_date_of(uint64_t days);

/* POSIX seconds as 2024-01-31T12:00:00Z (RFC 3339); what lies past the year
 * 9999, and UINT64_MAX, is X.509's last second. */
void mm_time_text(uint64_t seconds, char out[MM_TIME_TEXT]);

#endif
