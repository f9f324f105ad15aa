/*
 * Times of certificates. The calendar is reckoned here: gmtime(3) reads the
 * time zone's file when it is first called, and a sandboxed process may not
 * open one.
 */
#include "ca/der.h"

#include <stdio.h>

enum { DAY = 86400, FIRST_GENERALIZED = 2050 };

struct date {
	unsigned year, month, day; /* month and day from 1 */
};

/* Years that begin in March have their leap day at the end. */
static uint64_t
days_of(struct date date)
{
	uint64_t year = date.year - (date.month <= 2);
	uint64_t month = (date.month + 9) % 12;
	uint64_t days = 365 * year + year / 4 - year / 100 + year / 400;

	/* 719468 days from March of the year 0 to January 1970. */
	return days + (153 * month + 2) / 5 + date.day - 1 - 719468;
}

static struct date
date_of(uint64_t days)
{
	/* One 400 years' cycle has 146097 days. */
	uint64_t shifted = days + 719468;
	uint64_t era = shifted / 146097, in_era = shifted % 146097;
	uint64_t year =
	    (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	uint64_t in_year = in_era - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * in_year + 2) / 153;
	struct date date = {
	    .day = (unsigned)(in_year - (153 * month + 2) / 5 + 1),
	    .month = (unsigned)(month < 10 ? month + 3 : month - 9)};

	date.year = (unsigned)(year + era * 400) + (date.month <= 2);
	return date;
}

/* Reads `count` digits; the text's length was checked. */
static unsigned
digits(const uint8_t **text, size_t count, bool *bad)
{
	unsigned value = 0;

	for (size_t i = 0; i < count; i++, (*text)++) {
		*bad |= **text < '0' || **text > '9';
		value = value * 10 + (unsigned)(**text - '0');
	}
	return value;
}

uint64_t
mm_der_time(struct mm_der *reader)
{
	bool wide = mm_der_peek(reader) == MM_DER_TIME, bad = false;
	struct mm_span text =
	    mm_der_take(reader, wide ? MM_DER_TIME : MM_DER_UTC_TIME);
	const uint8_t *at = text.data;
	unsigned hour, minute, second;
	struct date date, again;
	uint64_t days;

	reader->bad |= text.size != (wide ? 15 : 13);
	if (reader->bad)
		return 0;
	date.year = digits(&at, wide ? 4 : 2, &bad);
	if (!wide)
		date.year += date.year < 50 ? 2000 : 1900;
	date.month = digits(&at, 2, &bad);
	date.day = digits(&at, 2, &bad);
	hour = digits(&at, 2, &bad);
	minute = digits(&at, 2, &bad);
	second = digits(&at, 2, &bad);
	reader->bad = bad || *at != 'Z' || date.year < 1970 ||
		      (wide && date.year < FIRST_GENERALIZED) ||
		      date.month < 1 || date.month > 12 || date.day < 1 ||
		      date.day > 31 || hour > 23 || minute > 59 || second > 59;
	if (reader->bad)
		return 0;
	days = days_of(date);
	again = date_of(days); /* differs for the 31st of a short month */
	reader->bad = again.day != date.day;
	return days * DAY + hour * 3600 + minute * 60 + second;
}

static void
put_time(struct mm_buffer *out, uint64_t seconds, bool generalized)
{
	struct date date = date_of(seconds / DAY);
	unsigned rest = (unsigned)(seconds % DAY);
	bool wide = generalized || date.year >= FIRST_GENERALIZED;
	size_t opened = mm_der_open(out, wide ? MM_DER_TIME : MM_DER_UTC_TIME);

	mm_buffer_printf(out, "%0*u%02u%02u%02u%02u%02uZ", wide ? 4 : 2,
	    wide ? date.year : date.year % 100, date.month, date.day,
	    rest / 3600, rest / 60 % 60, rest % 60);
	mm_der_close(out, opened);
}

void
mm_der_put_time(struct mm_buffer *out, uint64_t seconds)
{
	put_time(out, seconds, false);
}

void
mm_der_put_generalized(struct mm_buffer *out, uint64_t seconds)
{
	put_time(out, seconds, true);
}
