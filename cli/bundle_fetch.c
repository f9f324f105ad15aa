/*
 * Finds what an entry rests on. Policies are found by halving: every entry
 * names the policy in force, a policy never comes back, and so the entries
 * of one policy lie side by side.
 */
#include <stdlib.h>
#include <string.h>

#include "ca/certificate.h"
#include "cli/bundle.h"

enum {
	FRAME_ARENA = 1 << 20,
	GENESIS_ARENA = 4 << 20,
	CHAIN_MAX = 4, /* issuers above a certificate */
	INDEXES_MAX = MM_BUNDLE_RECEIPTS_MAX
};

struct fetch {
	struct mm_source *source;
	const struct mm_attested *subject;
	uint64_t indexes[INDEXES_MAX];
	size_t count;
};

static enum mm_error
frame_at(struct fetch *fetch, uint64_t index, struct mm_entry *out)
{
	mm_auto(arena) arena = {0};
	struct mm_span bytes;
	enum mm_error error = mm_source_entry(fetch->source, index, &bytes);

	mm_arena_init(&arena, FRAME_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, out);
	out->body = mm_span(NULL, 0);
	return error;
}

static bool
same_policy(const struct mm_entry *a, const struct mm_entry *b)
{
	return memcmp(a->policy, b->policy, sizeof(a->policy)) == 0;
}

static enum mm_error
add(struct fetch *fetch, uint64_t index)
{
	if (fetch->count == INDEXES_MAX)
		return mm_fail(MM_E_RANGE,
		    "more than %d entries would go into the bundle",
		    INDEXES_MAX);
	fetch->indexes[fetch->count++] = index;
	return MM_OK;
}

/* The first entry after `low` of another policy; there is one at `high`. */
static enum mm_error
find_change(struct fetch *fetch, uint64_t low, uint64_t high,
    const struct mm_entry *frame, uint64_t *out)
{
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		struct mm_entry there;
		enum mm_error error = frame_at(fetch, middle, &there);

		if (error != MM_OK)
			return error;
		if (same_policy(&there, frame))
			low = middle;
		else
			high = middle;
	}
	*out = high;
	return MM_OK;
}

/* Genesis and each change of policy up to the one that the entry names. */
static enum mm_error
find_policies(struct fetch *fetch)
{
	uint64_t at = 0, end = fetch->subject->receipt.index;

	for (;;) {
		struct mm_entry frame;
		enum mm_error error = frame_at(fetch, at, &frame);

		if (error == MM_OK && at > 0 && frame.kind != MM_ENTRY_POLICY)
			error = mm_fail(MM_E_LOG_WRONG,
			    "entry %ju names another policy than the entry "
			    "before it and brings none",
			    (uintmax_t)at);
		if (error == MM_OK)
			error = add(fetch, at);
		if (error != MM_OK ||
		    same_policy(&frame, &fetch->subject->entry))
			return error;
		if (at == end)
			return mm_fail(MM_E_LOG_WRONG,
			    "the log has another entry %ju than the receipt",
			    (uintmax_t)end);
		error = find_change(fetch, at, end, &frame, &at);
		if (error != MM_OK)
			return error;
	}
}

static enum mm_error
find_basis(struct fetch *fetch)
{
	uint64_t basis = fetch->subject->body.certificate.basis;

	for (size_t i = 0; i < fetch->count; i++)
		if (fetch->indexes[i] == basis)
			return MM_OK;
	return add(fetch, basis);
}

/* ---- the certificates of issuers, from one to the next above it */

struct chain {
	struct mm_arena arena; /* of all spans; the genesis is in it */
	struct mm_genesis genesis;
	uint8_t key[32]; /* of the certificate at hand */
	struct mm_span issuer;
	struct mm_tbs tbs;
};

static enum mm_error
chain_take(struct chain *chain, const struct mm_certificate_entry *entry)
{
	memcpy(chain->key, entry->key, sizeof(chain->key));
	chain->issuer = mm_arena_copy(&chain->arena, entry->issuer);
	return mm_tbs_read(entry->tbs, &chain->arena, &chain->tbs);
}

static enum mm_error
chain_begin(struct fetch *fetch, struct chain *chain)
{
	struct mm_entry frame;
	struct mm_span bytes;
	enum mm_error error = mm_source_entry(fetch->source, 0, &bytes);

	if (error == MM_OK)
		error = mm_entry_decode_as(mm_arena_copy(&chain->arena, bytes),
		    MM_ENTRY_GENESIS, &chain->arena, &frame, &chain->genesis);
	return error == MM_OK
		   ? chain_take(chain, &fetch->subject->body.certificate)
		   : error;
}

