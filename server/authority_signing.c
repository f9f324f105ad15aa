#include "server/authority.h"

#include <string.h>

#include "protocol/journal.h"

enum {
	ATTEMPTS = 3,	    /* tokens that may fail over one entry */
	PACKET = 150000,    /* bytes of one request to the token, about */
	PROOF_COST = 35	    /* bytes of a hash in a list, its head included */
};

struct mm_item *
mm_item_new(struct mm_authority *a, uint64_t index, uint64_t kind)
{
	struct mm_item *item = calloc(1, sizeof(*item));
	struct mm_item **place = &a->items;

	if (item == NULL)
		return NULL;
	item->index = index;
	item->kind = kind;
	mm_buffer_init(&item->entry, MM_ENTRY_MAX);
	mm_buffer_init(&item->note, MM_NOTE_MAX);
	mm_buffer_init(&item->signature, 4096);
	mm_jobs_init(&item->waiters);
	while (*place != NULL && (*place)->index < index)
		place = &(*place)->next;
	item->next = *place;
	*place = item;
	return item;
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
		mm_answer_error(a, job, error != MM_OK ? error : MM_E_BUG);
}

void
mm_item_wait(struct mm_authority *a, struct mm_item *item, struct mm_job *job)
{
	bool hopeless = item->state == MM_ITEM_VOID ||
	    (item->state <= MM_ITEM_ASKED && !a->followed);

	job->index = item->index;
	if (hopeless)
		mm_answer_error(a, job, MM_E_TOKEN_UNAVAILABLE);
	else
		mm_jobs_push(&item->waiters, job);
}

static struct mm_signing *
signing_new(struct mm_authority *a)
{
	struct mm_signing *signing = calloc(1, sizeof(*signing));
	struct mm_signing **last = &a->signings;
	struct mm_proven *items, *references;

	if (signing == NULL)
		return NULL;
	mm_arena_init(&signing->arena, 1 << 22);
	items = mm_arena_alloc(
	    &signing->arena, MM_BATCH_ENTRIES * sizeof(*items));
	references = mm_arena_alloc(
	    &signing->arena, MM_BATCH_REFERENCES * sizeof(*references));
	if (items == NULL || references == NULL) {
		mm_arena_clear(&signing->arena);
		free(signing);
		return NULL;
	}
	signing->request.items.items = items;
	signing->request.references.items = references;
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

static void
signing_ask(struct mm_authority *a, struct mm_signing *signing)
{
	enum mm_error error;

	if (a->token == NULL || !a->followed)
		return;
	signing->id = ++a->calls;
	signing->deadline = ev_now(a->loop) +
	    (double)a->configure->settings.token_deadline;
	error = mm_link_send(a->token, MM_TOKEN_SIGN, signing->id,
	    &mm_token_sign_request_shape, &signing->request, NULL);
	if (error != MM_OK)
		mm_journal(MM_LEVEL_ERROR, mm_error_name(error), "%s",
		    mm_why(error));
}

static const struct mm_inclusion *
inclusion_of(const struct mm_notary_append_answer *answer, uint64_t index)
{
	for (mm_list_each(const struct mm_inclusion, one, answer->references))
		if (one->index == index)
			return one;
	return NULL;
}

static struct mm_list
copy_proof(struct mm_arena *arena, const struct mm_list *proof)
{
	struct mm_span copy = mm_arena_copy(arena,
	    mm_span(proof->items, proof->count * MM_HASH_SIZE));

	return (struct mm_list){
	    copy.data, copy.data != NULL ? proof->count : 0};
}

/* Brings along an entry that an item rests on, once a request. */
static enum mm_error
bring_reference(struct mm_authority *a, struct mm_signing *signing,
    const struct mm_notary_append_answer *answer, uint64_t index)
{
	struct mm_list *list = &signing->request.references;
	struct mm_proven *references = (struct mm_proven *)list->items;
	const struct mm_inclusion *inclusion = inclusion_of(answer, index);
	struct mm_proven *one = &references[list->count];
	enum mm_error error;

	for (size_t i = 0; i < list->count; i++)
		if (references[i].index == index)
			return MM_OK;
	if (inclusion == NULL || list->count == MM_BATCH_REFERENCES)
		return mm_fail(MM_E_BUG, "an entry's basis has no proof");
	error = mm_index_reference(
	    a->index, index, &signing->arena, &one->entry);
	if (error != MM_OK)
		return error;
	one->index = index;
	one->proof = copy_proof(&signing->arena, &inclusion->proof);
	list->count++;
	return MM_OK;
}

static enum mm_error
bring_item(struct mm_authority *a, struct mm_signing *signing,
    const struct mm_notary_append_answer *answer, struct mm_item *item)
{
	struct mm_list *list = &signing->request.items;
	struct mm_proven *one =
	    &((struct mm_proven *)list->items)[list->count];
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < item->reference_count && error == MM_OK; i++)
		error = bring_reference(
		    a, signing, answer, item->references[i]);
	if (error != MM_OK)
		return error;
	*one = (struct mm_proven){item->index, mm_buffer_span(&item->entry),
	    mm_proof_to_list(&item->proof)};
	list->count++;
	return MM_OK;
}

