/*
 * A partition's signature leaves only when a device would take it: an inspector
 * attaches it to the partition and verifies the outcome.
 */
#include "server/partitioning.h"
#include "server/answering.h"
#include "server/issuers.h"
#include "server/releasing.h"

#include <string.h>
#include <unistd.h>

#include "protocol/journal.h"

enum mm_error
mm_partition_inspect(struct mm_authority *a, struct mm_job *job, uint64_t call,
    const struct mm_shape *shape, const void *request,
    void (*done)(void *of, enum mm_error error, struct mm_span body))
{
	struct mm_inspecting what = {.copy = -1,
	    .call = call,
	    .shape = shape,
	    .request = request,
	    .done = done,
	    .of = job};
	enum mm_error error;

	what.image = dup(job->partitioning->image);
	if (what.image < 0)
		return mm_fail(MM_E_BUSY, "no descriptor for a partition");
	error = mm_inspect_begin(a, &what, &job->inspection);
	if (error == MM_OK)
		mm_jobs_push(&a->inspecting, job);
	return error;
}

static void
proven(void *of, enum mm_error error, struct mm_span body)
{
	struct mm_job *job = of;
	struct mm_authority *a = job->authority;
	const struct mm_partitioning *p = job->partitioning;

	(void)body;
	job->inspection = NULL;
	mm_jobs_remove(&a->inspecting, job);
	if (error == MM_OK) {
		mm_answer(a, job, &mm_partition_answer_shape, &p->answer);
		return;
	}
	mm_journal(MM_LEVEL_ERROR, mm_error_name(error),
	    "the signature of entry %llu is not given out: %s",
	    (unsigned long long)p->answer.index, mm_why(error));
	mm_answer_error(a, job, error);
}

/* The entry and the rest stay no longer than this call. */
static enum mm_error
keep(struct mm_authority *a, struct mm_job *job, struct mm_span entry,
    struct mm_partition_answer *answer, struct mm_partition_entry *body)
{
	struct mm_span copy = mm_arena_copy(&job->arena, entry);
	const struct mm_issuer *key;
	struct mm_entry frame;
	enum mm_error error;

	answer->signature = mm_arena_copy(&job->arena, answer->signature);
	if (copy.data == NULL || answer->signature.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an answer");
	error = mm_entry_decode_as(
	    copy, MM_ENTRY_PARTITION, &job->arena, &frame, body);
	if (error != MM_OK)
		return error;
	key = mm_issuer_key(a, body->key);
	if (key == NULL)
		return mm_fail(MM_E_KEY_ABSENT, "there is no key %.*s",
		    MM_SPAN(body->key));
	answer->key = body->key;
	answer->spki = mm_arena_copy(&job->arena, mm_buffer_span(&key->spki));
	return answer->spki.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for an answer");
}

enum mm_error
mm_partition_prove(struct mm_authority *a, struct mm_job *job,
    struct mm_span entry, const struct mm_partition_answer *answer)
{
	struct mm_partitioning *p = job->partitioning;
	struct mm_partition_entry body;
	enum mm_error error;

	p->answer = *answer;
	error = keep(a, job, entry, &p->answer, &body);
	if (error != MM_OK)
		return error;
	p->signature = (struct mm_prove_signature){
	    body.scheme, p->answer.spki, p->answer.signature};
	p->prove = (struct mm_prove_image){.max = MM_PARTITION_MAX,
	    .as = job->inspect.as,
	    .resign = MM_RESIGN_REFUSE,
	    .signatures = {&p->signature, 1}};
	memcpy(p->prove.sha256, body.sha256, sizeof(p->prove.sha256));
	return mm_partition_inspect(a, job, MM_INSPECTOR_PROVE,
	    &mm_prove_image_shape, &p->prove, proven);
}
