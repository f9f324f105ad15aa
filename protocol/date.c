#include "protocol/date.h"

#include <stdio.h>

#define YEAR_9999 UINT64_C(253402300799)

/* Years that begin in March have their leap day at the end. */
uint64_t
mm_days_of(struct mm_date date)
{
	uint64_t year = date.year - (date.month <= 2);
	uint64_t month = (date.month + 9) % 12;
	uint64_t days = 365 * year + year / 4 - year / 100 + year / 400;

	/* 719468 days from March of the year 0 to January 1970. */
	return days + (153 * month + 2) / 5 + date.day - 1 - 719468;
}

struct mm_date
mm_date_of(uint64_t days)
{
	/* One 400 years' cycle has 146097 days. */
	uint64_t shifted = days + 719468;
	uint64_t era = shifted / 146097, in_era = shifted % 146097;
	uint64_t year =
	    (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	uint64_t in_year = in_era - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * in_year + 2) / 153;
	struct mm_date date = {
	    .day = (unsigned)(in_year - (153 * month + 2) / 5 + 1),
	    .month = (unsigned)(month < 10 ? month + 3 : month - 9)};

	date.year = (unsigned)(year + era * 400) + (date.month <= 2);
	return date;
}

void
mm_time_text(uint64_t seconds, char out[MM_TIME_TEXT])
{
	uint64_t time = seconds < YEAR_9999 ? seconds : YEAR_9999;
	struct mm_date date = mm_date_of(time / MM_DAY);
	unsigned rest = (unsigned)(time % MM_DAY);

	snprintf(out, MM_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02uZ",
	    date.year % 10000, date.month % 100, date.day % 100, rest / 3600,
	    rest / 60 % 60, rest % 60);
}
