#include "server/authority.h"
#include "server/answering.h"
#include "server/issuers.h"
#include "server/partitioning.h"

#include <string.h>

#include "ca/certificate.h"
#include "ca/request.h"
#include "log/receipt.h"
#include "protocol/journal.h"

enum { DAY = 86400 /* seconds */ };

/* A gate that is gone took its connections along. */
static bool
is_there(const struct mm_authority *a, const struct mm_job *job)
{
	return a->gates[job->gate] != NULL && job->life == a->lives[job->gate];
}

/* The client would wait for ever: it loses its connection, and asks again. */
static void
untold(struct mm_authority *a, const struct mm_job *job, enum mm_error error)
{
	mm_journal(MM_LEVEL_ERROR, mm_error_name(error),
	    "a gate cannot be told an answer and is ended: %s", mm_why(error));
	mm_authority_drop_gate(a, job->gate);
}

static enum mm_error
try_to_tell(struct mm_authority *a, const struct mm_job *job,
    const struct mm_buffer *envelope, int fd)
{
	const int fds[MM_CHANNEL_FDS] = {fd, -1};
	struct mm_tell message = {
	    job->ask.connection, mm_buffer_span(envelope)};

	return mm_link_send(a->gates[job->gate], MM_TELL, 0, &mm_tell_shape,
	    &message, fds);
}

/* Too much waits for a gate that is slow: this is asked for again, and finds
 * room then. */
static enum mm_error
tell_busy(struct mm_authority *a, const struct mm_job *job)
{
	mm_auto(buffer) envelope = {0};
	enum mm_error error;

	mm_buffer_init(&envelope, MM_FRAME_MAX);
	error = mm_envelope_error_after(mm_plain(MM_E_BUSY), job->ask.id,
	    mm_error_wait(MM_E_BUSY), &envelope);
	return error == MM_OK ? try_to_tell(a, job, &envelope, -1) : error;
}

static void
tell(struct mm_authority *a, struct mm_job *job,
    const struct mm_buffer *envelope, int fd)
{
	enum mm_error error;

	if (!is_there(a, job))
		return;
	error = try_to_tell(a, job, envelope, fd);
	if (error == MM_E_BUSY)
		error = tell_busy(a, job);
	if (error != MM_OK && error != MM_E_AWAY)
		untold(a, job, error);
}

/* Seconds after which it makes sense to ask again. */
static uint64_t
wait_of(const struct mm_job *job, enum mm_error error)
{
	if (job->wait != 0)
		return job->wait;
	/* The day of what is counted a day ends at midnight UTC. */
	if (error == MM_E_DAILY)
		return DAY - mm_seconds(CLOCK_REALTIME) % DAY;
	return mm_error_wait(error);
}

void
mm_answer_error(struct mm_authority *a, struct mm_job *job, enum mm_error error)
{
	mm_auto(buffer) envelope = {0};
	enum mm_error failed;

	mm_buffer_init(&envelope, MM_FRAME_MAX);
	failed = mm_envelope_error_after(
	    error, job->ask.id, wait_of(job, error), &envelope);
	if (failed == MM_OK)
		tell(a, job, &envelope, -1);
	else if (is_there(a, job))
		untold(a, job, failed);
	mm_job_free(job);
}

void
mm_answer_refusal(
    struct mm_authority *a, struct mm_job *job, enum mm_error error)
{
	mm_refusals_note(a, job, error);
	mm_answer_error(a, job, error);
}

void
mm_answer(struct mm_authority *a, struct mm_job *job,
    const struct mm_shape *shape, const void *body)
{
	mm_answer_with(a, job, shape, body, -1);
}

void
mm_answer_with(struct mm_authority *a, struct mm_job *job,
    const struct mm_shape *shape, const void *body, int fd)
{
	mm_auto(buffer) envelope = {0};
	enum mm_error error;

	mm_buffer_init(&envelope, MM_FRAME_MAX);
	error = mm_envelope_encode(
	    job->ask.type, job->ask.id, shape, body, &envelope);
	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	tell(a, job, &envelope, fd);
	mm_job_free(job);
}

/* What every answer about an entry is made of. */
struct making {
	struct mm_authority *a;
	struct mm_job *job;
	uint64_t index;
	struct mm_span entry, signature, receipt;
};

