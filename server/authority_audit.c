/*
 * What auditors and witnesses ask: answered by the archive from the log as it
 * is, and from its directory.
 */
#include "server/authority.h"
#include "server/answering.h"

#include "log/receipt.h"

/* The archive's list is the answer's: both are {from, entries}. */
static void
entries_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_entries_answer got;
	struct mm_entries_answer answer;
	enum mm_error error = mm_shape_decode(&mm_archive_entries_answer_shape,
	    received->packet.body, &job->arena, &got);

	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	answer = (struct mm_entries_answer){got.from, got.entries};
	mm_answer(a, job, &mm_entries_answer_shape, &answer);
}

static void
entries(struct mm_authority *a, struct mm_job *job)
{
	struct mm_entries_request request;
	struct mm_archive_entries_request wanted;
	enum mm_error error = mm_shape_decode(
	    &mm_entries_request_shape, job->ask.body, &job->arena, &request);

	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	wanted =
	    (struct mm_archive_entries_request){request.from, request.count};
	mm_reading_ask(a, job, MM_ARCHIVE_ENTRIES,
	    &mm_archive_entries_request_shape, &wanted, entries_read);
}

static void
prove_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_receipt_answer got;
	struct mm_receipt receipt = {.index = job->index};
	struct mm_prove_answer answer;
	mm_auto(buffer) text = {0};
	enum mm_error error =
	    mm_reading_receipt(job, received, &got, &receipt.proof);

	mm_buffer_init(&text, MM_RECEIPT_MAX);
	if (error == MM_OK) {
		receipt.entry = got.entry;
		receipt.note = got.note;
		error = mm_receipt_encode(&receipt, &text);
	}
	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	answer.receipt = mm_buffer_span(&text);
	mm_answer(a, job, &mm_prove_answer_shape, &answer);
}

/* What an auditor asks in the archive's words. */
static enum mm_error
read_prove(struct mm_job *job, struct mm_archive_receipt_request *out)
{
	struct mm_prove_request request;
	enum mm_error error = mm_shape_decode(
	    &mm_prove_request_shape, job->ask.body, &job->arena, &request);

	if (error != MM_OK)
		return error;
	if (request.cosigned && request.size != 0)
		return mm_fail(MM_E_SHAPE,
		    "say cosigned or size, not both: a receipt is against one "
		    "checkpoint");
	*out = (struct mm_archive_receipt_request){.index = request.index,
	    .against = MM_AGAINST_NEWEST,
	    .size = request.size};
	if (request.cosigned)
		out->against = MM_AGAINST_COSIGNED;
	if (request.size != 0)
		out->against = MM_AGAINST_SIZE;
	return MM_OK;
}

static void
prove(struct mm_authority *a, struct mm_job *job)
{
	struct mm_archive_receipt_request request;
	enum mm_error error = read_prove(job, &request);

	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	job->index = request.index;
	mm_reading_ask(a, job, MM_ARCHIVE_RECEIPT,
	    &mm_archive_receipt_request_shape, &request, prove_read);
}

/*
 * Requests and answers whose bodies are the archive's own: they go through as
 * they are, once more decoded by their shapes on either way.
 */
static const struct {
	uint64_t type, call;
} forwarded[] = {
    {MM_MESSAGE_CONSISTENCY, MM_ARCHIVE_CONSISTENCY},
    {MM_MESSAGE_COSIGN, MM_ARCHIVE_COSIGN},
    {MM_MESSAGE_BLOB, MM_ARCHIVE_BLOB},
};

/* A body of this shape, decoded into the job's arena. */
static enum mm_error
decode(struct mm_job *job, const struct mm_shape *shape, struct mm_span bytes,
    void **out)
{
	*out = mm_arena_alloc(&job->arena, shape->size);
	if (*out == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a request");
	return mm_shape_decode(shape, bytes, &job->arena, *out);
}

static void
forward_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	const struct mm_shape *shape = mm_message_row(job->ask.type)->answer;
	void *answer;
	enum mm_error error =
	    decode(job, shape, received->packet.body, &answer);

	if (error != MM_OK)
		mm_answer_error(a, job, error);
	else
		mm_answer(a, job, shape, answer);
}

static void
forward(struct mm_authority *a, struct mm_job *job, uint64_t call)
{
	const struct mm_shape *shape = mm_message_row(job->ask.type)->request;
	void *request;
	enum mm_error error = decode(job, shape, job->ask.body, &request);

	if (error != MM_OK)
		mm_answer_error(a, job, error);
	else
		mm_reading_ask(a, job, call, shape, request, forward_read);
}

void
mm_audit_decide(struct mm_authority *a, struct mm_job *job)
{
	for (size_t i = 0; i < MM_COUNT(forwarded); i++) {
		if (forwarded[i].type != job->ask.type)
			continue;
		forward(a, job, forwarded[i].call);
		return;
	}
	if (job->ask.type == MM_MESSAGE_PROVE)
		prove(a, job);
	else
		entries(a, job);
}
