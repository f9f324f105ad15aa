/*
 * The steps of a release that is being signed. Each looks in the index where
 * it stands, and does what is next: its image is read again by an inspector,
 * or what was signed is proven by one.
 */
#include "server/making_parts.h"
#include "server/issuers.h"

#include <stdio.h>
#include <string.h>

#include "protocol/journal.h"

enum { STEP_ARENA = 1 << 20 };

/* How many signings of a release have no entry, and no signature. Those that
 * were approved count: what a later policy adds is none of its. */
struct progress {
	const struct mm_product *product;
	struct mm_approved approved;
	size_t missing, unsigned_count;
};

static enum mm_error
look(struct mm_releasing *r, struct mm_arena *arena, struct progress *out)
{
	struct mm_span product = mm_span_text(r->product);
	struct mm_span version = mm_span_text(r->version);
	struct progress p = {
	    .product = mm_policy_product(&r->a->policy, product)};
	enum mm_error error =
	    mm_approved_find(r->a, product, version, arena, &p.approved);

	if (error == MM_E_NOT_FOUND)
		return mm_fail(MM_E_RELEASE,
		    "%s %s is not approved: state it, and have officers "
		    "approve it",
		    r->product, r->version);
	if (error == MM_OK && p.product == NULL)
		return mm_fail(MM_E_PRODUCT,
		    "the policy in force has no product %s", r->product);
	for (size_t i = 0; error == MM_OK && i < p.approved.claim.schemes.count;
	     i++) {
		struct mm_made made;

		error = mm_made_look(r->a, product, version,
		    mm_list_at(
			p.approved.claim.schemes, struct mm_scheme_digest, i)
			->scheme,
		    arena, &made);
		p.missing += !made.entered;
		p.unsigned_count += made.entered && !made.is_signed;
	}
	if (error == MM_OK)
		*out = p;
	return error;
}

/* What was signed is no good: it is never given out. */
static bool
is_wrong(enum mm_error error)
{
	return error == MM_E_IMAGE_SIGNATURE || error == MM_E_IMAGE_SIGNED ||
	       error == MM_E_IMAGE;
}

static void
condemn(struct mm_releasing *r, enum mm_error error)
{
	r->state = MM_RELEASING_WRONG;
	r->error = MM_E_IMAGE_SIGNATURE;
	snprintf(r->why, sizeof(r->why),
	    "what was signed for %s %s does not hold, and is not given out: "
	    "%s",
	    r->product, r->version, mm_why(error));
	mm_journal(MM_LEVEL_ERROR, mm_error_name(r->error), "%s", r->why);
	mm_releasing_tell(r, mm_fail(r->error, "%s", r->why));
}

/* --- read, and proven --- */

/* What lay in the arena is of a former step. */
static void
forget_read(struct mm_releasing *r)
{
	r->read = false;
	r->inspected = (struct mm_inspect_answer){0};
	mm_arena_clear(&r->arena);
	mm_arena_init(&r->arena, MM_RELEASING_ARENA);
}

static enum mm_error
inspect(struct mm_releasing *r, const uint8_t sha256[32], uint64_t call,
    const struct mm_shape *shape, const void *request,
    void (*done)(void *of, enum mm_error error, struct mm_span body))
{
	struct mm_inspecting what = {.copy = -1,
	    .call = call,
	    .shape = shape,
	    .request = request,
	    .done = done,
	    .of = r};
	enum mm_error error = mm_images_find(r->a, sha256, &what.image);

	memcpy(r->inspects, sha256, sizeof(r->inspects));
	return error == MM_OK ? mm_inspect_begin(r->a, &what, &r->inspection)
			      : error;
}

static void
was_read(void *of, enum mm_error error, struct mm_span body)
{
	struct mm_releasing *r = of;

	r->inspection = NULL;
	if (error == MM_OK)
		error = mm_inspect_read(body, &r->arena, &r->inspected);
	if (error != MM_OK) {
		mm_releasing_give_up(r, error);
		return;
	}
	r->read = true;
	memcpy(r->sha256, r->inspected.facts.sha256, sizeof(r->sha256));
	r->state = MM_RELEASING_ENTER;
	mm_batch_step(r->a);
}

