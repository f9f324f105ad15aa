/*
 * Finds what an entry rests on. Policies are found by halving: every entry
 * names the policy in force, a policy never comes back, and so the entries
 * of one policy lie side by side.
 */
#include <sodium.h>
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
add_once(struct fetch *fetch, uint64_t index)
{
	for (size_t i = 0; i < fetch->count; i++)
		if (fetch->indexes[i] == index)
			return MM_OK;
	return add(fetch, index);
}

/* What the subject names as its basis; and itself, where it is followed. */
static enum mm_error
find_basis(struct fetch *fetch)
{
	const struct mm_attested *subject = fetch->subject;
	enum mm_error error = MM_OK;

	switch (subject->entry.kind) {
	case MM_ENTRY_CERTIFICATE:
		return add_once(fetch, subject->body.certificate.basis);
	case MM_ENTRY_CSR:
		return add_once(fetch, subject->body.csr.basis);
	case MM_ENTRY_KEY:
		error = add_once(fetch, subject->body.key.basis);
		break;
	case MM_ENTRY_IMPORT:
		error = add_once(fetch, subject->body.import.basis);
		break;
	case MM_ENTRY_CEREMONY:
		break;
	default:
		return MM_OK;
	}
	return error == MM_OK ? add_once(fetch, subject->receipt.index) : error;
}

/* ---- the mint's own keys, later than the genesis */

struct wanted {
	struct mm_arena *arena; /* of the key's SPKI */
	struct mm_span name;
	struct mm_span spki; /* as its entry has it; empty until then */
};

/* The entry that added the key, and its ceremony. */
static enum mm_error
take_key(struct fetch *fetch, struct wanted *wanted, struct mm_span bytes,
    uint64_t index, struct mm_arena *arena)
{
	struct mm_key_entry body;
	struct mm_entry frame;
	enum mm_error error =
	    mm_entry_decode_as(bytes, MM_ENTRY_KEY, arena, &frame, &body);

	if (error != MM_OK || body.retired ||
	    !mm_span_equal(body.name, wanted->name))
		return error;
	wanted->spki = mm_arena_copy(wanted->arena, body.spki);
	error = add_once(fetch, index);
	return error == MM_OK ? add_once(fetch, body.basis) : error;
}

/* Nobody but a reader of all entries knows where it was added. */
static enum mm_error
find_added(struct fetch *fetch, struct wanted *wanted)
{
	uint64_t end = fetch->subject->receipt.index + 1;

	for (uint64_t i = 1; i < end && wanted->spki.size == 0; i++) {
		mm_auto(arena) arena = {0};
		struct mm_entry frame;
		struct mm_span bytes;
		enum mm_error error = mm_source_entry(fetch->source, i, &bytes);

		mm_arena_init(&arena, FRAME_ARENA);
		if (error == MM_OK)
			error = mm_entry_decode(bytes, &arena, &frame);
		if (error == MM_OK && frame.kind == MM_ENTRY_KEY)
			error = take_key(fetch, wanted, bytes, i, &arena);
		if (error != MM_OK)
			return error;
	}
	if (wanted->spki.size > 0)
		return MM_OK;
	return mm_fail(MM_E_NOT_FOUND,
	    "no entry has the key \"%.*s\" that entry %ju names",
	    MM_SPAN(wanted->name), (uintmax_t)fetch->subject->receipt.index);
}

/* Where the subject is about a key of the mint. */
static enum mm_error
find_key(struct fetch *fetch, const struct mm_list *first, struct mm_span name,
    struct mm_arena *arena, struct mm_span *spki)
{
	struct wanted wanted = {.arena = arena, .name = name};
	enum mm_error error;

	for (mm_list_each(const struct mm_genesis_key, key, *first))
		if (mm_span_equal(key->name, name)) {
			*spki = key->spki;
			return MM_OK;
		}
	error = find_added(fetch, &wanted);
	*spki = wanted.spki;
	return error;
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
	return error;
}

