/*
 * What officers state about a release: checked, entered, and read again.
 */
#include "server/releasing.h"
#include "server/stating.h"

#include <string.h>

#include "policy/roster.h"

/* --- a release as it is approved --- */

enum mm_error
mm_approved_decode(
    struct mm_span bytes, struct mm_arena *arena, struct mm_approved *out)
{
	struct mm_statement statement;
	struct mm_claim claim;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(
	    bytes, MM_ENTRY_RELEASE, arena, &entry, &out->stated);

	if (error == MM_OK && out->stated.statements.count == 0)
		error = mm_plain(MM_E_LOG_WRONG);
	if (error == MM_OK)
		error = mm_statement_decode(
		    mm_list_at(out->stated.statements, struct mm_bytes_item, 0)
			->value,
		    &statement);
	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_claim_shape, statement.payload, arena, &claim);
	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_release_claim_shape, claim.body, arena, &out->claim);
	if (error != MM_OK)
		return error;
	out->index = 0;
	out->time = entry.time;
	out->expiry = claim.expiry;
	crypto_hash_sha256(
	    out->payload, statement.payload.data, statement.payload.size);
	return MM_OK;
}

enum mm_error
mm_approved_read(struct mm_authority *a, uint64_t index, struct mm_arena *arena,
    struct mm_approved *out)
{
	struct mm_approved approved;
	struct mm_span bytes;
	enum mm_error error =
	    mm_index_reference(a->index, index, arena, &bytes);

	if (error == MM_OK)
		error = mm_approved_decode(bytes, arena, &approved);
	if (error == MM_OK) {
		approved.index = index;
		*out = approved;
	}
	return error;
}

enum mm_error
mm_approved_find(struct mm_authority *a, struct mm_span product,
    struct mm_span version, struct mm_arena *arena, struct mm_approved *out)
{
	uint64_t index;
	enum mm_error error =
	    mm_index_release(a->index, product, version, &index);

	return error == MM_OK ? mm_approved_read(a, index, arena, out) : error;
}

enum mm_error
mm_approved_count(struct mm_authority *a, const struct mm_approved *approved,
    struct mm_arena *arena, struct mm_list *out)
{
	const struct mm_release_claim *claim = &approved->claim;
	struct mm_counted counted;
	enum mm_error error = mm_pending_counted(a, MM_STATEMENT_RELEASE,
	    &approved->stated.statements, arena, &counted);

	if (error == MM_E_STATEMENT_TIME)
		return mm_fail(error,
		    "the approval of %.*s %.*s, entry %llu, has expired: have "
		    "it approved again",
		    MM_SPAN(claim->product), MM_SPAN(claim->version),
		    (unsigned long long)approved->index);
	if (error == MM_OK && counted.missing > 0)
		return mm_fail(MM_E_RELEASE,
		    "the approval of %.*s %.*s, entry %llu, lacks %llu of the "
		    "officers that the policy in force wants: have it approved "
		    "again",
		    MM_SPAN(claim->product), MM_SPAN(claim->version),
		    (unsigned long long)approved->index,
		    (unsigned long long)counted.missing);
	if (error == MM_OK)
		*out = counted.statements;
	return error;
}

/* --- what is stated about it --- */

const struct mm_scheme_digest *
mm_release_claimed(const struct mm_release_claim *claim, struct mm_span signing)
{
	for (mm_list_each(const struct mm_scheme_digest, one, claim->schemes))
		if (mm_span_equal(one->scheme, signing))
			return one;
	return NULL;
}

/* Each is allowed, and named once. */
/* What it signs can be told without the image. */
static bool
is_whole(struct mm_span signing)
{
	struct mm_signing_name name;

	return mm_signing_read(signing, &name) == MM_OK &&
	       strcmp(name.scheme->name, MM_SCHEME_DEFAULT) == 0;
}

static enum mm_error
check_claimed(struct mm_stating *s, const struct mm_scheme_digest *one)
{
	const struct mm_release_claim *claim = &s->body.release;
	const struct mm_release_facts facts = {.policy = &s->a->policy,
	    .product = claim->product,
	    .version = claim->version,
	    .scheme = one->scheme,
	    .size = claim->size,
	    .sha256 = claim->sha256,
	    .digest = one->digest,
	    .claim = claim};

	if (mm_release_claimed(claim, one->scheme) != one)
		return mm_fail(MM_E_STATEMENT, "the statement names %.*s twice",
		    MM_SPAN(one->scheme));
	if (is_whole(one->scheme) &&
	    memcmp(one->digest, claim->sha256, sizeof(one->digest)) != 0)
		return mm_fail(MM_E_RELEASE,
		    "%.*s signs the image's SHA-256, and the statement has "
		    "another digest for it",
		    MM_SPAN(one->scheme));
	return mm_decide_release(&facts);
}

