#include "cli/ceremony_inherit.h"

#include <stdlib.h>
#include <string.h>

#include "cli/inherit_parts.h"

enum { RECEIPT_ARENA = 4 << 20 };

static const size_t arena_max = (size_t)4 << 30;

/* --- rows --- */

void *
mm_heir_row(struct mm_heir_rows *rows, size_t size)
{
	uint8_t *at;

	if (rows->count == rows->room) {
		size_t room = rows->room > 0 ? 2 * rows->room : 64;
		void *grown = reallocarray(rows->items, room, size);

		if (grown == NULL)
			return NULL;
		rows->items = grown;
		rows->room = room;
	}
	at = (uint8_t *)rows->items + rows->count++ * size;
	memset(at, 0, size);
	return at;
}

enum mm_error
mm_heir_no_memory(void)
{
	return mm_fail(MM_E_MEMORY, "no memory for what the old log has");
}

enum mm_error
mm_heir_keep(struct mm_inheritance *i, struct mm_span *span)
{
	if (span->size == 0)
		return MM_OK;
	*span = mm_arena_copy(&i->arena, *span);
	return span->data != NULL ? MM_OK : mm_heir_no_memory();
}

enum mm_error
mm_heir_revoke(struct mm_inheritance *i, struct mm_span serial, uint64_t reason,
    uint64_t time)
{
	struct mm_heir_revocation *one =
	    mm_heir_row(&i->revocations, sizeof(*one));

	if (one == NULL)
		return mm_heir_no_memory();
	*one = (struct mm_heir_revocation){
	    serial, reason, time, i->revocations.count};
	return mm_heir_keep(i, &one->serial);
}

/* --- the copy --- */

static enum mm_error
read_copy(struct mm_inheritance *i, struct mm_source *source)
{
	enum mm_error error =
	    mm_policy_at(source, i->copied - 1, &i->arena, &i->policy);

	for (uint64_t n = 0; n < i->copied && error == MM_OK; n++) {
		struct mm_span bytes;

		error = mm_source_entry(source, n, &bytes);
		if (error == MM_OK)
			error = mm_heir_take(i, source, n, bytes);
	}
	i->copied_things = i->things.count;
	return error == MM_OK ? mm_source_settle(source) : error;
}

enum mm_error
mm_inheritance_read(struct mm_source *source, struct mm_inheritance **out)
{
	struct mm_inheritance *i = calloc(1, sizeof(*i));
	enum mm_error error;

	if (i == NULL)
		return mm_heir_no_memory();
	mm_arena_init(&i->arena, arena_max);
	i->newest = *mm_source_checkpoint(source);
	i->copied = i->newest.size;
	error = i->copied > 0 ? read_copy(i, source)
			      : mm_fail(MM_E_NOT_FOUND, "the copy is empty");
	if (error == MM_OK)
		*out = i;
	else
		mm_inheritance_free(i);
	return error;
}

void
mm_inheritance_free(struct mm_inheritance *i)
{
	if (i == NULL)
		return;
	free(i->things.items);
	free(i->revocations.items);
	free(i->replacings.items);
	free(i->orders.items);
	free(i->keys.items);
	free(i->late.items);
	free(i->items);
	mm_arena_clear(&i->arena);
	free(i);
}

/* --- receipts --- */

/* Two checkpoints of one size have one root; between others only the copy
 * can tell. */
static enum mm_error
judge_checkpoint(struct mm_inheritance *i, struct mm_source *source,
    const struct mm_checkpoint *seen)
{
	if (seen->size <= i->copied)
		return mm_source_has(source, seen);
	if (seen->size == i->newest.size &&
	    !mm_hash_equal(&seen->root, &i->newest.root))
		return mm_fail(MM_E_FORK,
		    "the old log signed two checkpoints of %ju entries: find "
		    "out which one is true before anything else",
		    (uintmax_t)seen->size);
	if (seen->size > i->newest.size)
		i->newest = *seen;
	return MM_OK;
}

static bool
is_taken(const struct mm_inheritance *i, uint64_t index)
{
	const uint64_t *late = i->late.items;

	if (index < i->copied)
		return true;
	for (size_t n = 0; n < i->late.count; n++)
		if (late[n] == index)
			return true;
	return false;
}

enum mm_error
mm_inheritance_receipt(
    struct mm_inheritance *i, struct mm_source *source, struct mm_span text)
{
	struct mm_checkpoint checkpoint;
	struct mm_receipt receipt;
	mm_auto(arena) arena = {0};
	uint64_t *late;
	enum mm_error error;

	mm_arena_init(&arena, RECEIPT_ARENA);
	error = mm_receipt_decode(text, &arena, &receipt);
	if (error == MM_OK)
		error = mm_receipt_verify(&receipt, mm_source_vkey(source),
		    mm_span(NULL, 0), &checkpoint);
	if (error == MM_OK)
		error = judge_checkpoint(i, source, &checkpoint);
	if (error != MM_OK || is_taken(i, receipt.index))
		return error;
	late = mm_heir_row(&i->late, sizeof(*late));
	if (late == NULL)
		return mm_heir_no_memory();
	*late = receipt.index;
	return mm_heir_take(i, source, receipt.index, receipt.entry);
}
