/*
 * An approved release becomes signatures: its image is read again, entered,
 * signed, and what comes out of it is proven. Whoever waits for it is told, or
 * decided again; a crash between two steps costs nothing but the next asking.
 */
#include "server/making_parts.h"
#include "server/answering.h"

#include <string.h>

#include "protocol/journal.h"

enum {
	RELEASINGS_MAX = 256, /* remembered, those that are done included */
	STEP_ARENA = 1 << 20
};

/* --- where it stands --- */

enum mm_error
mm_made_look(struct mm_authority *a, struct mm_span product,
    struct mm_span version, struct mm_span signing, struct mm_arena *arena,
    struct mm_made *out)
{
	struct mm_issued issued;
	enum mm_error error =
	    mm_index_image(a->index, product, version, signing, arena, &issued);

	*out = (struct mm_made){.entered = error == MM_OK};
	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error != MM_OK)
		return error;
	out->index = issued.idx;
	/* As long as there is an item its signature is not in the log,
	 * whatever the index says in the midst of a batch. */
	out->is_signed = issued.state == MM_ISSUED_SIGNED &&
			 mm_item_find(a, issued.idx) == NULL;
	out->signature = issued.signature;
	out->key = issued.issuer;
	return MM_OK;
}

static struct mm_releasing *
find(const struct mm_authority *a, struct mm_span product,
    struct mm_span version)
{
	struct mm_releasing *r = a->releasings;

	while (r != NULL && (!mm_span_is(product, r->product) ||
				!mm_span_is(version, r->version)))
		r = r->next;
	return r;
}

enum mm_error
mm_release_state(struct mm_authority *a, const struct mm_approved *approved,
    struct mm_arena *arena, uint64_t *out)
{
	const struct mm_release_claim *claim = &approved->claim;
	const struct mm_releasing *r = find(a, claim->product, claim->version);
	uint64_t state = r != NULL && r->state == MM_RELEASING_WRONG
			     ? MM_RELEASE_APPROVED
			     : MM_RELEASE_SIGNED;

	for (mm_list_each(const struct mm_scheme_digest, one, claim->schemes)) {
		struct mm_made made;
		enum mm_error error = mm_made_look(a, claim->product,
		    claim->version, one->scheme, arena, &made);

		if (error != MM_OK)
			return error;
		if (!made.is_signed)
			state = MM_RELEASE_APPROVED;
	}
	*out = state;
	return MM_OK;
}

/* --- those that are remembered --- */

static void
releasing_free(struct mm_releasing *r)
{
	struct mm_releasing **place = &r->a->releasings;

	while (*place != r)
		place = &(*place)->next;
	*place = r->next;
	mm_inspect_end(r->inspection);
	mm_arena_clear(&r->arena);
	free(r);
}

static bool
is_over(const struct mm_releasing *r)
{
	return r->state == MM_RELEASING_PROVEN ||
	       r->state == MM_RELEASING_WRONG;
}

/* The newest are at the end. */
static enum mm_error
make_room(struct mm_authority *a)
{
	struct mm_releasing *over = NULL;
	size_t count = 0;

	for (struct mm_releasing *r = a->releasings; r != NULL; r = r->next) {
		count++;
		if (over == NULL && is_over(r))
			over = r;
	}
	if (count < RELEASINGS_MAX)
		return MM_OK;
	if (over == NULL)
		return mm_fail(
		    MM_E_BUSY, "%zu releases are being signed", count);
	releasing_free(over);
	return MM_OK;
}

static enum mm_error
releasing_new(struct mm_authority *a, struct mm_span product,
    struct mm_span version, struct mm_releasing **out)
{
	struct mm_releasing **last = &a->releasings, *r;
	enum mm_error error = make_room(a);

	if (error != MM_OK)
		return error;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a release");
	r->a = a;
	mm_span_string(product, r->product, sizeof(r->product));
	mm_span_string(version, r->version, sizeof(r->version));
	mm_arena_init(&r->arena, MM_RELEASING_ARENA);
	mm_jobs_init(&r->waiters);
	while (*last != NULL)
		last = &(*last)->next;
	*last = r;
	*out = r;
	return MM_OK;
}

