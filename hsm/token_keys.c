#include "hsm/token_state.h"

#include <sodium.h>

#include "hsm/verify.h"
#include "policy/ceremony.h"

#define refuse(...) mm_fail(MM_E_TOKEN_REFUSED, __VA_ARGS__)

struct mm_token_label
mm_token_label(struct mm_span name)
{
	struct mm_token_label label;

	mm_span_string(name, label.text, sizeof(label.text));
	return label;
}

enum mm_error
mm_token_own_key(struct mm_token *token, const struct mm_genesis_key *key)
{
	struct mm_token_label label = mm_token_label(key->name);
	mm_auto(buffer) spki = {0};
	enum mm_error error;

	mm_buffer_init(&spki, MM_SPKI_MAX);
	error = mm_pkcs11_public(token->session, label.text, &spki);
	if (error != MM_OK)
		return error;
	if (!mm_span_equal(mm_buffer_span(&spki), key->spki))
		return mm_fail(MM_E_TOKEN_RECORD,
		    "the token's key \"%s\" is not the one in the log: is "
		    "this the right token?",
		    label.text);
	return MM_OK;
}

static enum mm_error
check_existing(const struct mm_ceremony_key *wanted, struct mm_span spki)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	enum mm_algorithm algorithm;
	enum mm_error error = mm_spki_algorithm(spki, &algorithm);

	if (error != MM_OK)
		return error;
	if (algorithm != mm_ceremony_algorithm(wanted))
		return mm_fail(MM_E_KEY_TYPE,
		    "the token's key \"%.*s\" is one of %s, the ceremony "
		    "wants one of %s",
		    MM_SPAN(wanted->name), mm_algorithm_name(algorithm),
		    mm_algorithm_name(mm_ceremony_algorithm(wanted)));
	crypto_hash_sha256(hash, spki.data, spki.size);
	if (wanted->existing.size == 0 ||
	    mm_span_equal(wanted->existing, mm_span(hash, sizeof(hash))))
		return MM_OK;
	return mm_fail(MM_E_TOKEN_RECORD,
	    "the token's key \"%.*s\" is not the one that the ceremony "
	    "names: is this the right token?",
	    MM_SPAN(wanted->name));
}

/* `again`: a crash may have come between making it and telling of it. */
static enum mm_error
make_key(struct mm_token *token, const struct mm_ceremony_key *wanted,
    bool again, struct mm_buffer *spki)
{
	struct mm_token_label label = mm_token_label(wanted->name);
	enum mm_error error = MM_OK;

	if (again)
		error = mm_pkcs11_forget_half(token->session, label.text);
	if (error == MM_OK && wanted->existing.size == 0)
		error = mm_pkcs11_generate(
		    token->session, label.text, mm_ceremony_algorithm(wanted));
	if (error == MM_E_EXISTS && again)
		error = MM_OK;
	if (error == MM_OK)
		error = mm_pkcs11_public(token->session, label.text, spki);
	return error == MM_OK ? check_existing(wanted, mm_buffer_span(spki))
			      : error;
}

static enum mm_error
generate_one(struct mm_token *token, const struct mm_ceremony_key *wanted,
    bool again, struct mm_arena *arena, struct mm_genesis_key *out)
{
	mm_auto(buffer) spki = {0};
	enum mm_error error;

	mm_buffer_init(&spki, MM_SPKI_MAX);
	error = make_key(token, wanted, again, &spki);
	if (error != MM_OK)
		return error;
	*out = (struct mm_genesis_key){wanted->name, wanted->use,
	    mm_arena_copy(arena, mm_buffer_span(&spki))};
	return out->spki.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a public key");
}

static bool
ceremony_lists(const struct mm_ceremony_claim *ceremony,
    const struct mm_ceremony_key *wanted)
{
	for (mm_list_each(const struct mm_ceremony_key, key, ceremony->keys))
		if (mm_span_equal(key->name, wanted->name) &&
		    key->use == wanted->use &&
		    key->algorithm == wanted->algorithm &&
		    mm_span_equal(key->existing, wanted->existing))
			return true;
	return false;
}

static bool
was_there(const struct mm_following *following, struct mm_span name)
{
	for (size_t i = 0; i < following->keys.count; i++) {
		const struct mm_followed_key *key = following->keys.items[i];

		if (mm_span_equal(key->key.name, name))
			return true;
	}
	return false;
}

static enum mm_error
check_wanted(const struct mm_token *token,
    const struct mm_followed_ceremony *ceremony, const struct mm_list *keys)
{
	for (mm_list_each(const struct mm_ceremony_key, key, *keys)) {
		if (!ceremony_lists(&ceremony->claim, key))
			return refuse("ceremony %ju does not list the key "
				      "\"%.*s\" for this use, or lists "
				      "another kind of key",
			    (uintmax_t)ceremony->index, MM_SPAN(key->name));
		if (was_there(&token->following, key->name))
			return refuse("the log has the key \"%.*s\" already",
			    MM_SPAN(key->name));
	}
	return MM_OK;
}

static enum mm_error
check_ceremony(
    const struct mm_token *token, uint64_t index, const struct mm_list *keys)
{
	const struct mm_followed_ceremony *ceremony;
	enum mm_error error = mm_token_caught_up(token);

	if (error != MM_OK)
		return error;
	ceremony = mm_followed_ceremony(&token->following, index);
	if (ceremony == NULL)
		return refuse("entry %ju is no ceremony that was followed",
		    (uintmax_t)index);
	if (token->now() > ceremony->end)
		return refuse("the statement of ceremony %ju has expired",
		    (uintmax_t)index);
	return check_wanted(token, ceremony, keys);
}

static enum mm_error
check_request(const struct mm_token *token,
    const struct mm_token_generate_request *request)
{
	enum mm_error error;

	if (token->attached >= 0)
		return refuse("no descriptor makes a key");
	error = mm_ceremony_keys_check(&request->keys);
	if (error != MM_OK)
		return error;
	if (request->ceremony != 0)
		return check_ceremony(token, request->ceremony, &request->keys);
	if (!token->genesis || mm_record_state(token->record) != NULL)
		return refuse("keys are made at genesis or by a ceremony, and "
			      "only then");
	return MM_OK;
}

enum mm_error
mm_token_generate(
    void *self, const void *body, struct mm_arena *arena, void *out)
{
	struct mm_token *token = self;
	const struct mm_token_generate_request *request = body;
	struct mm_token_generate_answer *answer = out;
	struct mm_genesis_key *keys =
	    mm_arena_alloc(arena, request->keys.count * sizeof(*keys));
	enum mm_error error = check_request(token, request);

	if (error == MM_OK && keys == NULL)
		error = mm_fail(MM_E_MEMORY, "no memory for the keys");
	for (size_t i = 0; i < request->keys.count && error == MM_OK; i++)
		error = generate_one(token,
		    mm_list_at(request->keys, struct mm_ceremony_key, i),
		    request->ceremony != 0, arena, &keys[i]);
	if (error == MM_OK)
		answer->keys = (struct mm_list){keys, request->keys.count};
	return error;
}
