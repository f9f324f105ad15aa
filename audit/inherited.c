/*
 * What a log took over from the one that it succeeds: the blobs that its
 * ceremony lists, each once and before anything is decided; what is in them
 * is taken as if entries of this log had taken it.
 */
#include <string.h>

#include "audit/state.h"
#include "log/inheritance.h"
#include "protocol/message.h"

enum { ITEM_ARENA = 65536, NUMBER_BITS = 32 };

enum mm_error
mm_audit_blob(const struct mm_audit_at *at, struct mm_buffer *out)
{
	struct mm_audit *audit = at->audit;
	struct mm_blob blob;
	enum mm_error error = mm_entry_blob(at->bytes, &blob);

	if (error != MM_OK)
		return error;
	mm_buffer_init(out, MM_BLOB_MAX);
	if (audit->options.blob == NULL)
		error = mm_fail(MM_E_BLOB,
		    "entry %llu: what it says is a blob, and none can be had",
		    (unsigned long long)at->index);
	else
		error = audit->options.blob(audit->options.self, &blob, out);
	audit->blob_fault = error != MM_OK;
	return error;
}

static const struct mm_list *
listed(const struct mm_audit *audit)
{
	static const struct mm_list none;
	const struct mm_list *succeeds =
	    &audit->following.birth.ceremony.succeeds;

	return succeeds->count > 0
		   ? &mm_list_at(*succeeds, struct mm_predecessor, 0)->inherited
		   : &none;
}

enum mm_error
mm_audit_inherited_end(const struct mm_audit *audit)
{
	size_t wanted = listed(audit)->count;

	if (audit->inherited == wanted)
		return MM_OK;
	return mm_audit_wrong("%zu blobs are to be inherited, and %zu were",
	    wanted, audit->inherited);
}

/* --- things --- */

/* A thing of the blob, and who it is among all. */
struct thing {
	const struct mm_audit_at *at;
	struct mm_inherited item;
	uint64_t number; /* as MM_FACT_INHERITED wants it */
	uint32_t issuer;
};

static enum mm_error
take(const struct thing *thing, enum mm_thing kind, struct mm_span first,
    struct mm_span second, struct mm_span third)
{
	struct mm_thing_name name = mm_thing_name(kind, first, second, third);

	return mm_fact_add(thing->at->audit->ledger, MM_FACT_INHERITED, kind,
	    &name, thing->at->index, thing->number);
}

static enum mm_error
take_image(const struct thing *thing)
{
	const struct mm_inherited *item = &thing->item;

	struct mm_audit *audit = thing->at->audit;
	struct mm_thing_name version = mm_thing_name(
	    MM_THING_VERSION, item->profile, item->subject, mm_span(NULL, 0));
	enum mm_error error = take(thing, MM_THING_RELEASE, item->profile,
	    item->subject, item->scheme);

	return error == MM_OK
		   ? mm_fact_add(audit->ledger, MM_FACT_TAKEN, MM_THING_VERSION,
			 &version, thing->at->index,
			 mm_audit_image_number(audit, item->key))
		   : error;
}

static enum mm_error
take_revoked(const struct thing *thing)
{
	const struct mm_inherited *item = &thing->item;
	struct mm_audit *audit = thing->at->audit;
	struct mm_span none = mm_span(NULL, 0);
	struct mm_thing_name serial =
	    mm_thing_name(MM_THING_SERIAL, item->serial, none, none);
	const struct mm_revocation one = {.index = thing->at->index,
	    .time = item->revoked_at,
	    .reason = item->revoked - 1};
	uint32_t act;
	enum mm_error error =
	    mm_revocations_add(audit->revocations, &serial, &one, &act);

	return error == MM_OK
		   ? mm_fact_add(audit->ledger, MM_FACT_REVOKED,
			 MM_THING_SERIAL, &serial, thing->at->index, act)
		   : error;
}

