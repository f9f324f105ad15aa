#include "cli/release_terms.h"

#include <string.h>

#include "cli/json_value.h"
#include "cli/policy_at.h"
#include "cli/values.h"

/* ---- the product's signings */

static enum mm_error
read_said(const struct mm_invocation *invocation, size_t count,
    struct mm_arena *arena, struct mm_list *out)
{
	struct mm_text_item *items =
	    mm_arena_alloc(arena, count * sizeof(*items));
	struct mm_signing_name name;
	enum mm_error error = MM_OK;

	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for signings");
	for (size_t i = 0; i < count && error == MM_OK; i++) {
		items[i].value =
		    mm_span_text(mm_option_nth(invocation, "scheme", i));
		error = mm_signing_read(items[i].value, &name);
	}
	if (error == MM_OK)
		*out = (struct mm_list){items, count};
	return error;
}

static enum mm_error
find_product(
    const struct mm_policy *policy, struct mm_span name, struct mm_list *out)
{
	for (mm_list_each(const struct mm_product, product, policy->products)) {
		if (!mm_span_equal(product->name, name))
			continue;
		*out = product->schemes;
		return MM_OK;
	}
	return mm_fail(MM_E_PRODUCT, "the policy in force has no product %.*s",
	    MM_SPAN(name));
}

/* The spans that a decoded policy has point into the arena. */
static enum mm_error
read_policy(struct mm_source *source, struct mm_span product,
    struct mm_arena *arena, struct mm_list *out)
{
	struct mm_policy_at at;
	enum mm_error error = mm_policy_at(
	    source, mm_source_checkpoint(source)->size - 1, arena, &at);

	if (error == MM_OK)
		error = mm_source_settle(source);
	return error == MM_OK ? find_product(&at.policy, product, out) : error;
}

enum mm_error
mm_release_schemes(const struct mm_invocation *invocation,
    struct mm_span product, struct mm_arena *arena, struct mm_list *out)
{
	struct mm_source *source = NULL;
	size_t said = 0;
	enum mm_error error;

	while (mm_option_nth(invocation, "scheme", said) != NULL)
		said++;
	if (said > 0)
		return read_said(invocation, said, arena, out);
	error = mm_source_open(invocation, MM_OPERANDS_MAX - 1, &source);
	if (error == MM_OK)
		error = read_policy(source, product, arena, out);
	mm_source_close(source);
	if (error == MM_E_ROLE)
		return mm_fail(error,
		    "this identity may not read the policy: say --scheme for "
		    "each signing of %.*s, or use an officer's identity",
		    MM_SPAN(product));
	return error;
}

enum mm_error
mm_release_version(const struct mm_invocation *invocation,
    const struct mm_own_image *image, struct mm_span *out)
{
	struct mm_span said = mm_value_text(invocation, "version", NULL);
	struct mm_span own = image->facts.version;

	if (said.size == 0 && own.size == 0)
		return mm_fail(
		    MM_E_USAGE, "the image says no version: say --version");
	if (said.size > 0 && own.size > 0 && !mm_span_equal(said, own))
		return mm_fail(MM_E_USAGE,
		    "the image says that it is version %.*s, and --version "
		    "%.*s",
		    MM_SPAN(own), MM_SPAN(said));
	*out = said.size > 0 ? said : own;
	return MM_OK;
}

/* ---- the claim */

enum mm_error
mm_release_terms(const struct mm_own_image *image, struct mm_span product,
    struct mm_span version, const struct mm_list *schemes,
    struct mm_arena *arena, struct mm_release_claim *out)
{
	struct mm_scheme_digest *digests =
	    mm_arena_alloc(arena, schemes->count * sizeof(*digests));
	enum mm_error error = MM_OK;
	size_t count = 0;

	if (digests == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for digests");
	for (mm_list_each(const struct mm_text_item, item, *schemes)) {
		digests[count].scheme = item->value;
		if (error == MM_OK)
			error = mm_own_image_digest(
			    image, item->value, digests[count].digest);
		count++;
	}
	if (error != MM_OK)
		return error;
	*out = (struct mm_release_claim){.product = product,
	    .version = version,
	    .size = image->facts.size,
	    .schemes = {digests, count}};
	memcpy(out->sha256, image->facts.sha256, sizeof(out->sha256));
	return MM_OK;
}

enum mm_error
mm_release_claim_read(
    struct mm_span bytes, struct mm_arena *arena, struct mm_release_claim *out)
{
	struct mm_statement statement;
	struct mm_claim claim;
	enum mm_error error = mm_statement_decode(bytes, &statement);

	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_claim_shape, statement.payload, arena, &claim);
	if (error == MM_OK && claim.kind != MM_STATEMENT_RELEASE)
		error = mm_fail(
		    MM_E_STATEMENT_KIND, "a statement is not about a release");
	return error == MM_OK ? mm_shape_decode(&mm_release_claim_shape,
				    claim.body, arena, out)
			      : error;
}

enum mm_error
mm_release_holds(const struct mm_release_claim *claim,
    const struct mm_own_image *image, const char *path)
{
	uint8_t digest[32];

	if (claim->size != image->facts.size ||
	    memcmp(claim->sha256, image->facts.sha256, sizeof(digest)) != 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "what waits as %.*s %.*s is about another image than "
		    "%s: do not approve it before you know why",
		    MM_SPAN(claim->product), MM_SPAN(claim->version), path);
	for (mm_list_each(const struct mm_scheme_digest, one, claim->schemes)) {
		enum mm_error error =
		    mm_own_image_digest(image, one->scheme, digest);

		if (error != MM_OK)
			return error;
		if (memcmp(digest, one->digest, sizeof(digest)) != 0)
			return mm_fail(MM_E_STATEMENT_DIFFERS,
			    "the statement has another digest for %.*s than "
			    "%s gives: do not approve it before you know why",
			    MM_SPAN(one->scheme), path);
	}
	return MM_OK;
}

json_t *
mm_release_digests(const struct mm_release_claim *claim)
{
	json_t *out = json_array();

	for (mm_list_each(const struct mm_scheme_digest, one, claim->schemes))
		json_array_append_new(
		    out, json_pack("{s:o, s:o}", "scheme",
			     mm_json_text(one->scheme), "digest",
			     mm_json_hex(
				 mm_span(one->digest, sizeof(one->digest)))));
	return out;
}
