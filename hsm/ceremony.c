#include "hsm/followed.h"

#include "ca/request.h"
#include "policy/ceremony.h"
#include "protocol/message.h"

#include <sodium.h>
#include <string.h>

#define refuse(...) mm_fail(MM_E_TOKEN_REFUSED, __VA_ARGS__)

/* --- ceremonies --- */

static enum mm_error
check_ceremony(const struct mm_following *following,
    const struct mm_followed_ceremony *one)
{
	enum mm_error error = mm_ceremony_claim_check(&one->claim);

	if (error != MM_OK)
		return error;
	if (memcmp(one->claim.policy, one->force->digest,
		sizeof(one->claim.policy)) != 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the ceremony is for another policy than the one in force "
		    "at its entry");
	if (one->claim.succeeds.count > 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "only a genesis succeeds another log");
	for (size_t i = 0; i < following->ceremonies.count; i++) {
		const struct mm_followed_ceremony *other =
		    following->ceremonies.items[i];

		if (memcmp(other->statement, one->statement,
			sizeof(one->statement)) == 0)
			return mm_fail(MM_E_STATEMENT_REPLAY,
			    "this ceremony is entry %ju already",
			    (uintmax_t)other->index);
	}
	return MM_OK;
}

static enum mm_error
read_ceremony(const struct mm_following *following, struct mm_span bytes,
    struct mm_followed_ceremony *one)
{
	struct mm_span copy = mm_arena_copy(&one->arena, bytes);
	struct mm_roster_question question = {.policy = &one->force->policy,
	    .origin = following->birth.genesis.origin,
	    .kind = MM_STATEMENT_CEREMONY};
	struct mm_statement_entry body;
	struct mm_entry frame;
	struct mm_claim claim;
	enum mm_error error;

	if (copy.data == NULL)
		return mm_followed_no_memory();
	error = mm_entry_decode_as(
	    copy, MM_ENTRY_CEREMONY, &one->arena, &frame, &body);
	if (error != MM_OK)
		return error;
	question.time = one->time = frame.time;
	error = mm_roster_check(
	    &question, &body.statements, &one->arena, &claim, &one->claim);
	if (error == MM_OK)
		error = mm_statements_hash(&body.statements, one->statement);
	if (error != MM_OK)
		return error;
	one->end = claim.expiry;
	return check_ceremony(following, one);
}

enum mm_error
mm_follow_ceremony(
    struct mm_following *following, struct mm_span bytes, uint64_t index)
{
	struct mm_followed_ceremony *one = calloc(1, sizeof(*one));
	enum mm_error error;

	if (one == NULL)
		return mm_followed_no_memory();
	mm_arena_init(&one->arena, MM_FOLLOWED_ARENA);
	one->index = index;
	one->force = mm_force_at(following, index);
	error = read_ceremony(following, bytes, one);
	if (error == MM_OK)
		error = mm_followed_keep(&following->ceremonies, one);
	if (error != MM_OK)
		mm_followed_ceremony_free(one);
	return error;
}

/* What a key or an import rests on, while it may be used. */
static enum mm_error
find_ceremony(const struct mm_following *following, uint64_t basis,
    const struct mm_entry *frame, const struct mm_followed_ceremony **out)
{
	*out = mm_followed_ceremony(following, basis);
	if (*out == NULL || basis == 0)
		return refuse("its basis, entry %ju, is no ceremony that was "
			      "followed",
		    (uintmax_t)basis);
	if (frame->time > (*out)->end)
		return refuse("the statement of ceremony %ju has expired",
		    (uintmax_t)basis);
	return MM_OK;
}

/* --- keys, later than at birth --- */

static enum mm_error
add_key(struct mm_following *following, const struct mm_key_entry *body,
    const struct mm_followed_ceremony *ceremony, uint64_t index)
{
	const struct mm_follower *follower = &following->follower;
	const struct mm_genesis_key key = {body->name, body->use, body->spki};
	enum mm_error error = MM_OK;

	if (!mm_ceremony_adds(&ceremony->claim, &key))
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "ceremony %ju does not list the key \"%.*s\" for this use, "
		    "or lists another one, or another kind, of this name",
		    (uintmax_t)ceremony->index, MM_SPAN(body->name));
	if (mm_followed_ever(following, body->name, body->spki) != NULL)
		return refuse("the log had the key \"%.*s\", or its name, "
			      "before",
		    MM_SPAN(body->name));
	if (follower->key != NULL)
		error = follower->key(follower->self, &key);
	return error == MM_OK ? mm_followed_keep_key(following, &key, index)
			      : error;
}

