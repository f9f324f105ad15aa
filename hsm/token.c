#include "hsm/token.h"

#include "hsm/references.h"
#include "hsm/record.h"
#include "protocol/journal.h"
#include "protocol/text.h"

#include <string.h>
#include <time.h>

struct mm_token {
	struct mm_pkcs11 *session;
	struct mm_record *record;
	bool genesis; /* keys may be made */
	uint64_t (*now)(void);
	bool born; /* the genesis was followed, and all of these are set */
	struct mm_birth birth;
	struct mm_force first, later;
	struct mm_known known;
};

static uint64_t
system_time(void)
{
	return (uint64_t)time(NULL);
}

static const struct mm_force *
in_force(const struct mm_token *token)
{
	return token->later.index > 0 ? &token->later : &token->first;
}

/* A name as the module takes it. */
struct label {
	char text[MM_NAME_MAX + 1];
};

static struct label
label_of(struct mm_span name)
{
	struct label label;

	mm_span_string(name, label.text, sizeof(label.text));
	return label;
}

static enum mm_error
generate_one(struct mm_token *token, const struct mm_ceremony_key *wanted,
    struct mm_arena *arena, struct mm_genesis_key *out)
{
	struct label label = label_of(wanted->name);
	mm_auto(buffer) spki = {0};
	enum mm_error error = mm_pkcs11_generate(token->session, label.text);

	mm_buffer_init(&spki, MM_SPKI_MAX);
	if (error == MM_OK)
		error = mm_pkcs11_public(token->session, label.text, &spki);
	if (error != MM_OK)
		return error;
	out->name = wanted->name;
	out->use = wanted->use;
	out->spki = mm_arena_copy(arena, mm_buffer_span(&spki));
	return out->spki.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a public key");
}

