#include "hsm/token_state.h"

#include "protocol/journal.h"
#include "protocol/message.h"
#include "protocol/sealed.h"
#include "protocol/text.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static uint64_t
system_time(void)
{
	return (uint64_t)time(NULL);
}

/* --- what is followed --- */

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

static enum mm_error
agree_genesis(
    void *self, const struct mm_birth *birth, const struct mm_force *first)
{
	struct mm_token *token = self;

	for (mm_list_each(
		 const struct mm_genesis_key, key, birth->genesis.keys)) {
		enum mm_error error = mm_token_own_key(token, key);

		if (error != MM_OK)
			return error;
	}
	return record_birth(token, birth, first);
}

/* Below the record, policies are only passed on the way up to it. */
static enum mm_error
agree_policy(void *self, const struct mm_force *next)
{
	struct mm_token *token = self;
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
agree_key(void *self, const struct mm_genesis_key *added)
{
	return mm_token_own_key(self, added);
}

/* For ever: a feeder may leave the retirement out the next time. */
static enum mm_error
agree_retired(void *self, const struct mm_followed_key *key)
{
	struct mm_token *token = self;

	return mm_record_retire(token->record, key->sha256);
}

static enum mm_error
run_follow(void *self, const void *body, struct mm_arena *arena, void *out)
{
	struct mm_token *token = self;
	struct mm_token_follow_answer *answer = out;
	enum mm_error error;

	(void)arena;
	if (token->attached >= 0)
		return mm_fail(MM_E_TOKEN_REFUSED, "no descriptor is followed");
	error = mm_following_check(&token->following, body);
	if (error != MM_OK)
		return error;
	/* What was known may have been judged by what is no longer so. */
	mm_known_clear(&token->known);
	answer->policy = mm_force_last(&token->following)->policy.number;
	return MM_OK;
}

enum mm_error
mm_token_caught_up(const struct mm_token *token)
{
	const struct mm_record_state *recorded = mm_record_state(token->record);
	const struct mm_force *last = mm_force_last(&token->following);

	if (last == NULL || recorded == NULL)
		return mm_fail(
		    MM_E_TOKEN_REFUSED, "the genesis is followed first");
	if (last->policy.number != recorded->number)
		return mm_fail(MM_E_TOKEN_REFUSED,
		    "policy %ju is on the token's record, policy %ju was "
		    "followed",
		    (uintmax_t)recorded->number,
		    (uintmax_t)last->policy.number);
	if (!mm_following_complete(&token->following))
		return mm_fail(MM_E_TOKEN_REFUSED,
		    "what was followed before has to be followed again first");
	return MM_OK;
}

/* --- what is signed --- */

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

static enum mm_error
check_on_record(const struct mm_token *token, const struct mm_genesis_key *key)
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, key->spki.data, key->spki.size);
	if (!mm_record_retired(token->record, hash))
		return MM_OK;
	return mm_fail(MM_E_TOKEN_REFUSED,
	    "the key \"%.*s\" is retired by the token's record, whatever was "
	    "followed",
	    MM_SPAN(key->name));
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

	mm_buffer_init(&signature, MM_RSA_BYTES);
	out->index = item->index;
	if (error == MM_OK)
		error = check_on_record(token, verdict.key);
	if (error == MM_OK && verdict.crl != 0)
		error = mm_crl_numbers_pass(
		    &token->crls, verdict.key, verdict.crl, verdict.digest);
	if (error != MM_OK) {
		tell_refusal(item, error, arena, out);
		return MM_OK;
	}
	error = mm_pkcs11_sign(token->session,
	    mm_token_label(verdict.key->name).text, verdict.key->spki,
	    verdict.digest, &signature);
	if (error != MM_OK)
		return error;
	out->signature = mm_arena_copy(arena, mm_buffer_span(&signature));
	return out->signature.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a signature");
}

/* The blob of a CRL that comes alone. */
struct attached {
	void *start;
	size_t size;
};

static enum mm_error
open_attached(const struct mm_token *token,
    const struct mm_token_sign_request *request, struct attached *out)
{
	enum mm_error error;

	*out = (struct attached){.start = NULL};
	if (token->attached < 0)
		return MM_OK;
	if (request->items.count != 1)
		return mm_fail(MM_E_TOKEN_REFUSED,
		    "a CRL with its blob comes alone, not with %zu others",
		    request->items.count - 1);
	error = mm_sealed_check(token->attached, MM_BLOB_MAX, &out->size);
	if (error != MM_OK)
		return error;
	out->start =
	    mmap(NULL, out->size, PROT_READ, MAP_PRIVATE, token->attached, 0);
	if (out->start != MAP_FAILED)
		return MM_OK;
	*out = (struct attached){.start = NULL};
	return mm_fail(MM_E_SYSTEM, "cannot map a CRL: %s", strerror(errno));
}

static void
close_attached(struct attached *attached)
{
	if (attached->start != NULL)
		munmap(attached->start, attached->size);
}

static enum mm_error
sign_items(struct mm_token *token, const struct mm_references *references,
    const struct mm_list *items, struct mm_arena *arena,
    struct mm_token_sign_answer *answer)
{
	struct mm_token_result *results =
	    mm_arena_alloc(arena, items->count * sizeof(*results));

	if (results == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the results");
	for (size_t i = 0; i < items->count; i++) {
		enum mm_error error = sign_item(token, references,
		    mm_list_at(*items, struct mm_proven, i), arena,
		    &results[i]);

		if (error != MM_OK)
			return error;
	}
	answer->results = (struct mm_list){results, items->count};
	return MM_OK;
}

static enum mm_error
run_sign(void *self, const void *body, struct mm_arena *arena, void *out)
{
	struct mm_token *token = self;
	const struct mm_token_sign_request *request = body;
	struct mm_checkpoint checkpoint;
	struct mm_references references = {.following = &token->following,
	    .checkpoint = &checkpoint,
	    .proven = &request->references,
	    .known = &token->known,
	    .now = token->now()};
	struct attached attached;
	enum mm_error error = mm_token_caught_up(token);

	if (error == MM_OK)
		error = mm_checkpoint_open(
		    request->note, &token->following.birth.vkey, &checkpoint);
	if (error == MM_OK)
		error = open_attached(token, request, &attached);
	if (error != MM_OK)
		return error;
	references.blob = mm_span(attached.start, attached.size);
	error = sign_items(token, &references, &request->items, arena, out);
	close_attached(&attached);
	return error;
}

static const struct mm_call calls[] = {
    {MM_TOKEN_GENERATE, "generate", &mm_token_generate_request_shape,
	&mm_token_generate_answer_shape, mm_token_generate},
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
	const struct mm_follower follower = {.self = token,
	    .genesis = agree_genesis,
	    .policy = agree_policy,
	    .key = agree_key,
	    .retired = agree_retired};
	enum mm_error error;

	if (token == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the token");
	mm_following_init(&token->following, &follower);
	token->attached = -1;
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
	mm_crl_numbers_clear(&token->crls);
	mm_following_clear(&token->following);
	free(token);
}

struct mm_service
mm_token_service(struct mm_token *token)
{
	return (struct mm_service){.name = "token",
	    .calls = calls,
	    .count = MM_COUNT(calls),
	    .self = token,
	    .fatal = fatal,
	    .attached = &token->attached};
}