static enum mm_error
retire_key(struct mm_following *following, const struct mm_key_entry *body,
    const struct mm_followed_ceremony *ceremony, uint64_t index)
{
	const struct mm_follower *follower = &following->follower;
	struct mm_followed_key *key =
	    mm_followed_ever(following, body->name, mm_span(NULL, 0));
	enum mm_error error = MM_OK;

	if (!mm_texts_hold(&ceremony->claim.retired, body->name))
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "ceremony %ju does not retire the key \"%.*s\"",
		    (uintmax_t)ceremony->index, MM_SPAN(body->name));
	if (key == NULL || key->retired != 0 || key->key.use != body->use ||
	    !mm_span_equal(key->key.spki, body->spki))
		return refuse("it retires a key \"%.*s\" that the log does not "
			      "have",
		    MM_SPAN(body->name));
	if (follower->retired != NULL)
		error = follower->retired(follower->self, key);
	if (error == MM_OK)
		key->retired = index;
	return error;
}

enum mm_error
mm_follow_key(
    struct mm_following *following, struct mm_span bytes, uint64_t index)
{
	const struct mm_followed_ceremony *ceremony;
	mm_auto(arena) arena = {0};
	struct mm_key_entry body;
	struct mm_entry frame;
	enum mm_error error;

	mm_arena_init(&arena, MM_FOLLOWED_ARENA);
	error = mm_entry_decode_as(bytes, MM_ENTRY_KEY, &arena, &frame, &body);
	if (error == MM_OK)
		error = find_ceremony(following, body.basis, &frame, &ceremony);
	if (error != MM_OK)
		return error;
	return body.retired ? retire_key(following, &body, ceremony, index)
			    : add_key(following, &body, ceremony, index);
}

/* --- certificates by CAs outside --- */

static bool
imports(const struct mm_ceremony_claim *ceremony, struct mm_span key,
    struct mm_span certificate)
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, certificate.data, certificate.size);
	for (mm_list_each(
		 const struct mm_ceremony_import, one, ceremony->imports))
		if (mm_span_equal(one->key, key) &&
		    memcmp(one->sha256, hash, sizeof(hash)) == 0)
			return true;
	return false;
}

static enum mm_error
check_import(const struct mm_following *following,
    const struct mm_followed_ceremony *ceremony,
    const struct mm_import_entry *body, struct mm_followed_import *one)
{
	if (!imports(&ceremony->claim, body->key, body->certificate))
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "ceremony %ju does not list this certificate of the key "
		    "\"%.*s\"",
		    (uintmax_t)ceremony->index, MM_SPAN(body->key));
	one->key = mm_followed_key(following, body->key, one->index);
	if (one->key == NULL)
		return refuse("it is of a key \"%.*s\" that the log does not "
			      "have",
		    MM_SPAN(body->key));
	for (size_t i = 0; i < following->imports.count; i++) {
		const struct mm_followed_import *other =
		    following->imports.items[i];

		if (mm_span_equal(other->certificate, body->certificate))
			return refuse("entry %ju has imported the certificate",
			    (uintmax_t)other->index);
	}
	return mm_imported_check(
	    body->certificate, one->key->key.use, one->key->key.spki);
}

static enum mm_error
read_import(const struct mm_following *following, struct mm_span bytes,
    struct mm_followed_import *one)
{
	struct mm_span copy = mm_arena_copy(&one->arena, bytes);
	const struct mm_followed_ceremony *ceremony;
	struct mm_import_entry body;
	mm_auto(buffer) tbs = {0};
	struct mm_entry frame;
	enum mm_error error;

	if (copy.data == NULL)
		return mm_followed_no_memory();
	mm_buffer_init(&tbs, MM_ENTRY_MAX);
	error = mm_entry_decode_as(
	    copy, MM_ENTRY_IMPORT, &one->arena, &frame, &body);
	if (error == MM_OK)
		error = find_ceremony(following, body.basis, &frame, &ceremony);
	if (error == MM_OK)
		error = check_import(following, ceremony, &body, one);
	if (error == MM_OK)
		error = mm_imported_tbs(body.certificate, &tbs);
	if (error != MM_OK)
		return error;
	one->certificate = body.certificate;
	one->tbs = mm_arena_copy(&one->arena, mm_buffer_span(&tbs));
	return one->tbs.data != NULL ? MM_OK : mm_followed_no_memory();
}

enum mm_error
mm_follow_import(
    struct mm_following *following, struct mm_span bytes, uint64_t index)
{
	struct mm_followed_import *one = calloc(1, sizeof(*one));
	enum mm_error error;

	if (one == NULL)
		return mm_followed_no_memory();
	mm_arena_init(&one->arena, MM_FOLLOWED_ARENA);
	one->index = index;
	error = read_import(following, bytes, one);
	if (error == MM_OK)
		error = mm_followed_keep(&following->imports, one);
	if (error != MM_OK)
		mm_followed_import_free(one);
	return error;
}
