#include "hsm/followed.h"

#include <string.h>

/* --- lists that only grow --- */

enum mm_error
mm_followed_no_memory(void)
{
	return mm_fail(MM_E_MEMORY, "no memory for what is followed");
}

enum mm_error
mm_followed_keep(struct mm_followed *list, void *one)
{
	size_t wider = list->capacity > 0 ? 2 * list->capacity : 16;
	void **more;

	if (list->count == list->capacity) {
		more = reallocarray(list->items, wider, sizeof(*more));
		if (more == NULL)
			return mm_followed_no_memory();
		list->items = more;
		list->capacity = wider;
	}
	list->items[list->count++] = one;
	return MM_OK;
}

void
mm_followed_clear(struct mm_followed *list, void (*free_one)(void *))
{
	for (size_t i = 0; i < list->count; i++)
		free_one(list->items[i]);
	free(list->items);
	*list = (struct mm_followed){.items = NULL};
}

void
mm_force_free(void *one)
{
	mm_force_clear(one);
	free(one);
}

void
mm_followed_ceremony_free(void *one)
{
	struct mm_followed_ceremony *ceremony = one;

	if (ceremony != NULL)
		mm_arena_clear(&ceremony->arena);
	free(ceremony);
}

void
mm_followed_key_free(void *one)
{
	struct mm_followed_key *key = one;

	if (key != NULL)
		mm_arena_clear(&key->arena);
	free(key);
}

void
mm_followed_import_free(void *one)
{
	struct mm_followed_import *import = one;

	if (import != NULL)
		mm_arena_clear(&import->arena);
	free(import);
}

/* --- finding --- */

const struct mm_force *
mm_force_at(const struct mm_following *following, uint64_t index)
{
	const struct mm_followed *forces = &following->forces;

	for (size_t i = forces->count; i-- > 0;) {
		const struct mm_force *force = forces->items[i];

		if (force->index <= index)
			return force;
	}
	return NULL;
}

const struct mm_force *
mm_force_last(const struct mm_following *following)
{
	return mm_force_at(following, UINT64_MAX);
}

const struct mm_followed_ceremony *
mm_followed_ceremony(const struct mm_following *following, uint64_t index)
{
	const struct mm_followed *ceremonies = &following->ceremonies;

	for (size_t i = ceremonies->count; i-- > 0;) {
		const struct mm_followed_ceremony *one = ceremonies->items[i];

		if (one->index == index)
			return one;
	}
	return NULL;
}

static bool
there_at(const struct mm_followed_key *key, uint64_t index)
{
	/* What the genesis brings is there for all that comes with it. */
	return (key->index == 0 || key->index < index) &&
	       (key->retired == 0 || index < key->retired);
}

/* Of that name or of that SPKI, whenever it was there. */
struct mm_followed_key *
mm_followed_ever(const struct mm_following *following, struct mm_span name,
    struct mm_span spki)
{
	const struct mm_followed *keys = &following->keys;

	for (size_t i = keys->count; i-- > 0;) {
		struct mm_followed_key *one = keys->items[i];

		if ((name.size > 0 && mm_span_equal(one->key.name, name)) ||
		    (spki.size > 0 && mm_span_equal(one->key.spki, spki)))
			return one;
	}
	return NULL;
}

const struct mm_followed_key *
mm_followed_key(
    const struct mm_following *following, struct mm_span name, uint64_t index)
{
	const struct mm_followed_key *key =
	    mm_followed_ever(following, name, mm_span(NULL, 0));

	return key != NULL && there_at(key, index) ? key : NULL;
}

const struct mm_followed_key *
mm_followed_spki(
    const struct mm_following *following, struct mm_span spki, uint64_t index)
{
	const struct mm_followed_key *key =
	    mm_followed_spki_ever(following, spki);

	return key != NULL && there_at(key, index) ? key : NULL;
}

const struct mm_followed_key *
mm_followed_spki_ever(const struct mm_following *following, struct mm_span spki)
{
	return mm_followed_ever(following, mm_span(NULL, 0), spki);
}

const struct mm_followed_import *
mm_followed_import(const struct mm_following *following,
    const struct mm_genesis_key *key, uint64_t index)
{
	const struct mm_followed *imports = &following->imports;

	for (size_t i = imports->count; i-- > 0;) {
		const struct mm_followed_import *one = imports->items[i];

		if (one->index < index &&
		    mm_span_equal(one->key->key.spki, key->spki))
			return one;
	}
	return NULL;
}

/* The longest that a ceremony's profiles for this key allow. */
static uint64_t
crl_of(const struct mm_ceremony_claim *claim, struct mm_span key,
    const struct mm_policy *policy)
{
	uint64_t longest = 0;

	for (mm_list_each(const struct mm_ceremony_certificate, one,
		 claim->certificates)) {
		const struct mm_profile *profile =
		    mm_policy_profile(policy, one->profile);

		if (mm_span_equal(one->key, key) && profile != NULL &&
		    profile->crl > longest)
			longest = profile->crl;
	}
	for (mm_list_each(
		 const struct mm_ceremony_request, one, claim->requests)) {
		const struct mm_profile *profile =
		    mm_policy_profile(policy, one->profile);

		if (mm_span_equal(one->key, key) && profile != NULL &&
		    profile->crl > longest)
			longest = profile->crl;
	}
	return longest;
}

uint64_t
mm_followed_crl(const struct mm_following *following,
    const struct mm_genesis_key *key, const struct mm_policy *policy)
{
	const struct mm_followed *ceremonies = &following->ceremonies;
	uint64_t longest = 0;

	for (size_t i = 0; i < ceremonies->count; i++) {
		const struct mm_followed_ceremony *one = ceremonies->items[i];
		uint64_t crl = crl_of(&one->claim, key->name, policy);

		if (crl > longest)
			longest = crl;
	}
	return longest;
}

/* --- keys --- */

static enum mm_error
make_key(const struct mm_genesis_key *from, uint64_t index,
    struct mm_followed_key **out)
{
	struct mm_followed_key *one = calloc(1, sizeof(*one));
	struct mm_key key;
	enum mm_error error;

	if (one == NULL)
		return mm_followed_no_memory();
	mm_arena_init(&one->arena, MM_FOLLOWED_ARENA);
	one->index = index;
	one->key = *from;
	one->key.name = mm_arena_copy(&one->arena, from->name);
	one->key.spki = mm_arena_copy(&one->arena, from->spki);
	error = one->key.name.data != NULL && one->key.spki.data != NULL
		    ? mm_key_read(one->key.spki, &key)
		    : mm_followed_no_memory();
	if (error != MM_OK) {
		mm_followed_key_free(one);
		return error;
	}
	memcpy(one->sha256, key.sha256, sizeof(one->sha256));
	*out = one;
	return MM_OK;
}

enum mm_error
mm_followed_keep_key(struct mm_following *following,
    const struct mm_genesis_key *from, uint64_t index)
{
	struct mm_followed_key *one = NULL;
	enum mm_error error = make_key(from, index, &one);

	if (error != MM_OK)
		return error;
	error = mm_followed_keep(&following->keys, one);
	if (error != MM_OK)
		mm_followed_key_free(one);
	return error;
}
