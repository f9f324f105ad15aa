/*
 * The mint's own keys: as the genesis brought them, and as later ceremonies
 * add and retire them, have them certified outside, and prove to have them.
 * The rules are those of whoever follows a log (hsm/following.h).
 */
#include <string.h>

#include "audit/state.h"
#include "protocol/message.h"

/* --- finding --- */

struct mm_audit_key *
mm_audit_key_named(struct mm_audit *audit, struct mm_span name)
{
	for (size_t i = 0; i < audit->key_count; i++)
		if (audit->keys[i].followed->retired == 0 &&
		    mm_span_equal(audit->keys[i].followed->key.name, name))
			return &audit->keys[i];
	return NULL;
}

struct mm_audit_key *
mm_audit_key_of(struct mm_audit *audit, struct mm_span spki)
{
	for (size_t i = 0; i < audit->key_count; i++)
		if (audit->keys[i].followed->retired == 0 &&
		    mm_span_equal(audit->keys[i].followed->key.spki, spki))
			return &audit->keys[i];
	return NULL;
}

uint32_t
mm_audit_key_number(
    const struct mm_audit *audit, const struct mm_audit_key *key)
{
	return (uint32_t)(key - audit->keys);
}

enum mm_error
mm_audit_key_certified(
    struct mm_audit *audit, struct mm_audit_key *key, struct mm_span tbs)
{
	struct mm_span copy = mm_arena_copy(&audit->arena, tbs);

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	if (key->tbs_count == MM_AUDIT_CERTIFICATES) {
		memmove(&key->tbs[0], &key->tbs[1],
		    (MM_AUDIT_CERTIFICATES - 1) * sizeof(key->tbs[0]));
		key->tbs_count--;
	}
	key->tbs[key->tbs_count++] = copy;
	return MM_OK;
}

/* --- keys come --- */

/* A key of the mint is nobody else's, even when it is retired. */
static enum mm_error
add_keys(const struct mm_audit_at *at)
{
	struct mm_audit *audit = at->audit;
	const struct mm_followed *keys = &audit->following.keys;
	struct mm_span none = mm_span(NULL, 0);

	while (audit->key_count < keys->count) {
		struct mm_audit_key *one = &audit->keys[audit->key_count];
		struct mm_thing_name name;
		enum mm_error error;

		if (audit->key_count == MM_AUDIT_KEYS)
			return mm_audit_wrong(
			    "the log names more than %d keys", MM_AUDIT_KEYS);
		*one = (struct mm_audit_key){
		    .followed = keys->items[audit->key_count++]};
		name = mm_thing_name(MM_THING_KEY,
		    mm_span(
			one->followed->sha256, sizeof(one->followed->sha256)),
		    none, none);
		error = mm_fact_add(audit->ledger, MM_FACT_HELD, MM_THING_KEY,
		    &name, at->index, 0);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

static void
tell_predecessor(struct mm_audit *audit)
{
	const struct mm_list *succeeds =
	    &audit->following.birth.ceremony.succeeds;
	struct mm_audit_succeeded *told = &audit->report.succeeds;
	const struct mm_predecessor *former;

	if (succeeds->count == 0)
		return;
	former = mm_list_at(*succeeds, struct mm_predecessor, 0);
	mm_span_string(former->origin, told->origin, sizeof(told->origin));
	told->size = former->size;
	memcpy(told->root.bytes, former->root, MM_HASH_SIZE);
}

enum mm_error
mm_audit_genesis(const struct mm_audit_at *at)
{
	struct mm_audit *audit = at->audit;
	const struct mm_birth *birth = &audit->following.birth;
	enum mm_error error;

	if (at->index != 0)
		return mm_audit_wrong("it is a second genesis");
	error = mm_following_read(&audit->following, at->bytes, at->index);
	if (error != MM_OK)
		return error;
	if (strcmp(birth->vkey.name, audit->vkey.name) != 0)
		return mm_audit_wrong("it begins the log %s, not %s",
		    birth->vkey.name, audit->vkey.name);
	if (memcmp(birth->vkey.public_key, audit->vkey.public_key, 32) != 0)
		return mm_audit_wrong("it begins a log with another key");
	tell_predecessor(audit);
	audit->begun = true;
	return add_keys(at);
}

enum mm_error
mm_audit_ceremony(const struct mm_audit_at *at)
{
	const struct mm_statement_entry *body = at->body;
	struct mm_audit *audit = at->audit;
	struct mm_thing_name name;
	enum mm_error error = mm_audit_asked(
	    at, MM_MESSAGE_STATEMENT, body->principal, body->request);

	if (error == MM_OK)
		error = mm_audit_may_bring(
		    at, MM_STATEMENT_CEREMONY, body->principal);
	if (error == MM_OK)
		error =
		    mm_following_read(&audit->following, at->bytes, at->index);
	if (error == MM_OK)
		error = mm_audit_payload(&body->statements, &name);
	return error == MM_OK ? mm_fact_take(audit->ledger, MM_THING_STATEMENT,
				    &name, at->index)
			      : error;
}

enum mm_error
mm_audit_key(const struct mm_audit_at *at)
{
	enum mm_error error =
	    mm_following_read(&at->audit->following, at->bytes, at->index);

	return error == MM_OK ? add_keys(at) : error;
}

/* --- certificates of CAs outside --- */

enum mm_error
mm_audit_import(const struct mm_audit_at *at)
{
	const struct mm_import_entry *body = at->body;
	struct mm_audit *audit = at->audit;
	struct mm_audit_key *key = mm_audit_key_named(audit, body->key);
	enum mm_error error =
	    mm_following_read(&audit->following, at->bytes, at->index);
	const struct mm_followed_import *import;

	if (error != MM_OK)
		return error;
	import = mm_followed_import(
	    &audit->following, &key->followed->key, UINT64_MAX);
	return mm_audit_key_certified(audit, key, import->tbs);
}

enum mm_error
mm_audit_csr(const struct mm_audit_at *at)
{
	const struct mm_csr_entry *entry = at->body;
	struct mm_audit *audit = at->audit;
	const struct mm_judge_sources sources = mm_audit_sources(audit);
	const struct mm_judge judge = mm_audit_judge(audit, &sources);
	struct mm_waiting waiting = {.index = at->index};
	struct mm_verdict verdict;
	enum mm_error error =
	    mm_judge_csr(&judge, at->frame, entry, at->arena, &verdict);

	if (error != MM_OK)
		return error;
	waiting.key = mm_audit_key_named(audit, entry->key);
	memcpy(waiting.digest, verdict.digest, sizeof(waiting.digest));
	return mm_waiting_add(&audit->waiting, &waiting);
}