static enum mm_error
issuer_key(const struct chain *chain, struct mm_key *out)
{
	for (mm_list_each(
		 const struct mm_genesis_key, key, chain->genesis.keys))
		if (mm_span_equal(key->name, chain->issuer))
			return mm_key_read(key->spki, out);
	return mm_fail(MM_E_NOT_FOUND,
	    "the genesis has no key \"%.*s\", which issued the certificate",
	    MM_SPAN(chain->issuer));
}

/* A certificate of the key under which the one at hand can be. */
static bool
is_issuer(const struct chain *chain, struct mm_span bytes,
    const struct mm_key *key, struct mm_arena *arena,
    struct mm_certificate_entry *out)
{
	struct mm_entry frame;
	struct mm_tbs tbs;

	return mm_entry_decode(bytes, arena, &frame) == MM_OK &&
	       frame.kind == MM_ENTRY_CERTIFICATE &&
	       mm_entry_decode_as(
		   bytes, MM_ENTRY_CERTIFICATE, arena, &frame, out) == MM_OK &&
	       memcmp(out->key, key->sha256, sizeof(out->key)) == 0 &&
	       mm_tbs_read(out->tbs, arena, &tbs) == MM_OK &&
	       mm_span_equal(tbs.subject, chain->tbs.issuer) &&
	       tbs.not_before <= chain->tbs.not_before &&
	       tbs.not_after >= chain->tbs.not_after;
}

/* CAs are certified at a log's birth: the search ends soon. */
static enum mm_error
find_issuer(struct fetch *fetch, struct chain *chain, const struct mm_key *key)
{
	uint64_t end = fetch->subject->receipt.index;

	for (uint64_t i = 1; i < end; i++) {
		mm_auto(arena) arena = {0};
		struct mm_certificate_entry entry;
		struct mm_span bytes;
		enum mm_error error = mm_source_entry(fetch->source, i, &bytes);

		if (error != MM_OK)
			return error;
		mm_arena_init(&arena, FRAME_ARENA);
		if (!is_issuer(chain, bytes, key, &arena, &entry))
			continue;
		error = add(fetch, i);
		return error == MM_OK ? chain_take(chain, &entry) : error;
	}
	return mm_fail(MM_E_LOG_WRONG,
	    "no entry before %ju has the certificate of the issuer \"%.*s\"",
	    (uintmax_t)end, MM_SPAN(chain->issuer));
}

static void
chain_clear(struct chain *chain)
{
	mm_arena_clear(&chain->arena);
}

static enum mm_error
find_issuers(struct fetch *fetch)
{
	__attribute__((cleanup(chain_clear))) struct chain chain = {
	    .issuer = {NULL, 0}};
	enum mm_error error;

	mm_arena_init(&chain.arena, GENESIS_ARENA);
	error = chain_begin(fetch, &chain);
	for (size_t i = 0; error == MM_OK && i < CHAIN_MAX; i++) {
		struct mm_key key;

		error = issuer_key(&chain, &key);
		if (error == MM_OK &&
		    memcmp(key.sha256, chain.key, sizeof(chain.key)) == 0)
			return MM_OK;
		if (error == MM_OK)
			error = find_issuer(fetch, &chain, &key);
	}
	return error;
}

static int
compare_indexes(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

enum mm_error
mm_bundle_fetch(struct mm_source *source, const struct mm_attested *subject,
    struct mm_buffer *out)
{
	mm_autofree struct fetch *fetch = calloc(1, sizeof(*fetch));
	enum mm_error error;

	if (fetch == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a bundle");
	fetch->source = source;
	fetch->subject = subject;
	error = mm_source_has(source, &subject->checkpoint);
	if (error == MM_OK)
		error = find_policies(fetch);
	if (error == MM_OK && subject->entry.kind == MM_ENTRY_CERTIFICATE) {
		error = find_basis(fetch);
		if (error == MM_OK)
			error = find_issuers(fetch);
	}
	qsort(fetch->indexes, fetch->count, sizeof(fetch->indexes[0]),
	    compare_indexes);
	for (size_t i = 0; error == MM_OK && i < fetch->count; i++) {
		mm_auto(buffer) receipt = {0};

		mm_buffer_init(&receipt, MM_RECEIPT_MAX);
		error = mm_source_receipt_under(
		    source, fetch->indexes[i], subject->receipt.note, &receipt);
		if (error == MM_OK)
			mm_buffer_add(out, receipt.data, receipt.size);
	}
	return error == MM_OK ? out->error : error;
}
