#include "server/authority.h"

#include <string.h>

#include "log/entry.h"
#include "protocol/journal.h"

enum {
	SIGNATURES_MAX = 128,     /* in one entry */
	SIGNATURES_BYTES = 16384, /* all together */
	ROOM = 8192,              /* bytes that the largest certificate takes */
	STORE_AGAIN = 1,          /* seconds until a full disk is tried again */
	STORE_PATIENCE = 10,      /* seconds that clients wait for the notary */
	STORE_END = 20,           /* and after which it is given up */
	SERVER_LIFE = 86400,      /* seconds until our certificate is renewed */
	SERVER_AGAIN = 60         /* seconds until a voided one is */
};

/* Whether there is no room for what a request of `size` bytes makes. */
static bool
is_full(const struct mm_authority *a, size_t size)
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
	if (error == MM_OK && line->entry.size > MM_BATCH_BYTES - batch->bytes)
		error = mm_fail(MM_E_BUSY, "the batch is full");
	if (error == MM_OK)
		error = mm_index_apply(a->index, mm_buffer_span(&line->entry));
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
	struct mm_item *items[SIGNATURES_MAX];
	struct mm_signatures_entry body = {{list, 0}};
	size_t *count = &body.signatures.count, bytes = 0;
	enum mm_error error;

	for (struct mm_item *i = a->items; i != NULL; i = i->next) {
		if (i->state != MM_ITEM_SIGNED)
			continue;
		bytes += i->signature.size;
		if (*count == SIGNATURES_MAX || bytes > SIGNATURES_BYTES)
			break;
		items[*count] = i;
		list[(*count)++] = (struct mm_signature){
		    i->index, mm_buffer_span(&i->signature)};
	}
	if (*count == 0)
		return MM_OK;
	error = mm_batch_add(a, MM_ENTRY_SIGNATURES, &body, NULL);
	for (size_t n = 0; n < *count && error == MM_OK; n++)
		items[n]->state = MM_ITEM_STORING;
	return error;
}

static enum mm_error
add_voids(struct mm_authority *a)
{
	struct mm_void list[SIGNATURES_MAX];
	struct mm_item *items[SIGNATURES_MAX];
	struct mm_void_entry body = {{list, 0}};
	size_t *count = &body.voids.count;
	enum mm_error error;

	for (struct mm_item *i = a->items; i != NULL && *count < SIGNATURES_MAX;
	     i = i->next) {
		if (i->state != MM_ITEM_VOID)
			continue;
		items[*count] = i;
		list[(*count)++] = (struct mm_void){
		    i->index, mm_span_text(mm_error_name(i->reason))};
	}
	if (*count == 0)
		return MM_OK;
	error = mm_batch_add(a, MM_ENTRY_VOID, &body, NULL);
	for (size_t n = 0; n < *count && error == MM_OK; n++)
		items[n]->state = MM_ITEM_STORING;
	return error;
}

/*
 * Asks for proofs of what a crash left unsigned, and of what it rests on. The
 * notary takes no batch without an entry: these go along with others, and
 * each that is signed brings the next batch.
 */
