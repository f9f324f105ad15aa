#include "server/authority.h"

#include <stdio.h>
#include <string.h>

enum {
	INTERVAL = 600,       /* seconds between entries about the same */
	IN_ENTRY = 32,        /* refusals in one entry */
	PRINCIPAL_ROWS = 128, /* of one principal that name an order */
	COUNT_MAX = 1 << 30   /* of one row */
};

/* What was asked about, where that can be told: the device or the release,
 * and the order, if there is one of that name. */
struct about {
	char subject[MM_NAME_MAX + 1], order[MM_NAME_MAX + 1];
};

static void
read_issue(struct mm_authority *a, const struct mm_job *job, struct about *out)
{
	mm_auto(arena) arena = {0};
	struct mm_issue_ask issue;
	struct mm_order_row row;

	mm_arena_init(&arena, 1 << 18);
	if (mm_shape_decode(
		&mm_issue_ask_shape, job->ask.body, &arena, &issue) != MM_OK)
		return;
	mm_span_string(issue.device, out->subject, sizeof(out->subject));
	if (mm_index_order(a->index, issue.order, &arena, &row) == MM_OK)
		mm_span_string(issue.order, out->order, sizeof(out->order));
}

static void
read_partition(
    struct mm_authority *a, const struct mm_job *job, struct about *out)
{
	mm_auto(arena) arena = {0};
	struct mm_partition_ask partition;
	struct mm_order_row row;

	mm_arena_init(&arena, 1 << 18);
	if (mm_shape_decode(&mm_partition_ask_shape, job->ask.body, &arena,
		&partition) != MM_OK)
		return;
	mm_span_string(partition.device, out->subject, sizeof(out->subject));
	if (mm_index_order(a->index, partition.order, &arena, &row) == MM_OK)
		mm_span_string(partition.order, out->order, sizeof(out->order));
}

/* By its device, where the index knows the serial number. */
static void
read_scrap(struct mm_authority *a, const struct mm_job *job, struct about *out)
{
	mm_auto(arena) arena = {0};
	struct mm_scrap_request scrap;
	struct mm_issued issued;
	struct mm_order_row row;

	mm_arena_init(&arena, 1 << 18);
	if (mm_shape_decode(&mm_scrap_request_shape, job->ask.body, &arena,
		&scrap) != MM_OK)
		return;
	if (mm_index_serial(a->index, scrap.serial, &arena, &issued) == MM_OK)
		mm_span_string(
		    issued.subject, out->subject, sizeof(out->subject));
	if (mm_index_order(a->index, scrap.order, &arena, &row) == MM_OK)
		mm_span_string(scrap.order, out->order, sizeof(out->order));
}

static void
read_submit(const struct mm_job *job, struct about *out)
{
	mm_auto(arena) arena = {0};
	struct mm_submit_request submit;

	mm_arena_init(&arena, 1 << 18);
	if (mm_shape_decode(&mm_submit_request_shape, job->ask.body, &arena,
		&submit) == MM_OK)
		snprintf(out->subject, sizeof(out->subject), "%.*s %.*s",
		    MM_SPAN(submit.product), MM_SPAN(submit.version));
}

static struct about
about_of(struct mm_authority *a, const struct mm_job *job)
{
	struct about about = {.subject = ""};

	if (job->ask.type == MM_MESSAGE_ISSUE)
		read_issue(a, job, &about);
	if (job->ask.type == MM_MESSAGE_PARTITION)
		read_partition(a, job, &about);
	if (job->ask.type == MM_MESSAGE_SCRAP)
		read_scrap(a, job, &about);
	if (job->ask.type == MM_MESSAGE_SUBMIT)
		read_submit(job, &about);
	/* Cutting may have split a character. */
	if (!mm_text_ok(mm_span_text(about.subject)))
		about.subject[0] = '\0';
	return about;
}

/* A row that may be forgotten: nothing new since its last entry. */
static bool
is_idle(const struct mm_authority *a, const struct mm_refused *row)
{
	return row->count == 0 && row->storing == 0 &&
	       ev_now(a->loop) - row->since >= INTERVAL;
}

/* Same principal, request, reason and order are one row. */
static struct mm_refused *
find_row(struct mm_authority *a, const struct mm_job *job, const char *order,
    enum mm_error reason)
{
	for (size_t i = 0; i < a->refusal_count; i++) {
		struct mm_refused *row = &a->refusals[i];

		if (row->reason == reason && row->type == job->ask.type &&
		    mm_span_is(job->principal.name, row->principal) &&
		    strcmp(row->order, order) == 0)
			return row;
	}
	return NULL;
}

/* Else whoever asks for one order after the other would have all rows, and
 * nobody else's refusals would be logged. */
