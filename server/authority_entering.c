/*
 * The image entries of an approved release, one a signing. All that was held
 * against the image when it was submitted is asked once more: the statements
 * have come since, and another policy may have.
 */
#include "server/making_parts.h"

#include <string.h>

#include "policy/decide.h"

/* What officers computed from their own builds, and what was read here. */
static enum mm_error
check_read(const struct mm_releasing *r, const struct mm_product *product,
    const struct mm_release_claim *claim)
{
	const struct mm_inspect_answer *answer = &r->inspected;

	if (memcmp(answer->facts.sha256, claim->sha256, 32) != 0 ||
	    answer->facts.size != claim->size) {
		mm_images_forget(r->a, claim->sha256);
		return mm_fail(MM_E_IMAGE_ABSENT,
		    "the file that was kept is not the image that is "
		    "approved: submit it again");
	}
	for (size_t i = 0; i < product->schemes.count; i++) {
		struct mm_span signing =
		    mm_list_at(product->schemes, struct mm_text_item, i)->value;
		const struct mm_scheme_digest *one =
		    mm_release_claimed(claim, signing);

		if (one == NULL || i >= answer->digests.count ||
		    memcmp(one->digest,
			mm_list_at(answer->digests, struct mm_hash_item, i)
			    ->value,
			sizeof(one->digest)) != 0)
			return mm_fail(MM_E_RELEASE,
			    "for %.*s the statements name another digest than "
			    "the image has: they were made for another image",
			    MM_SPAN(signing));
	}
	return MM_OK;
}

static enum mm_error
check_rules(struct mm_releasing *r, const struct mm_product *product,
    const struct mm_release_claim *claim, struct mm_arena *arena)
{
	const struct mm_rules_question question = {.product = product,
	    .version = claim->version,
	    .image = r->read ? &r->inspected.facts : NULL,
	    .size = claim->size,
	    .faults = r->inspected.faults};
	struct mm_list rules;
	size_t failed;
	enum mm_error error =
	    mm_rules_ask(r->a, &question, arena, &rules, &failed);

	return error == MM_OK ? mm_rules_verdict(&rules) : error;
}

/* As the token process will judge it: gives the entry its digest. */
static enum mm_error
check_claim(struct mm_authority *a, const struct mm_release_claim *claim,
    struct mm_image_entry *body)
{
	const struct mm_scheme_digest *one =
	    mm_release_claimed(claim, body->scheme);
	const struct mm_release_facts facts = {.policy = &a->policy,
	    .product = body->product,
	    .version = body->version,
	    .scheme = body->scheme,
	    .format = body->format,
	    .chip = body->chip,
	    .project = body->project,
	    .secure_version = body->secure_version,
	    .size = body->size,
	    .sha256 = body->sha256,
	    .digest = body->digest,
	    .claim = claim};

	if (one == NULL)
		return mm_fail(MM_E_RELEASE,
		    "the statements say nothing of %.*s: have the release "
		    "approved again",
		    MM_SPAN(body->scheme));
	memcpy(body->digest, one->digest, sizeof(body->digest));
	return mm_decide_release(&facts);
}

static void
add_facts(const struct mm_image_facts *facts, struct mm_image_entry *body)
{
	body->format = facts->format;
	body->chip = facts->chip;
	body->project = facts->project;
	body->secure_version = facts->secure_version;
}

static enum mm_error
enter_one(struct mm_releasing *r, const struct mm_approved *approved,
    const struct mm_list *statements, struct mm_span signing)
{
	const struct mm_release_claim *claim = &approved->claim;
	const struct mm_issuer *key = NULL;
	struct mm_image_entry body = {.product = claim->product,
	    .version = claim->version,
	    .size = claim->size,
	    .scheme = signing,
	    .format = mm_span_text(MM_FORMAT_UNREAD),
	    .statements = *statements};
	struct mm_item *item;
	enum mm_error error;

	memcpy(body.sha256, claim->sha256, sizeof(body.sha256));
	if (r->read)
		add_facts(&r->inspected.facts, &body);
	error = check_claim(r->a, claim, &body);
	if (error == MM_OK)
		error = mm_rules_key(r->a, signing, &key);
	if (error != MM_OK)
		return error;
	body.key = mm_span_text(key->name);
	crypto_hash_sha256(body.signer, key->spki.data, key->spki.size);
	return mm_item_draft(r->a, MM_ENTRY_IMAGE, &body, &item);
}

/* Those that have none yet. */
static enum mm_error
enter_missing(struct mm_releasing *r, const struct mm_product *product,
    const struct mm_approved *approved, const struct mm_list *statements,
    struct mm_arena *arena)
{
	enum mm_error error = MM_OK;

	if (approved->claim.schemes.count != product->schemes.count)
		return mm_fail(MM_E_RELEASE,
		    "the product is signed in other ways now than the "
		    "statements say: have the release approved again");
	for (mm_list_each(const struct mm_text_item, one, product->schemes)) {
		struct mm_made made;

		error = mm_made_look(r->a, product->name,
		    approved->claim.version, one->value, arena, &made);
		if (error == MM_OK && !made.entered)
			error = enter_one(r, approved, statements, one->value);
		if (error != MM_OK)
			break;
	}
	return error;
}

enum mm_error
mm_releasing_enter(struct mm_releasing *r, struct mm_arena *arena)
{
	const struct mm_product *product =
	    mm_policy_product(&r->a->policy, mm_span_text(r->product));
	struct mm_approved approved;
	struct mm_list statements;
	enum mm_error error = mm_approved_find(r->a, mm_span_text(r->product),
	    mm_span_text(r->version), arena, &approved);

	if (error == MM_OK && product == NULL)
		error = mm_plain(MM_E_PRODUCT);
	if (error == MM_OK)
		error = mm_approved_count(r->a, &approved, arena, &statements);
	if (error == MM_OK && (r->read || !product->unread))
		error = check_read(r, product, &approved.claim);
	if (error == MM_OK)
		error = check_rules(r, product, &approved.claim, arena);
	if (error == MM_OK)
		error =
		    enter_missing(r, product, &approved, &statements, arena);
	return error;
}
