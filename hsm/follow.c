#include "hsm/follow.h"

#include "hsm/proven.h"
#include "hsm/verify.h"
#include "policy/ceremony.h"

#include <sodium.h>
#include <string.h>

enum { FOLLOW_ARENA = 4 << 20 };

void
mm_birth_init(struct mm_birth *birth)
{
	*birth = (struct mm_birth){0};
	mm_arena_init(&birth->arena, FOLLOW_ARENA);
}

void
mm_birth_clear(struct mm_birth *birth)
{
	mm_arena_clear(&birth->arena);
	mm_birth_init(birth);
}

void
mm_force_init(struct mm_force *force)
{
	*force = (struct mm_force){0};
	mm_arena_init(&force->arena, FOLLOW_ARENA);
}

void
mm_force_clear(struct mm_force *force)
{
	mm_arena_clear(&force->arena);
	mm_force_init(force);
}

static const struct mm_genesis_key *
key_named(const struct mm_birth *birth, struct mm_span name)
{
	for (mm_list_each(
		 const struct mm_genesis_key, key, birth->genesis.keys))
		if (mm_span_equal(key->name, name))
			return key;
	return NULL;
}

static const struct mm_genesis_key *
key_of(const struct mm_birth *birth, struct mm_span spki)
{
	for (mm_list_each(
		 const struct mm_genesis_key, key, birth->genesis.keys))
		if (mm_span_equal(key->spki, spki))
			return key;
	return NULL;
}

/* A document as an entry holds it; the entry is of its policy. */
static enum mm_error
take_policy(struct mm_span document, const struct mm_entry *entry,
    uint64_t index, struct mm_force *out)
{
	struct mm_span copy = mm_arena_copy(&out->arena, document);

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a policy");
	mm_policy_digest(copy, out->digest);
	out->index = index;
	if (memcmp(out->digest, entry->policy, sizeof(out->digest)) != 0)
		return mm_fail(MM_E_TOKEN_REFUSED,
		    "the entry names another policy than the one it brings");
	return mm_policy_decode(copy, &out->arena, &out->policy);
}

bool
mm_ceremony_adds(const struct mm_ceremony_claim *ceremony,
    const struct mm_genesis_key *wanted)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	enum mm_algorithm algorithm;

	if (mm_spki_algorithm(wanted->spki, &algorithm) != MM_OK)
		return false;
	crypto_hash_sha256(hash, wanted->spki.data, wanted->spki.size);
	for (mm_list_each(const struct mm_ceremony_key, key, ceremony->keys))
		if (mm_span_equal(key->name, wanted->name) &&
		    key->use == wanted->use &&
		    mm_ceremony_algorithm(key) == algorithm)
			return key->existing.size == 0 ||
			       mm_span_equal(
				   key->existing, mm_span(hash, sizeof(hash)));
	return false;
}

enum mm_error
mm_statements_hash(const struct mm_list *statements, uint8_t out[32])
{
	struct mm_statement statement;
	enum mm_error error;

	if (statements->count == 0)
		return mm_fail(MM_E_STATEMENT, "there is no statement");
	error = mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value,
	    &statement);
	if (error == MM_OK)
		crypto_hash_sha256(
		    out, statement.payload.data, statement.payload.size);
	return error;
}

/* The ceremony's keys, each once: a key has one name and one use. */
static enum mm_error
check_keys(const struct mm_birth *birth)
{
	const struct mm_list *keys = &birth->genesis.keys;

	if (keys->count != birth->ceremony.keys.count)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the genesis has %zu keys, the ceremony %zu", keys->count,
		    birth->ceremony.keys.count);
	for (mm_list_each(const struct mm_genesis_key, key, *keys)) {
		if (!mm_ceremony_adds(&birth->ceremony, key))
			return mm_fail(MM_E_STATEMENT_DIFFERS,
			    "the ceremony does not list the key \"%.*s\" for "
			    "this use, or lists another one, or another kind, "
			    "of this name",
			    MM_SPAN(key->name));
		if (key_named(birth, key->name) != key ||
		    key_of(birth, key->spki) != key)
			return mm_fail(MM_E_TOKEN_REFUSED,
			    "the genesis has the key \"%.*s\" twice",
			    MM_SPAN(key->name));
	}
	return MM_OK;
}

/* Else what officers stated for the former log would hold in this one. */
static enum mm_error
check_predecessor(
    const struct mm_genesis *genesis, const struct mm_predecessor *former)
{
	if (mm_span_equal(former->origin, genesis->origin))
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "a log that succeeds %.*s has another origin",
		    MM_SPAN(former->origin));
	if (memcmp(former->log_key, genesis->log_key,
		sizeof(former->log_key)) == 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "a log that succeeds %.*s has another key",
		    MM_SPAN(former->origin));
	return MM_OK;
}

/* Nothing was there before that could be retired, certified or proven. */
static enum mm_error
check_beginning(const struct mm_birth *birth)
{
	const struct mm_ceremony_claim *ceremony = &birth->ceremony;
	enum mm_error error = mm_ceremony_claim_check(ceremony);

	if (error != MM_OK)
		return error;
	if (ceremony->retired.count > 0 || ceremony->imports.count > 0 ||
	    ceremony->proofs.count > 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the ceremony of a genesis retires, imports and proves "
		    "nothing");
	for (mm_list_each(
		 const struct mm_predecessor, former, ceremony->succeeds))
		if (error == MM_OK)
			error = check_predecessor(&birth->genesis, former);
	return error;
}

