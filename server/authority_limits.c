/*
 * How often a principal may ask: so many requests in any minute, by its own
 * limit or the box's; and when it was seen the last time, as long as this
 * process lives. Chunks of uploads never come here.
 */
#include "server/authority.h"

#include "server/minute.h"

enum {
	SETS = 512, /* principals that are remembered: SETS times WAYS, */
	WAYS = 8    /* those seen longest ago are forgotten first */
};

/* What one principal did. */
struct row {
	char name[MM_NAME_MAX + 1]; /* empty: free */
	uint64_t seen;              /* POSIX seconds */
	struct mm_minute minute;
};

struct mm_limits {
	struct row rows[SETS][WAYS];
};

/* FNV-1a: officers choose the names, so nobody aims at one set. */
static size_t
set_of(struct mm_span name)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < name.size; i++)
		hash = (hash ^ name.data[i]) * 16777619U;
	return hash % SETS;
}

static struct row *
find(struct row set[WAYS], struct mm_span name)
{
	for (size_t i = 0; i < WAYS; i++)
		if (mm_span_is(name, set[i].name))
			return &set[i];
	return NULL;
}

static struct row *
row_of(struct mm_limits *limits, struct mm_span name)
{
	struct row *set = limits->rows[set_of(name)];
	struct row *row = find(set, name);

	if (row != NULL)
		return row;
	row = &set[0];
	for (size_t i = 1; i < WAYS; i++)
		if (set[i].seen < row->seen)
			row = &set[i];
	*row = (struct row){.seen = 0};
	mm_span_string(name, row->name, sizeof(row->name));
	return row;
}

enum mm_error
mm_limits_admit(struct mm_authority *a, struct mm_job *job)
{
	uint64_t limit = job->principal.minute != 0
			     ? job->principal.minute
			     : a->configure->settings.requests_minute;
	struct row *row;

	/* What waits for a blob or another's answer is decided twice. */
	if (job->counted)
		return MM_OK;
	if (a->limits == NULL)
		a->limits = calloc(1, sizeof(*a->limits));
	if (a->limits == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to count requests");
	row = row_of(a->limits, job->principal.name);
	row->seen = mm_seconds(CLOCK_REALTIME);
	job->wait =
	    mm_minute_take(&row->minute, limit, mm_seconds(CLOCK_MONOTONIC));
	job->counted = job->wait == 0;
	if (job->counted)
		return MM_OK;
	return mm_fail(MM_E_RATE,
	    "principal %.*s may ask %llu times a minute: the next time in "
	    "%llu s",
	    MM_SPAN(job->principal.name), (unsigned long long)limit,
	    (unsigned long long)job->wait);
}

uint64_t
mm_limits_seen(const struct mm_authority *a, struct mm_span name)
{
	const struct row *row = a->limits != NULL
				    ? find(a->limits->rows[set_of(name)], name)
				    : NULL;

	return row != NULL ? row->seen : 0;
}

void
mm_limits_clear(struct mm_authority *a)
{
	free(a->limits);
	a->limits = NULL;
}
