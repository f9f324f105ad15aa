#include "cli/ceremony_story.h"

#include <sodium.h>
#include <string.h>

#include "ca/csr.h"
#include "ca/request.h"
#include "cli/chain.h"

enum { DER_MAX = 65536, ENTRY_ARENA = 4 << 20 };

/* --- what is asked for --- */

static struct mm_ceremony_made *
add(struct mm_ceremony_story *story, uint64_t kind, struct mm_span key)
{
	struct mm_ceremony_made *made = &story->made[story->made_count++];

	*made = (struct mm_ceremony_made){.kind = kind, .key = key};
	return made;
}

static void
expect_keys(struct mm_ceremony_story *story)
{
	for (mm_list_each(
		 const struct mm_ceremony_key, one, story->ceremony.keys))
		add(story, MM_ENTRY_KEY, one->name);
	for (mm_list_each(
		 const struct mm_text_item, one, story->ceremony.retired))
		add(story, MM_ENTRY_KEY, one->value)->retired = true;
}

static void
expect_certificates(struct mm_ceremony_story *story)
{
	for (mm_list_each(const struct mm_ceremony_certificate, one,
		 story->ceremony.certificates)) {
		struct mm_ceremony_made *made =
		    add(story, MM_ENTRY_CERTIFICATE, one->key);

		made->profile = one->profile;
		made->subject = one->subject;
		made->issuer = one->issuer;
	}
	for (mm_list_each(
		 const struct mm_ceremony_proof, one, story->ceremony.proofs)) {
		struct mm_ceremony_made *made =
		    add(story, MM_ENTRY_CERTIFICATE, mm_span(NULL, 0));

		made->profile = one->profile;
		made->subject = one->code;
		made->issuer = one->issuer;
		made->hash = mm_span(one->key, sizeof(one->key));
	}
}

static void
expect_others(struct mm_ceremony_story *story)
{
	for (mm_list_each(const struct mm_ceremony_request, one,
		 story->ceremony.requests)) {
		struct mm_ceremony_made *made =
		    add(story, MM_ENTRY_CSR, one->key);

		made->profile = one->profile;
		made->subject = one->subject;
	}
	for (mm_list_each(
		 const struct mm_ceremony_import, one, story->ceremony.imports))
		add(story, MM_ENTRY_IMPORT, one->key);
}

static enum mm_error
expect(struct mm_ceremony_story *story, struct mm_arena *arena)
{
	const struct mm_ceremony_claim *claim = &story->ceremony;
	size_t count = claim->keys.count + claim->retired.count +
		       claim->certificates.count + claim->proofs.count +
		       claim->requests.count + claim->imports.count;

	story->made = mm_arena_alloc(arena, (count + 1) * sizeof(*story->made));
	if (story->made == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a ceremony");
	expect_keys(story);
	expect_certificates(story);
	expect_others(story);
	return MM_OK;
}

/* --- what came of it --- */

static enum mm_error
keep(struct mm_arena *arena, struct mm_span bytes, struct mm_span *out)
{
	*out = mm_arena_copy(arena, bytes);
	return out->data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a ceremony");
}

/* Whoever waits for this key's hash knows it now. */
static enum mm_error
tell_hash(struct mm_ceremony_story *story, struct mm_span name,
    struct mm_span spki, struct mm_arena *arena)
{
	uint8_t hash[32];
	struct mm_span copy;
	enum mm_error error;

	crypto_hash_sha256(hash, spki.data, spki.size);
	error = keep(arena, mm_span(hash, sizeof(hash)), &copy);
	for (size_t i = 0; i < story->made_count && error == MM_OK; i++)
		if (mm_span_equal(story->made[i].key, name))
			story->made[i].hash = copy;
	return error;
}

static enum mm_error
take_key(struct mm_ceremony_story *story, uint64_t index,
    const struct mm_key_entry *body, struct mm_arena *arena)
{
	for (size_t i = 0; i < story->made_count; i++) {
		struct mm_ceremony_made *made = &story->made[i];
		enum mm_error error;

		if (made->kind != MM_ENTRY_KEY || made->der.size > 0 ||
		    made->retired != body->retired ||
		    !mm_span_equal(made->key, body->name))
			continue;
		made->index = index;
		error = keep(arena, body->spki, &made->der);
		return error == MM_OK
			   ? tell_hash(story, made->key, made->der, arena)
			   : error;
	}
	return MM_OK;
}

static enum mm_error
take_genesis_keys(struct mm_ceremony_story *story, struct mm_arena *arena)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(
		 const struct mm_genesis_key, key, story->genesis.keys)) {
		const struct mm_key_entry body = {
		    .name = key->name, .use = key->use, .spki = key->spki};

		if (error == MM_OK)
			error = take_key(story, 0, &body, arena);
	}
	return error;
}

