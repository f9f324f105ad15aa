/*
 * The token is asked, one request after the other: its answers, its deadline,
 * and what it is asked again after it is gone.
 */
#include "server/signing_parts.h"

#include "protocol/journal.h"

enum { ATTEMPTS = 3 /* tokens that may fail over one entry */ };

void
mm_signing_free(struct mm_authority *a, struct mm_signing *signing)
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
			mm_item_void(a, item, error);
	}
	mm_signing_free(a, signing);
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

int
mm_signing_blob(struct mm_authority *a, const struct mm_signing *signing)
{
	const struct mm_list *items = &signing->request.items;

	if (items->count != 1)
		return -1;
	return mm_crl_blob(a, mm_list_at(*items, struct mm_proven, 0)->index);
}

void
mm_signing_ask(struct mm_authority *a, struct mm_signing *signing)
{
	const int fds[MM_CHANNEL_FDS] = {mm_signing_blob(a, signing), -1};
	enum mm_error error;

	if (a->token == NULL || !a->followed) {
		tell_unavailable(a, signing);
		return;
	}
	signing->id = ++a->calls;
	error = mm_link_send(a->token, MM_TOKEN_SIGN, signing->id,
	    &mm_token_sign_request_shape, &signing->request, fds);
	if (a->signing_deadline == 0)
		wind_deadline(a);
	if (error == MM_OK)
		return;
	mm_journal(MM_LEVEL_ERROR, mm_error_name(error), "%s", mm_why(error));
	/* With the next token, after the deadline; or never. */
	if (error != MM_E_AWAY && mm_error_exit(error) != MM_EXIT_LATER)
		signing_void(a, signing, error);
}

static void
take_result(struct mm_authority *a, struct mm_item *item,
    const struct mm_token_result *result)
{
	enum mm_error error = mm_error_from(result->error);

	if (result->error != 0) {
		mm_item_void(
		    a, item, mm_fail(error, "%.*s", MM_SPAN(result->why)));
		return;
	}
	mm_buffer_add(
	    &item->signature, result->signature.data, result->signature.size);
	if (item->signature.error != MM_OK || item->signature.size == 0) {
		mm_buffer_clear(&item->signature);
		mm_item_void(
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
	mm_signing_free(a, signing);
	wind_deadline(a);
}

/* A token follows the policies: it gets what waits for a token. */
void
mm_signing_token_up(struct mm_authority *a)
{
	struct mm_signing *next;

	for (struct mm_signing *s = a->signings; s != NULL; s = next) {
		next = s->next;
		mm_signing_ask(a, s);
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
			mm_item_void(a, item,
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
			mm_signing_free(a, s);
	}
	a->signing_deadline = 0;
}

void
mm_signing_pass_by(struct mm_authority *a)
{
	struct mm_signing *next;

	for (struct mm_item *i = a->items; i != NULL; i = i->next)
		if (mm_item_passed_by(a, i))
			mm_item_void(a, i,
			    mm_fail(MM_E_NOTARY_POLICY,
				"it was decided under a former policy"));
	for (struct mm_signing *s = a->signings; s != NULL; s = next) {
		next = s->next;
		if (s->id == 0 && all_settled(a, s))
			mm_signing_free(a, s);
	}
}

void
mm_signing_kill(struct mm_authority *a)
{
	mm_authority_give_up(a, MM_TOKEN, 0);
	mm_link_free(a->token);
	a->token = NULL;
	mm_follow_lost(a);
	mm_signing_token_down(a);
}

void
mm_signing_tick(struct mm_authority *a)
{
	ev_tstamp now = ev_now(a->loop);

	/* Behind keys that it makes first, for which it has a time of its
	 * own. */
	if (a->carrying.generating != 0 && a->signing_deadline != 0)
		wind_deadline(a);
	if (a->token == NULL || a->signing_deadline == 0 ||
	    now <= a->signing_deadline)
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
		mm_signing_free(a, a->signings);
	while (a->items != NULL) {
		while ((job = mm_jobs_pop(&a->items->waiters)) != NULL)
			mm_job_free(job);
		mm_item_free(a, a->items);
	}
}