static enum mm_error
check_ceremony(const struct mm_entry *entry, const struct mm_force *first,
    struct mm_birth *birth)
{
	const struct mm_roster_question question = {.policy = &first->policy,
	    .origin = birth->genesis.origin,
	    .kind = MM_STATEMENT_CEREMONY,
	    .time = entry->time};
	struct mm_claim claim;
	enum mm_error error =
	    mm_roster_check(&question, &birth->genesis.statements,
		&birth->arena, &claim, &birth->ceremony);

	if (error != MM_OK)
		return error;
	birth->ceremony_end = claim.expiry;
	if (memcmp(birth->ceremony.policy, first->digest,
		sizeof(first->digest)) != 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the ceremony's officers signed another first policy");
	if (first->policy.number != 1)
		return mm_fail(
		    MM_E_TOKEN_REFUSED, "the first policy has number 1");
	error = mm_statements_hash(
	    &birth->genesis.statements, birth->ceremony_statement);
	if (error == MM_OK)
		error = check_beginning(birth);
	return error == MM_OK ? check_keys(birth) : error;
}

/* The entry taken apart, nothing of it checked yet. */
static enum mm_error
open_birth(struct mm_span bytes, struct mm_birth *birth, struct mm_force *first,
    struct mm_entry *entry)
{
	struct mm_span copy;
	enum mm_error error;

	mm_birth_init(birth);
	mm_force_init(first);
	copy = mm_arena_copy(&birth->arena, bytes);
	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a genesis");
	error = mm_entry_decode_as(
	    copy, MM_ENTRY_GENESIS, &birth->arena, entry, &birth->genesis);
	if (error != MM_OK)
		return error;
	birth->time = entry->time;
	return mm_vkey_init(
	    &birth->vkey, birth->genesis.origin, birth->genesis.log_key);
}

static enum mm_error
judge_birth(const struct mm_entry *entry, struct mm_birth *birth,
    struct mm_force *first)
{
	enum mm_error error =
	    take_policy(birth->genesis.policy, entry, 0, first);

	return error == MM_OK ? check_ceremony(entry, first, birth) : error;
}

enum mm_error
mm_birth_read(
    struct mm_span bytes, struct mm_birth *birth, struct mm_force *first)
{
	struct mm_entry entry;
	enum mm_error error = open_birth(bytes, birth, first, &entry);

	birth->leaf = mm_leaf_hash(bytes);
	return error == MM_OK ? judge_birth(&entry, birth, first) : error;
}

enum mm_error
mm_birth_check(const struct mm_token_follow_request *request,
    struct mm_birth *birth, struct mm_force *first)
{
	struct mm_entry entry;
	enum mm_error error;

	mm_birth_init(birth);
	mm_force_init(first);
	if (request->entry.index != 0)
		return mm_fail(
		    MM_E_TOKEN_REFUSED, "a log's genesis is its entry 0");
	error = open_birth(request->entry.entry, birth, first, &entry);
	if (error == MM_OK)
		error = mm_proven_follow(request, &birth->vkey, &birth->leaf);
	return error == MM_OK ? judge_birth(&entry, birth, first) : error;
}

static enum mm_error
check_change(const struct mm_entry *entry, const struct mm_policy_entry *body,
    const struct mm_birth *birth, const struct mm_force *former,
    struct mm_force *next)
{
	const struct mm_roster_question question = {.policy = &former->policy,
	    .origin = birth->genesis.origin,
	    .kind = MM_STATEMENT_POLICY,
	    .time = entry->time};
	struct mm_policy_claim claim;
	struct mm_claim frame;
	enum mm_error error = mm_roster_check(
	    &question, &body->statements, &next->arena, &frame, &claim);

	if (error != MM_OK)
		return error;
	if (claim.number != next->policy.number ||
	    memcmp(claim.sha256, next->digest, sizeof(claim.sha256)) != 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the officers signed another policy than the entry "
		    "brings");
	return MM_OK;
}

enum mm_error
mm_force_read(struct mm_span bytes, uint64_t index,
    const struct mm_birth *birth, const struct mm_force *former,
    struct mm_force *next)
{
	mm_auto(arena) arena = {0};
	struct mm_policy_entry body;
	struct mm_entry entry;
	enum mm_error error;

	mm_arena_init(&arena, FOLLOW_ARENA);
	mm_force_init(next);
	error =
	    mm_entry_decode_as(bytes, MM_ENTRY_POLICY, &arena, &entry, &body);
	if (error == MM_OK)
		error = take_policy(body.policy, &entry, index, next);
	if (error != MM_OK)
		return error;
	if (next->policy.number != former->policy.number + 1 ||
	    next->index <= former->index)
		return mm_fail(MM_E_TOKEN_REFUSED,
		    "policy %ju in entry %ju does not follow policy %ju",
		    (uintmax_t)next->policy.number, (uintmax_t)next->index,
		    (uintmax_t)former->policy.number);
	return check_change(&entry, &body, birth, former, next);
}
