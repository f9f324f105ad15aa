#include "server/authority.h"

#include <string.h>

#include "protocol/journal.h"

enum {
	ATTEMPTS = 3,        /* tokens that may fail over one entry */
	PACKET = 150000,     /* bytes of one request to the token, about */
	HASH_COST = 35,      /* of a hash in a list, its head included */
	PROVEN_COST = 32,    /* of an entry beside its bytes and its proof */
	SIGNATURE_MAX = 4096 /* bytes */
};

static enum mm_error
new_item(
    struct mm_authority *a, uint64_t index, uint64_t kind, struct mm_item **out)
{
	struct mm_item *item = calloc(1, sizeof(*item));
	struct mm_item **place = &a->items;

	if (item == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	item->index = index;
	item->kind = kind;
	mm_buffer_init(&item->entry, MM_ENTRY_MAX);
	mm_buffer_init(&item->note, MM_NOTE_MAX);
	mm_buffer_init(&item->signature, SIGNATURE_MAX);
	mm_jobs_init(&item->waiters);
	while (*place != NULL && (*place)->index < index)
		place = &(*place)->next;
	item->next = *place;
	*place = item;
	a->item_count++;
	*out = item;
	return MM_OK;
}

enum mm_error
mm_item_draft(struct mm_authority *a, uint64_t kind, const void *body,
    struct mm_item **out)
{
	struct mm_line *line;
	struct mm_item *item;
	enum mm_error error;

	if (a->item_count >= MM_ITEMS_MAX)
		return mm_fail(
		    MM_E_BUSY, "%zu entries wait for the token", a->item_count);
	error = new_item(a, a->size + a->batch.count, kind, &item);
	if (error != MM_OK)
		return error;
	error = mm_batch_add(a, kind, body, &line);
	if (error != MM_OK) {
		mm_item_free(a, item);
		return error;
	}
	line->item = item;
	*out = item;
	return MM_OK;
}

struct mm_item *
mm_item_find(struct mm_authority *a, uint64_t index)
{
	for (struct mm_item *i = a->items; i != NULL; i = i->next)
		if (i->index == index)
			return i;
	return NULL;
}

void
mm_item_free(struct mm_authority *a, struct mm_item *item)
{
	for (struct mm_item **p = &a->items; *p != NULL; p = &(*p)->next) {
		if (*p != item)
			continue;
		*p = item->next;
		a->item_count--;
		break;
	}
	mm_buffer_clear(&item->entry);
	mm_buffer_clear(&item->note);
	mm_buffer_clear(&item->signature);
	free(item);
}

void
mm_item_refuse(
    struct mm_authority *a, struct mm_item *item, enum mm_error error)
{
	struct mm_job *job;

