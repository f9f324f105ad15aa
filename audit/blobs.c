#include "audit/blobs.h"

#include <sodium.h>
#include <string.h>

#include "audit/ledger.h"
#include "protocol/message.h"

enum { MEMORY = 1 << 20, HEX_MAX = 2 * MM_LEDGER_NAME + 1 };

/* A fact's kind; its value is the blob's size, its index that of the entry. */
enum { NAMED, AHEAD, FOUND };

_Static_assert(
    MM_BLOB_MAX <= UINT32_MAX, "a blob's size is the value of a fact");

struct mm_blobs {
	struct mm_ledger *ledger;
	/* The blob that is being judged. */
	struct mm_fact fact; /* the first of its name */
	bool begun, named, ahead, found;
	uint64_t count;
};

enum mm_error
mm_blobs_new(const char *work, struct mm_blobs **out)
{
	struct mm_blobs *blobs = calloc(1, sizeof(*blobs));
	enum mm_error error;

	if (blobs == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the blobs");
	error = mm_ledger_new(work, MEMORY, &blobs->ledger);
	if (error != MM_OK) {
		mm_blobs_free(blobs);
		return error;
	}
	*out = blobs;
	return MM_OK;
}

void
mm_blobs_free(struct mm_blobs *blobs)
{
	if (blobs == NULL)
		return;
	mm_ledger_free(blobs->ledger);
	free(blobs);
}

static enum mm_error
note(struct mm_blobs *blobs, uint32_t kind, uint64_t index,
    const struct mm_blob *blob)
{
	struct mm_fact fact = {
	    .index = index, .kind = kind, .value = (uint32_t)blob->size};

	memcpy(fact.name, blob->sha256, sizeof(fact.name));
	return mm_ledger_add(blobs->ledger, &fact);
}

enum mm_error
mm_blobs_named(struct mm_blobs *blobs, uint64_t index, struct mm_span entry)
{
	struct mm_blob blob;
	enum mm_error error = mm_entry_blob(entry, &blob);

	if (error != MM_OK)
		return mm_fail(error, "entry %llu: %s",
		    (unsigned long long)index, mm_why(error));
	return blob.size > 0 ? note(blobs, NAMED, index, &blob) : MM_OK;
}

enum mm_error
mm_blobs_ahead(struct mm_blobs *blobs, struct mm_span entry)
{
	struct mm_blob blob;
	enum mm_error error = mm_entry_blob(entry, &blob);

	return error == MM_OK && blob.size > 0 ? note(blobs, AHEAD, 0, &blob)
					       : error;
}

enum mm_error
mm_blobs_found(struct mm_blobs *blobs, const struct mm_blob *blob)
{
	return note(blobs, FOUND, 0, blob);
}

/* --- the verdict --- */

static const char *
hex(const struct mm_blobs *blobs, char out[HEX_MAX])
{
	return sodium_bin2hex(
	    out, HEX_MAX, blobs->fact.name, sizeof(blobs->fact.name));
}

/* All is known of one blob. */
static enum mm_error
judge(struct mm_blobs *blobs)
{
	char name[HEX_MAX];

	if (blobs->named)
		blobs->count++;
	if (blobs->named && !blobs->found)
		return mm_fail(MM_E_BLOB,
		    "blob/%s... is missing: entry %llu names it",
		    hex(blobs, name), (unsigned long long)blobs->fact.index);
	if (blobs->found && !blobs->named && !blobs->ahead)
		return mm_fail(MM_E_STRAY,
		    "blob/%s...: no entry of the log names it",
		    hex(blobs, name));
	return MM_OK;
}

static enum mm_error
take(void *self, const struct mm_fact *fact)
{
	struct mm_blobs *blobs = self;
	bool names = fact->kind == NAMED;
	bool other = !blobs->begun || memcmp(fact->name, blobs->fact.name,
					  sizeof(fact->name)) != 0;
	char name[HEX_MAX];

	if (other) {
		enum mm_error error = judge(blobs);

		if (error != MM_OK)
			return error;
		blobs->fact = *fact;
		blobs->begun = true;
		blobs->named = blobs->ahead = blobs->found = false;
	}
	/* What was found has index 0 and would hide who names it. */
	if (names && !blobs->named)
		blobs->fact.index = fact->index;
	if (fact->value != blobs->fact.value)
		return mm_fail(MM_E_BLOB,
		    "blob/%s...: it has %u bytes in one place and %u in "
		    "another, of which one is entry %llu",
		    hex(blobs, name), blobs->fact.value, fact->value,
		    (unsigned long long)(names ? fact->index
					       : blobs->fact.index));
	blobs->named |= names;
	blobs->ahead |= fact->kind == AHEAD;
	blobs->found |= fact->kind == FOUND;
	return MM_OK;
}

enum mm_error
mm_blobs_end(struct mm_blobs *blobs, uint64_t *count)
{
	enum mm_error error = mm_ledger_read(blobs->ledger, take, blobs);

	if (error == MM_OK)
		error = judge(blobs);
	*count = blobs->count;
	return error;
}
