/*
 * What later entries say of earlier ones: two bits an entry for signature and
 * void, and a list of revocations, sorted in the end; a certificate that
 * replaces another revokes it when it is signed.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_value.h"
#include "cli/row_parts.h"

enum {
	BITS = 2,
	MASK = (1 << BITS) - 1,
	A_BYTE = 8 / BITS, /* entries in a byte */
	SUPERSEDED = 4,
	HOLD = 6,
	REMOVED = 8 /* removeFromCRL: believed again */
};

struct revocation {
	uint8_t serial[MM_SERIAL_SIZE];
	uint8_t reason;
	bool replaced;  /* by another certificate, and not by a statement */
	uint64_t order; /* the last one counts */
};

struct mm_row_states {
	uint64_t from, to;
	uint8_t *bits; /* of enum mm_row_state, SIGNED or VOID; else 0 */
	struct revocation *revoked;
	size_t revoked_count, revoked_room;
	/* Certificates that replace others, by index. */
	struct replacing {
		uint64_t index;
		uint8_t serial[MM_SERIAL_SIZE];
		uint8_t size;
	} * replacing;
	size_t replacing_count, replacing_room;
	/* Voids are few: their reasons. */
	struct void_reason {
		uint64_t index;
		char reason[MM_NAME_MAX + 1];
	} * voids;
	size_t void_count, void_room;
};

