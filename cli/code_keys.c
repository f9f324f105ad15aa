#include "cli/code_keys.h"

#include <string.h>

#include "ca/certificate.h"
#include "protocol/statement.h"

enum { ENTRY_ARENA = 1 << 20, DER_MAX = 65536 };

struct reading {
	struct mm_code_keys *out;
	struct mm_arena *arena; /* of what stays */
	uint64_t index;         /* of the entry at hand */
};

static enum mm_error
keep(struct reading *r, struct mm_span bytes, struct mm_span *out)
{
	*out = mm_arena_copy(r->arena, bytes);
	return out->data != NULL ? MM_OK
				 : mm_fail(MM_E_MEMORY, "no memory for a key");
}

static struct mm_code_key *
find(struct reading *r, struct mm_span name)
{
	for (size_t i = 0; i < r->out->count; i++)
		if (mm_span_equal(r->out->keys[i].name, name))
			return &r->out->keys[i];
	return NULL;
}

static enum mm_error
add(struct reading *r, struct mm_span name, uint64_t use, struct mm_span spki)
{
	struct mm_code_key *key = &r->out->keys[r->out->count];
	enum mm_error error;

	if (use != MM_KEY_CODE_SIGNING)
		return MM_OK;
	if (r->out->count == MM_CODE_KEYS_MAX)
		return mm_fail(MM_E_RANGE,
		    "the mint has more than %d code-signing keys",
		    MM_CODE_KEYS_MAX);
	*key = (struct mm_code_key){.index = r->index};
	error = keep(r, name, &key->name);
	if (error == MM_OK)
		error = keep(r, spki, &key->spki);
	if (error == MM_OK)
		error = mm_public_key_read(key->spki, &key->key);
	if (error == MM_OK)
		r->out->count++;
	return error;
}

/* ---- by the entry's kind */

static enum mm_error
take_genesis(struct reading *r, const void *body)
{
	const struct mm_genesis *genesis = body;
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_genesis_key, key, genesis->keys))
		if (error == MM_OK)
			error = add(r, key->name, key->use, key->spki);
	return error;
}

static enum mm_error
take_key(struct reading *r, const void *body)
{
	const struct mm_key_entry *entry = body;
	struct mm_code_key *known = find(r, entry->name);

	if (!entry->retired)
		return add(r, entry->name, entry->use, entry->spki);
	if (known != NULL)
		known->retired = r->index;
	return MM_OK;
}

static enum mm_error
take_certificate(struct reading *r, const void *body)
{
	const struct mm_certificate_entry *entry = body;

	for (size_t i = 0; i < r->out->count; i++) {
		struct mm_code_key *key = &r->out->keys[i];

		if (memcmp(key->key.spki_sha256, entry->key,
			sizeof(entry->key)) != 0)
			continue;
		key->unsigned_index = r->index;
		return keep(r, entry->tbs, &key->unsigned_tbs);
	}
	return MM_OK;
}

static enum mm_error
assemble(struct reading *r, struct mm_code_key *key, struct mm_span signature)
{
	mm_auto(buffer) der = {0};
	enum mm_error error;

	mm_buffer_init(&der, DER_MAX);
	error = mm_certificate_assemble(key->unsigned_tbs, signature, &der);
	if (error == MM_OK)
		error = keep(r, mm_buffer_span(&der), &key->certificate);
	key->unsigned_index = 0;
	return error;
}

static enum mm_error
take_signatures(struct reading *r, const void *body)
{
	const struct mm_signatures_entry *entry = body;
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_signature, one, entry->signatures))
		for (size_t i = 0; i < r->out->count && error == MM_OK; i++) {
			struct mm_code_key *key = &r->out->keys[i];

			if (key->unsigned_index == one->index && one->index > 0)
				error = assemble(r, key, one->signature);
		}
	return error;
}

static enum mm_error
take_import(struct reading *r, const void *body)
{
	const struct mm_import_entry *entry = body;
	struct mm_code_key *key = find(r, entry->key);

	return key != NULL ? keep(r, entry->certificate, &key->certificate)
			   : MM_OK;
}

static enum mm_error
take_entry(struct reading *r, struct mm_span bytes)
{
	static enum mm_error (*const takes[MM_ENTRY_KINDS])(struct reading *,
	    const void *) = {[MM_ENTRY_GENESIS] = take_genesis,
	    [MM_ENTRY_KEY] = take_key,
	    [MM_ENTRY_CERTIFICATE] = take_certificate,
	    [MM_ENTRY_SIGNATURES] = take_signatures,
	    [MM_ENTRY_IMPORT] = take_import};
	const struct mm_shape *shape;
	mm_auto(arena) own = {0};
	struct mm_entry entry;
	void *body;
	enum mm_error error;

	mm_arena_init(&own, ENTRY_ARENA);
	error = mm_entry_decode(bytes, &own, &entry);
	if (error != MM_OK || takes[entry.kind] == NULL)
		return error;
	shape = mm_entry_body_shape(entry.kind);
	body = mm_arena_alloc(&own, shape->size);
	if (body == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	error = mm_shape_decode(shape, entry.body, &own, body);
	return error == MM_OK ? takes[entry.kind](r, body) : error;
}

enum mm_error
mm_code_keys_read(
    struct mm_source *source, struct mm_arena *arena, struct mm_code_keys *out)
{
	uint64_t size = mm_source_checkpoint(source)->size;
	struct reading r = {.out = out, .arena = arena};
	enum mm_error error = MM_OK;

	out->count = 0;
	for (; r.index < size && error == MM_OK; r.index++) {
		struct mm_span bytes;

		error = mm_source_entry(source, r.index, &bytes);
		if (error == MM_OK)
			error = take_entry(&r, bytes);
	}
	return error == MM_OK ? mm_source_settle(source) : error;
}
