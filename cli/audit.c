#include "cli/audit.h"

#include <gnutls/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ca/certificate.h"
#include "log/entry.h"
#include "log/meaning.h"

enum {
	KEYS_MAX = 16,
	KEYS_ARENA = 65536,
	ENTRY_ARENA = 1 << 20,
	WAITING_FIRST = 16,
	DONE = UINT8_MAX /* in the place of a key */
};

/* An entry whose signature is still to come. */
struct waiting {
	uint64_t index;
	uint8_t digest[32];
	uint8_t key; /* of the genesis keys */
};

struct mm_audit {
	struct mm_meaning *meaning;
	struct mm_frontier frontier;
	struct mm_arena arena; /* the genesis keys' */
	struct mm_genesis_key keys[KEYS_MAX];
	size_t key_count;
	struct waiting *waiting; /* by index, ascending */
	size_t count, capacity, done;
};

enum mm_error
mm_audit_new(const struct mm_vkey *vkey, struct mm_audit **out)
{
	struct mm_audit *audit = calloc(1, sizeof(*audit));
	enum mm_error error;

	if (audit == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	mm_arena_init(&audit->arena, KEYS_ARENA);
	error = mm_meaning_new(vkey, &audit->meaning);
	if (error != MM_OK) {
		mm_audit_free(audit);
		return error;
	}
	*out = audit;
	return MM_OK;
}

void
mm_audit_free(struct mm_audit *audit)
{
	if (audit == NULL)
		return;
	mm_meaning_free(audit->meaning);
	mm_arena_clear(&audit->arena);
	free(audit->waiting);
	free(audit);
}

static enum mm_error wrong(uint64_t index, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum mm_error
wrong(uint64_t index, const char *format, ...)
{
	char why[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	return mm_fail(
	    MM_E_LOG_WRONG, "entry %llu: %s", (unsigned long long)index, why);
}

/* --- entries that wait for their signature --- */

static void
forget_done(struct mm_audit *audit)
{
	size_t kept = 0;

	for (size_t i = 0; i < audit->count; i++)
		if (audit->waiting[i].key != DONE)
			audit->waiting[kept++] = audit->waiting[i];
	audit->count = kept;
	audit->done = 0;
}

static enum mm_error
wait_for(struct mm_audit *audit, const struct waiting *one)
{
	if (audit->done > audit->count / 2)
		forget_done(audit);
	if (audit->count == audit->capacity) {
		size_t wider =
		    audit->capacity > 0 ? 2 * audit->capacity : WAITING_FIRST;
		struct waiting *waiting =
		    reallocarray(audit->waiting, wider, sizeof(*waiting));

		if (waiting == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for an audit");
		audit->waiting = waiting;
		audit->capacity = wider;
	}
	audit->waiting[audit->count++] = *one;
	return MM_OK;
}

static int
compare_index(const void *wanted, const void *found)
{
	uint64_t a = *(const uint64_t *)wanted;
	uint64_t b = ((const struct waiting *)found)->index;

	return (a > b) - (a < b);
}

/* Takes an entry out; MM_E_LOG_WRONG where it does not wait. */
static enum mm_error
take(struct mm_audit *audit, uint64_t index, struct waiting *out)
{
	struct waiting *found =
	    audit->count == 0 ? NULL
			      : bsearch(&index, audit->waiting, audit->count,
				    sizeof(*found), compare_index);

	if (found == NULL || found->key == DONE)
		return wrong(index, "it does not wait for a signature");
	*out = *found;
	found->key = DONE;
	audit->done++;
	return MM_OK;
}

/* --- kind by kind --- */

struct at {
	struct mm_audit *audit;
	uint64_t index;
	struct mm_span bytes;
	struct mm_arena *arena;
};

static enum mm_error
add_genesis(const struct at *at)
{
	struct mm_audit *audit = at->audit;
	struct mm_span copy = mm_arena_copy(&audit->arena, at->bytes);
	struct mm_genesis genesis;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(
	    copy, MM_ENTRY_GENESIS, &audit->arena, &entry, &genesis);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_genesis_key, key, genesis.keys)) {
		if (audit->key_count == KEYS_MAX)
			return wrong(at->index, "it names too many keys");
		audit->keys[audit->key_count++] = *key;
	}
	return MM_OK;
}

static enum mm_error
find_key(const struct at *at, struct mm_span name, uint8_t *out)
{
	for (size_t i = 0; i < at->audit->key_count; i++)
		if (mm_span_equal(at->audit->keys[i].name, name)) {
			*out = (uint8_t)i;
			return MM_OK;
		}
	return wrong(at->index, "genesis names no key %.*s", MM_SPAN(name));
}

/* A code-signing key makes no certificate but its own. */
static enum mm_error
check_issuer(const struct at *at, const struct mm_genesis_key *key,
    const struct mm_tbs *tbs)
{
	if (key->use == MM_KEY_CODE_SIGNING &&
	    !mm_span_equal(key->spki, tbs->spki))
		return wrong(
		    at->index, "key %.*s is no CA's", MM_SPAN(key->name));
	return MM_OK;
}

static enum mm_error
add_certificate(const struct at *at)
{
	struct waiting one = {.index = at->index};
	struct mm_certificate_entry body;
	struct mm_entry entry;
	struct mm_tbs tbs;
	enum mm_error error = mm_entry_decode_as(
	    at->bytes, MM_ENTRY_CERTIFICATE, at->arena, &entry, &body);

	if (error == MM_OK)
		error = find_key(at, body.issuer, &one.key);
	if (error != MM_OK)
		return error;
	error = mm_tbs_read(body.tbs, at->arena, &tbs);
	if (error != MM_OK)
		return wrong(at->index, "%s", mm_why(error));
	if (memcmp(tbs.key.sha256, body.key, sizeof(body.key)) != 0)
		return wrong(at->index, "its TBS has another key");
	error = check_issuer(at, &at->audit->keys[one.key], &tbs);
	if (error != MM_OK)
		return error;
	mm_tbs_digest(body.tbs, one.digest);
	return wait_for(at->audit, &one);
}

static enum mm_error
add_image(const struct at *at)
{
	struct waiting one = {.index = at->index};
	struct mm_image_entry body;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(
	    at->bytes, MM_ENTRY_IMAGE, at->arena, &entry, &body);

	if (error == MM_OK)
		error = find_key(at, body.key, &one.key);
	if (error != MM_OK)
		return error;
	if (at->audit->keys[one.key].use != MM_KEY_CODE_SIGNING)
		return wrong(at->index, "key %.*s is not for code signing",
		    MM_SPAN(body.key));
	memcpy(one.digest, body.digest, sizeof(one.digest));
	return wait_for(at->audit, &one);
}

static enum mm_error
add_signatures(const struct at *at)
{
	struct mm_signatures_entry body;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(
	    at->bytes, MM_ENTRY_SIGNATURES, at->arena, &entry, &body);

	for (size_t i = 0; error == MM_OK && i < body.signatures.count; i++) {
		const struct mm_signature *one =
		    mm_list_at(body.signatures, struct mm_signature, i);
		struct waiting waiting;

		error = take(at->audit, one->index, &waiting);
		if (error == MM_OK &&
		    mm_key_verify_p256(at->audit->keys[waiting.key].spki,
			waiting.digest, one->signature) != MM_OK)
			error = wrong(one->index,
			    "its signature (in entry %llu) does not verify",
			    (unsigned long long)at->index);
	}
	return error;
}

static enum mm_error
add_voids(const struct at *at)
{
	struct mm_void_entry body;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(
	    at->bytes, MM_ENTRY_VOID, at->arena, &entry, &body);

	for (size_t i = 0; error == MM_OK && i < body.voids.count; i++) {
		struct waiting waiting;

		error = take(at->audit,
		    mm_list_at(body.voids, struct mm_void, i)->index, &waiting);
	}
	return error;
}

static enum mm_error (*const adds[MM_ENTRY_KINDS])(const struct at *) = {
    [MM_ENTRY_GENESIS] = add_genesis,
    [MM_ENTRY_CERTIFICATE] = add_certificate,
    [MM_ENTRY_IMAGE] = add_image,
    [MM_ENTRY_SIGNATURES] = add_signatures,
    [MM_ENTRY_VOID] = add_voids};

enum mm_error
mm_audit_add(struct mm_audit *audit, struct mm_span bytes)
{
	struct mm_hash leaf = mm_leaf_hash(bytes);
	mm_auto(arena) arena = {0};
	struct at at = {audit, audit->frontier.size, bytes, &arena};
	struct mm_entry entry;
	enum mm_error error = mm_meaning_add(audit->meaning, bytes);

	mm_arena_init(&arena, ENTRY_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &entry);
	if (error == MM_OK && adds[entry.kind] != NULL)
		error = adds[entry.kind](&at);
	if (error == MM_OK)
		error = mm_frontier_append(&audit->frontier, &leaf, NULL, NULL);
	return error;
}

enum mm_error
mm_audit_end(const struct mm_audit *audit,
    const struct mm_checkpoint *checkpoint, struct mm_audit_report *out)
{
	struct mm_hash root = mm_frontier_root(&audit->frontier);

	if (checkpoint->size == 0)
		return mm_fail(MM_E_LOG_WRONG, "the log has no genesis");
	if (audit->frontier.size != checkpoint->size)
		return mm_fail(MM_E_LOG_WRONG,
		    "the checkpoint has %llu entries, and %llu are there",
		    (unsigned long long)checkpoint->size,
		    (unsigned long long)audit->frontier.size);
	if (!mm_hash_equal(&root, &checkpoint->root))
		return mm_fail(MM_E_LOG_WRONG,
		    "the entries do not make the checkpoint's root");
	out->log = *mm_meaning_report(audit->meaning);
	out->log.root = root;
	out->unsigned_entries = audit->count - audit->done;
	return MM_OK;
}