	while ((job = mm_jobs_pop(&item->waiters)) != NULL)
		mm_answer_error(a, job, error);
}

void
mm_item_wait(struct mm_authority *a, struct mm_item *item, struct mm_job *job)
{
	bool hopeless = item->state == MM_ITEM_VOID ||
			(item->state <= MM_ITEM_ASKED && !a->followed);

	job->index = item->index;
	if (a->distrusted)
		mm_answer_error(a, job, mm_plain(MM_E_LOG_WRONG));
	else if (hopeless)
		mm_answer_error(a, job, mm_plain(MM_E_TOKEN_UNAVAILABLE));
	else
		mm_jobs_push(&item->waiters, job);
}

static struct mm_signing *
signing_new(struct mm_authority *a, struct mm_span note)
{
	struct mm_signing *signing = calloc(1, sizeof(*signing));
	struct mm_signing **last = &a->signings;
	struct mm_token_sign_request *request;

	if (signing == NULL)
		return NULL;
	request = &signing->request;
	mm_arena_init(&signing->arena, 1 << 22);
	request->note = mm_arena_copy(&signing->arena, note);
	request->items.items = mm_arena_alloc(
	    &signing->arena, MM_BATCH_ENTRIES * sizeof(struct mm_proven));
	request->references.items = mm_arena_alloc(
	    &signing->arena, MM_BATCH_REFERENCES * sizeof(struct mm_proven));
	if (request->note.data == NULL || request->items.items == NULL ||
	    request->references.items == NULL) {
		mm_arena_clear(&signing->arena);
		free(signing);
		return NULL;
	}
	while (*last != NULL)
		last = &(*last)->next;
	*last = signing;
	return signing;
}

static void
signing_free(struct mm_authority *a, struct mm_signing *signing)
{
	for (struct mm_signing **p = &a->signings; *p != NULL;
	     p = &(*p)->next) {
		if (*p != signing)
			continue;
		*p = signing->next;
		break;
	}
	mm_arena_clear(&signing->arena);
	free(signing);
}

/*
 * The token answers one request after the other, so that only the first one's
 * time runs.
 */
static void
wind_deadline(struct mm_authority *a)
{
	a->signing_deadline = 0;
	for (const struct mm_signing *s = a->signings; s != NULL; s = s->next)
		if (s->id != 0)
			a->signing_deadline =
			    ev_now(a->loop) +
			    (double)a->configure->settings.token_deadline;
}

static void
void_item(struct mm_authority *a, struct mm_item *item, enum mm_error error)
{
	mm_journal(MM_LEVEL_ERROR, mm_error_name(error),
	    "entry %llu is not signed: %s", (unsigned long long)item->index,
	    mm_why(error));
	item->reason = error;
	item->state = MM_ITEM_VOID;
	mm_item_refuse(a, item, error);
}

/* The item at `i` of a request, while its signature is still wanted. */
static struct mm_item *
asked_at(struct mm_authority *a, const struct mm_signing *signing, size_t i)
{
	const struct mm_list *items = &signing->request.items;
	struct mm_item *item =
	    mm_item_find(a, mm_list_at(*items, struct mm_proven, i)->index);

	return item != NULL && item->state == MM_ITEM_ASKED ? item : NULL;
}

/* No token will ever sign this. */
static void
signing_void(
    struct mm_authority *a, struct mm_signing *signing, enum mm_error error)
{
	for (size_t i = 0; i < signing->request.items.count; i++) {
		struct mm_item *item = asked_at(a, signing, i);

		if (item != NULL)
			void_item(a, item, error);
	}
	signing_free(a, signing);
}

/* Whoever waits may ask again, and gets the same bytes. */
static void
tell_unavailable(struct mm_authority *a, const struct mm_signing *signing)
{
	for (size_t i = 0; i < signing->request.items.count; i++) {
		struct mm_item *item = asked_at(a, signing, i);

		if (item != NULL)
			mm_item_refuse(
			    a, item, mm_plain(MM_E_TOKEN_UNAVAILABLE));
	}
}

static void
signing_ask(struct mm_authority *a, struct mm_signing *signing)
{
	enum mm_error error;

	if (a->token == NULL || !a->followed) {
		tell_unavailable(a, signing);
		return;
	}
	signing->id = ++a->calls;
	error = mm_link_send(a->token, MM_TOKEN_SIGN, signing->id,
	    &mm_token_sign_request_shape, &signing->request, NULL);
	if (a->signing_deadline == 0)
		wind_deadline(a);
	if (error == MM_OK)
		return;
	mm_journal(MM_LEVEL_ERROR, mm_error_name(error), "%s", mm_why(error));
	/* With the next token, after the deadline; or never. */
	if (error != MM_E_AWAY && mm_error_exit(error) != MM_EXIT_LATER)
		signing_void(a, signing, error);
}

/* A proof of an answer, kept for a request. */
static enum mm_error
bring(struct mm_signing *signing, struct mm_list *list, size_t max,
    const struct mm_proven *proven)
{
	struct mm_proven *one = &((struct mm_proven *)list->items)[list->count];
	struct mm_span proof;

	if (list->count == max)
		return MM_E_BUSY;
	proof = mm_arena_copy(&signing->arena,
	    mm_span(proven->proof.items, proven->proof.count * MM_HASH_SIZE));
	if (proof.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a proof");
	*one = *proven;
	one->proof.items = proof.data;
	list->count++;
	signing->size +=
	    PROVEN_COST + proven->entry.size + HASH_COST * proven->proof.count;
	return MM_OK;
}

/* Brings along an entry that an item rests on, once a request. */
static enum mm_error
bring_reference(struct mm_authority *a, struct mm_signing *signing,
    const struct mm_notary_append_answer *answer, uint64_t index)
{
	struct mm_list *list = &signing->request.references;
	const struct mm_inclusion *inclusion =
	    mm_inclusion_find(&answer->references, index);
	struct mm_proven one = {.index = index};
	enum mm_error error;

	for (mm_list_each(const struct mm_proven, known, *list))
		if (known->index == index)
			return MM_OK;
	if (inclusion == NULL)
		return mm_fail(MM_E_BUG, "an entry's basis has no proof");
	one.proof = inclusion->proof;
	error =
	    mm_index_reference(a->index, index, &signing->arena, &one.entry);
	return error == MM_OK ? bring(signing, list, MM_BATCH_REFERENCES, &one)
			      : error;
}

static enum mm_error
bring_all(struct mm_authority *a, struct mm_signing *signing,
    const struct mm_notary_append_answer *answer, const struct mm_item *item)
{
	const struct mm_rest *rest = &item->rest;
	const struct mm_proven one = {item->index, mm_buffer_span(&item->entry),
	    mm_proof_to_list(&item->proof)};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < rest->count && error == MM_OK; i++)
		error = bring_reference(a, signing, answer, rest->indexes[i]);
	if (error == MM_OK)
		error = bring(
		    signing, &signing->request.items, MM_BATCH_ENTRIES, &one);
	if (error == MM_OK && signing->size > PACKET)
		error = MM_E_BUSY;
	return error;
}

/* MM_E_BUSY where the item is for the next request. */
static enum mm_error
bring_item(struct mm_authority *a, struct mm_signing *signing,
    const struct mm_notary_append_answer *answer, const struct mm_item *item)
{
	struct mm_token_sign_request before = signing->request;
	size_t size = signing->size;
	enum mm_error error = bring_all(a, signing, answer, item);

	/* A single item goes as it is, however much it rests on. */
	if (error == MM_E_BUSY && before.items.count == 0)
		return MM_OK;
	if (error != MM_OK) {
		signing->request = before;
		signing->size = size;
	}
	return error;
}

static void
signing_close(struct mm_authority *a, struct mm_signing *signing)
{
	if (signing == NULL)
		return;
	if (signing->request.items.count > 0)
		signing_ask(a, signing);
	else
		signing_free(a, signing);
}

void
mm_signing_send(struct mm_authority *a,
    const struct mm_notary_append_answer *answer, struct mm_item *const *items,
    size_t count)
{
	struct mm_signing *signing = NULL;

	if (a->distrusted)
		count = 0;
	for (size_t i = 0; i < count; i++) {
		enum mm_error error =
		    signing != NULL ? bring_item(a, signing, answer, items[i])
				    : MM_E_BUSY;

		if (error == MM_E_BUSY) {
			signing_close(a, signing);
			signing = signing_new(a, answer->note);
			error = signing != NULL
				    ? bring_item(a, signing, answer, items[i])
				    : mm_fail(MM_E_MEMORY, "no memory to sign");
		}
		if (error == MM_E_MEMORY) {
			mm_authority_fail(a, error);
			return;
		}
		if (error != MM_OK)
			void_item(a, items[i], error);
	}
	signing_close(a, signing);
}

static void
take_result(struct mm_authority *a, struct mm_item *item,
    const struct mm_token_result *result)
{
	enum mm_error error = mm_error_from(result->error);

	if (result->error != 0) {
		void_item(
		    a, item, mm_fail(error, "%.*s", MM_SPAN(result->why)));
		return;
	}
	mm_buffer_add(
	    &item->signature, result->signature.data, result->signature.size);
	if (item->signature.error != MM_OK || item->signature.size == 0) {
		mm_buffer_clear(&item->signature);
		void_item(
		    a, item, mm_fail(MM_E_PEER, "the token gave no signature"));
		return;
	}
	item->state = MM_ITEM_SIGNED;
}

/* One result an item, in order: what was asked for, and nothing else. */
static enum mm_error
check_results(const struct mm_signing *signing, const struct mm_list *results)
{
	const struct mm_list *items = &signing->request.items;

	for (size_t i = 0; i < items->count; i++)
		if (results->count != items->count ||
		    mm_list_at(*results, struct mm_token_result, i)->index !=
			mm_list_at(*items, struct mm_proven, i)->index)
			return mm_fail(MM_E_PEER,
			    "the token answers what it was not asked");
	return MM_OK;
}

/* The whole request failed: a token that broke is asked again elsewhere. */
static void
request_failed(
    struct mm_authority *a, struct mm_signing *signing, enum mm_error error)
{
	static const enum mm_error broken[] = {MM_E_TOKEN, MM_E_TOKEN_SIGNATURE,
	    MM_E_PIN, MM_E_TOKEN_UNAVAILABLE, MM_E_MEMORY};