/* All that the product is signed by, so that nothing of it is missing. */
static enum mm_error
check_schemes(struct mm_stating *s, const struct mm_product *product)
{
	const struct mm_release_claim *claim = &s->body.release;

	for (mm_list_each(const struct mm_scheme_digest, one, claim->schemes)) {
		enum mm_error error = check_claimed(s, one);

		if (error != MM_OK)
			return error;
	}
	for (mm_list_each(const struct mm_text_item, one, product->schemes))
		if (mm_release_claimed(claim, one->value) == NULL)
			return mm_fail(MM_E_RELEASE,
			    "the statement says nothing of %.*s, by which "
			    "product %.*s is signed too",
			    MM_SPAN(one->value), MM_SPAN(product->name));
	return MM_OK;
}

enum mm_error
mm_release_inherited(struct mm_span product, struct mm_span version)
{
	return mm_fail(MM_E_RELEASE_EXISTS,
	    "%.*s %.*s was signed under the log that this one succeeds: fetch "
	    "it there, or give this one another version",
	    MM_SPAN(product), MM_SPAN(version));
}

/* A version of a product is one image, for ever. */
static enum mm_error
check_signed(struct mm_stating *s)
{
	const struct mm_release_claim *claim = &s->body.release;
	struct mm_issued issued;
	enum mm_error error = mm_index_version(s->a->index, claim->product,
	    claim->version, &s->job->arena, &issued);

	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error == MM_OK && issued.inherited)
		return mm_release_inherited(claim->product, claim->version);
	if (error == MM_OK &&
	    memcmp(issued.key, claim->sha256, sizeof(issued.key)) != 0)
		error = mm_fail(MM_E_RELEASE_EXISTS,
		    "another image was signed as %.*s %.*s: give this one "
		    "another version",
		    MM_SPAN(claim->product), MM_SPAN(claim->version));
	return error;
}

/* What can be told without the image, which may come later. */
static enum mm_error
check_rules(struct mm_stating *s, const struct mm_product *product)
{
	const struct mm_release_claim *claim = &s->body.release;
	struct mm_product unread = *product;
	const struct mm_rules_question question = {
	    .product = &unread, .version = claim->version, .size = claim->size};
	struct mm_list rules;
	size_t failed;
	enum mm_error error;

	unread.unread = true;
	error = mm_rules_ask(s->a, &question, &s->job->arena, &rules, &failed);
	return error == MM_OK ? mm_rules_verdict(&rules) : error;
}

static enum mm_error
check_kept(struct mm_stating *s)
{
	const struct mm_release_claim *claim = &s->body.release;
	uint64_t size;

	if (!mm_images_has(s->a, claim->sha256, &size) || size == claim->size)
		return MM_OK;
	return mm_fail(MM_E_RELEASE,
	    "the image has %llu bytes, and not %llu as the statement says",
	    (unsigned long long)size, (unsigned long long)claim->size);
}

/* Whether what an entry approves is what is stated now. */
static bool
says_the_same(struct mm_stating *s, const struct mm_approved *approved)
{
	const struct mm_release_claim *one = &s->body.release;
	const struct mm_release_claim *other = &approved->claim;

	if (memcmp(one->sha256, other->sha256, sizeof(one->sha256)) != 0 ||
	    one->size != other->size ||
	    one->schemes.count != other->schemes.count)
		return false;
	for (mm_list_each(const struct mm_scheme_digest, row, one->schemes)) {
		const struct mm_scheme_digest *found =
		    mm_release_claimed(other, row->scheme);

		if (found == NULL || memcmp(found->digest, row->digest,
					 sizeof(row->digest)) != 0)
			return false;
	}
	return true;
}

/* An approval that counts as it is needs no other one; one that has expired,
 * or lacks officers under the policy in force, does. */
static enum mm_error
check_approved(struct mm_stating *s)
{
	const struct mm_release_claim *claim = &s->body.release;
	struct mm_approved approved;
	struct mm_list counted;
	enum mm_error error = mm_approved_find(
	    s->a, claim->product, claim->version, &s->job->arena, &approved);

	if (error == MM_E_NOT_FOUND ||
	    (error == MM_OK && !says_the_same(s, &approved)))
		return MM_OK;
	if (error == MM_OK)
		error = mm_approved_count(
		    s->a, &approved, &s->job->arena, &counted);
	if (error == MM_OK)
		return mm_fail(MM_E_STATEMENT_REPLAY,
		    "this image is approved already as %.*s %.*s, by entry "
		    "%llu",
		    MM_SPAN(claim->product), MM_SPAN(claim->version),
		    (unsigned long long)approved.index);
	return error == MM_E_STATEMENT_TIME || error == MM_E_RELEASE ? MM_OK
								     : error;
}

enum mm_error
mm_release_check(struct mm_stating *s)
{
	const struct mm_release_claim *claim = &s->body.release;
	const struct mm_product *product =
	    mm_policy_product(&s->a->policy, claim->product);
	enum mm_error error;

	if (product == NULL)
		return mm_fail(MM_E_PRODUCT,
		    "the policy in force has no product %.*s",
		    MM_SPAN(claim->product));
	error = check_schemes(s, product);
	if (error == MM_OK)
		error = check_signed(s);
	if (error == MM_OK)
		error = check_approved(s);
	if (error == MM_OK)
		error = check_kept(s);
	return error == MM_OK ? check_rules(s, product) : error;
}

enum mm_error
mm_release_enter(struct mm_stating *s)
{
	return mm_statement_enter(s, MM_ENTRY_RELEASE);
}
