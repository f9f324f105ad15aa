#include "server/authority.h"

#include <string.h>

#include "log/receipt.h"
#include "protocol/journal.h"

enum { READ_PATIENCE = 10 /* seconds that clients wait for the archive */ };

enum mm_error
mm_read_ask(struct mm_authority *a, uint64_t type, const struct mm_shape *shape,
    const void *request, struct mm_job *job,
    void (*done)(struct mm_authority *, struct mm_job *, struct mm_received *))
{
	struct mm_reading *reading = calloc(1, sizeof(*reading));
	enum mm_error error;

	if (reading == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a request");
	*reading = (struct mm_reading){.next = a->readings,
	    .id = ++a->calls,
	    .deadline = ev_now(a->loop) + READ_PATIENCE,
	    .job = job,
	    .done = done};
	error = a->archive == NULL
		    ? mm_fail(MM_E_STARTING, "the archive is starting")
		    : mm_link_send(
			  a->archive, type, reading->id, shape, request, NULL);
	if (error != MM_OK)
		free(reading);
	else
		a->readings = reading;
	return error;
}

/* Asks the archive; the job waits for its answer. */
static void
ask_archive(struct mm_authority *a, struct mm_job *job, uint64_t type,
    const struct mm_shape *shape, const void *request,
    void (*done)(struct mm_authority *, struct mm_job *, struct mm_received *))
{
	enum mm_error error = mm_read_ask(a, type, shape, request, job, done);

	if (error != MM_OK)
		mm_answer_error(a, job, error);
}

void
mm_read_answered(struct mm_authority *a, struct mm_received *received)
{
	struct mm_reading **place = &a->readings, *reading;
	enum mm_error error = mm_error_from(received->packet.error);

	while (*place != NULL && (*place)->id != received->packet.id)
		place = &(*place)->next;
	reading = *place;
	if (reading == NULL)
		return;
	*place = reading->next;
	if (received->packet.error != 0)
		error = mm_fail(error, "%.*s", MM_SPAN(received->packet.why));
	if (received->packet.error == 0)
		reading->done(a, reading->job, received);
	else if (reading->job != NULL)
		mm_answer_error(a, reading->job, error);
	else
		mm_authority_fail(a, error);
	free(reading);
}

void
mm_read_lost(struct mm_authority *a)
{
	struct mm_reading *reading;

	while ((reading = a->readings) != NULL) {
		a->readings = reading->next;
		if (reading->job != NULL)
			mm_answer_error(
			    a, reading->job, mm_plain(MM_E_STARTING));
		free(reading);
	}
	/* What the start was reading is asked for again. */
	a->reading = false;
}

void
mm_read_tick(struct mm_authority *a)
{
	struct mm_reading **place = &a->readings, *reading;

	while ((reading = *place) != NULL) {
		if (reading->job == NULL ||
		    ev_now(a->loop) < reading->deadline) {
			place = &reading->next;
			continue;
		}
		*place = reading->next;
		mm_answer_error(a, reading->job, mm_plain(MM_E_DEADLINE));
		free(reading);
	}
}

void
mm_read_clear(struct mm_authority *a)
{
	struct mm_reading *reading;

	while ((reading = a->readings) != NULL) {
		a->readings = reading->next;
		mm_job_free(reading->job);
		free(reading);
	}
}

/* A receipt as the archive gives it. */
static enum mm_error
decode_receipt(struct mm_job *job, struct mm_received *received,
    struct mm_archive_receipt_answer *answer, struct mm_proof *proof)
{
	struct mm_span body = mm_arena_copy(&job->arena, received->packet.body);
	enum mm_error error = mm_shape_decode(
	    &mm_archive_receipt_answer_shape, body, &job->arena, answer);

	if (error == MM_OK)
		error = mm_proof_from_list(&answer->proof, proof);
	return error;
}

static void
issued_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_receipt_answer answer;
	struct mm_issued issued;
	struct mm_proof proof;
	enum mm_error error = decode_receipt(job, received, &answer, &proof);

	if (error == MM_OK)
		error =
		    mm_index_issued(a->index, job->index, &job->arena, &issued);
	if (error != MM_OK)
		mm_answer_error(a, job, error);
	else
		mm_answer_issued(a, job, answer.entry, job->index, &proof,
		    answer.note, issued.signature);
}

