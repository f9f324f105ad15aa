/*
 * Bytes beside the log: a long policy text, a CRL. They go to the notary
 * piece by piece, and the batch that names them only afterwards.
 */
#include "server/authority.h"
#include "server/answering.h"

#include <sodium.h>
#include <string.h>

static struct mm_storing *
storing_of(struct mm_authority *a, uint64_t id)
{
	for (struct mm_storing *s = a->storings; s != NULL; s = s->next)
		if (s->id == id)
			return s;
	return NULL;
}

static void
storing_free(struct mm_authority *a, struct mm_storing *storing)
{
	struct mm_storing **place = &a->storings;

	while (*place != NULL && *place != storing)
		place = &(*place)->next;
	if (*place != NULL)
		*place = storing->next;
	mm_buffer_clear(&storing->bytes);
	free(storing);
}

static enum mm_error
send_piece(struct mm_authority *a, struct mm_storing *storing)
{
	struct mm_notary_blob_request piece = {
	    .size = storing->blob.size, .offset = storing->sent};
	size_t left = storing->bytes.size - (size_t)storing->sent;

	if (a->notary == NULL)
		return mm_plain(MM_E_STARTING);
	memcpy(piece.sha256, storing->blob.sha256, sizeof(piece.sha256));
	piece.data = mm_span(storing->bytes.data + storing->sent,
	    left < MM_CHUNK_MAX ? left : MM_CHUNK_MAX);
	storing->id = ++a->calls;
	return mm_link_send(a->notary, MM_NOTARY_BLOB, storing->id,
	    &mm_notary_blob_request_shape, &piece, NULL);
}

/* In the order of asking, so that what was asked first is first done. */
static enum mm_error
begin(struct mm_authority *a, struct mm_span bytes, struct mm_storing **out)
{
	struct mm_storing *storing = calloc(1, sizeof(*storing));
	struct mm_storing **last = &a->storings;
	enum mm_error error;

	if (storing == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a blob");
	mm_buffer_init(&storing->bytes, MM_BLOB_MAX);
	mm_buffer_add(&storing->bytes, bytes.data, bytes.size);
	storing->blob.size = bytes.size;
	crypto_hash_sha256(storing->blob.sha256, bytes.data, bytes.size);
	while (*last != NULL)
		last = &(*last)->next;
	*last = storing;
	error = storing->bytes.error != MM_OK
		    ? mm_fail(storing->bytes.error, "no memory for a blob")
		    : send_piece(a, storing);
	if (error != MM_OK)
		storing_free(a, storing);
	else
		*out = storing;
	return error;
}

enum mm_error
mm_blob_store(struct mm_authority *a, struct mm_span bytes,
    void (*done)(struct mm_authority *, const struct mm_blob *, enum mm_error))
{
	struct mm_storing *storing;
	enum mm_error error = begin(a, bytes, &storing);

	if (error == MM_OK)
		storing->done = done;
	return error;
}

enum mm_error
mm_blob_store_for(struct mm_authority *a, struct mm_job *job,
    struct mm_span bytes, bool *stored)
{
	struct mm_storing *storing;
	uint8_t sha256[32];
	enum mm_error error;

	crypto_hash_sha256(sha256, bytes.data, bytes.size);
	*stored = job->blob.size == bytes.size &&
		  memcmp(job->blob.sha256, sha256, sizeof(sha256)) == 0;
	if (*stored)
		return MM_OK;
	error = begin(a, bytes, &storing);
	if (error == MM_OK)
		storing->job = job;
	return error;
}

/* Whoever waits goes on: a job is decided anew, with its blob at hand. */
static void
finish(struct mm_authority *a, struct mm_storing *storing, enum mm_error error)
{
	struct mm_job *job = storing->job;
	struct mm_blob blob = storing->blob;
	void (*done)(struct mm_authority *, const struct mm_blob *,
	    enum mm_error) = storing->done;

	storing_free(a, storing);
	if (done != NULL)
		done(a, &blob, error);
	if (job == NULL)
		return;
	if (error == MM_OK && a->stopping)
		error = mm_plain(MM_E_STOPPING);
	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	job->blob = blob;
	mm_jobs_push(&a->queue, job);
}

void
mm_blob_answered(struct mm_authority *a, struct mm_received *received)
{
	struct mm_storing *storing = storing_of(a, received->packet.id);
	enum mm_error error = mm_error_from(received->packet.error);

	if (storing == NULL)
		return;
	if (received->packet.error != 0) {
		finish(a, storing,
		    mm_fail(error, "%.*s", MM_SPAN(received->packet.why)));
		return;
	}
	storing->sent += MM_CHUNK_MAX;
	if (storing->sent >= storing->blob.size)
		finish(a, storing, MM_OK);
	else if ((error = send_piece(a, storing)) != MM_OK)
		finish(a, storing, error);
}

void
mm_blob_clear(struct mm_authority *a)
{
	while (a->storings != NULL) {
		mm_job_free(a->storings->job);
		storing_free(a, a->storings);
	}
}