/* One that became void is followed by another one in its place. */
static struct mm_ceremony_made *
unsigned_one(
    struct mm_ceremony_story *story, const struct mm_certificate_entry *body)
{
	for (size_t i = 0; i < story->made_count; i++) {
		struct mm_ceremony_made *made = &story->made[i];

		if (made->kind == MM_ENTRY_CERTIFICATE && made->der.size == 0 &&
		    mm_span_equal(made->profile, body->profile) &&
		    mm_span_equal(made->subject, body->subject) &&
		    mm_span_equal(made->issuer, body->issuer) &&
		    (made->hash.size == 0 ||
			memcmp(made->hash.data, body->key, 32) == 0))
			return made;
	}
	return NULL;
}

static enum mm_error
take_certificate(struct mm_ceremony_story *story, uint64_t index,
    const struct mm_certificate_entry *body, struct mm_arena *arena)
{
	struct mm_ceremony_made *made = unsigned_one(story, body);

	if (made == NULL)
		return MM_OK;
	made->index = index;
	return keep(arena, mm_span(body->key, sizeof(body->key)), &made->hash);
}

static enum mm_error
take_request(struct mm_ceremony_story *story, uint64_t index,
    const struct mm_csr_entry *body)
{
	for (size_t i = 0; i < story->made_count; i++) {
		struct mm_ceremony_made *made = &story->made[i];

		if (made->kind == MM_ENTRY_CSR && made->der.size == 0 &&
		    mm_span_equal(made->key, body->key))
			made->index = index;
	}
	return MM_OK;
}

static enum mm_error
take_import(struct mm_ceremony_story *story, uint64_t index,
    const struct mm_import_entry *body, struct mm_arena *arena)
{
	for (size_t i = 0; i < story->made_count; i++) {
		struct mm_ceremony_made *made = &story->made[i];

		if (made->kind != MM_ENTRY_IMPORT || made->der.size > 0 ||
		    !mm_span_equal(made->key, body->key))
			continue;
		made->index = index;
		return keep(arena, body->certificate, &made->der);
	}
	return MM_OK;
}

/* What somebody outside is handed is signed: a CSR by its own key. */
static enum mm_error
check_signature(uint64_t kind, struct mm_span der, struct mm_arena *arena)
{
	struct mm_certificate certificate;
	struct mm_csr csr;
	enum mm_error error;

	if (kind == MM_ENTRY_CSR)
		return mm_csr_read(der, arena, &csr);
	error = mm_certificate_open(der, arena, &certificate);
	return error == MM_OK ? mm_certificate_signed(der, &certificate.read)
			      : error;
}

/* The entry that is signed has the bytes; the signature closes them. */
static enum mm_error
assemble(const struct mm_ceremony_log *log, struct mm_ceremony_made *made,
    struct mm_span signature, struct mm_arena *arena)
{
	union {
		struct mm_certificate_entry certificate;
		struct mm_csr_entry csr;
	} body;
	mm_auto(arena) own = {0};
	mm_auto(buffer) der = {0};
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error = log->entry(log->self, made->index, &bytes);

	mm_arena_init(&own, ENTRY_ARENA);
	mm_buffer_init(&der, DER_MAX);
	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, (enum mm_entry_kind)made->kind, &own, &entry, &body);
	if (error == MM_OK && made->kind == MM_ENTRY_CSR)
		error = mm_request_assemble(body.csr.info, signature, &der);
	else if (error == MM_OK)
		error = mm_certificate_assemble(
		    body.certificate.tbs, signature, &der);
	if (error == MM_OK)
		error = check_signature(made->kind, mm_buffer_span(&der), &own);
	return error == MM_OK ? keep(arena, mm_buffer_span(&der), &made->der)
			      : error;
}

static enum mm_error
take_signatures(struct mm_ceremony_story *story,
    const struct mm_ceremony_log *log, const struct mm_signatures_entry *body,
    struct mm_arena *arena)
{
	for (mm_list_each(const struct mm_signature, one, body->signatures))
		for (size_t i = 0; i < story->made_count; i++) {
			struct mm_ceremony_made *made = &story->made[i];
			enum mm_error error;

			if (made->index != one->index || made->der.size > 0 ||
			    made->index == 0)
				continue;
			error = assemble(log, made, one->signature, arena);
			if (error != MM_OK)
				return error;
		}
	return MM_OK;
}

union body {
	struct mm_key_entry key;
	struct mm_certificate_entry certificate;
	struct mm_csr_entry csr;
	struct mm_import_entry import;
	struct mm_signatures_entry signatures;
};

