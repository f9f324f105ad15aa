/*
 * The next batch: its entries, one after the other, and what is done where
 * the notary is late. What goes into it: authority_fill.c.
 */
#include "server/authority.h"
#include "server/answering.h"
#include "server/releasing.h"

#include <string.h>

#include "log/entry.h"
#include "protocol/journal.h"
#include "server/batch_parts.h"

enum {
	ROOM = 8192,         /* bytes that the largest certificate takes */
	STORE_PATIENCE = 10, /* seconds that clients wait for the notary */
	STORE_END = 20       /* and after which it is given up */
};

/* Whether there is no room for what a request of `size` bytes makes. */
bool
mm_batch_is_full(const struct mm_authority *a, size_t size)
{
	const struct mm_batch *batch = &a->batch;

	if (size > MM_ENTRY_MAX)
		size = MM_ENTRY_MAX;
	/* A statement brings two entries at once; an entry that waits for
	 * its proof refers to itself too. */
	return batch->count + 2 > MM_BATCH_ENTRIES ||
	       batch->bytes + ROOM + size > MM_BATCH_BYTES ||
	       batch->reference_count + MM_REFERENCES_MAX + 1 >
		   MM_BATCH_REFERENCES;
}

const struct mm_inclusion *
mm_inclusion_find(const struct mm_list *inclusions, uint64_t index)
{
	for (mm_list_each(const struct mm_inclusion, one, *inclusions))
		if (one->index == index)
			return one;
	return NULL;
}

enum mm_error
mm_batch_refer(struct mm_authority *a, uint64_t index)
{
	struct mm_batch *batch = &a->batch;

	for (size_t i = 0; i < batch->reference_count; i++)
		if (batch->references[i].value == index)
			return MM_OK;
	if (batch->reference_count == MM_BATCH_REFERENCES)
		return mm_fail(MM_E_BUSY, "the batch rests on too much");
	batch->references[batch->reference_count++].value = index;
	return MM_OK;
}

/* The batch's entries once more, without what did not fit to them. */
static enum mm_error
apply_again(struct mm_authority *a)
{
	enum mm_error error;

	mm_index_rollback(a->index);
	error = mm_index_begin(a->index);
	for (size_t i = 0; i < a->batch.count && error == MM_OK; i++)
		error = mm_index_apply(
		    a->index, mm_buffer_span(&a->batch.lines[i].entry));
	return error;
}

/*
 * The fold has the last word: what it does not take is an error of the one
 * entry, and the others of the batch are as if it had not been tried.
 */
static enum mm_error
apply(struct mm_authority *a, struct mm_span entry)
{
	char why[512];
	enum mm_error error = mm_index_apply(a->index, entry), again;

	if (error == MM_OK || !mm_index_torn(a->index))
		return error;
	mm_span_string(mm_span_text(mm_why(error)), why, sizeof(why));
	again = apply_again(a);
	if (again != MM_OK)
		mm_authority_fail(a, again);
	return mm_fail(error, "%s", why);
}

static enum mm_error
add(struct mm_authority *a, uint64_t kind, const uint8_t policy[32],
    const void *body, struct mm_line **out)
{
	struct mm_batch *batch = &a->batch;
	struct mm_line *line = &batch->lines[batch->count];
	struct mm_entry entry = {.kind = kind, .time = batch->now};
	enum mm_error error;

	if (batch->count == MM_BATCH_ENTRIES || batch->sealed)
		return mm_fail(MM_E_BUSY, "the batch is full");
	*line = (struct mm_line){.kind = kind};
	mm_buffer_init(&line->entry, MM_ENTRY_MAX);
	memcpy(entry.policy, policy, sizeof(entry.policy));
	error = mm_entry_encode(&entry, body, &line->entry);
	if (error == MM_OK && line->entry.size > MM_BATCH_BYTES - batch->bytes)
		error = mm_fail(MM_E_BUSY, "the batch is full");
	if (error == MM_OK)
		error = apply(a, mm_buffer_span(&line->entry));
	if (error != MM_OK) {
		mm_buffer_clear(&line->entry);
		return error;
	}
	batch->bytes += line->entry.size;
	batch->count++;
	if (out != NULL)
		*out = line;
	return MM_OK;
}

enum mm_error
mm_batch_add(struct mm_authority *a, uint64_t kind, const void *body,
    struct mm_line **out)
{
	return add(a, kind, a->policy_digest, body, out);
}