	mm_journal(MM_LEVEL_ERROR, mm_error_name(error), "%s", mm_why(error));
	for (size_t i = 0; i < MM_COUNT(broken); i++)
		if (error == broken[i])
			return; /* it ends; the next one gets the request */
	signing_void(a, signing, error);
}

static struct mm_signing *
signing_find(struct mm_authority *a, uint64_t id)
{
	for (struct mm_signing *s = a->signings; s != NULL; s = s->next)
		if (s->id == id)
			return s;
	return NULL;
}

void
mm_signing_answered(struct mm_authority *a, struct mm_received *received)
{
	struct mm_signing *signing = signing_find(a, received->packet.id);
	struct mm_token_sign_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	if (signing == NULL)
		return;
	mm_arena_init(&arena, 1 << 20);
	error = mm_error_from(received->packet.error);
	if (received->packet.error != 0) {
		request_failed(a, signing,
		    mm_fail(error, "%.*s", MM_SPAN(received->packet.why)));
		return;
	}
	error = mm_shape_decode(&mm_token_sign_answer_shape,
	    received->packet.body, &arena, &answer);
	if (error == MM_OK)
		error = check_results(signing, &answer.results);
	if (error != MM_OK) {
		request_failed(a, signing, error);
		return;
	}
	for (size_t i = 0; i < answer.results.count; i++) {
		struct mm_item *item = asked_at(a, signing, i);

		if (item != NULL)
			take_result(a, item,
			    mm_list_at(
				answer.results, struct mm_token_result, i));
	}
	signing_free(a, signing);
	wind_deadline(a);
}

/* A token follows the policies: it gets what waits for a token. */
void
mm_signing_token_up(struct mm_authority *a)
{
	struct mm_signing *next;

	for (struct mm_signing *s = a->signings; s != NULL; s = next) {
		next = s->next;
		signing_ask(a, s);
	}
}

/*
 * Voids what several tokens have failed over: only the first request was
 * worked on, the others are not to blame.
 */
static void
count_attempt(struct mm_authority *a, const struct mm_signing *signing)
{
	for (size_t i = 0; i < signing->request.items.count; i++) {
		struct mm_item *item = asked_at(a, signing, i);

		if (item != NULL && ++item->attempts >= ATTEMPTS)
			void_item(a, item,
			    mm_fail(MM_E_TOKEN, "%d tokens failed over it",
				ATTEMPTS));
	}
}

static bool
all_settled(struct mm_authority *a, const struct mm_signing *signing)
{
	for (size_t i = 0; i < signing->request.items.count; i++)
		if (asked_at(a, signing, i) != NULL)
			return false;
	return true;
}

void
mm_signing_token_down(struct mm_authority *a)
{
	struct mm_signing *next;
	bool first = true;

	for (struct mm_signing *s = a->signings; s != NULL; s = next) {
		next = s->next;
		tell_unavailable(a, s);
		if (s->id != 0 && first)
			count_attempt(a, s);
		first = first && s->id == 0;
		s->id = 0;
		if (all_settled(a, s))
			signing_free(a, s);
	}
	a->signing_deadline = 0;
}

void
mm_signing_kill(struct mm_authority *a)
{
	mm_authority_give_up(a, MM_TOKEN, 0);
	mm_link_free(a->token);
	a->token = NULL;
	a->followed = false;
	a->follow_deadline = 0;
	mm_signing_token_down(a);
}

void
mm_signing_tick(struct mm_authority *a)
{
	ev_tstamp now = ev_now(a->loop);
	ev_tstamp deadline =
	    a->followed ? a->signing_deadline : a->follow_deadline;

	if (a->token == NULL || deadline == 0 || now <= deadline)
		return;
	mm_journal(MM_LEVEL_ERROR, "token-hangs",
	    "the token does not answer in time and is ended");
	mm_signing_kill(a);
}

void
mm_signing_clear(struct mm_authority *a)
{
	struct mm_job *job;

	while (a->signings != NULL)
		signing_free(a, a->signings);
	while (a->items != NULL) {
		while ((job = mm_jobs_pop(&a->items->waiters)) != NULL)
			mm_job_free(job);
		mm_item_free(a, a->items);
	}
}

/* DESIGN.md section 3: what a crash left unsigned is decided again. */
static enum mm_error
decide_again(struct mm_authority *a, struct mm_item *item,
    const struct mm_entry *frame, struct mm_arena *arena)
{
	struct mm_certificate_entry body;
	struct mm_entry entry;
	enum mm_error error;

	if (!mm_span_equal(
		mm_span(frame->policy, 32), mm_span(a->policy_digest, 32)))
		return mm_fail(
		    MM_E_NOTARY_POLICY, "it was decided under a former policy");
	/* An image rests on the statements in its own entry. */
	if (frame->kind != MM_ENTRY_CERTIFICATE)
		return MM_OK;
	error = mm_entry_decode_as(mm_buffer_span(&item->entry),
	    MM_ENTRY_CERTIFICATE, arena, &entry, &body);
	if (error == MM_OK)
		error = mm_issue_again(a, &body);
	return error == MM_OK ? mm_issue_rest(a, &body, &item->rest) : error;
}

enum mm_error
mm_signing_recover(struct mm_authority *a, struct mm_span entry, uint64_t index)
{
	struct mm_entry frame;
	struct mm_item *item;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, 1 << 20);
	error = mm_entry_decode(entry, &arena, &frame);
	if (error != MM_OK)
		return error;
	error = new_item(a, index, frame.kind, &item);
	if (error != MM_OK)
		return error;
	mm_buffer_add(&item->entry, entry.data, entry.size);
	if (item->entry.error != MM_OK)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	item->state = MM_ITEM_UNPROVEN;
	error = decide_again(a, item, &frame, &arena);
	if (error != MM_OK)
		void_item(a, item, error);
	return MM_OK;
}