void
mm_releasing_tell(struct mm_releasing *r, enum mm_error error)
{
	struct mm_job *job;

	while ((job = mm_jobs_pop(&r->waiters)) != NULL)
		mm_answer_error(r->a, job, error);
}

/* Whoever waits for it is decided again. */
void
mm_releasing_ask_again(struct mm_releasing *r)
{
	struct mm_job *job;

	while ((job = mm_jobs_pop(&r->waiters)) != NULL)
		mm_jobs_push(&r->a->queue, job);
}

/* An image that is not kept is submitted yet; whoever wants the signature
 * asks. */
static bool
is_news(enum mm_error error)
{
	return error != MM_E_IMAGE_ABSENT && error != MM_E_BUSY;
}

void
mm_releasing_give_up(struct mm_releasing *r, enum mm_error error)
{
	if (is_news(error))
		mm_journal(MM_LEVEL_ERROR, mm_error_name(error),
		    "%s %s is not signed: %s", r->product, r->version,
		    mm_why(error));
	mm_releasing_tell(r, error);
	releasing_free(r);
}

static void
go_on(struct mm_releasing *r)
{
	enum mm_error error = mm_releasing_step(r);

	if (error != MM_OK)
		mm_releasing_give_up(r, error);
}

/* --- begun --- */

static enum mm_error
begin(struct mm_authority *a, struct mm_span product, struct mm_span version,
    struct mm_releasing **out)
{
	struct mm_releasing *r = find(a, product, version);
	enum mm_error error;

	if (r != NULL) {
		*out = r;
		return MM_OK;
	}
	error = releasing_new(a, product, version, &r);
	if (error != MM_OK)
		return error;
	error = mm_releasing_step(r);
	if (error != MM_OK)
		releasing_free(r);
	else
		*out = r;
	return error;
}

void
mm_release_make(
    struct mm_authority *a, struct mm_span product, struct mm_span version)
{
	struct mm_releasing *r;
	enum mm_error error;

	if (a->distrusted || a->stopping)
		return;
	error = begin(a, product, version, &r);
	if (error != MM_OK && is_news(error))
		mm_journal(MM_LEVEL_ERROR, mm_error_name(error),
		    "%.*s %.*s is not signed: %s", MM_SPAN(product),
		    MM_SPAN(version), mm_why(error));
}

enum mm_error
mm_release_make_for(struct mm_authority *a, struct mm_job *job,
    struct mm_span product, struct mm_span version, bool *parked)
{
	struct mm_releasing *r;
	enum mm_error error = begin(a, product, version, &r);

	*parked = false;
	if (error != MM_OK)
		return error;
	if (r->state == MM_RELEASING_WRONG)
		return mm_fail(r->error, "%s", r->why);
	if (r->state == MM_RELEASING_PROVEN)
		return MM_OK;
	if (a->distrusted && r->state != MM_RELEASING_PROVE)
		return mm_plain(MM_E_LOG_WRONG);
	if (!a->followed && r->state != MM_RELEASING_PROVE)
		return mm_plain(MM_E_TOKEN_UNAVAILABLE);
	mm_jobs_push(&r->waiters, job);
	*parked = true;
	return MM_OK;
}

bool
mm_release_reads(const struct mm_authority *a, const uint8_t sha256[32])
{
	for (const struct mm_releasing *r = a->releasings; r != NULL;
	     r = r->next)
		if (r->inspection != NULL &&
		    memcmp(r->inspects, sha256, sizeof(r->inspects)) == 0)
			return true;
	return false;
}

/* --- its entries --- */

bool
mm_release_due(const struct mm_authority *a)
{
	if (!a->ready || !a->followed || a->stopping)
		return false;
	for (const struct mm_releasing *r = a->releasings; r != NULL;
	     r = r->next)
		if (r->state == MM_RELEASING_ENTER)
			return true;
	return false;
}

static void
enter(struct mm_releasing *r)
{
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, STEP_ARENA);
	error = mm_releasing_enter(r, &arena);
	if (error == MM_E_BUSY)
		return;
	if (error != MM_OK)
		mm_releasing_give_up(r, error);
	else
		r->state = MM_RELEASING_SIGN;
}

