#include "hsm/sources.h"

#include "hsm/proven.h"
#include "policy/order.h"

#include <string.h>

enum { ITEM_ARENA = 2 << 20 };

#define refuse(...) mm_fail(MM_E_TOKEN_REFUSED, __VA_ARGS__)

/* What each kind of entry must be before another may rest on it. */

/* The policy in force at an entry's place, which it must name. */
static enum mm_error
find_force(const struct mm_references *references, uint64_t index,
    const struct mm_entry *frame, const struct mm_force **out)
{
	const struct mm_force *force =
	    mm_force_at(references->following, index);

	if (memcmp(force->digest, frame->policy, sizeof(frame->policy)) != 0)
		return refuse("entry %ju is not of policy %ju, which is the "
			      "one in force at its place",
		    (uintmax_t)index, (uintmax_t)force->policy.number);
	*out = force;
	return MM_OK;
}

static enum mm_error
check_statements(const struct mm_references *references,
    struct mm_known_entry *known, struct mm_span bytes, uint64_t statement,
    void *body)
{
	struct mm_statement_entry entry;
	const struct mm_force *force = NULL;
	struct mm_claim claim;
	struct mm_roster_question question = {
	    .origin = references->following->birth.genesis.origin,
	    .kind = statement};
	enum mm_error error =
	    mm_entry_decode_as(bytes, (enum mm_entry_kind)known->frame.kind,
		&known->arena, &known->frame, &entry);

	if (error == MM_OK)
		error =
		    find_force(references, known->index, &known->frame, &force);
	if (error != MM_OK)
		return error;
	question.policy = &force->policy;
	question.time = known->frame.time;
	return mm_roster_check(
	    &question, &entry.statements, &known->arena, &claim, body);
}

static enum mm_error
learn_order(const struct mm_references *references,
    struct mm_known_entry *known, struct mm_span bytes, unsigned depth)
{
	enum mm_error error = check_statements(
	    references, known, bytes, MM_STATEMENT_ORDER, &known->order);

	(void)depth;
	return error == MM_OK ? mm_order_sound(&known->order) : error;
}

static enum mm_error
learn_principal(const struct mm_references *references,
    struct mm_known_entry *known, struct mm_span bytes, unsigned depth)
{
	(void)depth;
	return check_statements(references, known, bytes,
	    MM_STATEMENT_PRINCIPAL, &known->principal);
}

static enum mm_error
learn_certificate(const struct mm_references *references,
    struct mm_known_entry *known, struct mm_span bytes, unsigned depth)
{
	const struct mm_asker asker = {references, known->index};
	const struct mm_judge_sources sources = mm_sources_of(&asker);
	/* By the time of its own entry: it was signed long ago. */
	struct mm_judge judge = {.sources = &sources,
	    .origin = references->following->birth.genesis.origin};
	struct mm_verdict verdict;
	enum mm_error error = mm_entry_decode_as(bytes, MM_ENTRY_CERTIFICATE,
	    &known->arena, &known->frame, &known->certificate);

	if (error == MM_OK)
		error = find_force(
		    references, known->index, &known->frame, &judge.force);
	if (error != MM_OK)
		return error;
	return mm_judge_certificate(&judge, &known->frame, &known->certificate,
	    depth, &known->arena, &verdict);
}

static enum mm_error (*const learn[MM_ENTRY_KINDS])(
    const struct mm_references *, struct mm_known_entry *, struct mm_span,
    unsigned) = {[MM_ENTRY_PRINCIPAL] = learn_principal,
    [MM_ENTRY_ORDER] = learn_order,
    [MM_ENTRY_CERTIFICATE] = learn_certificate};

static enum mm_error
rests_on_none(uint64_t kind)
{
	return refuse("no signature rests on an entry of kind %s",
	    mm_entry_kind_name(kind));
}

static enum mm_error
verify(const struct mm_references *references, const struct mm_proven *proven,
    struct mm_known_entry *known, unsigned depth)
{
	struct mm_span bytes = mm_arena_copy(&known->arena, proven->entry);
	enum mm_error error =
	    mm_proven_check(proven, references->checkpoint, &known->leaf);