static size_t
cost(const struct mm_item *item)
{
	return item->entry.size +
	    PROOF_COST * (1 + item->proof.count) *
	    (1 + item->reference_count);
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

void
mm_signing_send(struct mm_authority *a,
    const struct mm_notary_append_answer *answer,
    struct mm_item *const *items, size_t count)
{
	struct mm_signing *signing = NULL;
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		enum mm_error error;

		if (signing != NULL &&
		    (size + cost(items[i]) > PACKET ||
			signing->request.items.count == MM_BATCH_ENTRIES)) {
			signing_ask(a, signing);
			signing = NULL;
		}
		if (signing == NULL) {
			signing = signing_new(a);
			size = 0;
		}
		if (signing == NULL) {
			mm_authority_fail(a, MM_E_MEMORY);
			return;
		}
		signing->request.note = mm_arena_copy(
		    &signing->arena, answer->note);
		size += cost(items[i]);
		error = bring_item(a, signing, answer, items[i]);
		if (error != MM_OK)
			void_item(a, items[i], error);
	}
	if (signing != NULL)
		signing_ask(a, signing);
}

static void
take_result(struct mm_authority *a, const struct mm_token_result *result)
{
	struct mm_item *item = mm_item_find(a, result->index);
	enum mm_error error = mm_error_from(result->error);

	/* Only what was asked for, and only once. */
	if (item == NULL || item->state != MM_ITEM_ASKED)
		return;
	if (result->error != 0 || result->signature.size == 0) {
		error = error == MM_OK ? MM_E_PEER : error;
		void_item(a, item,
		    mm_fail(error, "%.*s", MM_SPAN(result->why)));
		return;
	}
	mm_buffer_add(&item->signature, result->signature.data,
	    result->signature.size);
	if (item->signature.error != MM_OK) {
		mm_buffer_clear(&item->signature);
		void_item(a, item, MM_E_PEER);
		return;
	}
	item->state = MM_ITEM_SIGNED;
}

/* The whole request failed: a token that broke is asked again elsewhere. */
static void
request_failed(
    struct mm_authority *a, struct mm_signing *signing, enum mm_error error)
{
	static const enum mm_error broken[] = {MM_E_TOKEN,
	    MM_E_TOKEN_SIGNATURE, MM_E_PIN, MM_E_TOKEN_UNAVAILABLE};

	mm_journal(MM_LEVEL_ERROR, mm_error_name(error), "%s", mm_why(error));
	for (size_t i = 0; i < MM_COUNT(broken); i++)
		if (error == broken[i])
			return; /* it ends; the next one gets the request */
	for (mm_list_each(
		 const struct mm_proven, one, signing->request.items)) {
		struct mm_item *item = mm_item_find(a, one->index);

		if (item != NULL && item->state == MM_ITEM_ASKED)
			void_item(a, item, error);
	}
	signing_free(a, signing);
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
	if (error != MM_OK) {
		request_failed(a, signing, error);
		return;
	}
	for (mm_list_each(
		 const struct mm_token_result, one, answer.results))
		take_result(a, one);
	signing_free(a, signing);
}

