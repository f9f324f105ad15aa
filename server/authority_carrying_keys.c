/*
 * The keys of a ceremony: the token makes them, or they are retired; each has
 * its entry then.
 */
#include "server/carrying_parts.h"
#include "policy/ceremony.h"
#include "server/issuers.h"

enum {
	PATIENCE = 120,   /* seconds that a token may take to make keys */
	PATIENCE_RSA = 60 /* and for each one that is RSA */
};

static ev_tstamp
patience(const struct mm_list *keys)
{
	ev_tstamp seconds = PATIENCE;

	for (mm_list_each(const struct mm_ceremony_key, key, *keys))
		if (mm_ceremony_algorithm(key) == MM_ALGORITHM_RSA3072)
			seconds += PATIENCE_RSA;
	return seconds;
}

static enum mm_error
ask_keys(struct mm_act *act, const struct mm_list *missing)
{
	struct mm_carrying *c = &act->a->carrying;
	const struct mm_token_generate_request request = {
	    .keys = *missing, .ceremony = act->index};

	c->generating = ++act->a->calls;
	c->deadline = ev_now(act->a->loop) + patience(missing);
	return mm_link_send(act->a->token, MM_TOKEN_GENERATE, c->generating,
	    &mm_token_generate_request_shape, &request, NULL);
}

static const struct mm_genesis_key *
find_made(const struct mm_list *made, const struct mm_ceremony_key *wanted)
{
	for (mm_list_each(const struct mm_genesis_key, key, *made))
		if (mm_span_equal(key->name, wanted->name) &&
		    key->use == wanted->use)
			return key;
	return NULL;
}

static enum mm_error
add_key(struct mm_act *act, const struct mm_ceremony_key *wanted)
{
	struct mm_carrying *c = &act->a->carrying;
	const struct mm_genesis_key *key = find_made(&c->keys, wanted);
	struct mm_key_entry body = {
	    .name = wanted->name, .use = wanted->use, .basis = act->index};

	if (key == NULL) {
		mm_act_forget_keys(c);
		return mm_fail(MM_E_PEER,
		    "the token made other keys than \"%.*s\"",
		    MM_SPAN(wanted->name));
	}
	body.spki = key->spki;
	return mm_batch_add(act->a, MM_ENTRY_KEY, &body, NULL);
}

static enum mm_error
add_keys(struct mm_act *act, const struct mm_list *missing)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < missing->count && error == MM_OK; i++)
		error = add_key(
		    act, mm_list_at(*missing, struct mm_ceremony_key, i));
	return error;
}

enum mm_error
mm_act_make_keys(struct mm_act *act, bool *begun)
{
	struct mm_carrying *c = &act->a->carrying;
	struct mm_ceremony_key *keys = mm_arena_alloc(
	    &act->arena, (act->ceremony.keys.count + 1) * sizeof(*keys));
	struct mm_list missing = {keys, 0};
	enum mm_error error;

	if (keys == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a ceremony");
	for (mm_list_each(
		 const struct mm_ceremony_key, key, act->ceremony.keys))
		if (mm_issuer_key(act->a, key->name) == NULL)
			keys[missing.count++] = *key;
	if (missing.count == 0)
		return MM_OK;
	error = mm_act_begin(act, begun);
	if (error == MM_OK &&
	    missing.count + act->a->issuer_count > MM_ISSUERS_MAX)
		error = mm_fail(MM_E_RANGE,
		    "a mint has at most %d keys, retired ones included",
		    MM_ISSUERS_MAX);
	if (error != MM_OK)
		return error;
	return c->keys.count > 0 ? add_keys(act, &missing)
				 : ask_keys(act, &missing);
}

/* Whether the token made exactly what it was asked for is for its own check,
 * and for that of everybody who follows the entries. */
static enum mm_error
keep_keys(struct mm_carrying *c, struct mm_received *received)
{
	struct mm_token_generate_answer answer;
	struct mm_span body;
	enum mm_error error;

	mm_arena_clear(&c->arena);
	mm_arena_init(&c->arena, 1 << 18);
	body = mm_arena_copy(&c->arena, received->packet.body);
	error = mm_shape_decode(
	    &mm_token_generate_answer_shape, body, &c->arena, &answer);
	if (error == MM_OK && answer.keys.count == 0)
		error = mm_fail(MM_E_PEER, "the token made no keys");
	if (error == MM_OK)
		c->keys = answer.keys;
	return error;
}

void
mm_ceremony_made(struct mm_authority *a, struct mm_received *received)
{
	struct mm_carrying *c = &a->carrying;
	enum mm_error error = mm_error_from(received->packet.error);

	if (c->generating == 0 || received->packet.id != c->generating)
		return;
	c->generating = 0;
	c->deadline = 0;
	if (received->packet.error != 0)
		error = mm_fail(error, "%.*s", MM_SPAN(received->packet.why));
	else
		error = keep_keys(c, received);
	if (error != MM_OK)
		mm_act_fail(a, error);
	c->look = true;
}

enum mm_error
mm_act_retire(struct mm_act *act, bool *begun)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(
		 const struct mm_text_item, one, act->ceremony.retired)) {
		const struct mm_issuer *key = mm_issuer_key(act->a, one->value);
		struct mm_key_entry body = {
		    .name = one->value, .retired = true, .basis = act->index};

		if (key == NULL || key->retired || error != MM_OK)
			continue;
		body.use = key->use;
		body.spki = mm_buffer_span(&key->spki);
		error = mm_act_begin(act, begun);
		if (error == MM_OK)
			error = mm_batch_add(act->a, MM_ENTRY_KEY, &body, NULL);
	}
	return error;
}