static enum mm_error
issuer_key(struct fetch *fetch, struct chain *chain, struct mm_key *out)
{
	struct mm_span spki;
	enum mm_error error = find_key(
	    fetch, &chain->genesis.keys, chain->issuer, &chain->arena, &spki);

	return error == MM_OK ? mm_key_read(spki, out) : error;
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

/* A certificate that a CA outside made of the issuer's key: the chain goes on
 * outside of the log. */
static enum mm_error
take_import(struct fetch *fetch, const struct chain *chain,
    struct mm_span bytes, uint64_t index, struct mm_arena *arena, bool *taken)
{
	struct mm_import_entry body;
	struct mm_entry frame;
	enum mm_error error =
	    mm_entry_decode_as(bytes, MM_ENTRY_IMPORT, arena, &frame, &body);

	*taken = error == MM_OK && mm_span_equal(body.key, chain->issuer);
	if (!*taken)
		return error;
	error = add_once(fetch, index);
	return error == MM_OK ? add_once(fetch, body.basis) : error;
}

/* The entry that has the issuer's certificate; `end`: it is the last one of
 * the chain. */
static enum mm_error
take_issuer(struct fetch *fetch, struct chain *chain, const struct mm_key *key,
    uint64_t index, bool *taken, bool *end)
{
	mm_auto(arena) arena = {0};
	struct mm_certificate_entry entry;
	struct mm_entry frame;
	struct mm_span bytes;
	enum mm_error error = mm_source_entry(fetch->source, index, &bytes);

	mm_arena_init(&arena, FRAME_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &frame);
	if (error != MM_OK)
		return error;
	if (frame.kind == MM_ENTRY_IMPORT) {
		error = take_import(fetch, chain, bytes, index, &arena, taken);
		*end = *taken;
		return error;
	}
	*taken = is_issuer(chain, bytes, key, &arena, &entry);
	if (!*taken)
		return MM_OK;
	error = add_once(fetch, index);
	if (error == MM_OK && entry.basis != 0)
		error = add_once(fetch, entry.basis);
	return error == MM_OK ? chain_take(chain, &entry) : error;
}

/* CAs are certified at a log's birth: the search ends soon. */
static enum mm_error
find_issuer(struct fetch *fetch, struct chain *chain, const struct mm_key *key,
    bool *end)
{
	uint64_t last = fetch->subject->receipt.index;

	for (uint64_t i = 1; i < last; i++) {
		bool taken = false;
		enum mm_error error =
		    take_issuer(fetch, chain, key, i, &taken, end);

		if (error != MM_OK || taken)
			return error;
	}
	return mm_fail(MM_E_LOG_WRONG,
	    "no entry before %ju has the certificate of the issuer \"%.*s\"",
	    (uintmax_t)last, MM_SPAN(chain->issuer));
}

static void
chain_clear(struct chain *chain)
{
	mm_arena_clear(&chain->arena);
}

static enum mm_error
find_issuers(struct fetch *fetch, struct chain *chain)
{
	bool end = false;
	enum mm_error error =
	    chain_take(chain, &fetch->subject->body.certificate);

	for (size_t i = 0; error == MM_OK && !end && i < CHAIN_MAX; i++) {
		struct mm_key key;

		error = issuer_key(fetch, chain, &key);
		if (error == MM_OK &&
		    memcmp(key.sha256, chain->key, sizeof(chain->key)) == 0)
			return MM_OK;
		if (error == MM_OK)
			error = find_issuer(fetch, chain, &key, &end);
	}
	return error;
}

/* Whether the entry adds the key that the subject certifies: then the bundle
 * has it, and its ceremony. */
static enum mm_error
take_certified(struct fetch *fetch, uint64_t index, bool *taken)
{
	mm_auto(arena) arena = {0};
	uint8_t digest[32];
	struct mm_key_entry body;
	struct mm_entry frame;
	struct mm_span bytes;
	enum mm_error error = mm_source_entry(fetch->source, index, &bytes);

	mm_arena_init(&arena, FRAME_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &frame);
	if (error != MM_OK || frame.kind != MM_ENTRY_KEY)
		return error;
	error = mm_entry_decode_as(bytes, MM_ENTRY_KEY, &arena, &frame, &body);
	if (error != MM_OK || body.retired)
		return error;
	crypto_hash_sha256(digest, body.spki.data, body.spki.size);
	*taken = memcmp(digest, fetch->subject->body.certificate.key,
		     sizeof(digest)) == 0;
	if (*taken)
		error = add_once(fetch, index);
	return error == MM_OK && *taken ? add_once(fetch, body.basis) : error;
}

/* Of what rests on a later ceremony: a key of the mint, where it is no code
 * that a cloud gave. */
static enum mm_error
find_certified(struct fetch *fetch)
{
	const struct mm_attested *subject = fetch->subject;
	uint64_t basis = subject->body.certificate.basis;
	mm_auto(arena) arena = {0};
	struct mm_entry frame;
	struct mm_span bytes;
	bool taken = false;
	enum mm_error error = mm_source_entry(fetch->source, basis, &bytes);

	mm_arena_init(&arena, FRAME_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &frame);
	if (error != MM_OK || frame.kind != MM_ENTRY_CEREMONY)
		return error;
	for (uint64_t i = 1;
	     error == MM_OK && !taken && i < subject->receipt.index; i++)
		error = take_certified(fetch, i, &taken);
	return error;
}

/* What the certificate's issuers are, and whose key it is. */
static enum mm_error
find_both(struct fetch *fetch, struct chain *chain)
{
	enum mm_error error = find_issuers(fetch, chain);

	return error == MM_OK ? find_certified(fetch) : error;
}

/* The key that an image, a CSR or an import names. */
static enum mm_error
find_named(struct fetch *fetch, struct chain *chain)
{
	const struct mm_attested *subject = fetch->subject;
	struct mm_span name = subject->body.csr.key, spki;

	if (subject->entry.kind == MM_ENTRY_IMAGE)
		name = subject->body.image.key;
	if (subject->entry.kind == MM_ENTRY_IMPORT)
		name = subject->body.import.key;
	return find_key(
	    fetch, &chain->genesis.keys, name, &chain->arena, &spki);
}

/* What a retired key's entry is about is a key that was added before. */
static enum mm_error
find_retired(struct fetch *fetch, struct chain *chain)
{
	const struct mm_key_entry *body = &fetch->subject->body.key;
	struct mm_span spki;

	return body->retired ? find_key(fetch, &chain->genesis.keys, body->name,
				   &chain->arena, &spki)
			     : MM_OK;
}

static enum mm_error
find_keys(struct fetch *fetch)
{
	static enum mm_error (*const find[MM_ENTRY_KINDS])(struct fetch *,
	    struct chain *) = {[MM_ENTRY_CERTIFICATE] = find_both,
	    [MM_ENTRY_IMAGE] = find_named,
	    [MM_ENTRY_CSR] = find_named,
	    [MM_ENTRY_IMPORT] = find_named,
	    [MM_ENTRY_KEY] = find_retired};
	__attribute__((cleanup(chain_clear))) struct chain chain = {
	    .issuer = {NULL, 0}};
	enum mm_error error;

	if (find[fetch->subject->entry.kind] == NULL)
		return MM_OK;
	mm_arena_init(&chain.arena, GENESIS_ARENA);
	error = chain_begin(fetch, &chain);
	return error == MM_OK ? find[fetch->subject->entry.kind](fetch, &chain)
			      : error;
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
	if (error == MM_OK)
		error = find_basis(fetch);
	if (error == MM_OK)
		error = find_keys(fetch);
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
