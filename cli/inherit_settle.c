/*
 * What all entries come to: which certificates are revoked in the end, which
 * things count, and their items in order.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/inherit_parts.h"

/* A serial is a number: what stands before its first digit does not count. */
static struct mm_span
magnitude(struct mm_span serial)
{
	while (serial.size > 0 && serial.data[0] == 0)
		serial = mm_span(serial.data + 1, serial.size - 1);
	return serial;
}

static int
compare_revocations(const void *a, const void *b)
{
	const struct mm_heir_revocation *one = a, *other = b;
	int order =
	    mm_span_compare(magnitude(one->serial), magnitude(other->serial));

	return order != 0
		   ? order
		   : (one->place > other->place) - (one->place < other->place);
}

static int
compare_serial(const void *serial, const void *row)
{
	return mm_span_compare(magnitude(*(const struct mm_span *)serial),
	    magnitude(((const struct mm_heir_revocation *)row)->serial));
}

/* RFC 5280 5.3.1: once and for ever, but for a hold. */
static void
hear(struct mm_inherited *item, const struct mm_heir_revocation *word)
{
	bool held = item->revoked == 1 + MM_HEIR_HOLD;

	if (word->reason == MM_HEIR_REMOVED && held) {
		item->revoked = 0;
		item->revoked_at = 0;
	}
	if (word->reason == MM_HEIR_REMOVED || (item->revoked != 0 && !held))
		return;
	item->revoked = 1 + word->reason;
	item->revoked_at = word->time;
}

/* All that was said about a serial, in its order. */
static void
settle(const struct mm_inheritance *i, struct mm_heir_thing *thing)
{
	const struct mm_heir_revocation *rows = i->revocations.items,
					*word = NULL;
	struct mm_inherited *item = &thing->item;

	if (item->scheme.size > 0)
		return;
	if (i->revocations.count > 0)
		word = bsearch(&item->serial, rows, i->revocations.count,
		    sizeof(*rows), compare_serial);
	while (word != NULL && word > rows &&
	       compare_serial(&item->serial, word - 1) == 0)
		word--;
	for (; word != NULL && word < rows + i->revocations.count &&
	       compare_serial(&item->serial, word) == 0;
	     word++)
		hear(item, word);
	if (!thing->device && item->revoked == 0)
		thing->gone = true;
}

/* What may have been signed after the copy was made counts as signed. */
static enum mm_error
settle_replacings(struct mm_inheritance *i)
{
	struct mm_heir_replacing *rows = i->replacings.items;
	enum mm_error error = MM_OK;

	for (size_t n = 0; n < i->replacings.count && error == MM_OK; n++)
		if (!rows[n].done)
			error = mm_heir_revoke(i, rows[n].serial,
			    MM_HEIR_SUPERSEDED, rows[n].time);
	return error;
}

static enum mm_error
encode(struct mm_inheritance *i, const struct mm_inherited *item)
{
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, 4096);
	error = mm_shape_encode(&mm_inherited_shape, item, &bytes);
	if (error != MM_OK)
		return error;
	i->items[i->item_count] = mm_buffer_span(&bytes);
	return mm_heir_keep(i, &i->items[i->item_count++]);
}

static int
compare_items(const void *a, const void *b)
{
	return mm_span_compare(
	    *(const struct mm_span *)a, *(const struct mm_span *)b);
}

/* An image that is asked for again, where it is not known which was signed. */
static void
drop_doubles(struct mm_inheritance *i)
{
	size_t kept = 0;

	for (size_t n = 0; n < i->item_count; n++)
		if (kept == 0 ||
		    !mm_span_equal(i->items[kept - 1], i->items[n]))
			i->items[kept++] = i->items[n];
	i->item_count = kept;
}

static void
count(const struct mm_inherited *item, struct mm_inheritance_counts *out)
{
	out->images += item->scheme.size > 0;
	out->certificates += item->scheme.size == 0;
	out->revoked += item->revoked > 0;
}

enum mm_error
mm_inheritance_close(
    struct mm_inheritance *i, struct mm_inheritance_counts *out)
{
	struct mm_heir_thing *things = i->things.items;
	enum mm_error error = settle_replacings(i);

	*out = (struct mm_inheritance_counts){.receipts = i->late.count};
	i->items = calloc(i->things.count + 1, sizeof(*i->items));
	if (i->items == NULL)
		return mm_heir_no_memory();
	if (i->revocations.count > 0)
		qsort(i->revocations.items, i->revocations.count,
		    sizeof(struct mm_heir_revocation), compare_revocations);
	for (size_t n = 0; n < i->things.count && error == MM_OK; n++) {
		settle(i, &things[n]);
		if (things[n].gone)
			continue;
		count(&things[n].item, out);
		error = encode(i, &things[n].item);
	}
	qsort(i->items, i->item_count, sizeof(*i->items), compare_items);
	drop_doubles(i);
	return error;
}

const struct mm_checkpoint *
mm_inheritance_checkpoint(const struct mm_inheritance *i)
{
	return &i->newest;
}

bool
mm_inheritance_key(const struct mm_inheritance *i, const uint8_t sha256[32])
{
	const struct mm_hash_item *keys = i->keys.items;

	for (size_t n = 0; n < i->keys.count; n++)
		if (memcmp(keys[n].value, sha256, 32) == 0)
			return true;
	return false;
}

size_t
mm_inheritance_size(const struct mm_inheritance *i)
{
	return i->item_count;
}

enum mm_error
mm_inheritance_blob(const struct mm_inheritance *i, size_t *at,
    struct mm_buffer *out, uint64_t *counted)
{
	*counted = 0;
	while (*at < i->item_count) {
		struct mm_span item = i->items[*at];

		if (item.size > out->max - out->size)
			break;
		mm_buffer_add(out, item.data, item.size);
		*at += 1;
		*counted += 1;
	}
	return out->error;
}