	if (error != MM_OK)
		return error;
	if (bytes.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a reference");
	error = mm_entry_decode(bytes, &known->arena, &known->frame);
	if (error != MM_OK)
		return error;
	if (learn[known->frame.kind] == NULL)
		return rests_on_none(known->frame.kind);
	return learn[known->frame.kind](references, known, bytes, depth);
}

/* A reference is verified once as long as it is remembered. */
static enum mm_error
know(const struct mm_references *references, const struct mm_proven *proven,
    unsigned depth, const struct mm_known_entry **out)
{
	struct mm_hash leaf = mm_leaf_hash(proven->entry);
	struct mm_known_entry *fresh;
	enum mm_error error;

	*out = mm_known_find(references->known, proven->index, &leaf);
	if (*out != NULL)
		return MM_OK;
	fresh = mm_known_entry_new(proven->index);
	if (fresh == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a reference");
	error = verify(references, proven, fresh, depth);
	if (error != MM_OK) {
		mm_known_entry_free(fresh);
		return error;
	}
	mm_known_keep(references->known, fresh);
	*out = fresh;
	return MM_OK;
}

/* --- the rules' sources --- */

static const struct mm_genesis_key *
find_key(void *self, struct mm_span name)
{
	const struct mm_asker *asker = self;
	const struct mm_followed_key *key =
	    mm_followed_key(asker->references->following, name, asker->index);

	return key != NULL ? &key->key : NULL;
}

/* The mint's own for ever: a retired key is certified for nobody else. */
static const struct mm_genesis_key *
find_key_of(void *self, struct mm_span spki)
{
	const struct mm_asker *asker = self;
	const struct mm_followed_key *key =
	    mm_followed_spki_ever(asker->references->following, spki);

	return key != NULL ? &key->key : NULL;
}

/* Before anything else of it: a basis may claim to rest on itself. */
static enum mm_error
check_kind(const struct mm_proven *proven, uint64_t kind)
{
	mm_auto(arena) arena = {0};
	struct mm_entry frame;
	enum mm_error error;

	mm_arena_init(&arena, ITEM_ARENA);
	error = mm_entry_decode(proven->entry, &arena, &frame);
	if (error != MM_OK || frame.kind == kind)
		return error;
	if (learn[frame.kind] == NULL)
		return rests_on_none(frame.kind);
	return refuse("its basis, entry %ju, is not of kind %s but %s",
	    (uintmax_t)proven->index, mm_entry_kind_name(kind),
	    mm_entry_kind_name(frame.kind));
}

static enum mm_error
check_earlier(const struct mm_asker *asker, uint64_t basis)
{
	if (basis < asker->index)
		return MM_OK;
	return refuse(
	    "its basis, entry %ju, does not come before it", (uintmax_t)basis);
}

static enum mm_error
find_basis(const struct mm_asker *asker, uint64_t index, uint64_t kind,
    const struct mm_known_entry **out)
{
	enum mm_error error = check_earlier(asker, index);

	if (error != MM_OK)
		return error;
	for (mm_list_each(
		 const struct mm_proven, proven, *asker->references->proven)) {
		if (proven->index != index)
			continue;
		error = check_kind(proven, kind);
		return error == MM_OK ? know(asker->references, proven, 0, out)
				      : error;
	}
	return refuse("its basis, entry %ju, is not at hand", (uintmax_t)index);
}

static enum mm_error
find_order(void *self, uint64_t index, const struct mm_order_claim **out)
{
	const struct mm_known_entry *known;
	enum mm_error error = find_basis(self, index, MM_ENTRY_ORDER, &known);

	if (error == MM_OK)
		*out = &known->order;
	return error;
}

static enum mm_error
find_principal(
    void *self, uint64_t index, const struct mm_principal_claim **out)
{
	const struct mm_known_entry *known;
	enum mm_error error =
	    find_basis(self, index, MM_ENTRY_PRINCIPAL, &known);

	if (error == MM_OK)
		*out = &known->principal;
	return error;
}

static enum mm_error
find_ceremony(void *self, uint64_t index, const struct mm_ceremony_claim **out,
    uint64_t *end)
{
	const struct mm_asker *asker = self;
	const struct mm_followed_ceremony *ceremony =
	    mm_followed_ceremony(asker->references->following, index);
	enum mm_error error = check_earlier(asker, index);

	if (error != MM_OK)
		return error;
	if (ceremony == NULL)
		return refuse("its basis, entry %ju, is neither the genesis "
			      "nor a ceremony that was followed",
		    (uintmax_t)index);
	*out = &ceremony->claim;
	*end = ceremony->end;
	return MM_OK;
}

/* Whether a reference is a certificate of this key; says nothing of it. */
static bool
is_certificate_of(const struct mm_proven *proven, const uint8_t key[32])
{
	mm_auto(arena) arena = {0};
	struct mm_certificate_entry entry;
	struct mm_entry frame;

	mm_arena_init(&arena, ITEM_ARENA);
	return mm_entry_decode_as(proven->entry, MM_ENTRY_CERTIFICATE, &arena,
		   &frame, &entry) == MM_OK &&
	       memcmp(entry.key, key, sizeof(entry.key)) == 0;
}

/* The newest of those at hand that come before the asker. */
static const struct mm_proven *
newest_certificate(const struct mm_asker *asker, const uint8_t key[32])
{
	const struct mm_proven *newest = NULL;

	for (mm_list_each(
		 const struct mm_proven, proven, *asker->references->proven))
		if (proven->index < asker->index &&
		    (newest == NULL || proven->index > newest->index) &&
		    is_certificate_of(proven, key))
			newest = proven;
	return newest;
}

static enum mm_error
find_issuer(void *self, const struct mm_genesis_key *issuer, unsigned depth,
    struct mm_span *tbs)
{
	const struct mm_asker *asker = self;
	const struct mm_followed_import *import = mm_followed_import(
	    asker->references->following, issuer, asker->index);
	const struct mm_known_entry *known;
	const struct mm_proven *proven;
	struct mm_key key;
	enum mm_error error = mm_key_read(issuer->spki, &key);

	if (error != MM_OK)
		return error;
	proven = newest_certificate(asker, key.sha256);
	if (import != NULL &&
	    (proven == NULL || proven->index < import->index)) {
		*tbs = import->tbs;
		return MM_OK;
	}
	if (proven == NULL)
		return refuse("the certificate of its issuer \"%.*s\" is not "
			      "at hand",
		    MM_SPAN(issuer->name));
	error = know(asker->references, proven, depth, &known);
	if (error == MM_OK)
		*tbs = known->certificate.tbs;
	return error;
}

static uint64_t
find_crl(void *self, const struct mm_genesis_key *key,
    const struct mm_policy *policy)
{
	const struct mm_asker *asker = self;

	return mm_followed_crl(asker->references->following, key, policy);
}

struct mm_judge_sources
mm_sources_of(const struct mm_asker *asker)
{
	/* The sources change nothing but what is known. */
	return (struct mm_judge_sources){.self = (void *)(uintptr_t)asker,
	    .key = find_key,
	    .key_of = find_key_of,
	    .order = find_order,
	    .principal = find_principal,
	    .ceremony = find_ceremony,
	    .issuer = find_issuer,
	    .crl = find_crl};
}