static enum mm_error
run_generate(void *self, const void *body, struct mm_arena *arena, void *out)
{
	struct mm_token *token = self;
	const struct mm_token_generate_request *request = body;
	struct mm_token_generate_answer *answer = out;
	struct mm_genesis_key *keys;
	enum mm_error error = MM_OK;

	if (!token->genesis || mm_record_state(token->record) != NULL)
		return mm_fail(MM_E_TOKEN_REFUSED,
		    "keys are made at genesis, and only then");
	keys = mm_arena_alloc(arena, request->keys.count * sizeof(*keys));
	if (keys == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the keys");
	for (size_t i = 0; i < request->keys.count && error == MM_OK; i++)
		error = generate_one(token,
		    mm_list_at(request->keys, struct mm_ceremony_key, i), arena,
		    &keys[i]);
	if (error == MM_OK)
		answer->keys = (struct mm_list){keys, request->keys.count};
	return error;
}

/* The log's public keys must be those of this token. */
static enum mm_error
check_own_keys(struct mm_token *token, const struct mm_birth *birth)
{
	for (mm_list_each(
		 const struct mm_genesis_key, key, birth->genesis.keys)) {
		struct label label = label_of(key->name);
		mm_auto(buffer) spki = {0};
		enum mm_error error;

		mm_buffer_init(&spki, MM_SPKI_MAX);
		error = mm_pkcs11_public(token->session, label.text, &spki);
		if (error != MM_OK)
			return error;
		if (!mm_span_equal(mm_buffer_span(&spki), key->spki))
			return mm_fail(MM_E_TOKEN_RECORD,
			    "the token's key \"%s\" is not the one in the "
			    "log: is this the right token?",
			    label.text);
	}
	return MM_OK;
}

/* The genesis is the recorded one, or, at genesis, is recorded now. */
static enum mm_error
record_birth(struct mm_token *token, const struct mm_birth *birth,
    const struct mm_force *first)
{
	const struct mm_record_state *recorded = mm_record_state(token->record);
	struct mm_record_state state = {
	    .origin = birth->genesis.origin, .number = first->policy.number};

	memcpy(state.log_key, birth->genesis.log_key, sizeof(state.log_key));
	memcpy(state.genesis, birth->leaf.bytes, sizeof(state.genesis));
	memcpy(state.policy, first->digest, sizeof(state.policy));
	if (recorded == NULL)
		return mm_record_begin(token->record, &state);
	/* The leaf hash says all: origin, log key and first policy as well. */
	if (memcmp(recorded->genesis, state.genesis, sizeof(state.genesis)) !=
	    0)
		return mm_fail(MM_E_TOKEN_RECORD,
		    "this genesis is not the one on the token's record");
	return MM_OK;
}

/* It may come again, when the process that feeds us has begun anew. */
static enum mm_error
follow_genesis(
    struct mm_token *token, const struct mm_token_follow_request *request)
{
	mm_auto(birth) birth;
	mm_auto(force) first;
	enum mm_error error = mm_birth_check(request, &birth, &first);

	if (error == MM_OK)
		error = check_own_keys(token, &birth);
	if (error == MM_OK)
		error = record_birth(token, &birth, &first);
	if (error != MM_OK)
		return error;
	mm_known_clear(&token->known);
	mm_force_clear(&token->later);
	mm_force_clear(&token->first);
	mm_birth_clear(&token->birth);
	token->birth = birth;
	token->first = first;
	token->born = true;
	mm_birth_init(&birth);
	mm_force_init(&first);
	return MM_OK;
}

/* Below the record, policies are only passed on the way up to it. */
static enum mm_error
record_policy(struct mm_token *token, const struct mm_force *next)
{
	const struct mm_record_state *recorded = mm_record_state(token->record);

	if (next->policy.number > recorded->number)
		return mm_record_advance(
		    token->record, next->policy.number, next->digest);
	if (next->policy.number == recorded->number &&
	    memcmp(next->digest, recorded->policy, sizeof(next->digest)) != 0)
		return mm_fail(MM_E_TOKEN_RECORD,
		    "policy %ju is not the one on the token's record",
		    (uintmax_t)recorded->number);
	return MM_OK;
}

static enum mm_error
follow_policy(
    struct mm_token *token, const struct mm_token_follow_request *request)
{
	mm_auto(force) next;
	enum mm_error error;

	mm_force_init(&next);
	if (!token->born)
		return mm_fail(
		    MM_E_TOKEN_REFUSED, "the genesis is followed first");
	error = mm_force_check(request, &token->birth, in_force(token), &next);
	if (error == MM_OK)
		error = record_policy(token, &next);
	if (error != MM_OK)
		return error;
	mm_known_clear(&token->known);
	mm_force_clear(&token->later);
	token->later = next;
	mm_force_init(&next);
	return MM_OK;
}

static enum mm_error
run_follow(void *self, const void *body, struct mm_arena *arena, void *out)
{
	struct mm_token *token = self;
	const struct mm_token_follow_request *request = body;
	struct mm_token_follow_answer *answer = out;
	struct mm_entry entry;
	enum mm_error error =
	    mm_entry_decode(request->entry.entry, arena, &entry);

	if (error != MM_OK)
		return error;
	error = entry.kind == MM_ENTRY_GENESIS ? follow_genesis(token, request)
					       : follow_policy(token, request);
	if (error == MM_OK)
		answer->policy = in_force(token)->policy.number;
	return error;
}

static void
tell_refusal(const struct mm_proven *item, enum mm_error error,
    struct mm_arena *arena, struct mm_token_result *out)
{
	char why[256];

	mm_text_clean(mm_span_text(mm_why(error)), why, sizeof(why));
	mm_journal(MM_LEVEL_WARNING, "refused", "entry %ju: %s: %s",
	    (uintmax_t)item->index, mm_error_name(error), why);
	out->error = error;
	out->why = mm_arena_copy(arena, mm_span_text(why));
}

/* An entry that is refused spoils no other; a token that fails, all. */
static enum mm_error
sign_item(struct mm_token *token, const struct mm_references *references,
    const struct mm_proven *item, struct mm_arena *arena,
    struct mm_token_result *out)
{
	mm_auto(buffer) signature = {0};
	struct mm_verdict verdict;
	enum mm_error error = mm_references_judge(references, item, &verdict);

	mm_buffer_init(&signature, 80);
	out->index = item->index;
	if (error != MM_OK) {
		tell_refusal(item, error, arena, out);
		return MM_OK;
	}
	error = mm_pkcs11_sign(token->session, label_of(verdict.key->name).text,
	    verdict.key->spki, verdict.digest, &signature);
	if (error != MM_OK)
		return error;
	out->signature = mm_arena_copy(arena, mm_buffer_span(&signature));
	return out->signature.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a signature");
}

static enum mm_error
check_caught_up(const struct mm_token *token)
{
	const struct mm_record_state *recorded = mm_record_state(token->record);

	if (!token->born || recorded == NULL)
		return mm_fail(
		    MM_E_TOKEN_REFUSED, "the genesis is followed first");
	if (in_force(token)->policy.number != recorded->number)
		return mm_fail(MM_E_TOKEN_REFUSED,
		    "policy %ju is on the token's record, policy %ju was "
		    "followed",
		    (uintmax_t)recorded->number,
		    (uintmax_t)in_force(token)->policy.number);
	return MM_OK;
}

static enum mm_error
run_sign(void *self, const void *body, struct mm_arena *arena, void *out)
{
	struct mm_token *token = self;
	const struct mm_token_sign_request *request = body;
	struct mm_token_sign_answer *answer = out;
	struct mm_token_result *results =
	    mm_arena_alloc(arena, request->items.count * sizeof(*results));
	struct mm_checkpoint checkpoint;
	const struct mm_references references = {.birth = &token->birth,
	    .first = &token->first,
	    .force = in_force(token),
	    .checkpoint = &checkpoint,
	    .proven = &request->references,
	    .known = &token->known,
	    .now = token->now()};
	enum mm_error error = check_caught_up(token);

	if (error == MM_OK)
		error = mm_checkpoint_open(
		    request->note, &token->birth.vkey, &checkpoint);
	if (error == MM_OK && results == NULL)
		error = mm_fail(MM_E_MEMORY, "no memory for the results");
	for (size_t i = 0; i < request->items.count && error == MM_OK; i++)
		error = sign_item(token, &references,
		    mm_list_at(request->items, struct mm_proven, i), arena,
		    &results[i]);
	if (error == MM_OK)
		answer->results =
		    (struct mm_list){results, request->items.count};
	return error;
}

static const struct mm_call calls[] = {
    {MM_TOKEN_GENERATE, "generate", &mm_token_generate_request_shape,
	&mm_token_generate_answer_shape, run_generate},
    {MM_TOKEN_FOLLOW, "follow", &mm_token_follow_request_shape,
	&mm_token_follow_answer_shape, run_follow},
    {MM_TOKEN_SIGN, "sign", &mm_token_sign_request_shape,
	&mm_token_sign_answer_shape, run_sign}};

/* A session that failed stays failed: the process is disposable. */
static const enum mm_error fatal[] = {
    MM_E_TOKEN, MM_E_TOKEN_SIGNATURE, MM_E_PIN, MM_OK};

enum mm_error
mm_token_open(const struct mm_token_options *options, struct mm_token **out)
{
	struct mm_token *token = calloc(1, sizeof(*token));
	enum mm_error error;

	if (token == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the token");
	mm_birth_init(&token->birth);
	mm_force_init(&token->first);
	mm_force_init(&token->later);
	token->genesis = options->genesis;
	token->now = options->now != NULL ? options->now : system_time;
	/* The record first: it costs no login attempt. */
	error =
	    mm_record_open(options->record, options->genesis, &token->record);
	if (error == MM_OK)
		error = mm_pkcs11_open_with(options->module, options->uri,
		    options->pin_file,
		    options->pin_fd > 0 ? options->pin_fd : -1,
		    &token->session);
	if (error != MM_OK)
		mm_token_close(token);
	else
		*out = token;
	return error;
}

void
mm_token_close(struct mm_token *token)
{
	if (token == NULL)
		return;
	mm_pkcs11_close(token->session);
	mm_record_close(token->record);
	mm_known_clear(&token->known);
	mm_force_clear(&token->later);
	mm_force_clear(&token->first);
	mm_birth_clear(&token->birth);
	free(token);
}

struct mm_service
mm_token_service(struct mm_token *token)
{
	return (struct mm_service){.name = "token",
	    .calls = calls,
	    .count = MM_COUNT(calls),
	    .self = token,
	    .fatal = fatal};
}