enum mm_error
mm_row_states_new(uint64_t from, uint64_t to, struct mm_row_states **out)
{
	struct mm_row_states *states = calloc(1, sizeof(*states));

	if (states == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to read the log");
	states->from = from;
	states->to = to;
	states->bits = calloc((to - from) / A_BYTE + 1, 1);
	if (states->bits == NULL) {
		mm_row_states_free(states);
		return mm_fail(MM_E_MEMORY, "no memory for that many entries");
	}
	*out = states;
	return MM_OK;
}

void
mm_row_states_free(struct mm_row_states *states)
{
	if (states == NULL)
		return;
	free(states->bits);
	free(states->revoked);
	free(states->voids);
	free(states->replacing);
	free(states);
}

static bool
within(const struct mm_row_states *states, uint64_t index)
{
	return index >= states->from && index < states->to;
}

static void
set_state(struct mm_row_states *states, uint64_t index, unsigned state)
{
	uint64_t at = index - states->from;
	unsigned shift = BITS * (unsigned)(at % A_BYTE), byte;

	if (!within(states, index))
		return;
	byte = states->bits[at / A_BYTE] & ~((unsigned)MASK << shift);
	states->bits[at / A_BYTE] = (uint8_t)(byte | state << shift);
}

static unsigned
get_state(const struct mm_row_states *states, uint64_t index)
{
	uint64_t at = index - states->from;

	return states->bits[at / A_BYTE] >> BITS * (unsigned)(at % A_BYTE) &
	       MASK;
}

/* Room for one more item at the end of an array. */
static void *
more(void *items, size_t count, size_t *room, size_t size)
{
	size_t wanted = *room > 0 ? 2 * *room : 64;
	void *grown;

	if (count < *room)
		return items;
	grown = reallocarray(items, wanted, size);
	if (grown != NULL)
		*room = wanted;
	return grown;
}

static enum mm_error
no_memory(void)
{
	return mm_fail(
	    MM_E_MEMORY, "no memory for that many revocations and voids");
}

static enum mm_error
add_revocation(struct mm_row_states *states, const struct mm_revoked *item)
{
	struct revocation *grown = more(states->revoked, states->revoked_count,
	    &states->revoked_room, sizeof(*grown));

	if (grown == NULL)
		return no_memory();
	states->revoked = grown;
	grown += states->revoked_count;
	*grown = (struct revocation){
	    .reason = (uint8_t)item->reason, .order = states->revoked_count++};
	memcpy(grown->serial + MM_SERIAL_SIZE - item->serial.size,
	    item->serial.data, item->serial.size);
	return MM_OK;
}

static enum mm_error
add_replacing(
    struct mm_row_states *states, uint64_t index, struct mm_span serial)
{
	struct replacing *grown = more(states->replacing,
	    states->replacing_count, &states->replacing_room, sizeof(*grown));

	if (grown == NULL)
		return no_memory();
	states->replacing = grown;
	grown += states->replacing_count++;
	*grown =
	    (struct replacing){.index = index, .size = (uint8_t)serial.size};
	memcpy(grown->serial, serial.data, serial.size);
	return MM_OK;
}

static enum mm_error
add_certificate(struct mm_row_states *states, uint64_t index, const void *body,
    struct mm_arena *arena)
{
	const struct mm_certificate_entry *entry = body;
	enum mm_error error = MM_OK;

	(void)arena;
	for (mm_list_each(const struct mm_replaced, item, entry->replaces))
		if (error == MM_OK)
			error = add_replacing(states, index, item->serial);
	return error;
}

static int
compare_replacing(const void *a, const void *b)
{
	const struct replacing *left = a, *right = b;

	return (left->index > right->index) - (left->index < right->index);
}

/* What the entry replaces is superseded now. */
static enum mm_error
supersede(struct mm_row_states *states, uint64_t index)
{
	const struct replacing key = {.index = index}, *found;
	struct mm_revoked item = {.reason = SUPERSEDED};
	enum mm_error error;

	found = states->replacing_count == 0
		    ? NULL
		    : bsearch(&key, states->replacing, states->replacing_count,
			  sizeof(key), compare_replacing);
	if (found == NULL)
		return MM_OK;
	item.serial = mm_span(found->serial, found->size);
	error = add_revocation(states, &item);
	if (error == MM_OK)
		states->revoked[states->revoked_count - 1].replaced = true;
	return error;
}

static enum mm_error
add_signatures(struct mm_row_states *states, uint64_t index, const void *body,
    struct mm_arena *arena)
{
	const struct mm_signatures_entry *entry = body;
	enum mm_error error = MM_OK;

	(void)index;
	(void)arena;
	for (mm_list_each(const struct mm_signature, item, entry->signatures)) {
		set_state(states, item->index, MM_ROW_SIGNED);
		if (error == MM_OK)
			error = supersede(states, item->index);
	}
	return error;
}

static enum mm_error
add_voids(struct mm_row_states *states, uint64_t index, const void *body,
    struct mm_arena *arena)
{
	const struct mm_void_entry *entry = body;

	(void)index;
	(void)arena;
	for (mm_list_each(const struct mm_void, item, entry->voids)) {
		struct void_reason *grown;

		if (!within(states, item->index))
			continue;
		set_state(states, item->index, MM_ROW_VOID);
		grown = more(states->voids, states->void_count,
		    &states->void_room, sizeof(*grown));
		if (grown == NULL)
			return no_memory();
		states->voids = grown;
		grown += states->void_count++;
		grown->index = item->index;
		mm_span_string(
		    item->reason, grown->reason, sizeof(grown->reason));
	}
	return MM_OK;
}

static enum mm_error
add_revocations(struct mm_row_states *states, uint64_t index, const void *body,
    struct mm_arena *arena)
{
	const struct mm_statement_entry *entry = body;
	struct mm_revoke_claim claim;
	enum mm_error error = MM_OK;

	(void)index;
	if (!mm_statement_body(
		&entry->statements, MM_STATEMENT_REVOKE, arena, &claim))
		return MM_OK;
	for (mm_list_each(const struct mm_revoked, item, claim.revoked))
		if (error == MM_OK)
			error = add_revocation(states, item);
	return error;
}

enum mm_error
mm_row_states_add(struct mm_row_states *states, uint64_t index,
    const struct mm_entry *entry, struct mm_arena *arena)
{
	static enum mm_error (*const add[MM_ENTRY_KINDS])(
	    struct mm_row_states *, uint64_t, const void *,
	    struct mm_arena *) = {[MM_ENTRY_CERTIFICATE] = add_certificate,
	    [MM_ENTRY_SIGNATURES] = add_signatures,
	    [MM_ENTRY_VOID] = add_voids,
	    [MM_ENTRY_REVOCATION] = add_revocations};
	const struct mm_shape *shape = mm_entry_body_shape(entry->kind);
	enum mm_error error;
	void *body;

	if (add[entry->kind] == NULL)
		return MM_OK;
	body = mm_arena_alloc(arena, shape->size);
	if (body == NULL)
		return no_memory();
	error = mm_shape_decode(shape, entry->body, arena, body);
	if (error != MM_OK)
		return mm_fail(MM_E_ENTRY, "entry %llu: %s",
		    (unsigned long long)index, mm_why(error));
	return add[entry->kind](states, index, body, arena);
}

static int
compare_revocations(const void *a, const void *b)
{
	const struct revocation *left = a, *right = b;
	int order = memcmp(left->serial, right->serial, MM_SERIAL_SIZE);

	if (order != 0)
		return order;
	return (left->order > right->order) - (left->order < right->order);
}

static int
compare_voids(const void *a, const void *b)
{
	const struct void_reason *left = a, *right = b;

	return (left->index > right->index) - (left->index < right->index);
}

void
mm_row_states_end(struct mm_row_states *states)
{
	if (states->revoked_count > 0)
		qsort(states->revoked, states->revoked_count,
		    sizeof(*states->revoked), compare_revocations);
	if (states->void_count > 0)
		qsort(states->voids, states->void_count, sizeof(*states->voids),
		    compare_voids);
}

/* A certificate that was revoked for ever is not superseded any more. */
static bool
is_for_ever(const struct revocation *former, const struct revocation *last)
{
	return last->replaced && former->reason != HOLD &&
	       former->reason != REMOVED &&
	       memcmp(former->serial, last->serial, MM_SERIAL_SIZE) == 0;
}

/* The last that was said of a serial number; NULL where nothing was. */
static const struct revocation *
find_revocation(
    const struct mm_row_states *states, const char serial[MM_SERIAL_HEX])
{
	uint8_t wanted[MM_SERIAL_SIZE];
	size_t low = 0, high = states->revoked_count;
	const struct revocation *found;

	if (high == 0 || sodium_hex2bin(wanted, sizeof(wanted), serial,
			     strlen(serial), NULL, NULL, NULL) != 0)
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(states->revoked[middle].serial, wanted,
			MM_SERIAL_SIZE) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	found = low > 0 ? &states->revoked[low - 1] : NULL;
	if (low > 1 && is_for_ever(found - 1, found))
		found--;
	return found != NULL &&
		       memcmp(found->serial, wanted, MM_SERIAL_SIZE) == 0
		   ? found
		   : NULL;
}

static void
apply_void(const struct mm_row_states *states, struct mm_row *row)
{
	const struct void_reason key = {.index = row->index}, *found;

	found = bsearch(&key, states->voids, states->void_count,
	    sizeof(*states->voids), compare_voids);
	if (found != NULL)
		memcpy(row->reason, found->reason, sizeof(found->reason));
}

static void
apply_revocation(const struct mm_row_states *states, struct mm_row *row)
{
	const struct revocation *found = find_revocation(states, row->serial);

	if (found == NULL || found->reason == REMOVED)
		return;
	row->state = MM_ROW_REVOKED;
	mm_span_string(mm_span_text(mm_revocation_reason(found->reason)),
	    row->reason, sizeof(row->reason));
}

void
mm_row_states_apply(const struct mm_row_states *states, struct mm_row *row)
{
	unsigned state;

	if (row->state != MM_ROW_UNSIGNED)
		return;
	state = get_state(states, row->index);
	if (state != 0)
		row->state = state;
	if (row->state == MM_ROW_VOID)
		apply_void(states, row);
	if (row->kind == MM_ENTRY_CERTIFICATE && row->serial[0] != '\0' &&
	    row->state == MM_ROW_SIGNED)
		apply_revocation(states, row);
}
