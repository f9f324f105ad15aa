/*
 * What a log's entries say about what may be inherited: a table of kinds.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "ca/serial.h"
#include "cli/inherit_parts.h"

enum { ENTRY_ARENA = 4 << 20 };

static enum mm_error
keep_item(struct mm_inheritance *i, struct mm_inherited *item)
{
	struct mm_span *const spans[] = {&item->profile, &item->subject,
	    &item->serial, &item->issuer, &item->scheme, &item->order};
	enum mm_error error = MM_OK;

	for (size_t n = 0; n < MM_COUNT(spans) && error == MM_OK; n++)
		error = mm_heir_keep(i, spans[n]);
	return error;
}

static enum mm_error
add_thing(struct mm_inheritance *i, uint64_t index,
    const struct mm_inherited *item, bool device)
{
	struct mm_heir_thing *thing = mm_heir_row(&i->things, sizeof(*thing));

	if (thing == NULL)
		return mm_heir_no_memory();
	thing->item = *item;
	thing->index = index;
	thing->device = device;
	return keep_item(i, &thing->item);
}

struct reading {
	struct mm_inheritance *i;
	struct mm_source *source;
	struct mm_arena arena; /* of one entry */
	uint64_t index;
	struct mm_entry entry;
	struct mm_span bytes;
};

static enum mm_error
decode(struct reading *r, void *body)
{
	return mm_entry_decode_as(r->bytes, (enum mm_entry_kind)r->entry.kind,
	    &r->arena, &r->entry, body);
}

static enum mm_error
add_key(struct mm_inheritance *i, struct mm_span spki)
{
	struct mm_hash_item *one = mm_heir_row(&i->keys, sizeof(*one));

	if (one == NULL)
		return mm_heir_no_memory();
	crypto_hash_sha256(one->value, spki.data, spki.size);
	return MM_OK;
}

static enum mm_error
take_genesis(struct reading *r)
{
	struct mm_genesis body;
	enum mm_error error = decode(r, &body);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_genesis_key, key, body.keys))
		if (error == MM_OK)
			error = add_key(r->i, key->spki);
	return error;
}

static enum mm_error
take_key(struct reading *r)
{
	struct mm_key_entry body;
	enum mm_error error = decode(r, &body);

	return error == MM_OK ? add_key(r->i, body.spki) : error;
}

/* What the statements of an entry say; nothing else of the claim is asked. */
static enum mm_error
read_claim(struct reading *r, void *out)
{
	struct mm_statement_entry body;
	struct mm_statement statement;
	struct mm_claim claim;
	enum mm_error error = decode(r, &body);

	if (error == MM_OK)
		error = mm_statement_decode(
		    mm_list_at(body.statements, struct mm_bytes_item, 0)->value,
		    &statement);
	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_claim_shape, statement.payload, &r->arena, &claim);
	return error == MM_OK ? mm_shape_decode(mm_claim_body_shape(claim.kind),
				    claim.body, &r->arena, out)
			      : error;
}

static enum mm_error
take_order(struct reading *r)
{
	struct mm_order_claim claim;
	struct mm_heir_order *order;
	enum mm_error error = read_claim(r, &claim);

	if (error != MM_OK)
		return error;
	order = mm_heir_row(&r->i->orders, sizeof(*order));
	if (order == NULL)
		return mm_heir_no_memory();
	*order = (struct mm_heir_order){r->index, claim.name};
	return mm_heir_keep(r->i, &order->name);
}

static enum mm_error
take_revocation(struct reading *r)
{
	struct mm_revoke_claim claim;
	enum mm_error error = read_claim(r, &claim);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_revoked, one, claim.revoked))
		if (error == MM_OK)
			error = mm_heir_revoke(
			    r->i, one->serial, one->reason, r->entry.time);
	return error;
}

static int
compare_order(const void *index, const void *row)
{
	uint64_t wanted = *(const uint64_t *)index;
	uint64_t there = ((const struct mm_heir_order *)row)->index;

	return (wanted > there) - (wanted < there);
}

static const struct mm_heir_order *
order_at(const struct mm_inheritance *i, uint64_t index)
{
	return i->orders.count == 0
		   ? NULL
		   : bsearch(&index, i->orders.items, i->orders.count,
			 sizeof(struct mm_heir_order), compare_order);
}

/* A device's rests on an order; a receipt may have it where the order itself
 * is lost, and then its profile tells. */
static bool
is_device(const struct mm_inheritance *i, const struct mm_heir_order *order,
    const struct mm_certificate_entry *body)
{
	const struct mm_profile *profile =
	    mm_policy_profile(&i->policy.policy, body->profile);

	return order != NULL ||
	       (profile != NULL && profile->purpose == MM_PURPOSE_DEVICE);
}

/* It is void when the one that replaces it is signed. */
static enum mm_error
add_replacing(struct reading *r, const struct mm_certificate_entry *body)
{
	struct mm_heir_replacing *one;

	if (body->replaces.count == 0)
		return MM_OK;
	one = mm_heir_row(&r->i->replacings, sizeof(*one));
	if (one == NULL)
		return mm_heir_no_memory();
	*one = (struct mm_heir_replacing){r->index,
	    mm_list_at(body->replaces, struct mm_replaced, 0)->serial,
	    r->entry.time, false};
	return mm_heir_keep(r->i, &one->serial);
}

/* Others than devices' are taken over only where they are revoked: a CRL must
 * not forget them. */