static enum mm_error
make_receipt(
    struct making *m, const struct mm_proof *proof, struct mm_span note)
{
	struct mm_receipt receipt = {.entry = m->entry,
	    .index = m->index,
	    .proof = *proof,
	    .note = note};
	mm_auto(buffer) text = {0};
	enum mm_error error;

	mm_buffer_init(&text, MM_RECEIPT_MAX);
	error = mm_receipt_encode(&receipt, &text);
	if (error != MM_OK)
		return error;
	m->receipt = mm_arena_copy(&m->job->arena, mm_buffer_span(&text));
	return m->receipt.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a receipt");
}

/*
 * The TBS was held against its profile when it was drafted; now the whole is
 * read back and its signature verified, once more, before it leaves.
 */
static enum mm_error
check_whole(struct making *m, const struct mm_certificate_entry *body,
    struct mm_span der)
{
	const struct mm_issuer *issuer = mm_issuer_find(m->a, body->issuer);
	mm_auto(buffer) tbs = {0};
	enum mm_error error;

	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	if (issuer == NULL)
		return mm_fail(MM_E_KEY_ABSENT,
		    "there is no certificate of %.*s", MM_SPAN(body->issuer));
	error = mm_certificate_tbs(der, &tbs);
	if (error == MM_OK && !mm_span_equal(mm_buffer_span(&tbs), body->tbs))
		error = mm_fail(
		    MM_E_CERTIFICATE, "the certificate is not what was logged");
	if (error == MM_OK)
		error =
		    mm_certificate_verify(der, mm_buffer_span(&issuer->spki));
	return error;
}

static enum mm_error
make_certificate(
    struct making *m, struct mm_span *certificate, struct mm_list *chain)
{
	struct mm_certificate_entry body;
	struct mm_entry frame;
	mm_auto(buffer) der = {0};
	enum mm_error error = mm_entry_decode_as(
	    m->entry, MM_ENTRY_CERTIFICATE, &m->job->arena, &frame, &body);

	mm_buffer_init(&der, MM_CERTIFICATE_MAX);
	if (error == MM_OK)
		error = mm_certificate_assemble(body.tbs, m->signature, &der);
	if (error == MM_OK)
		error = check_whole(m, &body, mm_buffer_span(&der));
	if (error == MM_OK)
		error =
		    mm_issuers_chain(m->a, body.issuer, &m->job->arena, chain);
	if (error != MM_OK)
		return error;
	*certificate = mm_arena_copy(&m->job->arena, mm_buffer_span(&der));
	return certificate->data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a certificate");
}

static enum mm_error
answer_certificate(struct making *m)
{
	struct mm_certificate_answer answer = {
	    .index = m->index, .receipt = m->receipt};
	enum mm_error error =
	    make_certificate(m, &answer.certificate, &answer.chain);

	if (error == MM_OK)
		mm_answer(m->a, m->job, &mm_certificate_answer_shape, &answer);
	return error;
}

/* A CSR of a key of the mint, which stands in the certificate's place. */
static enum mm_error
answer_csr(struct making *m)
{
	struct mm_certificate_answer answer = {
	    .index = m->index, .receipt = m->receipt};
	struct mm_csr_entry body;
	struct mm_entry frame;
	mm_auto(buffer) der = {0};
	enum mm_error error = mm_entry_decode_as(
	    m->entry, MM_ENTRY_CSR, &m->job->arena, &frame, &body);

	mm_buffer_init(&der, MM_CERTIFICATE_MAX);
	if (error == MM_OK)
		error = mm_request_assemble(body.info, m->signature, &der);
	if (error != MM_OK)
		return error;
	answer.certificate = mm_buffer_span(&der);
	mm_answer(m->a, m->job, &mm_certificate_answer_shape, &answer);
	return MM_OK;
}

static enum mm_error
answer_shown(struct making *m)
{
	struct mm_entry frame;
	enum mm_error error = mm_entry_decode(m->entry, &m->job->arena, &frame);

	if (error != MM_OK)
		return error;
	return frame.kind == MM_ENTRY_CSR ? answer_csr(m)
					  : answer_certificate(m);
}

static enum mm_error
answer_crl(struct making *m)
{
	struct mm_crl_answer answer = {.index = m->index,
	    .signature = m->signature,
	    .receipt = m->receipt};

	mm_answer(m->a, m->job, &mm_crl_answer_shape, &answer);
	return MM_OK;
}

