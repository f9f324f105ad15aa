#include "server/authority.h"

#include <string.h>

enum {
	INTERVAL = 600,	 /* seconds between entries about the same */
	IN_ENTRY = 32	 /* refusals in one entry */
};

/* What was asked about, where that can be told: the device or the product. */
static void
subject_of(const struct mm_job *job, char out[MM_NAME_MAX + 1])
{
	mm_auto(arena) arena = {0};
	struct mm_issue_ask issue;
	struct mm_release_request release;

	mm_arena_init(&arena, 1 << 18);
	out[0] = '\0';
	if (job->ask.type == MM_MESSAGE_ISSUE &&
	    mm_shape_decode(&mm_issue_ask_shape, job->ask.body, &arena,
		&issue) == MM_OK)
		mm_span_string(issue.device, out, MM_NAME_MAX + 1);
	if (job->ask.type == MM_MESSAGE_RELEASE &&
	    mm_shape_decode(&mm_release_request_shape, job->ask.body, &arena,
		&release) == MM_OK)
		mm_span_string(release.product, out, MM_NAME_MAX + 1);
	/* Cutting may have split a character. */
	if (!mm_text_ok(mm_span_text(out)))
		out[0] = '\0';
}

/* Same principal, request and reason are one row. */
static struct mm_refused *
row_for(struct mm_authority *a, const struct mm_job *job,
    enum mm_error reason)
{
	struct mm_refused *oldest = &a->refusals[0];

	for (size_t i = 0; i < a->refusal_count; i++) {
		struct mm_refused *row = &a->refusals[i];

		if (row->reason == reason && row->type == job->ask.type &&
		    mm_span_is(job->principal.name, row->principal))
			return row;
		if (row->count == 0 && row->since < oldest->since)
			oldest = row;
	}
	if (a->refusal_count < MM_REFUSALS_MAX)
		return memset(&a->refusals[a->refusal_count++], 0,
		    sizeof(*oldest));
	/* Full of what waits: the rest is counted with the oldest's kin. */
	return oldest->count == 0 ? memset(oldest, 0, sizeof(*oldest)) : NULL;
}

void
mm_refusals_note(struct mm_authority *a, const struct mm_job *job,
    enum mm_error reason)
{
	struct mm_refused *row;

	/* Strangers fill no log, and what is no rule is no refusal. */
	if (job->principal.name.size == 0 ||
	    mm_error_exit(reason) != MM_EXIT_REFUSED)
		return;
	row = row_for(a, job, reason);
	if (row == NULL)
		return;
	row->reason = reason;
	row->type = job->ask.type;
	mm_span_string(
	    job->principal.name, row->principal, sizeof(row->principal));
	subject_of(job, row->subject);
	row->count++;
}

/* The first is due at once, more of the same after the interval. */
static bool
is_due(const struct mm_authority *a, const struct mm_refused *row)
{
	return row->count > 0 &&
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

/*
 * A batch that is not stored after all loses these counts: they are of
 * refusals, for which nothing was promised.
 */
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
		    .subject = mm_span_text(row->subject)};
		row->count = 0;
		row->since = ev_now(a->loop);
	}
	if (body.refusals.count == 0)
		return MM_OK;
	return mm_batch_add(a, MM_ENTRY_REFUSAL, &body, NULL);
}
