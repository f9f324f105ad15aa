#include "server/authority.h"
#include "server/answering.h"

static void
issued_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_receipt_answer answer;
	struct mm_issued issued;
	struct mm_proof proof;
	enum mm_error error =
	    mm_reading_receipt(job, received, &answer, &proof);

	if (error == MM_OK)
		error =
		    mm_index_issued(a->index, job->index, &job->arena, &issued);
	if (error != MM_OK)
		mm_answer_error(a, job, error);
	else
		mm_answer_issued(a, job, answer.entry, job->index, &proof,
		    answer.note, issued.signature);
}

void
mm_read_issued(
    struct mm_authority *a, struct mm_job *job, const struct mm_issued *issued)
{
	mm_reading_ask_receipt(
	    a, job, issued->idx, MM_AGAINST_BATCH, issued_read);
}

/*
 * As long as there is an item, its signature is not in the log, whatever the
 * index says in the midst of a batch; and no answer leaves before that.
 */
void
mm_read_again(
    struct mm_authority *a, struct mm_job *job, const struct mm_issued *issued)
{
	struct mm_item *item = mm_item_find(a, issued->idx);

	if (item != NULL)
		mm_item_wait(a, item, job);
	else if (issued->state == MM_ISSUED_SIGNED)
		mm_read_issued(a, job, issued);
	else
		mm_answer_error(a, job, mm_plain(MM_E_TOKEN_UNAVAILABLE));
}

/* What fails before `compare` is no refusal, and is noted as none. */
void
mm_answer_former(struct mm_authority *a, struct mm_job *job,
    struct mm_received *received,
    enum mm_error (*compare)(struct mm_job *, struct mm_span entry))
{
	struct mm_archive_receipt_answer answer;
	struct mm_proof proof;
	enum mm_error error =
	    mm_reading_receipt(job, received, &answer, &proof);

	if (error == MM_OK && compare != NULL)
		error = compare(job, answer.entry);
	if (error == MM_OK)
		mm_answer_stated(
		    a, job, answer.entry, job->index, &proof, answer.note);
	else
		mm_answer_refusal(a, job, error);
}

enum mm_error
mm_read_former(struct mm_authority *a, struct mm_job *job, uint64_t index,
    void (*done)(struct mm_authority *, struct mm_job *, struct mm_received *))
{
	if (index >= a->size)
		return mm_plain(MM_E_BUSY);
	mm_reading_ask_receipt(a, job, index, MM_AGAINST_BATCH, done);
	return MM_OK;
}

static void
stated_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	mm_answer_former(a, job, received, NULL);
}

void
mm_read_stated(struct mm_authority *a, struct mm_job *job, uint64_t index)
{
	enum mm_error error = mm_read_former(a, job, index, stated_read);

	if (error != MM_OK)
		mm_answer_error(a, job, error);
}

static void
status(struct mm_authority *a, struct mm_job *job)
{
	struct mm_status_answer answer = {.origin = mm_span_text(a->origin),
	    .vkey = mm_span_text(a->vkey),
	    .size = a->size,
	    .checkpoint = mm_buffer_span(&a->note),
	    .policy = a->policy.number,
	    .name = job->principal.name,
	    .role = mm_span_text(mm_role_name(job->principal.role))};

	mm_answer(a, job, &mm_status_answer_shape, &answer);
}

/* The answer about what was found, where it is signed. */
static void
show_found(struct mm_authority *a, struct mm_job *job, enum mm_error error,
    const struct mm_issued *issued)
{
	if (error == MM_OK && issued->inherited)
		error = mm_fail(MM_E_NOT_FOUND,
		    "it is of the log that this one succeeds: ask for it "
		    "there");
	if (error == MM_OK && issued->state != MM_ISSUED_SIGNED)
		error = mm_plain(MM_E_NOT_FOUND);
	if (error == MM_OK)
		mm_read_again(a, job, issued);
	else
		mm_answer_error(a, job, error);
}

/* Whoever asks for the device's wants one that is good; by its serial number
 * any is shown. */
static enum mm_error
find_live(struct mm_authority *a, struct mm_job *job,
    const struct mm_show_request *request, struct mm_issued *issued)
{
	enum mm_error error = mm_index_device(
	    a->index, request->profile, request->device, &job->arena, issued);

	if (error == MM_OK && issued->revoked != 0)
		error = mm_fail(MM_E_NOT_FOUND,
		    "the certificate of device %.*s is on hold: it is shown "
		    "by its serial number",
		    MM_SPAN(request->device));
	return error;
}

static void
show(struct mm_authority *a, struct mm_job *job)
{
	struct mm_show_request request;
	struct mm_issued issued;
	enum mm_error error = mm_shape_decode(
	    &mm_show_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK && request.serial.size > 0)
		error = mm_index_serial(
		    a->index, request.serial, &job->arena, &issued);
	else if (error == MM_OK && request.basis != 0)
		error = mm_index_resting(
		    a->index, request.basis, &job->arena, &issued);
	else if (error == MM_OK)
		error = find_live(a, job, &request, &issued);
	show_found(a, job, error, &issued);
}

static const struct {
	uint64_t type;
	void (*read)(struct mm_authority *, struct mm_job *);
} reads[] = {
    {MM_MESSAGE_STATUS, status},
    {MM_MESSAGE_SHOW, show},
    {MM_MESSAGE_UPLOAD, mm_upload_decide},
};

void
mm_read_decide(struct mm_authority *a, struct mm_job *job)
{
	for (size_t i = 0; i < MM_COUNT(reads); i++) {
		if (reads[i].type != job->ask.type)
			continue;
		reads[i].read(a, job);
		return;
	}
	mm_answer_error(a, job, mm_plain(MM_E_UNKNOWN));
}