/*
 * A principal's statement with a CSR: its certificate goes along with the
 * receipt of the statement's entry, on which it rests.
 */
static enum mm_error
answer_identity(struct making *m)
{
	struct mm_statement_answer *stated = &m->job->stated;
	struct mm_certificate_entry body;
	struct mm_entry frame;
	enum mm_error error = mm_entry_decode_as(
	    m->entry, MM_ENTRY_CERTIFICATE, &m->job->arena, &frame, &body);

	if (error == MM_OK)
		error =
		    make_certificate(m, &stated->certificate, &stated->chain);
	if (error == MM_OK)
		mm_read_stated(m->a, m->job, body.basis);
	return error;
}

static enum mm_error
answer_release(struct making *m)
{
	struct mm_release_answer answer = {.index = m->index,
	    .receipt = m->receipt,
	    .signature = m->signature};
	const struct mm_issuer *key;
	struct mm_image_entry body;
	struct mm_entry frame;
	enum mm_error error = mm_entry_decode_as(
	    m->entry, MM_ENTRY_IMAGE, &m->job->arena, &frame, &body);

	if (error != MM_OK)
		return error;
	key = mm_issuer_key(m->a, body.key);
	if (key == NULL)
		return mm_fail(MM_E_KEY_ABSENT, "there is no key %.*s",
		    MM_SPAN(body.key));
	memcpy(answer.sha256, body.sha256, sizeof(answer.sha256));
	answer.key = body.key;
	answer.spki = mm_buffer_span(&key->spki);
	answer.certificate = mm_buffer_span(&key->certificate);
	if (key->certificate.size > 0)
		error = mm_issuers_chain(m->a, mm_span_text(key->issuer),
		    &m->job->arena, &answer.chain);
	if (error == MM_OK)
		mm_answer(m->a, m->job, &mm_release_answer_shape, &answer);
	return error;
}

static enum mm_error
answer_partition(struct making *m)
{
	const struct mm_partition_answer answer = {.index = m->index,
	    .signature = m->signature,
	    .receipt = m->receipt};

	return mm_partition_prove(m->a, m->job, m->entry, &answer);
}

static const struct {
	uint64_t type;
	enum mm_error (*answer)(struct making *);
} answers[] = {
    {MM_MESSAGE_ISSUE, answer_certificate},
    {MM_MESSAGE_RENEW, answer_certificate},
    {MM_MESSAGE_SHOW, answer_shown},
    {MM_MESSAGE_CRL, answer_crl},
    {MM_MESSAGE_STATEMENT, answer_identity},
    {MM_MESSAGE_FETCH, answer_release},
    {MM_MESSAGE_PARTITION, answer_partition},
};

void
mm_answer_issued(struct mm_authority *a, struct mm_job *job,
    struct mm_span entry, uint64_t index, const struct mm_proof *proof,
    struct mm_span note, struct mm_span signature)
{
	struct making m = {a, job, index, entry, signature, {NULL, 0}};
	enum mm_error error = make_receipt(&m, proof, note);

	for (size_t i = 0; i < MM_COUNT(answers) && error == MM_OK; i++) {
		if (answers[i].type != job->ask.type)
			continue;
		error = answers[i].answer(&m);
		if (error == MM_OK)
			return;
	}
	mm_answer_error(a, job, error != MM_OK ? error : mm_plain(MM_E_BUG));
}

void
mm_answer_stated(struct mm_authority *a, struct mm_job *job,
    struct mm_span entry, uint64_t index, const struct mm_proof *proof,
    struct mm_span note)
{
	struct making m = {a, job, index, entry, {NULL, 0}, {NULL, 0}};
	struct mm_statement_answer answer = job->stated;
	struct mm_export_answer exported = {.index = index};
	struct mm_scrap_answer scrapped = {.index = index};
	enum mm_error error = make_receipt(&m, proof, note);

	answer.index = index;
	answer.receipt = exported.receipt = scrapped.receipt = m.receipt;
	if (error != MM_OK)
		mm_answer_error(a, job, error);
	else if (job->ask.type == MM_MESSAGE_EXPORT)
		mm_answer(a, job, &mm_export_answer_shape, &exported);
	else if (job->ask.type == MM_MESSAGE_SCRAP)
		mm_answer(a, job, &mm_scrap_answer_shape, &scrapped);
	else
		mm_answer(a, job, &mm_statement_answer_shape, &answer);
}
