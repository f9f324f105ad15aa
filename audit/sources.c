/*
 * What the token process's rules (hsm/judge.h) ask, answered from what was
 * read so far.
 */
#include "audit/state.h"

static const struct mm_genesis_key *
source_key(void *self, struct mm_span name)
{
	const struct mm_audit_key *key = mm_audit_key_named(self, name);

	return key != NULL ? &key->followed->key : NULL;
}

static const struct mm_genesis_key *
source_key_of(void *self, struct mm_span spki)
{
	const struct mm_audit_key *key = mm_audit_key_of(self, spki);

	return key != NULL ? &key->followed->key : NULL;
}

static enum mm_error
source_order(void *self, uint64_t index, const struct mm_order_claim **out)
{
	struct mm_audit_order *order;
	enum mm_error error = mm_audit_find_order(self, index, &order);

	if (error == MM_OK)
		*out = &order->claim;
	return error;
}

static enum mm_error
source_principal(
    void *self, uint64_t index, const struct mm_principal_claim **out)
{
	struct mm_audit_principal *principal;
	enum mm_error error = mm_audit_find_principal(self, index, &principal);

	if (error == MM_OK)
		*out = &principal->claim;
	return error;
}

static enum mm_error
source_ceremony(void *self, uint64_t index,
    const struct mm_ceremony_claim **out, uint64_t *end)
{
	const struct mm_audit *audit = self;
	const struct mm_followed_ceremony *ceremony =
	    mm_followed_ceremony(&audit->following, index);

	if (ceremony == NULL)
		return mm_audit_wrong("its basis, entry %llu, is no ceremony",
		    (unsigned long long)index);
	*out = &ceremony->claim;
	*end = ceremony->end;
	return MM_OK;
}

/* The newest certificate of the key; the others are tried after it. */
static enum mm_error
source_issuer(void *self, const struct mm_genesis_key *key, unsigned depth,
    struct mm_span *tbs)
{
	const struct mm_audit_key *issuer = mm_audit_key_named(self, key->name);

	(void)depth;
	if (issuer == NULL || issuer->tbs_count == 0)
		return mm_audit_wrong(
		    "its issuer \"%.*s\" has no certificate yet",
		    MM_SPAN(key->name));
	*tbs = issuer->tbs[issuer->tbs_count - 1];
	return MM_OK;
}

static uint64_t
source_crl(void *self, const struct mm_genesis_key *key,
    const struct mm_policy *policy)
{
	const struct mm_audit *audit = self;

	return mm_followed_crl(&audit->following, key, policy);
}

struct mm_judge_sources
mm_audit_sources(struct mm_audit *audit)
{
	return (struct mm_judge_sources){.self = audit,
	    .key = source_key,
	    .key_of = source_key_of,
	    .order = source_order,
	    .principal = source_principal,
	    .ceremony = source_ceremony,
	    .issuer = source_issuer,
	    .crl = source_crl};
}

struct mm_judge
mm_audit_judge(
    const struct mm_audit *audit, const struct mm_judge_sources *sources)
{
	return (struct mm_judge){.sources = sources,
	    .force = mm_audit_force(audit),
	    .origin = mm_audit_origin(audit)};
}
