/*
 * Ceremonies later than the log's birth: keys that come and go, certificates,
 * CSRs, imports and proofs that rest on them.
 */
#ifndef MM_TEST_LATER_H
#define MM_TEST_LATER_H

#include "tests/unit/change.h"

/* A ceremony that is good until it is spoilt. */
struct later {
	struct mm_ceremony_claim claim;
	struct says says;
	uint8_t policy[32]; /* of its entry */
	uint64_t time;
};

static inline struct later
make_later(void)
{
	struct later later = {.says = {.kind = MM_STATEMENT_CEREMONY,
				  .by = &mint.ada,
				  .expiry = NOW + DAY},
	    .time = NOW + 20};

	mint_clock = NOW;
	memcpy(later.claim.policy, mint.policy_digest, 32);
	memcpy(later.policy, mint.policy_digest, 32);
	return later;
}

static inline uint64_t
log_later(struct later *later)
{
	later->says.body = &later->claim;
	return log_statements_under(
	    later->policy, MM_ENTRY_CEREMONY, later->time, state(later->says));
}

static inline enum mm_error
follow_last(void)
{
	uint64_t number;

	return follow(&mint.log, mint.log.size - 1, &number);
}

static inline uint64_t
follow_later(struct later *later)
{
	uint64_t index = log_later(later);

	ok(follow_last());
	return index;
}

static inline struct mm_list
one_key_of(const char *name, uint64_t use, uint64_t algorithm)
{
	struct mm_ceremony_key key = {
	    .name = text(name), .use = use, .algorithm = algorithm};

	return (struct mm_list){keep(&key, sizeof(key)), 1};
}

static inline struct mm_list
one_key(const char *name, uint64_t use)
{
	return one_key_of(name, use, 0);
}

static inline enum mm_error
generate(uint64_t ceremony, struct mm_list keys, struct mm_genesis_key *out)
{
	struct mm_token_generate_request request = {keys, ceremony};
	struct mm_token_generate_answer answer = {{NULL, 0}};
	enum mm_error error = call(MM_TOKEN_GENERATE, &request, &answer);

	if (error == MM_OK)
		*out = *(const struct mm_genesis_key *)answer.keys.items;
	return error;
}

static inline uint64_t
log_key(const struct mm_genesis_key *key, uint64_t basis, bool retired)
{
	struct mm_key_entry body = {.name = key->name,
	    .use = key->use,
	    .spki = key->spki,
	    .retired = retired,
	    .basis = basis};

	return log_append(&mint.log,
	    make_entry(MM_ENTRY_KEY, NOW + 25, mint.policy_digest, &body));
}

static inline void
retire_key(const struct mm_genesis_key *key)
{
	struct later later = make_later();
	struct mm_text_item name = {key->name};

	later.claim.retired = (struct mm_list){keep(&name, sizeof(name)), 1};
	log_key(key, follow_later(&later), true);
	ok(follow_last());
}

/* A key of the mint retires, by a ceremony of its own. */
static inline void
retire(const char *name)
{
	retire_key(mint_key(name));
}

/* Another code-signing key comes, by a ceremony of its own. */
static inline struct mm_genesis_key
add_code_key(const char *name, uint64_t algorithm)
{
	struct later later = make_later();
	struct mm_genesis_key made;
	uint64_t index;

	later.claim.keys = one_key_of(name, MM_KEY_CODE_SIGNING, algorithm);
	index = follow_later(&later);
	ok(generate(index, later.claim.keys, &made));
	made.spki =
	    mm_span(keep(made.spki.data, made.spki.size), made.spki.size);
	log_key(&made, index, false);
	ok(follow_last());
	return made;
}

#endif