/* A token follows the policies: it gets what waits for a token. */
void
mm_signing_token_up(struct mm_authority *a)
{
	for (struct mm_signing *s = a->signings; s != NULL; s = s->next)
		signing_ask(a, s);
}

/* Voids what several tokens have failed over. */
static void
count_attempts(struct mm_authority *a, struct mm_signing *signing)
{
	for (mm_list_each(
		 const struct mm_proven, one, signing->request.items)) {
		struct mm_item *item = mm_item_find(a, one->index);

		if (item == NULL || item->state != MM_ITEM_ASKED)
			continue;
		/* Whoever waits may ask again, and gets the same bytes. */
		mm_item_refuse(a, item, MM_E_TOKEN_UNAVAILABLE);
		if (++item->attempts >= ATTEMPTS)
			void_item(a, item, MM_E_TOKEN);
	}
}

static bool
all_settled(struct mm_authority *a, const struct mm_signing *signing)
{
	for (mm_list_each(
		 const struct mm_proven, one, signing->request.items)) {
		const struct mm_item *item = mm_item_find(a, one->index);

		if (item != NULL && item->state == MM_ITEM_ASKED)
			return false;
	}
	return true;
}

void
mm_signing_token_down(struct mm_authority *a)
{
	struct mm_signing *next;

	for (struct mm_signing *s = a->signings; s != NULL; s = next) {
		next = s->next;
		if (s->id != 0)
			count_attempts(a, s);
		s->id = 0;
		if (all_settled(a, s))
			signing_free(a, s);
	}
}

static void
kill_token(struct mm_authority *a)
{
	struct mm_control_link link = {MM_TOKEN, 0};
	enum mm_error error;

	mm_journal(MM_LEVEL_ERROR, "token-hangs",
	    "the token does not answer in time and is ended");
	error = mm_channel_send(a->control, MM_CONTROL_KILL, 0,
	    &mm_control_link_shape, &link);
	if (error != MM_OK)
		mm_authority_fail(a, error);
}

void
mm_signing_tick(struct mm_authority *a)
{
	ev_tstamp now = ev_now(a->loop);
	bool late = a->token != NULL && !a->followed &&
	    a->follow_deadline > 0 && now > a->follow_deadline;

	if (a->token == NULL)
		return;
	for (struct mm_signing *s = a->signings; s != NULL; s = s->next)
		late |= s->id != 0 && now > s->deadline;
	if (!late)
		return;
	kill_token(a);
	mm_link_free(a->token);
	a->token = NULL;
	a->followed = false;
	mm_signing_token_down(a);
}

/* DESIGN.md section 3: what a crash left unsigned is decided again. */
static enum mm_error
recover_certificate(
    struct mm_authority *a, struct mm_item *item, struct mm_arena *arena)
{
	struct mm_certificate_entry body;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(mm_buffer_span(&item->entry),
	    MM_ENTRY_CERTIFICATE, arena, &entry, &body);

	if (error != MM_OK)
		return error;
	if (!mm_span_equal(mm_span(entry.policy, 32),
		mm_span(a->policy_digest, 32)))
		error = mm_fail(MM_E_NOTARY_POLICY,
		    "it was decided under a former policy");
	else
		error = mm_issue_again(a, &body);
	if (error == MM_OK)
		error = mm_issue_rest(a, item, &body);
	return error;
}

enum mm_error
mm_signing_recover(struct mm_authority *a, struct mm_span entry,
    uint64_t index)
{
	struct mm_entry frame;
	struct mm_item *item;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, 1 << 20);
	error = mm_entry_decode(entry, &arena, &frame);
	if (error != MM_OK)
		return error;
	item = mm_item_new(a, index, frame.kind);
	if (item == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	mm_buffer_add(&item->entry, entry.data, entry.size);
	item->state = MM_ITEM_UNPROVEN;
	if (frame.kind == MM_ENTRY_CERTIFICATE)
		error = recover_certificate(a, item, &arena);
	if (error != MM_OK)
		void_item(a, item, error);
	return MM_OK;
}
