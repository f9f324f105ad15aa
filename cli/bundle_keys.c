#include "cli/bundle_parts.h"

#include <sodium.h>
#include <string.h>

#include "ca/certificate.h"
#include "cli/mint_key.h"

enum {
	FRAME_ARENA = 1 << 20,
	GENESIS_ARENA = 4 << 20,
	CHAIN_MAX = 4 /* issuers above a certificate */
};

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

/* The mint's key of this name, before the subject; where a ceremony added it
 * later, its entry and the ceremony go along. */
static enum mm_error
find_key(struct mm_bundling *b, struct chain *chain, struct mm_span name,
    struct mm_span *spki)
{
	struct mm_mint_key key;
	enum mm_error error = mm_mint_key(b->source, &chain->genesis, name,
	    b->subject->receipt.index + 1, &chain->arena, &key);

	if (error != MM_OK)
		return error;
	*spki = key.spki;
	if (key.index == 0)
		return MM_OK;
	error = mm_bundling_add(b, key.index);
	return error == MM_OK ? mm_bundling_add(b, key.basis) : error;
}

static enum mm_error
issuer_key(struct mm_bundling *b, struct chain *chain, struct mm_key *out)
{
	struct mm_span spki;
	enum mm_error error = find_key(b, chain, chain->issuer, &spki);

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
take_import(struct mm_bundling *b, const struct chain *chain,
    struct mm_span bytes, uint64_t index, struct mm_arena *arena, bool *taken)
{
	struct mm_import_entry body;
	struct mm_entry frame;
	enum mm_error error =
	    mm_entry_decode_as(bytes, MM_ENTRY_IMPORT, arena, &frame, &body);

	*taken = error == MM_OK && mm_span_equal(body.key, chain->issuer);
	if (!*taken)
		return error;
	error = mm_bundling_add(b, index);
	return error == MM_OK ? mm_bundling_add(b, body.basis) : error;
}

/* The entry that has the issuer's certificate; `end`: it is the last one of
 * the chain. */
static enum mm_error
take_issuer(struct mm_bundling *b, struct chain *chain,
    const struct mm_key *key, uint64_t index, bool *taken, bool *end)
{
	mm_auto(arena) arena = {0};
	struct mm_certificate_entry entry;
	struct mm_entry frame;
	struct mm_span bytes;
	enum mm_error error = mm_source_entry(b->source, index, &bytes);

	mm_arena_init(&arena, FRAME_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &frame);
	if (error != MM_OK)
		return error;
	if (frame.kind == MM_ENTRY_IMPORT) {
		error = take_import(b, chain, bytes, index, &arena, taken);
		*end = *taken;
		return error;
	}
	*taken = is_issuer(chain, bytes, key, &arena, &entry);
	if (!*taken)
		return MM_OK;
	error = mm_bundling_add(b, index);
	if (error == MM_OK && entry.basis != 0)
		error = mm_bundling_add(b, entry.basis);
	return error == MM_OK ? chain_take(chain, &entry) : error;
}

/* CAs are certified at a log's birth: the search ends soon. */
static enum mm_error
find_issuer(struct mm_bundling *b, struct chain *chain,
    const struct mm_key *key, bool *end)
{
	uint64_t last = b->subject->receipt.index;

	for (uint64_t i = 1; i < last; i++) {
		bool taken = false;
		enum mm_error error =
		    take_issuer(b, chain, key, i, &taken, end);

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
find_issuers(struct mm_bundling *b, struct chain *chain)
{
	bool end = false;
	enum mm_error error = chain_take(chain, &b->subject->body.certificate);

	for (size_t i = 0; error == MM_OK && !end && i < CHAIN_MAX; i++) {
		struct mm_key key;

		error = issuer_key(b, chain, &key);
		if (error == MM_OK &&
		    memcmp(key.sha256, chain->key, sizeof(chain->key)) == 0)
			return MM_OK;
		if (error == MM_OK)
			error = find_issuer(b, chain, &key, &end);
	}
	return error;
}

/* Whether the entry adds the key that the subject certifies: then the bundle
 * has it, and its ceremony. */
static enum mm_error
take_certified(struct mm_bundling *b, uint64_t index, bool *taken)
{
	mm_auto(arena) arena = {0};
	uint8_t digest[32];
	struct mm_key_entry body;
	struct mm_entry frame;
	struct mm_span bytes;
	enum mm_error error = mm_source_entry(b->source, index, &bytes);

	mm_arena_init(&arena, FRAME_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &frame);
	if (error != MM_OK || frame.kind != MM_ENTRY_KEY)
		return error;
	error = mm_entry_decode_as(bytes, MM_ENTRY_KEY, &arena, &frame, &body);
	if (error != MM_OK || body.retired)
		return error;
	crypto_hash_sha256(digest, body.spki.data, body.spki.size);
	*taken = memcmp(digest, b->subject->body.certificate.key,
		     sizeof(digest)) == 0;
	if (*taken)
		error = mm_bundling_add(b, index);
	return error == MM_OK && *taken ? mm_bundling_add(b, body.basis)
					: error;
}

/* Of what rests on a later ceremony: a key of the mint, where it is no code
 * that a cloud gave. */
static enum mm_error
find_certified(struct mm_bundling *b)
{
	const struct mm_attested *subject = b->subject;
	uint64_t basis = subject->body.certificate.basis;
	mm_auto(arena) arena = {0};
	struct mm_entry frame;
	struct mm_span bytes;
	bool taken = false;
	enum mm_error error = mm_source_entry(b->source, basis, &bytes);

	mm_arena_init(&arena, FRAME_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &frame);
	if (error != MM_OK || frame.kind != MM_ENTRY_CEREMONY)
		return error;
	for (uint64_t i = 1;
	     error == MM_OK && !taken && i < subject->receipt.index; i++)
		error = take_certified(b, i, &taken);
	return error;
}

/* What the certificate's issuers are, and whose key it is. */
static enum mm_error
find_both(struct mm_bundling *b, struct chain *chain)
{
	enum mm_error error = find_issuers(b, chain);

	return error == MM_OK ? find_certified(b) : error;
}

/* The key that an image, a partition, a CSR or an import names. */
static enum mm_error
find_named(struct mm_bundling *b, struct chain *chain)
{
	const struct mm_attested *subject = b->subject;
	struct mm_span name = subject->body.csr.key, spki;

	if (subject->entry.kind == MM_ENTRY_IMAGE)
		name = subject->body.image.key;
	if (subject->entry.kind == MM_ENTRY_PARTITION)
		name = subject->body.partition.key;
	if (subject->entry.kind == MM_ENTRY_IMPORT)
		name = subject->body.import.key;
	return find_key(b, chain, name, &spki);
}

/* What a retired key's entry is about is a key that was added before. */
static enum mm_error
find_retired(struct mm_bundling *b, struct chain *chain)
{
	const struct mm_key_entry *body = &b->subject->body.key;
	struct mm_span spki;

	return body->retired ? find_key(b, chain, body->name, &spki) : MM_OK;
}

enum mm_error
mm_bundling_keys(struct mm_bundling *b)
{
	static enum mm_error (*const find[MM_ENTRY_KINDS])(struct mm_bundling *,
	    struct chain *) = {[MM_ENTRY_CERTIFICATE] = find_both,
	    [MM_ENTRY_IMAGE] = find_named,
	    [MM_ENTRY_PARTITION] = find_named,
	    [MM_ENTRY_CSR] = find_named,
	    [MM_ENTRY_IMPORT] = find_named,
	    [MM_ENTRY_KEY] = find_retired};
	__attribute__((cleanup(chain_clear))) struct chain chain = {
	    .issuer = {NULL, 0}};
	enum mm_error error;

	if (find[b->subject->entry.kind] == NULL)
		return MM_OK;
	mm_arena_init(&chain.arena, GENESIS_ARENA);
	error = mm_mint_genesis(b->source, &chain.arena, &chain.genesis);
	return error == MM_OK ? find[b->subject->entry.kind](b, &chain) : error;
}