static enum mm_error
refer_unproven(struct mm_authority *a)
{
	for (struct mm_item *i = a->items; i != NULL; i = i->next) {
		enum mm_error error = MM_OK;

		if (i->state != MM_ITEM_UNPROVEN)
			continue;
		if (is_full(a, 0))
			return MM_OK;
		for (size_t n = 0; n < i->rest.count && error == MM_OK; n++)
			error = mm_batch_refer(a, i->rest.indexes[n]);
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
	struct mm_start_entry body = {.version = mm_span_text("1")};
	mm_auto(arena) arena = {0};
	struct mm_list policies;
	enum mm_error error;

	mm_arena_init(&arena, 1 << 20);
	/* An auditor counts as well: a fault is not written down as 0. */
	error = mm_index_unsigned_count(a->index, &body.undecided);
	if (error == MM_OK)
		error = mm_index_policies(a->index, &arena, &policies);
	for (size_t i = 0; error == MM_OK && i < policies.count; i++)
		error = mm_batch_refer(
		    a, mm_list_at(policies, struct mm_uint_item, i)->value);
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
server_wanted(const struct mm_authority *a)
{
	return a->followed && a->server_due > 0 &&
	       ev_now(a->loop) >= a->server_due;
}

static bool
has_work(const struct mm_authority *a)
{
	if (a->distrusted)
		return a->queue.first != NULL;
	return !a->started || (a->ready && a->queue.first != NULL) ||
	       any_item(a, MM_ITEM_SIGNED) || any_item(a, MM_ITEM_VOID) ||
	       server_wanted(a) || mm_refusals_due(a);
}

static const struct {
	uint64_t type;
	void (*decide)(struct mm_authority *, struct mm_job *);
	bool writes; /* may make an entry */
} decisions[] = {
    {MM_MESSAGE_STATUS, mm_read_decide, false},
    {MM_MESSAGE_ISSUE, mm_issue_decide, true},
    {MM_MESSAGE_SHOW, mm_read_decide, false},
    {MM_MESSAGE_STATEMENT, mm_statement_decide, true},
    {MM_MESSAGE_UPLOAD, mm_read_decide, false},
    {MM_MESSAGE_RELEASE, mm_release_decide, true},
    {MM_MESSAGE_FETCH, mm_read_decide, false},
    {MM_MESSAGE_ENTRIES, mm_audit_decide, false},
    {MM_MESSAGE_PROVE, mm_audit_decide, false},
    {MM_MESSAGE_CONSISTENCY, mm_audit_decide, false},
    {MM_MESSAGE_COSIGN, mm_audit_decide, false},
    {MM_MESSAGE_EXPORT, mm_export_decide, true},
    {MM_MESSAGE_BLOB, mm_audit_decide, false},
};

/* The job is answered, parked, or in the batch afterwards. */
static void
decide(struct mm_authority *a, struct mm_job *job)
{
	enum mm_error error = mm_job_admit(a, job);

	if (error != MM_OK) {
		mm_answer_refusal(a, job, error);
		return;
	}
	for (size_t i = 0; i < MM_COUNT(decisions); i++) {
		if (decisions[i].type != job->ask.type)
			continue;
		if (decisions[i].writes && a->distrusted)
			mm_answer_error(a, job, mm_plain(MM_E_LOG_WRONG));
		else
			decisions[i].decide(a, job);
		return;
	}
	mm_answer_error(a, job, mm_plain(MM_E_UNKNOWN));
}

/* The appliance's own certificate: where there is no room just now, later. */
static enum mm_error
add_server(struct mm_authority *a)
{
	enum mm_error error;

	if (!server_wanted(a) || a->batch.clock != MM_OK)
		return MM_OK;
	error = mm_issue_server(a);
	if (error == MM_OK)
		a->server_due = ev_now(a->loop) + SERVER_LIFE;
	return error == MM_E_BUSY ? MM_OK : error;
}

/* What must be logged before anything new is decided. */
static enum mm_error
fill_own(struct mm_authority *a)
{
	enum mm_error error = add_signatures(a);

	if (error == MM_OK)
		error = add_voids(a);
	/* The notary keeps the last room of the disk for these alone. */
	a->batch.closing = a->store_short && a->batch.count > 0;
	if (a->batch.closing)
		return error;
	if (error == MM_OK && !a->started)
		error = add_start(a);
	if (error == MM_OK)
		error = add_server(a);
	if (error == MM_OK)
		error = mm_refusals_add(a);
	if (error == MM_OK && a->followed && a->batch.count > 0)
		error = refer_unproven(a);
	return error;
}

static void
fill_asked(struct mm_authority *a)
{
	while (a->ready && !a->batch.closing && a->queue.first != NULL &&
	       !is_full(a, a->queue.first->ask.body.size))
		decide(a, mm_jobs_pop(&a->queue));
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

static enum mm_error
fill(struct mm_authority *a)
{
	enum mm_error error = mm_index_begin(a->index);

	a->batch.closing = false;
	if (error == MM_OK && !a->distrusted)
		error = fill_own(a);
	if (error == MM_OK)
		fill_asked(a);
	/* What was refused just now goes along. */
	if (error == MM_OK && !a->batch.closing && !a->distrusted &&
	    !is_full(a, 0))
		error = mm_refusals_add(a);
	return error;
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
	if (start_is_held(a))
		return;
	error = fill(a);
	if (error == MM_OK && a->batch.count == 0) {
		mm_index_rollback(a->index);
		return;
	}
	if (error == MM_OK)
		error = send(a);
	if (error != MM_OK)
		mm_authority_fail(a, error);
}

/* Forgets what was in the batch; whoever waited for it is told why. */
static void
drop_lines(struct mm_authority *a, enum mm_error error)
{
	struct mm_batch *batch = &a->batch;

	for (size_t i = 0; i < batch->count; i++) {
		struct mm_line *line = &batch->lines[i];

		if (line->item != NULL) {
			if (line->item->ours)
				a->server_due = ev_now(a->loop);
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
		a->server_due = ev_now(a->loop) + SERVER_AGAIN;
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
	if (line->job != NULL)
		mm_answer_stated(a, line->job, mm_buffer_span(&line->entry),
		    index, &proof, note);
	mm_buffer_clear(&line->entry);
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

/*
 * The batch is stored, and its checkpoint signed. Nothing that is called
 * here begins the next batch before this one's lines are done with.
 */
static void
batch_stored(
    struct mm_authority *a, const struct mm_notary_append_answer *answer)
{
	struct mm_batch *batch = &a->batch;
	struct mm_item *items[2 * MM_BATCH_ENTRIES];
	size_t count = 0;
	enum mm_error error = grow(a, answer);

	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
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
	batch->open = false;
	if (a->fatal != MM_OK)
		return;
	count += prove_items(a, answer, items + count, MM_COUNT(items) - count);
	if (!a->started && !batch->closing)
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