static void
ask_receipt(struct mm_authority *a, struct mm_job *job, uint64_t index,
    bool newest,
    void (*done)(struct mm_authority *, struct mm_job *, struct mm_received *))
{
	struct mm_archive_receipt_request request = {index, newest};

	job->index = index;
	ask_archive(a, job, MM_ARCHIVE_RECEIPT,
	    &mm_archive_receipt_request_shape, &request, done);
}

void
mm_read_issued(
    struct mm_authority *a, struct mm_job *job, const struct mm_issued *issued)
{
	ask_receipt(a, job, issued->idx, false, issued_read);
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

static void
stated_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_receipt_answer answer;
	struct mm_proof proof;
	enum mm_error error = decode_receipt(job, received, &answer, &proof);

	if (error != MM_OK)
		mm_answer_error(a, job, error);
	else
		mm_answer_stated(
		    a, job, answer.entry, job->index, &proof, answer.note);
}

void
mm_read_stated(struct mm_authority *a, struct mm_job *job, uint64_t index)
{
	if (index < a->size)
		ask_receipt(a, job, index, false, stated_read);
	else
		mm_answer_error(a, job, mm_plain(MM_E_BUSY));
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
	if (error == MM_OK && issued->state != MM_ISSUED_SIGNED)
		error = mm_plain(MM_E_NOT_FOUND);
	if (error == MM_OK)
		mm_read_again(a, job, issued);
	else
		mm_answer_error(a, job, error);
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
	else if (error == MM_OK)
		error = mm_index_device(a->index, request.profile,
		    request.device, &job->arena, &issued);
	show_found(a, job, error, &issued);
}

static void
fetch(struct mm_authority *a, struct mm_job *job)
{
	struct mm_fetch_request request;
	struct mm_issued issued;
	enum mm_error error = mm_shape_decode(
	    &mm_fetch_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK)
		error = mm_index_image(a->index, request.product,
		    request.version, request.scheme, &job->arena, &issued);
	show_found(a, job, error, &issued);
}

/* The role may upload; the gate does the rest. */
static void
upload(struct mm_authority *a, struct mm_job *job)
{
	struct mm_upload_answer answer = {0};
	struct mm_upload_request request;
	enum mm_error error = mm_shape_decode(
	    &mm_upload_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK && request.size > a->configure->settings.image_max)
		error = mm_fail(MM_E_IMAGE_SIZE,
		    "images have at most %llu bytes here",
		    (unsigned long long)a->configure->settings.image_max);
	if (error == MM_OK)
		mm_answer(a, job, &mm_upload_answer_shape, &answer);
	else
		mm_answer_refusal(a, job, error);
}

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
	ask_archive(a, job, MM_ARCHIVE_ENTRIES,
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
	    decode_receipt(job, received, &got, &receipt.proof);

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

static void
prove(struct mm_authority *a, struct mm_job *job)
{
	struct mm_prove_request request;
	enum mm_error error = mm_shape_decode(
	    &mm_prove_request_shape, job->ask.body, &job->arena, &request);

	if (error != MM_OK)
		mm_answer_error(a, job, error);
	else
		ask_receipt(a, job, request.index, true, prove_read);
}

static const struct {
	uint64_t type;
	void (*read)(struct mm_authority *, struct mm_job *);
} reads[] = {
    {MM_MESSAGE_STATUS, status},
    {MM_MESSAGE_SHOW, show},
    {MM_MESSAGE_UPLOAD, upload},
    {MM_MESSAGE_FETCH, fetch},
    {MM_MESSAGE_ENTRIES, entries},
    {MM_MESSAGE_PROVE, prove},
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
