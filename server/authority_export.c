/*
 * Exports: what an auditor took home is put on record, so that the receipt of
 * the entry is the export's signature. Nothing is signed for it.
 */
#include "server/authority.h"
#include "server/answering.h"

#include <string.h>

static bool
is_same(const struct mm_export_entry *logged, const struct mm_job *job,
    const struct mm_export_request *request)
{
	return logged->from == request->from && logged->to == request->to &&
	       logged->size == request->size &&
	       mm_span_equal(logged->format, request->format) &&
	       mm_span_equal(logged->filter, request->filter) &&
	       memcmp(logged->sha256, request->sha256,
		   sizeof(logged->sha256)) == 0 &&
	       mm_span_equal(logged->principal, job->principal.name);
}

/* The entry that this request id once made: is it the same export? */
static enum mm_error
compare(struct mm_job *job, struct mm_span bytes)
{
	struct mm_export_request request;
	struct mm_export_entry logged;
	struct mm_entry entry;
	enum mm_error error = mm_shape_decode(
	    &mm_export_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK)
		error = mm_entry_decode(bytes, &job->arena, &entry);
	if (error == MM_OK && entry.kind != MM_ENTRY_EXPORT)
		return mm_plain(MM_E_REQUEST_REUSED);
	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_EXPORT, &job->arena, &entry, &logged);
	if (error == MM_OK && !is_same(&logged, job, &request))
		error = mm_plain(MM_E_REQUEST_REUSED);
	return error;
}

static void
former_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	mm_answer_former(a, job, received, compare);
}

static enum mm_error
check(const struct mm_authority *a, const struct mm_export_request *request)
{
	if (request->from >= request->to || request->to > a->size)
		return mm_fail(MM_E_RANGE,
		    "entries %llu to %llu are none of this log's: it has %llu",
		    (unsigned long long)request->from,
		    (unsigned long long)request->to,
		    (unsigned long long)a->size);
	if (!mm_span_is(request->format, "csv") &&
	    !mm_span_is(request->format, "json"))
		return mm_fail(MM_E_RANGE, "an export is csv or json");
	return MM_OK;
}

static enum mm_error
check_daily(struct mm_authority *a, const struct mm_job *job)
{
	uint64_t today;
	enum mm_error error = mm_index_daily(a->index, job->principal.name,
	    MM_ENTRY_EXPORT, a->batch.now, &today);

	if (error == MM_OK && today >= MM_EXPORTS_DAILY)
		error = mm_fail(MM_E_DAILY,
		    "%d exports of one principal a day are put on record",
		    MM_EXPORTS_DAILY);
	return error;
}

static enum mm_error
record(struct mm_authority *a, struct mm_job *job,
    const struct mm_export_request *request)
{
	struct mm_export_entry body = {.from = request->from,
	    .to = request->to,
	    .format = request->format,
	    .filter = request->filter,
	    .size = request->size,
	    .principal = job->principal.name,
	    .request = mm_span(job->ask.id, MM_ID_SIZE)};
	struct mm_line *line;
	enum mm_error error =
	    a->batch.clock != MM_OK ? mm_plain(a->batch.clock) : MM_OK;

	memcpy(body.sha256, request->sha256, sizeof(body.sha256));
	if (error == MM_OK)
		error = check(a, request);
	if (error == MM_OK)
		error = check_daily(a, job);
	if (error == MM_OK)
		error = mm_batch_add(a, MM_ENTRY_EXPORT, &body, &line);
	if (error == MM_OK)
		line->job = job;
	return error;
}

void
mm_export_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_export_request request;
	uint64_t former;
	enum mm_error error = mm_shape_decode(
	    &mm_export_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK)
		error = mm_index_request(
		    a->index, job->principal.name, job->ask.id, &former);
	if (error == MM_OK)
		error = mm_read_former(a, job, former, former_read);
	else if (error == MM_E_NOT_FOUND)
		error = record(a, job, &request);
	if (error != MM_OK)
		mm_answer_refusal(a, job, error);
}
