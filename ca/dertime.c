/* Times of certificates. */
#include "ca/der.h"

#include <stdio.h>

#include "protocol/date.h"

enum { FIRST_GENERALIZED = 2050 };

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
	struct mm_date date, again;
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
	days = mm_days_of(date);
	again = mm_date_of(days); /* differs for the 31st of a short month */
	reader->bad = again.day != date.day;
	return days * MM_DAY + hour * 3600 + minute * 60 + second;
}

static void
put_time(struct mm_buffer *out, uint64_t seconds, bool generalized)
{
	struct mm_date date = mm_date_of(seconds / MM_DAY);
	unsigned rest = (unsigned)(seconds % MM_DAY);
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
