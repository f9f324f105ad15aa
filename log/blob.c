#include <sodium.h>
#include <string.h>

#include "log/entry.h"

enum { BODY_MAX = 1 << 20 /* what an entry decodes to */ };

void
mm_blob_path(const struct mm_blob *blob, char out[MM_BLOB_PATH_MAX])
{
	static const char directory[] = "blob/";
	size_t length = strlen(directory);

	memcpy(out, directory, length);
	sodium_bin2hex(out + length, MM_BLOB_PATH_MAX - length, blob->sha256,
	    sizeof(blob->sha256));
}

union body {
	struct mm_genesis genesis;
	struct mm_policy_entry policy;
	struct mm_crl_entry crl;
	struct mm_pending_entry pending;
	struct mm_inherited_entry inherited;
};

/* Of an entry that has only ever a blob. */
#define NO_BYTES SIZE_MAX

/* Which kinds can name a blob, and where they have what it stands for. */
static const struct place {
	uint64_t kind;
	size_t bytes, sha256, size; /* offsets in the body */
	bool needed;                /* the bytes are there, or their blob */
} places[] = {
    {MM_ENTRY_GENESIS, offsetof(union body, genesis.text),
	offsetof(union body, genesis.text_sha256),
	offsetof(union body, genesis.text_size), false},
    {MM_ENTRY_POLICY, offsetof(union body, policy.text),
	offsetof(union body, policy.text_sha256),
	offsetof(union body, policy.text_size), false},
    {MM_ENTRY_CRL, offsetof(union body, crl.tbs),
	offsetof(union body, crl.tbs_sha256),
	offsetof(union body, crl.tbs_size), true},
    {MM_ENTRY_PENDING, offsetof(union body, pending.text),
	offsetof(union body, pending.text_sha256),
	offsetof(union body, pending.text_size), false},
    {MM_ENTRY_INHERITED, NO_BYTES,
	offsetof(union body, inherited.things_sha256),
	offsetof(union body, inherited.things_size), true},
};

static const struct place *
find_place(uint64_t kind)
{
	for (size_t i = 0; i < MM_COUNT(places); i++)
		if (places[i].kind == kind)
			return &places[i];
	return NULL;
}

static enum mm_error
read_place(
    const struct place *place, const union body *body, struct mm_blob *out)
{
	const char *at = (const char *)body;
	struct mm_blob blob = {.size = 0};
	struct mm_span bytes = {0}, sha256;

	if (place->bytes != NO_BYTES)
		memcpy(&bytes, at + place->bytes, sizeof(bytes));
	memcpy(&sha256, at + place->sha256, sizeof(sha256));
	memcpy(&blob.size, at + place->size, sizeof(blob.size));
	if ((sha256.size > 0) != (blob.size > 0))
		return mm_fail(
		    MM_E_ENTRY, "a blob has both a SHA-256 and a size");
	if (sha256.size > 0 && bytes.size > 0)
		return mm_fail(MM_E_ENTRY,
		    "an entry has bytes or the blob that stands for them");
	if (place->needed && sha256.size == 0 && bytes.size == 0)
		return mm_fail(MM_E_ENTRY,
		    "a %s entry has neither bytes nor a blob",
		    mm_entry_kind_name(place->kind));
	if (sha256.size == sizeof(blob.sha256))
		memcpy(blob.sha256, sha256.data, sizeof(blob.sha256));
	*out = blob;
	return MM_OK;
}

enum mm_error
mm_entry_blob(struct mm_span bytes, struct mm_blob *out)
{
	mm_auto(arena) arena = {0};
	const struct place *place;
	struct mm_entry entry;
	union body body;
	enum mm_error error;

	mm_arena_init(&arena, BODY_MAX);
	error = mm_entry_decode(bytes, &arena, &entry);
	if (error != MM_OK)
		return error;
	place = find_place(entry.kind);
	if (place == NULL) {
		*out = (struct mm_blob){.size = 0};
		return MM_OK;
	}
	error = mm_entry_decode_as(
	    bytes, (enum mm_entry_kind)entry.kind, &arena, &entry, &body);
	return error == MM_OK ? read_place(place, &body, out) : error;
}
