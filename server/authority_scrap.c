/*
 * Units that failed for good, put on record: once for each certificate, however
 * often, by whom and in which words it is reported. Nothing is signed for it.
 */
#include "server/authority.h"
#include "server/answering.h"

#include <string.h>

/* A report, with what is known of what it is about. */
struct reported {
	struct mm_job *job;
	struct mm_scrap_request request;
	struct mm_order_row order;
	struct mm_issued certificate;
	bool known; /* the order */
	bool found; /* the certificate */
};

/* --- reported before --- */

/* The same request id is the same report, in the same words. */
static enum mm_error
compare(struct mm_job *job, struct mm_span bytes)
{
	struct mm_scrap_request request;
	struct mm_scrap_entry logged;
	struct mm_entry entry;
	enum mm_error error = mm_shape_decode(
	    &mm_scrap_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_SCRAP, &job->arena, &entry, &logged);
	if (error == MM_OK &&
	    mm_span_equal(logged.principal, job->principal.name) &&
	    mm_span_equal(logged.request, mm_span(job->ask.id, MM_ID_SIZE)) &&
	    !mm_span_equal(logged.reason, request.reason))
		error = mm_plain(MM_E_REQUEST_REUSED);
	return error;
}

static void
former_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	mm_answer_former(a, job, received, compare);
}

/* --- decided --- */

/* A lookup's answer as yes or no; a store that failed is neither. */
static enum mm_error
whether(enum mm_error looked_up, bool *out)
{
	*out = looked_up == MM_OK;
	return looked_up == MM_E_NOT_FOUND ? MM_OK : looked_up;
}

/* What is void was never issued. */
static bool
is_of_order(const struct reported *r)
{
	return r->found && r->known && !r->certificate.inherited &&
	       r->certificate.kind == MM_ENTRY_CERTIFICATE &&
	       r->certificate.state != MM_ISSUED_VOID &&
	       r->certificate.order == r->order.first;
}

static enum mm_error
gather(struct mm_authority *a, struct reported *r)
{
	struct mm_arena *arena = &r->job->arena;
	enum mm_error error = mm_shape_decode(
	    &mm_scrap_request_shape, r->job->ask.body, arena, &r->request);

	if (error == MM_OK)
		error = whether(mm_index_order(a->index, r->request.order,
				    arena, &r->order),
		    &r->known);
	if (error == MM_OK)
		error = whether(mm_index_serial(a->index, r->request.serial,
				    arena, &r->certificate),
		    &r->found);
	return error;
}

/* As long as there is an item, the signature is not in the log. */
static enum mm_error
decide(struct mm_authority *a, const struct reported *r)
{
	const struct mm_scrap_facts facts = {.principal = &r->job->principal,
	    .order = r->known ? &r->order.claim : NULL,
	    .issued = is_of_order(r),
	    .is_signed = r->found && r->certificate.state == MM_ISSUED_SIGNED &&
			 mm_item_find(a, r->certificate.idx) == NULL};

	return mm_decide_scrap(&facts);
}

/* The entry that there is, MM_E_NOT_FOUND; a request id that made another one
 * is refused. */
static enum mm_error
find_former(struct mm_authority *a, const struct reported *r, uint64_t *out)
{
	uint64_t made, former = 0;
	bool reported = false, used;
	enum mm_error error = whether(
	    mm_index_scrap(a->index, r->certificate.idx, &former), &reported);

	if (error == MM_OK)
		error =
		    whether(mm_index_request(a->index, r->job->principal.name,
				r->job->ask.id, &made),
			&used);
	if (error != MM_OK)
		return error;
	if (used && (!reported || made != former))
		return mm_plain(MM_E_REQUEST_REUSED);
	*out = former;
	return reported ? MM_OK : MM_E_NOT_FOUND;
}

static enum mm_error
record(struct mm_authority *a, const struct reported *r)
{
	const struct mm_scrap_entry body = {.basis = r->order.idx,
	    .certificate = r->certificate.idx,
	    .serial = r->certificate.serial,
	    .device = r->certificate.subject,
	    .reason = r->request.reason,
	    .principal = r->job->principal.name,
	    .request = mm_span(r->job->ask.id, MM_ID_SIZE)};
	struct mm_line *line;
	enum mm_error error =
	    a->batch.clock != MM_OK ? mm_plain(a->batch.clock) : MM_OK;

	if (error == MM_OK)
		error = mm_batch_add(a, MM_ENTRY_SCRAP, &body, &line);
	if (error == MM_OK)
		line->job = r->job;
	return error;
}

void
mm_scrap_decide(struct mm_authority *a, struct mm_job *job)
{
	struct reported r = {.job = job};
	uint64_t former = 0;
	enum mm_error error = gather(a, &r);

	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	error = decide(a, &r);
	if (error == MM_OK)
		error = find_former(a, &r, &former);
	if (error == MM_OK)
		error = mm_read_former(a, job, former, former_read);
	else if (error == MM_E_NOT_FOUND)
		error = record(a, &r);
	if (error != MM_OK)
		mm_answer_refusal(a, job, error);
}
