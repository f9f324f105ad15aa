/*
 * A product's versions: each is higher than all before it where they have an
 * order, and its secure_version never lower, among those that are signed or on
 * their way. Kept are those that wait and the newest that is signed, which is
 * the highest; so that a long life of a product takes no memory.
 */
#include <sodium.h>
#include <string.h>

#include "audit/state.h"
#include "policy/decide.h"
#include "policy/rules.h"

static struct mm_span
text_of(const struct mm_audit_version *version)
{
	return mm_span(version->text, version->size);
}

static enum mm_error
find_or_make(
    struct mm_audit *audit, struct mm_span name, struct mm_audit_product **out)
{
	struct mm_audit_array *products = &audit->people.products;

	*out = mm_audit_named(products, name);
	if (*out != NULL)
		return MM_OK;
	*out = mm_audit_keep(audit, sizeof(**out));
	if (*out == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	(*out)->name = mm_arena_copy(&audit->arena, name);
	if ((*out)->name.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	return mm_audit_insert(
	    products, mm_audit_name_place(products, name), *out);
}

/* --- against one that is there --- */

static enum mm_error
check_after(const struct mm_image_entry *entry,
    const struct mm_audit_version *former, uint64_t versions)
{
	int order;

	/* Of an image that nobody has read nobody knows it. */
	if (!mm_span_is(entry->format, MM_FORMAT_UNREAD) &&
	    entry->secure_version < former->secure_version)
		return mm_audit_wrong("its secure_version %llu is lower than "
				      "%llu of entry %llu",
		    (unsigned long long)entry->secure_version,
		    (unsigned long long)former->secure_version,
		    (unsigned long long)former->index);
	/* Without an order, or written so under a policy of before: it says
	 * nothing here. */
	if (versions == MM_VERSIONS_ANY ||
	    mm_version_compare(
		versions, entry->version, text_of(former), &order) != MM_OK)
		return MM_OK;
	/* Another signing of the same release. */
	if (order <= 0 && !mm_span_equal(entry->version, text_of(former)))
		return mm_audit_wrong("its version %.*s is not higher than "
				      "%.*s of entry %llu",
		    MM_SPAN(entry->version), MM_SPAN(text_of(former)),
		    (unsigned long long)former->index);
	return MM_OK;
}

static enum mm_error
check_order(const struct mm_audit_at *at, const struct mm_image_entry *entry,
    const struct mm_audit_product *of)
{
	const struct mm_product *product = mm_policy_product(
	    &mm_audit_force(at->audit)->policy, entry->product);
	const struct mm_audit_version *former = of->versions;
	enum mm_error error = MM_OK;
	int same;

	if (product == NULL)
		return MM_OK;
	if (product->versions != MM_VERSIONS_ANY)
		error = mm_version_compare(
		    product->versions, entry->version, entry->version, &same);
	for (; former != NULL && error == MM_OK; former = former->next)
		error = check_after(entry, former, product->versions);
	return error;
}

/* --- what is kept --- */

enum mm_error
mm_audit_version_take(const struct mm_audit_at *at,
    const struct mm_image_entry *entry, struct mm_audit_version **out)
{
	struct mm_audit_product *product;
	struct mm_audit_version *one;
	enum mm_error error = find_or_make(at->audit, entry->product, &product);

	if (error == MM_OK)
		error = check_order(at, entry, product);
	if (error != MM_OK)
		return error;
	one = calloc(1, sizeof(*one));
	if (one == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	*one = (struct mm_audit_version){.next = product->versions,
	    .product = product,
	    .index = at->index,
	    .secure_version = entry->secure_version,
	    .size = entry->version.size};
	if (one->size > sizeof(one->text)) {
		free(one);
		return mm_audit_wrong("its version is too long");
	}
	memcpy(one->text, entry->version.data, one->size);
	product->versions = *out = one;
	return MM_OK;
}

void
mm_audit_version_drop(struct mm_audit_version *version)
{
	struct mm_audit_version **p;

	if (version == NULL)
		return;
	p = &version->product->versions;
	while (*p != version)
		p = &(*p)->next;
	*p = version->next;
	free(version);
}

/* One of two: an image that nobody has read says nothing of its own. */
static void
inherit_secure_version(
    struct mm_audit_version *to, const struct mm_audit_version *from)
{
	if (to->secure_version < from->secure_version)
		to->secure_version = from->secure_version;
}

/* By their entries they ascend, in whatever order they are signed. */
void
mm_audit_version_signed(struct mm_audit_version *version)
{
	struct mm_audit_version *other, *next;

	if (version == NULL)
		return;
	version->is_signed = true;
	for (other = version->product->versions; other != NULL; other = next) {
		next = other->next;
		if (!other->is_signed || other == version)
			continue;
		if (other->index > version->index) {
			inherit_secure_version(other, version);
			mm_audit_version_drop(version);
			return;
		}
		inherit_secure_version(version, other);
		mm_audit_version_drop(other);
	}
}

void
mm_audit_versions_clear(struct mm_audit_array *products)
{
	for (size_t i = 0; i < products->count; i++) {
		struct mm_audit_product *product = products->items[i];

		while (product->versions != NULL)
			mm_audit_version_drop(product->versions);
	}
	free(products->items);
}

/* A version is one image. The ledger's facts have room for a part of a hash,
 * which is keyed so that nobody can look for a second image with it. */
uint64_t
mm_audit_image_number(const struct mm_audit *audit, const uint8_t sha256[32])
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint64_t number = 0;

	crypto_shorthash(hash, sha256, 32, audit->secret);
	memcpy(&number, hash, MM_FACT_NUMBER_BYTES);
	return number;
}