void
mm_release_add(struct mm_authority *a)
{
	struct mm_releasing *next;

	if (a->batch.clock != MM_OK || !mm_release_due(a))
		return;
	for (struct mm_releasing *r = a->releasings; r != NULL; r = next) {
		next = r->next;
		if (r->state == MM_RELEASING_ENTER)
			enter(r);
	}
}

/* --- what becomes of them --- */

static struct mm_releasing *
find_of(const struct mm_authority *a, struct mm_span entry)
{
	mm_auto(arena) arena = {0};
	struct mm_image_entry body;
	struct mm_entry frame;

	mm_arena_init(&arena, STEP_ARENA);
	if (mm_entry_decode_as(entry, MM_ENTRY_IMAGE, &arena, &frame, &body) !=
	    MM_OK)
		return NULL;
	return find(a, body.product, body.version);
}

void
mm_release_settled(
    struct mm_authority *a, struct mm_span entry, enum mm_error voided)
{
	struct mm_releasing *r = find_of(a, entry);

	if (r == NULL || r->state != MM_RELEASING_SIGN)
		return;
	if (voided != MM_OK)
		mm_releasing_give_up(r, mm_plain(voided));
	else
		go_on(r);
}

void
mm_release_refused(
    struct mm_authority *a, struct mm_span entry, enum mm_error error)
{
	struct mm_releasing *r =
	    a->releasings != NULL ? find_of(a, entry) : NULL;

	if (r != NULL && r->state == MM_RELEASING_SIGN)
		mm_releasing_tell(r, error);
}

void
mm_release_stored(struct mm_authority *a, struct mm_span entry)
{
	mm_auto(arena) arena = {0};
	struct mm_approved approved;
	struct mm_releasing *r;
	uint64_t index;
	enum mm_error error;

	mm_arena_init(&arena, STEP_ARENA);
	error = mm_approved_decode(entry, &arena, &approved);
	if (error == MM_OK)
		error = mm_index_release(a->index, approved.claim.product,
		    approved.claim.version, &index);
	if (error != MM_OK)
		return;
	/* What was found before was about another approval. */
	r = find(a, approved.claim.product, approved.claim.version);
	if (r != NULL && r->state != MM_RELEASING_SIGN) {
		mm_releasing_ask_again(r);
		releasing_free(r);
	}
	mm_release_make(a, approved.claim.product, approved.claim.version);
}

static bool
is_in_the_log(const struct mm_releasing *r)
{
	return r->state == MM_RELEASING_ENTER || r->state == MM_RELEASING_SIGN;
}

void
mm_release_tell(struct mm_authority *a, enum mm_error error)
{
	for (struct mm_releasing *r = a->releasings; r != NULL; r = r->next)
		if (is_in_the_log(r))
			mm_releasing_tell(r, error);
}

void
mm_release_again(struct mm_authority *a, enum mm_error error)
{
	struct mm_releasing *next;

	mm_release_tell(a, error);
	for (struct mm_releasing *r = a->releasings; r != NULL; r = next) {
		next = r->next;
		if (is_in_the_log(r))
			go_on(r);
	}
}

void
mm_release_anew(struct mm_authority *a)
{
	while (a->releasings != NULL) {
		mm_releasing_ask_again(a->releasings);
		releasing_free(a->releasings);
	}
}

void
mm_release_stop(struct mm_authority *a, enum mm_error error)
{
	while (a->releasings != NULL) {
		mm_releasing_tell(a->releasings, error);
		releasing_free(a->releasings);
	}
}

/* Nothing is signed any more, or there is no token that would. */
void
mm_release_tick(struct mm_authority *a)
{
	if (a->distrusted)
		mm_release_tell(a, mm_plain(MM_E_LOG_WRONG));
	else if (!a->followed)
		mm_release_tell(a, mm_plain(MM_E_TOKEN_UNAVAILABLE));
}

void
mm_release_clear(struct mm_authority *a)
{
	while (a->releasings != NULL) {
		struct mm_job *job;

		while ((job = mm_jobs_pop(&a->releasings->waiters)) != NULL)
			mm_job_free(job);
		releasing_free(a->releasings);
	}
}
