/*
 * Calls to the archive: each waits for its answer, and a job with it; where
 * the archive goes or hangs, the job is told.
 */
#include "server/authority.h"
#include "server/answering.h"

#include "log/receipt.h"

enum { READ_PATIENCE = 10 /* seconds that clients wait for the archive */ };

static void
push(struct mm_readings *list, struct mm_reading *reading)
{
	if (list->first == NULL)
		list->first = reading;
	else
		list->last->next = reading;
	list->last = reading;
	list->count++;
	list->bytes += reading->bytes;
}

/* The one behind `before`, the first where that is NULL. */
static struct mm_reading *
take(struct mm_readings *list, struct mm_reading *before)
{
	struct mm_reading **place = before ? &before->next : &list->first;
	struct mm_reading *reading = *place;

	*place = reading->next;
	if (list->last == reading)
		list->last = before;
	list->count--;
	list->bytes -= reading->bytes;
	return reading;
}

static struct mm_reading *
take_called(struct mm_readings *list, uint64_t id)
{
	struct mm_reading *before = NULL, *r = list->first;

	for (; r != NULL && r->id < id; r = r->next)
		before = r;
	return r != NULL && r->id == id ? take(list, before) : NULL;
}

/* As many as may wait for a decision may wait for the archive. */
static bool
is_full(const struct mm_readings *list)
{
	return list->count >= MM_JOBS_MAX || list->bytes >= MM_JOBS_BYTES;
}

enum mm_error
mm_reading_begin(struct mm_authority *a, uint64_t type,
    const struct mm_shape *shape, const void *request, struct mm_job *job,
    void (*done)(struct mm_authority *, struct mm_job *, struct mm_received *))
{
	struct mm_reading *reading;
	enum mm_error error;

	if (job != NULL && is_full(&a->readings))
		return mm_fail(
		    MM_E_BUSY, "too many requests wait for the archive");
	reading = calloc(1, sizeof(*reading));
	if (reading == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a request");
	*reading = (struct mm_reading){.id = ++a->calls,
	    .deadline = ev_now(a->loop) + READ_PATIENCE,
	    .job = job,
	    .bytes = job != NULL ? job->ask.body.size : 0,
	    .done = done};
	error = a->archive == NULL
		    ? mm_fail(MM_E_STARTING, "the archive is starting")
		    : mm_link_send(
			  a->archive, type, reading->id, shape, request, NULL);
	/* Its end of the channel is closed: another will come. */
	if (error == MM_E_AWAY)
		error = mm_fail(MM_E_STARTING, "the archive is starting");
	if (error != MM_OK)
		free(reading);
	else
		push(&a->readings, reading);
	return error;
}

/* Whether the archive has taken the newest note. */
static void
published(struct mm_authority *a, const struct mm_packet *answer)
{
	if (answer->id == a->publishing) {
		a->publishing = 0;
		a->archive_behind = false;
	}
	if (answer->error != 0)
		a->archive_behind = true;
}

/* An archive that does not have the newest note says of the newest entries that
 * they are not there. */
static enum mm_error
not_yet(const struct mm_authority *a, enum mm_error error)
{
	return error == MM_E_NOT_FOUND && a->archive_behind
		   ? mm_fail(MM_E_BUSY, "the archive does not follow yet")
		   : error;
}

void
mm_reading_answered(struct mm_authority *a, struct mm_received *received)
{
	struct mm_reading *reading;
	enum mm_error error = mm_error_from(received->packet.error);

	if (received->packet.type == MM_ARCHIVE_PUBLISH)
		published(a, &received->packet);
	/* Whoever asked, and if it is found by the way. */
	if (error == MM_E_LOG_WRONG)
		mm_authority_distrust(a, received->packet.why);
	reading = take_called(&a->readings, received->packet.id);
	if (reading == NULL)
		return;
	if (received->packet.error != 0)
		error = mm_fail(error, "%.*s", MM_SPAN(received->packet.why));
	if (received->packet.error == 0)
		reading->done(a, reading->job, received);
	else if (reading->job != NULL)
		mm_answer_error(a, reading->job, not_yet(a, error));
	else
		mm_authority_fail(a, error);
	free(reading);
}

void
mm_reading_lost(struct mm_authority *a)
{
	struct mm_reading *reading;

	while (a->readings.first != NULL) {
		reading = take(&a->readings, NULL);
		if (reading->job != NULL)
			mm_answer_error(
			    a, reading->job, mm_plain(MM_E_STARTING));
		free(reading);
	}
	/* What the start was reading is asked for again. */
	a->reading = false;
}

void
mm_reading_tick(struct mm_authority *a)
{
	struct mm_reading *reading, *before = NULL;

	while ((reading = before ? before->next : a->readings.first) != NULL) {
		if (reading->job == NULL ||
		    ev_now(a->loop) < reading->deadline) {
			before = reading;
			continue;
		}
		take(&a->readings, before);
		mm_answer_error(a, reading->job, mm_plain(MM_E_DEADLINE));
		free(reading);
	}
}

void
mm_reading_clear(struct mm_authority *a)
{
	struct mm_reading *reading;

	while (a->readings.first != NULL) {
		reading = take(&a->readings, NULL);
		mm_job_free(reading->job);
		free(reading);
	}
}

void
mm_reading_ask(struct mm_authority *a, struct mm_job *job, uint64_t type,
    const struct mm_shape *shape, const void *request,
    void (*done)(struct mm_authority *, struct mm_job *, struct mm_received *))
{
	enum mm_error error;

	if (a->archive_behind)
		mm_start_publish(a);
	error = mm_reading_begin(a, type, shape, request, job, done);
	if (error != MM_OK)
		mm_answer_error(a, job, error);
}

enum mm_error
mm_reading_receipt(struct mm_job *job, struct mm_received *received,
    struct mm_archive_receipt_answer *answer, struct mm_proof *proof)
{
	struct mm_span body = mm_arena_copy(&job->arena, received->packet.body);
	enum mm_error error = mm_shape_decode(
	    &mm_archive_receipt_answer_shape, body, &job->arena, answer);

	if (error == MM_OK)
		error = mm_proof_from_list(&answer->proof, proof);
	return error;
}

void
mm_reading_ask_receipt(struct mm_authority *a, struct mm_job *job,
    uint64_t index, uint64_t against,
    void (*done)(struct mm_authority *, struct mm_job *, struct mm_received *))
{
	struct mm_archive_receipt_request request = {
	    .index = index, .against = against};

	job->index = index;
	mm_reading_ask(a, job, MM_ARCHIVE_RECEIPT,
	    &mm_archive_receipt_request_shape, &request, done);
}