static enum mm_error
begin_reading(struct mm_releasing *r, const struct progress *p)
{
	enum mm_error error;

	forget_read(r);
	r->state = MM_RELEASING_READ;
	error = mm_inspect_terms(p->product,
	    r->a->configure->settings.image_max, &r->arena, &r->inspect);
	if (error == MM_OK)
		error =
		    inspect(r, p->approved.claim.sha256, MM_INSPECTOR_INSPECT,
			&mm_inspect_request_shape, &r->inspect, was_read);
	return error;
}

static void
was_proven(void *of, enum mm_error error, struct mm_span body)
{
	struct mm_releasing *r = of;
	struct mm_authority *a = r->a;

	(void)body;
	r->inspection = NULL;
	if (is_wrong(error)) {
		condemn(r, error);
		return;
	}
	if (error == MM_E_IMAGE_ABSENT)
		mm_images_forget(a, r->prove.sha256);
	if (error != MM_OK) {
		mm_releasing_give_up(r, error);
		return;
	}
	forget_read(r);
	r->state = MM_RELEASING_PROVEN;
	mm_releasing_ask_again(r);
	mm_batch_step(a);
}

static enum mm_error
add_signature(struct mm_releasing *r, struct mm_span signing,
    struct mm_prove_signature *out)
{
	const struct mm_issuer *key;
	struct mm_made made;
	enum mm_error error = mm_made_look(r->a, mm_span_text(r->product),
	    mm_span_text(r->version), signing, &r->arena, &made);

	if (error != MM_OK)
		return error;
	key = mm_issuer_key(r->a, made.key);
	if (key == NULL)
		return mm_fail(
		    MM_E_KEY_ABSENT, "there is no key %.*s", MM_SPAN(made.key));
	out->signing = mm_arena_copy(&r->arena, signing);
	out->spki = mm_arena_copy(&r->arena, mm_buffer_span(&key->spki));
	out->signature = made.signature;
	return out->signing.data != NULL && out->spki.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for signatures");
}

static enum mm_error
begin_proving(struct mm_releasing *r, const struct progress *p)
{
	const struct mm_list *schemes = &p->approved.claim.schemes;
	struct mm_prove_signature *list;
	enum mm_error error = MM_OK;

	forget_read(r);
	r->state = MM_RELEASING_PROVE;
	list = mm_arena_alloc(&r->arena, schemes->count * sizeof(*list));
	if (list == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for signatures");
	for (size_t i = 0; i < schemes->count && error == MM_OK; i++)
		error = add_signature(r,
		    mm_list_at(*schemes, struct mm_scheme_digest, i)->scheme,
		    &list[i]);
	if (error != MM_OK)
		return error;
	r->prove =
	    (struct mm_prove_image){.max = r->a->configure->settings.image_max,
		.as = mm_arena_copy(&r->arena, p->product->format),
		.resign = p->product->resign,
		.signatures = {list, schemes->count}};
	if (r->prove.as.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for signatures");
	memcpy(r->prove.sha256, p->approved.claim.sha256, 32);
	return inspect(r, r->prove.sha256, MM_INSPECTOR_PROVE,
	    &mm_prove_image_shape, &r->prove, was_proven);
}

/* Nothing here touches the index but to look. */
enum mm_error
mm_releasing_step(struct mm_releasing *r)
{
	mm_auto(arena) arena = {0};
	struct progress p;
	enum mm_error error;
	bool read;

	mm_arena_init(&arena, STEP_ARENA);
	error = look(r, &arena, &p);
	if (error != MM_OK)
		return error;
	read = r->read && memcmp(r->sha256, p.approved.claim.sha256, 32) == 0;
	if (p.missing > 0 && !p.product->unread && !read)
		return begin_reading(r, &p);
	if (p.missing > 0)
		r->state = MM_RELEASING_ENTER;
	else if (p.unsigned_count > 0)
		r->state = MM_RELEASING_SIGN;
	else if (!p.product->unread)
		return begin_proving(r, &p);
	else
		r->state = MM_RELEASING_PROVEN;
	if (r->state == MM_RELEASING_PROVEN)
		mm_releasing_ask_again(r);
	return MM_OK;
}