static enum mm_error
take_certificate(const struct thing *thing)
{
	const struct mm_inherited *item = &thing->item;
	struct mm_span none = mm_span(NULL, 0);
	struct mm_span key = mm_span(item->key, sizeof(item->key));
	enum mm_error error =
	    take(thing, MM_THING_SERIAL, item->serial, none, none);

	if (error == MM_OK)
		error = take(thing, MM_THING_KEY, key, none, none);
	if (error == MM_OK)
		error = take(
		    thing, MM_THING_DEVICE, item->profile, item->subject, none);
	return error == MM_OK && item->revoked != 0 ? take_revoked(thing)
						    : error;
}

static enum mm_error
take_item(struct thing *thing)
{
	struct mm_audit *audit = thing->at->audit;
	const struct mm_audit_key *issuer =
	    mm_audit_key_named(audit, thing->item.issuer);

	if ((thing->item.scheme.size > 0) != (thing->item.serial.size == 0))
		return mm_audit_wrong("a thing in its blob is neither a "
				      "certificate nor an image");
	if (audit->inherited_things == UINT32_MAX)
		return mm_audit_wrong("too much is inherited");
	thing->issuer = issuer != NULL ? mm_audit_key_number(audit, issuer)
				       : MM_ISSUERS_MAX - 1;
	thing->number =
	    (uint64_t)thing->issuer << NUMBER_BITS | audit->inherited_things++;
	return thing->item.scheme.size > 0 ? take_image(thing)
					   : take_certificate(thing);
}

static enum mm_error
take_all(const struct mm_audit_at *at, struct mm_span items, uint64_t count)
{
	struct thing thing = {.at = at};
	struct mm_span before = mm_span(NULL, 0);
	uint64_t there = 0;

	for (; items.size > 0; there++) {
		mm_auto(arena) arena = {0};
		struct mm_span item = items;
		enum mm_error error;

		mm_arena_init(&arena, ITEM_ARENA);
		error = mm_inherited_next(&items, &arena, &thing.item);
		if (error != MM_OK)
			return error;
		item.size -= items.size;
		if (there > 0 && mm_span_compare(before, item) >= 0)
			return mm_audit_wrong(
			    "the things in its blob do not ascend");
		before = item;
		error = take_item(&thing);
		if (error != MM_OK)
			return error;
	}
	if (there != count)
		return mm_audit_wrong("its blob has %llu things, not %llu",
		    (unsigned long long)there, (unsigned long long)count);
	return MM_OK;
}

/* --- the entry --- */

/* They come in the ceremony's order. */
static enum mm_error
check_listed(
    const struct mm_audit *audit, const struct mm_inherited_entry *entry)
{
	const struct mm_list *blobs = listed(audit);
	const struct mm_inherited_blob *blob;

	if (audit->started || audit->inherited == blobs->count)
		return mm_audit_wrong("nothing is to be inherited here");
	blob = mm_list_at(*blobs, struct mm_inherited_blob, audit->inherited);
	if (entry->things_sha256.size != sizeof(blob->sha256) ||
	    memcmp(entry->things_sha256.data, blob->sha256,
		sizeof(blob->sha256)) != 0 ||
	    entry->things_size != blob->size || entry->count != blob->count)
		return mm_audit_wrong(
		    "its blob is not the next that the ceremony lists");
	return MM_OK;
}

enum mm_error
mm_audit_inherited(const struct mm_audit_at *at)
{
	const struct mm_inherited_entry *entry = at->body;
	struct mm_audit *audit = at->audit;
	mm_auto(buffer) things = {0};
	enum mm_error error = check_listed(audit, entry);

	if (error == MM_OK)
		error = mm_audit_blob(at, &things);
	if (error == MM_OK)
		error = take_all(at, mm_buffer_span(&things), entry->count);
	if (error != MM_OK)
		return error;
	audit->inherited++;
	audit->report.inherited += entry->count;
	return MM_OK;
}