enum mm_error
mm_batch_add_policy(struct mm_authority *a, const uint8_t digest[32],
    const struct mm_policy_entry *body, struct mm_line **out)
{
	enum mm_error error = add(a, MM_ENTRY_POLICY, digest, body, out);

	a->batch.sealed = a->batch.sealed || error == MM_OK;
	return error;
}

static void
begin(struct mm_authority *a)
{
	struct mm_batch *batch = &a->batch;

	batch->count = batch->bytes = batch->reference_count = 0;
	batch->clock = mm_clock_judge(&a->clock, mm_seconds(CLOCK_REALTIME),
	    mm_seconds(CLOCK_BOOTTIME), &batch->now);
	/* What the token has signed already may always be stored. */
	if (batch->clock != MM_OK)
		batch->now = a->clock.last;
}

/*
 * Nothing begins before the clock may be trusted: one that is behind catches
 * up, one that has jumped is for the operator.
 */
static bool
start_is_held(struct mm_authority *a)
{
	enum mm_error error = a->started ? MM_OK : a->batch.clock;

	if (error == MM_E_CLOCK_JUMPED)
		mm_authority_fail(a, error);
	else if (error != MM_OK && error != a->start_held)
		mm_journal(
		    MM_LEVEL_ERROR, mm_error_name(error), "%s", mm_why(error));
	a->start_held = error;
	return error != MM_OK;
}

static enum mm_error
send(struct mm_authority *a)
{
	struct mm_batch *batch = &a->batch;
	struct mm_bytes_item entries[MM_BATCH_ENTRIES];
	struct mm_notary_append_request request = {.size = a->size,
	    .entries = {entries, batch->count},
	    .references = {batch->references, batch->reference_count}};

	for (size_t i = 0; i < batch->count; i++)
		entries[i].value = mm_buffer_span(&batch->lines[i].entry);
	batch->open = true;
	batch->deadline = ev_now(a->loop) + STORE_PATIENCE;
	return mm_link_send(a->notary, MM_NOTARY_APPEND, ++a->calls,
	    &mm_notary_append_request_shape, &request, NULL);
}

void
mm_batch_step(struct mm_authority *a)
{
	enum mm_error error;

	if (a->batch.open || a->notary == NULL || !a->caught_up ||
	    a->fatal != MM_OK || ev_now(a->loop) < a->store_again ||
	    !mm_batch_is_due(a))
		return;
	begin(a);
	if (start_is_held(a))
		return;
	mm_crl_make(a);
	error = mm_batch_fill(a);
	if (error == MM_OK && a->batch.count == 0) {
		mm_index_rollback(a->index);
		return;
	}
	if (error == MM_OK)
		error = send(a);
	if (error != MM_OK)
		mm_authority_fail(a, error);
}

/*
 * The disk, or the notary, hangs: clients are told so, and may ask again.
 * What is on its way goes on.
 */
void
mm_batch_tick(struct mm_authority *a)
{
	struct mm_batch *batch = &a->batch;
	struct mm_job *job;

	if (!batch->open || ev_now(a->loop) < batch->deadline)
		return;
	if (ev_now(a->loop) > batch->deadline + STORE_END) {
		mm_journal(MM_LEVEL_ERROR, "notary-hangs",
		    "the notary does not answer in time and is ended");
		mm_authority_give_up(a, MM_NOTARY, 0);
	}
	while ((job = mm_jobs_pop(&a->queue)) != NULL)
		mm_answer_error(a, job, mm_plain(MM_E_DEADLINE));
	for (size_t i = 0; i < batch->count; i++) {
		job = batch->lines[i].job;
		batch->lines[i].job = NULL;
		if (job != NULL)
			mm_answer_error(a, job, mm_plain(MM_E_DEADLINE));
	}
	for (struct mm_item *i = a->items; i != NULL; i = i->next)
		mm_item_refuse(a, i, mm_plain(MM_E_DEADLINE));
	mm_release_tell(a, mm_plain(MM_E_DEADLINE));
}

void
mm_batch_clear(struct mm_authority *a)
{
	for (size_t i = 0; i < a->batch.count; i++) {
		mm_job_free(a->batch.lines[i].job);
		mm_buffer_clear(&a->batch.lines[i].entry);
	}
	a->batch.count = 0;
}
