#include "cli/harvest.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "ca/certificate.h"
#include "log/tile.h"

enum { ARENA = 8 << 20 };

static enum mm_error
take_certificate(struct mm_harvest *h, uint64_t index, struct mm_span bytes)
{
	struct mm_harvested *one = &h->certificates[h->count];
	struct mm_entry entry;
	struct mm_span copy = mm_arena_copy(&h->arena, bytes);

	if (h->count == MM_COUNT(h->certificates))
		return MM_OK;
	h->count++;
	*one = (struct mm_harvested){.index = index};
	return mm_entry_decode_as(
	    copy, MM_ENTRY_CERTIFICATE, &h->arena, &entry, &one->entry);
}

static enum mm_error
assemble(
    struct mm_harvest *h, struct mm_harvested *one, struct mm_span signature)
{
	mm_auto(buffer) der = {0};
	enum mm_error error;

	mm_buffer_init(&der, 65536);
	error = mm_certificate_assemble(one->entry.tbs, signature, &der);
	if (error != MM_OK)
		return error;
	one->certificate = mm_arena_copy(&h->arena, mm_buffer_span(&der));
	return one->certificate.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a certificate");
}

static enum mm_error
take_signatures(struct mm_harvest *h, struct mm_span bytes)
{
	struct mm_signatures_entry body;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(
	    bytes, MM_ENTRY_SIGNATURES, &h->arena, &entry, &body);

	for (size_t i = 0; error == MM_OK && i < body.signatures.count; i++) {
		const struct mm_signature *one =
		    mm_list_at(body.signatures, struct mm_signature, i);

		for (size_t n = 0; n < h->count && error == MM_OK; n++)
			if (h->certificates[n].index == one->index)
				error = assemble(
				    h, &h->certificates[n], one->signature);
	}
	return error;
}

static enum mm_error
take(struct mm_harvest *h, uint64_t index, struct mm_span bytes)
{
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode(bytes, &h->arena, &entry);

	if (error != MM_OK)
		return error;
	if (entry.kind == MM_ENTRY_GENESIS)
		return mm_entry_decode_as(mm_arena_copy(&h->arena, bytes),
		    MM_ENTRY_GENESIS, &h->arena, &entry, &h->genesis);
	if (entry.kind == MM_ENTRY_CERTIFICATE)
		return take_certificate(h, index, bytes);
	if (entry.kind == MM_ENTRY_SIGNATURES)
		return take_signatures(h, bytes);
	return MM_OK;
}

enum mm_error
mm_harvest_read(
    const char *directory, const struct mm_vkey *vkey, struct mm_harvest *out)
{
	struct mm_log_reader *reader;
	enum mm_error error = mm_log_open(directory, vkey, &reader);

	if (error != MM_OK)
		return error;
	memset(out, 0, sizeof(*out));
	mm_arena_init(&out->arena, ARENA);
	for (uint64_t i = 0; i < mm_log_checkpoint(reader)->size; i++) {
		struct mm_span bytes;

		error = mm_log_entry(reader, i, &bytes);
		if (error == MM_OK)
			error = take(out, i, bytes);
		if (error != MM_OK)
			break;
	}
	mm_log_close(reader);
	if (error != MM_OK)
		mm_harvest_clear(out);
	return error;
}

void
mm_harvest_clear(struct mm_harvest *harvest)
{
	mm_arena_clear(&harvest->arena);
}

/* The first bundle at any width: only one of them is there. */
static enum mm_error
first_bundle(const char *directory, struct mm_buffer *out)
{
	for (unsigned width = MM_TILE_WIDTH; width > 0; width--) {
		struct mm_tile tile = {MM_TILE_ENTRIES, 0, width};
		char name[MM_TILE_PATH_MAX], path[4096];

		mm_tile_path(&tile, name);
		snprintf(path, sizeof(path), "%s/%s", directory, name);
		if (access(path, F_OK) == 0)
			return mm_file_read(path, MM_BUNDLE_MAX, out);
	}
	return mm_fail(MM_E_FILE, "%s is no directory of a log", directory);
}

enum mm_error
mm_harvest_first(const char *directory, struct mm_buffer *out)
{
	mm_auto(buffer) bytes = {0};
	struct mm_bundle bundle;
	enum mm_error error;

	mm_buffer_init(&bytes, MM_BUNDLE_MAX);
	error = first_bundle(directory, &bytes);
	if (error == MM_OK)
		error = mm_bundle_decode(mm_buffer_span(&bytes), &bundle);
	if (error == MM_OK && bundle.count == 0)
		error = mm_fail(MM_E_BUNDLE, "the first bundle is empty");
	if (error == MM_OK)
		mm_buffer_add(
		    out, bundle.entries[0].data, bundle.entries[0].size);
	return error;
}

const struct mm_harvested *
mm_harvest_key(const struct mm_harvest *harvest, const uint8_t key[32])
{
	for (size_t i = harvest->count; i-- > 0;)
		if (harvest->certificates[i].certificate.size > 0 &&
		    memcmp(harvest->certificates[i].entry.key, key, 32) == 0)
			return &harvest->certificates[i];
	return NULL;
}

const struct mm_harvested *
mm_harvest_named(const struct mm_harvest *harvest, const char *name)
{
	for (mm_list_each(
		 const struct mm_genesis_key, key, harvest->genesis.keys)) {
		uint8_t digest[32];

		if (!mm_span_is(key->name, name))
			continue;
		crypto_hash_sha256(digest, key->spki.data, key->spki.size);
		return mm_harvest_key(harvest, digest);
	}
	return NULL;
}
