#include "hsm/follow.h"

#include "hsm/proven.h"

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

const struct mm_genesis_key *
mm_birth_key(const struct mm_birth *birth, struct mm_span name)
{
	for (mm_list_each(
		 const struct mm_genesis_key, key, birth->genesis.keys))
		if (mm_span_equal(key->name, name))
			return key;
	return NULL;
}

const struct mm_genesis_key *
mm_birth_spki(const struct mm_birth *birth, struct mm_span spki)
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

/* RFC 9162 wants the proof, the log's own key the checkpoint. */
static enum mm_error
check_place(const struct mm_token_follow_request *request,
    const struct mm_vkey *vkey, struct mm_hash *leaf)
{
	struct mm_checkpoint checkpoint;
	enum mm_error error =
	    mm_checkpoint_open(request->note, vkey, &checkpoint);

	if (error == MM_OK)
		error = mm_proven_check(&request->entry, &checkpoint, leaf);
	return error;
}

static bool
ceremony_lists(const struct mm_ceremony_claim *ceremony,
    const struct mm_genesis_key *wanted)
{
	for (mm_list_each(const struct mm_ceremony_key, key, ceremony->keys))
		if (mm_span_equal(key->name, wanted->name) &&
		    key->use == wanted->use)
			return true;
	return false;
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
		if (!ceremony_lists(&birth->ceremony, key))
			return mm_fail(MM_E_STATEMENT_DIFFERS,
			    "the ceremony does not list the key \"%.*s\" for "
			    "this use",
			    MM_SPAN(key->name));
		if (mm_birth_key(birth, key->name) != key ||
		    mm_birth_spki(birth, key->spki) != key)
			return mm_fail(MM_E_TOKEN_REFUSED,
			    "the genesis has the key \"%.*s\" twice",
			    MM_SPAN(key->name));
	}
	return MM_OK;
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
	return check_keys(birth);
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
	if (error == MM_OK)
		error = mm_vkey_init(&birth->vkey, birth->genesis.origin,
		    birth->genesis.log_key);
	return error;
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
		error = check_place(request, &birth->vkey, &birth->leaf);
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

enum mm_error
mm_force_check(const struct mm_token_follow_request *request,
    const struct mm_birth *birth, const struct mm_force *former,
    struct mm_force *next)
{
	struct mm_hash leaf;
	enum mm_error error = check_place(request, &birth->vkey, &leaf);

	mm_force_init(next);
	if (error != MM_OK)
		return error;
	return mm_force_read(
	    request->entry.entry, request->entry.index, birth, former, next);
}