static enum mm_error
take_body(struct mm_ceremony_story *story, const struct mm_ceremony_log *log,
    uint64_t index, uint64_t kind, const union body *body,
    struct mm_arena *arena)
{
	if (kind == MM_ENTRY_SIGNATURES)
		return take_signatures(story, log, &body->signatures, arena);
	if (kind == MM_ENTRY_KEY && body->key.basis == story->index)
		return take_key(story, index, &body->key, arena);
	if (kind == MM_ENTRY_CERTIFICATE &&
	    body->certificate.basis == story->index)
		return take_certificate(
		    story, index, &body->certificate, arena);
	if (kind == MM_ENTRY_CSR && body->csr.basis == story->index)
		return take_request(story, index, &body->csr);
	if (kind == MM_ENTRY_IMPORT && body->import.basis == story->index)
		return take_import(story, index, &body->import, arena);
	return MM_OK;
}

static enum mm_error
take(struct mm_ceremony_story *story, const struct mm_ceremony_log *log,
    uint64_t index, struct mm_arena *arena)
{
	static const uint64_t kinds[] = {MM_ENTRY_SIGNATURES, MM_ENTRY_KEY,
	    MM_ENTRY_CERTIFICATE, MM_ENTRY_CSR, MM_ENTRY_IMPORT};
	mm_auto(arena) own = {0};
	struct mm_entry entry;
	struct mm_span bytes, copy;
	union body body;
	enum mm_error error = log->entry(log->self, index, &bytes);

	mm_arena_init(&own, ENTRY_ARENA);
	if (error == MM_OK)
		error = keep(&own, bytes, &copy);
	if (error == MM_OK)
		error = mm_entry_decode(copy, &own, &entry);
	for (size_t i = 0; i < MM_COUNT(kinds) && error == MM_OK; i++) {
		if (entry.kind != kinds[i])
			continue;
		error = mm_entry_decode_as(
		    copy, (enum mm_entry_kind)kinds[i], &own, &entry, &body);
		if (error == MM_OK)
			error = take_body(
			    story, log, index, kinds[i], &body, arena);
	}
	return error;
}

/* --- the ceremony itself --- */

static enum mm_error
open_statements(struct mm_ceremony_story *story, struct mm_arena *arena)
{
	struct mm_statement statement;
	enum mm_error error = mm_statement_decode(
	    mm_list_at(story->statements, struct mm_bytes_item, 0)->value,
	    &statement);

	story->payload = statement.payload;
	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_claim_shape, statement.payload, arena, &story->claim);
	if (error == MM_OK)
		error = mm_shape_decode(&mm_ceremony_claim_shape,
		    story->claim.body, arena, &story->ceremony);
	return error;
}

static enum mm_error
open_entry(const struct mm_ceremony_log *log, struct mm_arena *arena,
    struct mm_ceremony_story *story)
{
	struct mm_statement_entry later;
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error = log->entry(log->self, story->index, &bytes);

	if (error == MM_OK)
		error = keep(arena, bytes, &bytes);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, arena, &entry);
	if (error != MM_OK)
		return error;
	if (entry.kind == MM_ENTRY_GENESIS)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_GENESIS, arena, &entry, &story->genesis);
	else if (entry.kind == MM_ENTRY_CEREMONY)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_CEREMONY, arena, &entry, &later);
	else
		error = mm_fail(MM_E_NOT_FOUND,
		    "entry %llu is no ceremony: `mintmark log list --kind "
		    "ceremony` has them",
		    (unsigned long long)story->index);
	if (error != MM_OK)
		return error;
	story->time = entry.time;
	story->statements = entry.kind == MM_ENTRY_GENESIS
				? story->genesis.statements
				: later.statements;
	return open_statements(story, arena);
}

static bool
is_done(const struct mm_ceremony_story *story)
{
	for (size_t i = 0; i < story->made_count; i++)
		if (story->made[i].der.size == 0)
			return false;
	return true;
}

enum mm_error
mm_ceremony_story_read(const struct mm_ceremony_log *log, uint64_t index,
    struct mm_arena *arena, struct mm_ceremony_story *out)
{
	struct mm_ceremony_story story = {.index = index};
	enum mm_error error = open_entry(log, arena, &story);

	if (error == MM_OK)
		error = expect(&story, arena);
	if (error == MM_OK && index == 0)
		error = take_genesis_keys(&story, arena);
	if (error == MM_OK && index == 0)
		error = mm_ceremony_birth(
		    log, story.time, arena, &story.principals);
	for (uint64_t i = index + 1; i < log->size && error == MM_OK; i++) {
		if (is_done(&story))
			break;
		error = take(&story, log, i, arena);
	}
	if (error != MM_OK)
		return error;
	story.done = is_done(&story);
	*out = story;
	return MM_OK;
}

const struct mm_ceremony_made *
mm_ceremony_story_find(
    const struct mm_ceremony_story *story, uint64_t kind, struct mm_span key)
{
	for (size_t i = 0; i < story->made_count; i++)
		if (story->made[i].kind == kind && !story->made[i].retired &&
		    mm_span_equal(story->made[i].key, key))
			return &story->made[i];
	return NULL;
}