static enum mm_error
take_certificate(struct reading *r)
{
	struct mm_certificate_entry body;
	uint8_t serial[MM_SERIAL_SIZE];
	const struct mm_heir_order *order;
	struct mm_inherited item;
	enum mm_error error = decode(r, &body);

	if (error == MM_OK)
		error = mm_serial_of_tbs(body.tbs, serial);
	if (error != MM_OK)
		return error;
	order = order_at(r->i, body.basis);
	item = (struct mm_inherited){.profile = body.profile,
	    .subject = body.subject,
	    .serial = mm_span(serial, sizeof(serial)),
	    .issuer = body.issuer};
	if (order != NULL)
		item.order = order->name;
	memcpy(item.key, body.key, sizeof(item.key));
	error = add_thing(r->i, r->index, &item, is_device(r->i, order, &body));
	return error == MM_OK ? add_replacing(r, &body) : error;
}

static int
compare_replacing(const void *index, const void *row)
{
	uint64_t wanted = *(const uint64_t *)index;
	uint64_t there = ((const struct mm_heir_replacing *)row)->index;

	return (wanted > there) - (wanted < there);
}

static struct mm_heir_replacing *
replacing_at(const struct mm_inheritance *i, uint64_t index)
{
	return i->replacings.count == 0
		   ? NULL
		   : bsearch(&index, i->replacings.items, i->replacings.count,
			 sizeof(struct mm_heir_replacing), compare_replacing);
}

static enum mm_error
take_signatures(struct reading *r)
{
	struct mm_signatures_entry body;
	enum mm_error error = decode(r, &body);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_signature, one, body.signatures)) {
		struct mm_heir_replacing *by = replacing_at(r->i, one->index);

		if (error != MM_OK || by == NULL || by->done)
			continue;
		by->done = true;
		error = mm_heir_revoke(
		    r->i, by->serial, MM_HEIR_SUPERSEDED, r->entry.time);
	}
	return error;
}

static enum mm_error
take_image(struct reading *r)
{
	struct mm_image_entry body;
	struct mm_inherited item;
	enum mm_error error = decode(r, &body);

	if (error != MM_OK)
		return error;
	item = (struct mm_inherited){.profile = body.product,
	    .subject = body.version,
	    .scheme = body.scheme};
	memcpy(item.key, body.sha256, sizeof(item.key));
	return add_thing(r->i, r->index, &item, true);
}

static int
compare_thing(const void *index, const void *row)
{
	uint64_t wanted = *(const uint64_t *)index;
	uint64_t there = ((const struct mm_heir_thing *)row)->index;

	return (wanted > there) - (wanted < there);
}

static struct mm_heir_thing *
thing_at(const struct mm_inheritance *i, uint64_t index)
{
	size_t count =
	    i->copied_things > 0 ? i->copied_things : i->things.count;

	return count == 0 ? NULL
			  : bsearch(&index, i->things.items, count,
				sizeof(struct mm_heir_thing), compare_thing);
}

static enum mm_error
take_void(struct reading *r)
{
	struct mm_void_entry body;
	enum mm_error error = decode(r, &body);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_void, one, body.voids)) {
		struct mm_heir_thing *thing = thing_at(r->i, one->index);
		struct mm_heir_replacing *by = replacing_at(r->i, one->index);

		if (thing != NULL)
			thing->gone = true;
		if (by != NULL)
			by->done = true;
	}
	return MM_OK;
}

/* What this log itself has taken over from one before it. */
static enum mm_error
take_inherited(struct reading *r)
{
	struct mm_inherited_entry body;
	mm_auto(buffer) things = {0};
	struct mm_blob blob;
	struct mm_span items;
	enum mm_error error = decode(r, &body);

	mm_buffer_init(&things, MM_BLOB_MAX);
	if (error == MM_OK)
		error = mm_entry_blob(r->bytes, &blob);
	if (error == MM_OK)
		error = mm_source_blob(r->source, &blob, &things);
	items = mm_buffer_span(&things);
	while (error == MM_OK && items.size > 0) {
		mm_auto(arena) arena = {0};
		struct mm_inherited item;

		mm_arena_init(&arena, ENTRY_ARENA);
		error = mm_inherited_next(&items, &arena, &item);
		if (error == MM_OK)
			error = add_thing(r->i, r->index, &item,
			    item.revoked == 0 || item.order.size > 0);
	}
	return error;
}

static const struct {
	uint64_t kind;
	enum mm_error (*take)(struct reading *r);
} kinds[] = {
    {MM_ENTRY_GENESIS, take_genesis},
    {MM_ENTRY_KEY, take_key},
    {MM_ENTRY_ORDER, take_order},
    {MM_ENTRY_CERTIFICATE, take_certificate},
    {MM_ENTRY_IMAGE, take_image},
    {MM_ENTRY_SIGNATURES, take_signatures},
    {MM_ENTRY_VOID, take_void},
    {MM_ENTRY_REVOCATION, take_revocation},
    {MM_ENTRY_INHERITED, take_inherited},
};

static enum mm_error
take(struct reading *r)
{
	enum mm_error error = mm_entry_decode(r->bytes, &r->arena, &r->entry);

	for (size_t n = 0; n < MM_COUNT(kinds) && error == MM_OK; n++)
		if (kinds[n].kind == r->entry.kind)
			return kinds[n].take(r);
	return error;
}

enum mm_error
mm_heir_take(struct mm_inheritance *i, struct mm_source *source, uint64_t index,
    struct mm_span bytes)
{
	struct reading r = {
	    .i = i, .source = source, .index = index, .bytes = bytes};
	enum mm_error error;

	mm_arena_init(&r.arena, ENTRY_ARENA);
	error = take(&r);
	mm_arena_clear(&r.arena);
	if (error != MM_OK)
		return mm_fail(error, "entry %ju of the old log: %s",
		    (uintmax_t)index, mm_why(error));
	return MM_OK;
}
