/*
 * What the notary answers: the batch is stored, and everybody goes on; or it
 * is not, and was never decided.
 */
#include "server/batch_parts.h"
#include "server/answering.h"
#include "server/releasing.h"

#include "log/entry.h"
#include "protocol/journal.h"

enum { STORE_AGAIN = 1 /* seconds until a full disk is tried again */ };

/* Forgets what was in the batch; whoever waited for it is told why. */
static void
drop_lines(struct mm_authority *a, enum mm_error error)
{
	struct mm_batch *batch = &a->batch;

	for (size_t i = 0; i < batch->count; i++) {
		struct mm_line *line = &batch->lines[i];

		if (line->item != NULL) {
			if (line->item->ours && !a->stopping)
				a->server_due =
				    ev_now(a->loop) +
				    (a->server.size > 0 ? MM_SERVER_AGAIN : 0);
			mm_item_refuse(a, line->item, error);
			mm_item_free(a, line->item);
		}
		if (line->job != NULL)
			mm_answer_error(a, line->job, error);
		mm_buffer_clear(&line->entry);
	}
	batch->count = 0;
}

/* The batch is not stored: as if it had never been decided. */
static void
batch_failed(struct mm_authority *a, enum mm_error error)
{
	a->batch.open = false;
	mm_index_rollback(a->index);
	mm_refusals_settle(a, false);
	mm_ceremony_look(a);
	if (mm_error_exit(error) != MM_EXIT_LATER) {
		mm_authority_fail(a, error);
		return;
	}
	if (!a->store_short)
		mm_journal(
		    MM_LEVEL_ERROR, mm_error_name(error), "%s", mm_why(error));
	a->store_short = true;
	a->store_again = ev_now(a->loop) + STORE_AGAIN;
	drop_lines(a, error);
	for (struct mm_item *i = a->items; i != NULL; i = i->next) {
		if (i->state != MM_ITEM_STORING)
			continue;
		i->state =
		    i->signature.size > 0 ? MM_ITEM_SIGNED : MM_ITEM_VOID;
		mm_item_refuse(a, i, error);
	}
	mm_release_again(a, error);
}

/* It is no item any more, which a release looks for. */
static void
settle(struct mm_authority *a, struct mm_item *item)
{
	mm_auto(buffer) entry = {0};
	bool image = item->kind == MM_ENTRY_IMAGE;
	enum mm_error voided = item->signature.size > 0 ? MM_OK : item->reason;

	if (image) {
		entry = item->entry;
		item->entry = (struct mm_buffer){0};
	}
	mm_item_free(a, item);
	if (image)
		mm_release_settled(a, mm_buffer_span(&entry), voided);
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
	if (item->signature.size == 0)
		mm_item_refuse(a, item, mm_plain(item->reason));
	if (item->ours && item->signature.size > 0)
		mm_issue_served(a, item);
	else if (item->ours && !a->stopping)
		a->server_due = ev_now(a->loop) + MM_SERVER_AGAIN;
	mm_ceremony_settled(a, item->index);
	settle(a, item);
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

enum mm_error
mm_note_keep(struct mm_buffer *kept, struct mm_span note)
{
	mm_buffer_reset(kept);
	mm_buffer_add(kept, note.data, note.size);
	return kept->error == MM_OK
		   ? MM_OK
		   : mm_fail(kept->error, "no memory for a checkpoint");
}

static void
finish_line(struct mm_authority *a, struct mm_line *line, uint64_t index,
    const struct mm_inclusion *inclusion, struct mm_span note)
{
	struct mm_proof proof;
	enum mm_error error = mm_proof_from_list(&inclusion->proof, &proof);

	if (error == MM_OK && line->item != NULL)
		error = mm_note_keep(&line->item->note, note);
	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
	if (line->item != NULL) {
		line->item->proof = proof;
		line->item->receipt = true;
		line->item->state = MM_ITEM_ASKED;
		line->item->entry = line->entry;
		line->entry = (struct mm_buffer){0};
	}
	if (line->kind == MM_ENTRY_RELEASE)
		mm_release_stored(a, mm_buffer_span(&line->entry));
	if (line->job != NULL)
		mm_answer_stated(a, line->job, mm_buffer_span(&line->entry),
		    index, &proof, note);
	line->job = NULL;
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
		const struct mm_inclusion *one;

		if (i->state != MM_ITEM_UNPROVEN)
			continue;
		one = mm_inclusion_find(&answer->references, i->index);
		if (one == NULL ||
		    mm_proof_from_list(&one->proof, &i->proof) != MM_OK ||
		    mm_note_keep(&i->note, answer->note) != MM_OK)
			continue;
		i->state = MM_ITEM_ASKED;
		out[count++] = i;
	}
	return count;
}