static bool
has_its_share(const struct mm_authority *a, struct mm_span principal)
{
	size_t rows = 0;

	for (size_t i = 0; i < a->refusal_count; i++)
		rows += mm_span_is(principal, a->refusals[i].principal) &&
			!is_idle(a, &a->refusals[i]);
	return rows >= PRINCIPAL_ROWS;
}

/* NULL where all rows are taken: then it is not logged, rather than more often
 * than it should. */
static struct mm_refused *
new_row(struct mm_authority *a, enum mm_error reason)
{
	struct mm_refused *row = NULL;

	for (size_t i = 0; i < a->refusal_count && row == NULL; i++)
		if (is_idle(a, &a->refusals[i]))
			row = &a->refusals[i];
	if (a->refusal_count < MM_REFUSALS_MAX)
		row = &a->refusals[a->refusal_count++];
	if (row != NULL)
		*row = (struct mm_refused){.reason = reason};
	return row;
}

/* Past its share, a principal's refusals are told without their order. */
static struct mm_refused *
row_for(struct mm_authority *a, const struct mm_job *job, enum mm_error reason,
    struct about *about)
{
	struct mm_refused *row = find_row(a, job, about->order, reason);

	if (row == NULL && about->order[0] != '\0' &&
	    has_its_share(a, job->principal.name)) {
		about->order[0] = '\0';
		row = find_row(a, job, about->order, reason);
	}
	return row != NULL ? row : new_row(a, reason);
}

/* Refused by a rule; what merely could not be done is no refusal. */
static bool
is_refusal(enum mm_error reason)
{
	static const enum mm_error also[] = {
	    MM_E_CSR, MM_E_STATEMENT, MM_E_DAILY, MM_E_RATE};

	for (size_t i = 0; i < MM_COUNT(also); i++)
		if (reason == also[i])
			return true;
	return mm_error_exit(reason) == MM_EXIT_REFUSED;
}

void
mm_refusals_note(
    struct mm_authority *a, const struct mm_job *job, enum mm_error reason)
{
	struct mm_refused *row;
	struct about about;

	/* Strangers fill no log. */
	if (job->principal.name.size == 0 || !is_refusal(reason))
		return;
	about = about_of(a, job);
	row = row_for(a, job, reason, &about);
	if (row == NULL || row->count == COUNT_MAX)
		return;
	row->type = job->ask.type;
	mm_span_string(
	    job->principal.name, row->principal, sizeof(row->principal));
	memcpy(row->subject, about.subject, sizeof(row->subject));
	memcpy(row->order, about.order, sizeof(row->order));
	row->count++;
}

/* The first is due at once, more of the same after the interval. */
static bool
is_due(const struct mm_authority *a, const struct mm_refused *row)
{
	return row->count > 0 && row->storing == 0 &&
	       (row->since == 0 || a->stopping ||
		   ev_now(a->loop) - row->since >= INTERVAL);
}

bool
mm_refusals_due(const struct mm_authority *a)
{
	for (size_t i = 0; i < a->refusal_count; i++)
		if (is_due(a, &a->refusals[i]))
			return true;
	return false;
}

enum mm_error
mm_refusals_add(struct mm_authority *a)
{
	struct mm_refusal list[IN_ENTRY];
	struct mm_refusal_entry body = {{list, 0}};

	for (size_t i = 0;
	     i < a->refusal_count && body.refusals.count < IN_ENTRY; i++) {
		struct mm_refused *row = &a->refusals[i];
		const struct mm_message_type_row *type =
		    mm_message_row(row->type);

		if (!is_due(a, row) || type == NULL)
			continue;
		list[body.refusals.count++] = (struct mm_refusal){
		    .principal = mm_span_text(row->principal),
		    .request = mm_span_text(type->name),
		    .reason = mm_span_text(mm_error_name(row->reason)),
		    .count = row->count,
		    .subject = mm_span_text(row->subject),
		    .order = mm_span_text(row->order)};
		row->storing = row->count;
		row->count = 0;
	}
	if (body.refusals.count == 0)
		return MM_OK;
	return mm_batch_add(a, MM_ENTRY_REFUSAL, &body, NULL);
}

uint64_t
mm_refusals_waiting(const struct mm_authority *a, struct mm_span order)
{
	uint64_t count = 0;

	for (size_t i = 0; i < a->refusal_count; i++)
		if (mm_span_is(order, a->refusals[i].order))
			count += a->refusals[i].count;
	return count;
}

void
mm_refusals_settle(struct mm_authority *a, bool stored)
{
	for (size_t i = 0; i < a->refusal_count; i++) {
		struct mm_refused *row = &a->refusals[i];

		if (row->storing == 0)
			continue;
		if (stored)
			row->since = ev_now(a->loop);
		else
			row->count += row->storing;
		row->storing = 0;
	}
}
