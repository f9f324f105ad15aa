#include "server/authority.h"

#include <string.h>
#include <time.h>

#include "log/entry.h"
#include "protocol/journal.h"

enum {
	SIGNATURES_MAX = 128, /* in one entry */
	ROOM = 8192,	      /* bytes that the largest usual entry takes */
	STORE_AGAIN = 1	      /* seconds until a full disk is tried again */
};

static uint64_t
seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec;
}

bool
mm_batch_full(const struct mm_authority *a)
{
	const struct mm_batch *batch = &a->batch;

	/* A statement brings two entries at once. */
	return batch->count + 2 > MM_BATCH_ENTRIES ||
	    batch->bytes + ROOM > MM_BATCH_BYTES ||
	    batch->reference_count + MM_REFERENCES_MAX >
	    MM_BATCH_REFERENCES;
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

enum mm_error
mm_batch_add(struct mm_authority *a, uint64_t kind, const void *body,
    struct mm_line **out)
{
	struct mm_batch *batch = &a->batch;
	struct mm_line *line = &batch->lines[batch->count];
	struct mm_entry entry = {.kind = kind, .time = batch->now};
	enum mm_error error;

	if (batch->count == MM_BATCH_ENTRIES)
		return mm_fail(MM_E_BUSY, "the batch is full");
	*line = (struct mm_line){0};
	mm_buffer_init(&line->entry, MM_ENTRY_MAX);
	memcpy(entry.policy, a->policy_digest, sizeof(entry.policy));
	error = mm_entry_encode(&entry, body, &line->entry);
	if (error == MM_OK &&
	    line->entry.size > MM_BATCH_BYTES - batch->bytes)
		error = mm_fail(MM_E_BUSY, "the batch is full");
	if (error == MM_OK)
		error =
		    mm_index_apply(a->index, mm_buffer_span(&line->entry));
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

/* One `signatures` entry for all that the token has made since. */
static enum mm_error
add_signatures(struct mm_authority *a)
{
	struct mm_signature list[SIGNATURES_MAX];
	struct mm_signatures_entry body = {{list, 0}};
	enum mm_error error;

	for (struct mm_item *i = a->items;
	     i != NULL && body.signatures.count < SIGNATURES_MAX; i = i->next)
		if (i->state == MM_ITEM_SIGNED)
			list[body.signatures.count++] = (struct mm_signature){
			    i->index, mm_buffer_span(&i->signature)};
	if (body.signatures.count == 0)
		return MM_OK;
	error = mm_batch_add(a, MM_ENTRY_SIGNATURES, &body, NULL);
	if (error != MM_OK)
		return error;
	for (size_t n = 0; n < body.signatures.count; n++)
		mm_item_find(a, list[n].index)->state = MM_ITEM_STORING;
	return MM_OK;
}

static enum mm_error
add_voids(struct mm_authority *a)
{
	struct mm_void list[SIGNATURES_MAX];
	struct mm_void_entry body = {{list, 0}};
	enum mm_error error;

	for (struct mm_item *i = a->items;
	     i != NULL && body.voids.count < SIGNATURES_MAX; i = i->next)
		if (i->state == MM_ITEM_VOID)
			list[body.voids.count++] = (struct mm_void){i->index,
			    mm_span_text(mm_error_name(i->reason))};
	if (body.voids.count == 0)
		return MM_OK;
	error = mm_batch_add(a, MM_ENTRY_VOID, &body, NULL);
	if (error != MM_OK)
		return error;
	for (size_t n = 0; n < body.voids.count; n++)
		mm_item_find(a, list[n].index)->state = MM_ITEM_STORING;
	return MM_OK;
}

/* Asks for proofs of what a crash left unsigned, and of what it rests on. */
static enum mm_error
refer_unproven(struct mm_authority *a)
{
	for (struct mm_item *i = a->items; i != NULL; i = i->next) {
		enum mm_error error = MM_OK;

		if (i->state != MM_ITEM_UNPROVEN)
			continue;
		if (mm_batch_full(a))
			return MM_OK;
		for (size_t n = 0; n < i->reference_count && error == MM_OK;
		     n++)
			error = mm_batch_refer(a, i->references[n]);
		if (error == MM_OK)
			error = mm_batch_refer(a, i->index);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* The first batch of a start: that it happened, and the way of the policy,
 * which the token process follows. */
static enum mm_error
add_start(struct mm_authority *a)
{
	struct mm_start_entry body = {.version = mm_span_text("1"),
	    .undecided = mm_index_unsigned_count(a->index)};
	mm_auto(arena) arena = {0};
	struct mm_list policies;
	enum mm_error error;

	if (a->batch.clock != MM_OK)
		return a->batch.clock;
	mm_arena_init(&arena, 1 << 20);
	error = mm_index_policies(a->index, &arena, &policies);
	for (size_t i = 0; i < policies.count && error == MM_OK; i++)
		error = mm_batch_refer(a,
		    mm_list_at(policies, struct mm_uint_item, i)->value);
	if (error == MM_OK)
		error = mm_batch_add(a, MM_ENTRY_START, &body, NULL);
	return error;
}

static bool
any_item(const struct mm_authority *a, enum mm_item_state state)
{
	for (const struct mm_item *i = a->items; i != NULL; i = i->next)
		if (i->state == state)
			return true;
	return false;
}

static bool
has_work(const struct mm_authority *a)
{
	return !a->started || any_item(a, MM_ITEM_SIGNED) ||
	    any_item(a, MM_ITEM_VOID) ||
	    (a->followed && any_item(a, MM_ITEM_UNPROVEN)) ||
	    (a->followed && a->server_wanted) || mm_refusals_due(a) ||
	    (a->ready && a->queue.first != NULL);
}

static const struct {
	uint64_t type;
	void (*decide)(struct mm_authority *, struct mm_job *);
} decisions[] = {
    {MM_MESSAGE_STATUS, mm_read_decide},
    {MM_MESSAGE_ISSUE, mm_issue_decide},
    {MM_MESSAGE_SHOW, mm_read_decide},
    {MM_MESSAGE_STATEMENT, mm_statement_decide},
    {MM_MESSAGE_UPLOAD, mm_read_decide},
    {MM_MESSAGE_RELEASE, mm_release_decide},
    {MM_MESSAGE_FETCH, mm_read_decide},
    {MM_MESSAGE_ENTRIES, mm_read_decide},
    {MM_MESSAGE_PROVE, mm_read_decide},
};

void
mm_job_decide(struct mm_authority *a, struct mm_job *job)
{
	enum mm_error error = mm_job_admit(a, job);

	if (error != MM_OK) {
		mm_answer_refusal(a, job, error);
		return;
	}
	for (size_t i = 0; i < MM_COUNT(decisions); i++) {
		if (decisions[i].type != job->ask.type)
			continue;
		decisions[i].decide(a, job);
		return;
	}
	mm_answer_error(a, job, MM_E_UNKNOWN);
}

/* What must be logged before anything new is decided. */
static enum mm_error
fill_own(struct mm_authority *a)
{
	enum mm_error error = a->started ? MM_OK : add_start(a);

	if (error == MM_OK)
		error = add_signatures(a);
	if (error == MM_OK)
		error = add_voids(a);
	if (error == MM_OK && a->followed)
		error = refer_unproven(a);
	if (error == MM_OK)
		error = mm_refusals_add(a);
	if (error == MM_OK && a->followed && a->server_wanted &&
	    a->batch.clock == MM_OK)
		error = mm_issue_server(a);
	return error;
}

static void
fill_asked(struct mm_authority *a)
{
	while (a->ready && a->queue.first != NULL && !mm_batch_full(a))
		mm_job_decide(a, mm_jobs_pop(&a->queue));
}

static void
begin(struct mm_authority *a)
{
	struct mm_batch *batch = &a->batch;

	batch->count = batch->bytes = batch->reference_count = 0;
	batch->clock = mm_clock_judge(&a->clock, seconds(CLOCK_REALTIME),
	    seconds(CLOCK_BOOTTIME), &batch->now);
	/* What the token has signed already may always be stored. */
	if (batch->clock != MM_OK)
		batch->now = a->clock.last;
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
	return mm_link_send(a->notary, MM_NOTARY_APPEND, ++a->calls,
	    &mm_notary_append_request_shape, &request,
	    (const int[]){-1, -1});
}

void
mm_batch_step(struct mm_authority *a)
{
	enum mm_error error;

	if (a->batch.open || a->notary == NULL || !a->caught_up ||
	    a->fatal != MM_OK || ev_now(a->loop) < a->store_again ||
	    !has_work(a))
		return;
	begin(a);
	error = mm_index_begin(a->index);
	if (error == MM_OK)
		error = fill_own(a);
	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
	fill_asked(a);
	if (a->batch.count == 0 && a->batch.reference_count == 0) {
		mm_index_rollback(a->index);
		return;
	}
	error = send(a);
	if (error != MM_OK)
		mm_authority_fail(a, error);
}

/* The batch is not stored: as if it had never been decided. */
static void
batch_failed(struct mm_authority *a, enum mm_error error)
{
	struct mm_batch *batch = &a->batch;

	mm_journal(MM_LEVEL_ERROR, mm_error_name(error), "%s", mm_why(error));
	mm_index_rollback(a->index);
	batch->open = false;
	for (size_t i = 0; i < batch->count; i++) {
		struct mm_line *line = &batch->lines[i];

		if (line->item != NULL) {
			a->server_wanted |= line->item->ours;
			mm_item_refuse(a, line->item, error);
			mm_item_free(a, line->item);
		}
		if (line->job != NULL)
			mm_answer_error(a, line->job, error);
		mm_buffer_clear(&line->entry);
	}
	batch->count = 0;
	for (struct mm_item *i = a->items; i != NULL; i = i->next) {
		if (i->state != MM_ITEM_STORING)
			continue;
		i->state = i->signature.size > 0 ? MM_ITEM_SIGNED
						 : MM_ITEM_VOID;
		mm_item_refuse(a, i, error);
	}
	if (!a->started || error != MM_E_DISK_FULL) {
		mm_authority_fail(a, error);
		return;
	}
	a->store_again = ev_now(a->loop) + STORE_AGAIN;
}

/* A signature or void that is stored now: whoever waited is answered. */
static void
finish_item(struct mm_authority *a, struct mm_item *item)
{
	struct mm_job *job;

	while (item->signature.size > 0 &&
	    (job = mm_jobs_pop(&item->waiters)) != NULL) {
		struct mm_issued issued = {.idx = item->index,
		    .state = MM_ISSUED_SIGNED,
		    .signature = mm_buffer_span(&item->signature)};

		if (item->receipt)
			mm_answer_issued(a, job, mm_buffer_span(&item->entry),
			    item->index, &item->proof,
			    mm_buffer_span(&item->note), issued.signature);
		else
			mm_read_issued(a, job, &issued);
	}
	mm_item_refuse(a, item, item->reason);
	if (item->ours && item->signature.size > 0)
		mm_issue_served(a, item);
	mm_item_free(a, item);
}

static void
finish_stored(struct mm_authority *a)
{
	struct mm_item *next;

	for (struct mm_item *i = a->items; i != NULL; i = next) {
		next = i->next;
		if (i->state == MM_ITEM_STORING)
			finish_item(a, i);
	}
}

static void
finish_line(struct mm_authority *a, struct mm_line *line, uint64_t index,
    const struct mm_inclusion *inclusion, struct mm_span note)
{
	struct mm_proof proof;

	if (mm_proof_from_list(&inclusion->proof, &proof) != MM_OK) {
		mm_authority_fail(a, MM_E_PEER);
		return;
	}
	if (line->item != NULL) {
		line->item->proof = proof;
		line->item->receipt = true;
		line->item->state = MM_ITEM_ASKED;
		mm_buffer_add(&line->item->note, note.data, note.size);
	}
	if (line->job != NULL)
		mm_answer_stated(a, line->job, mm_buffer_span(&line->entry),
		    index, &proof, note);
	mm_buffer_clear(&line->entry);
}

static const struct mm_inclusion *
reference_of(const struct mm_notary_append_answer *answer, uint64_t index)
{
	for (mm_list_each(const struct mm_inclusion, one, answer->references))
		if (one->index == index)
			return one;
	return NULL;
}

/* What was unproven has its proof now, though not that of its receipt. */
static size_t
prove_items(struct mm_authority *a,
    const struct mm_notary_append_answer *answer, struct mm_item **out,
    size_t max)
{
	size_t count = 0;

	for (struct mm_item *i = a->items; i != NULL && count < max;
	     i = i->next) {
		const struct mm_inclusion *one = reference_of(
		    answer, i->index);

		if (i->state != MM_ITEM_UNPROVEN || one == NULL ||
		    mm_proof_from_list(&one->proof, &i->proof) != MM_OK)
			continue;
		mm_buffer_reset(&i->note);
		mm_buffer_add(
		    &i->note, answer->note.data, answer->note.size);
		i->state = MM_ITEM_ASKED;
		out[count++] = i;
	}
	return count;
}

/* The batch is stored, and its checkpoint signed. */
static void
batch_stored(
    struct mm_authority *a, const struct mm_notary_append_answer *answer)
{
	struct mm_batch *batch = &a->batch;
	struct mm_item *items[2 * MM_BATCH_ENTRIES];
	size_t count = 0;
	enum mm_error error = mm_index_commit(a->index);

	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
	a->size += batch->count;
	a->clock.last = batch->now;
	mm_buffer_reset(&a->note);
	mm_buffer_add(&a->note, answer->note.data, answer->note.size);
	batch->open = false;
	if (batch->count > 0)
		mm_start_publish(a);
	finish_stored(a);
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->lines[i].item != NULL)
			items[count++] = batch->lines[i].item;
		finish_line(a, &batch->lines[i], answer->first + i,
		    mm_list_at(answer->proofs, struct mm_inclusion, i),
		    answer->note);
	}
	batch->count = 0;
	count += prove_items(
	    a, answer, items + count, MM_COUNT(items) - count);
	if (!a->started)
		mm_start_stored(a, answer);
	mm_signing_send(a, answer, items, count);
	mm_batch_step(a);
}

void
mm_batch_answered(struct mm_authority *a, struct mm_received *received)
{
	struct mm_notary_append_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error = mm_error_from(received->packet.error);

	mm_arena_init(&arena, 1 << 20);
	if (received->packet.error != 0) {
		mm_fail(error, "%.*s", MM_SPAN(received->packet.why));
		batch_failed(a, error);
		return;
	}
	error = mm_shape_decode(&mm_notary_append_answer_shape,
	    received->packet.body, &arena, &answer);
	if (error == MM_OK &&
	    (answer.first != a->size ||
		answer.proofs.count != a->batch.count ||
		answer.references.count != a->batch.reference_count))
		error = mm_fail(
		    MM_E_PEER, "the notary answers about another batch");
	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
	batch_stored(a, &answer);
}