/* The log is longer now, and the index with it. */
static enum mm_error
grow(struct mm_authority *a, const struct mm_notary_append_answer *answer)
{
	enum mm_error error = mm_index_commit(a->index);

	if (error != MM_OK)
		return error;
	error = mm_note_keep(&a->note, answer->note);
	if (error != MM_OK)
		return error;
	a->size += a->batch.count;
	a->clock.last = a->batch.now;
	mm_refusals_settle(a, true);
	if (a->store_short && a->batch.closing)
		return MM_OK;
	if (a->store_short)
		mm_journal(
		    MM_LEVEL_NOTICE, "store-again", "the log is stored again");
	a->store_short = false;
	return MM_OK;
}

/* Tells the token what it is to sign, and behind it what it is to follow. */
static void
tell_token(struct mm_authority *a, const struct mm_notary_append_answer *answer)
{
	struct mm_batch *batch = &a->batch;
	struct mm_item *items[2 * MM_BATCH_ENTRIES];
	size_t count = 0, plain = batch->count - (batch->sealed ? 1 : 0);

	for (size_t i = 0; i < batch->count; i++)
		if (batch->lines[i].item != NULL)
			items[count++] = batch->lines[i].item;
	count += prove_items(a, answer, items + count, MM_COUNT(items) - count);
	/* What rests on a ceremony may be in one batch with it. A policy is the
	 * last entry, and everything before it is of the former one. */
	mm_follow_stored(a, answer, 0, plain);
	mm_signing_send(a, answer, items, count);
	mm_follow_stored(a, answer, plain, batch->count);
}

/*
 * The batch is stored, and its checkpoint signed. Nothing that is called
 * here begins the next batch before this one's lines are done with.
 */
static void
batch_stored(
    struct mm_authority *a, const struct mm_notary_append_answer *answer)
{
	struct mm_batch *batch = &a->batch;
	enum mm_error error = grow(a, answer);

	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
	mm_start_publish(a);
	finish_stored(a);
	for (size_t i = 0; i < batch->count; i++)
		finish_line(a, &batch->lines[i], answer->first + i,
		    mm_list_at(answer->proofs, struct mm_inclusion, i),
		    answer->note);
	if (a->fatal == MM_OK)
		tell_token(a, answer);
	for (size_t i = 0; i < batch->count; i++) {
		mm_buffer_clear(&batch->lines[i].entry);
		if (error == MM_OK)
			error = mm_ceremony_stored(a, batch->lines[i].kind);
	}
	batch->count = 0;
	batch->open = false;
	if (batch->sealed && error == MM_OK)
		error = mm_policy_stored(a);
	if (error != MM_OK)
		mm_authority_fail(a, error);
	if (a->fatal != MM_OK)
		return;
	if (batch->start) {
		a->started = true;
		mm_follow_begin(a);
	}
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
		batch_failed(
		    a, mm_fail(error, "%.*s", MM_SPAN(received->packet.why)));
		return;
	}
	error = mm_shape_decode(&mm_notary_append_answer_shape,
	    received->packet.body, &arena, &answer);
	if (error == MM_OK &&
	    (answer.first != a->size || answer.proofs.count != a->batch.count ||
		answer.references.count != a->batch.reference_count))
		error = mm_fail(
		    MM_E_PEER, "the notary answers about another batch");
	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
	batch_stored(a, &answer);
}
