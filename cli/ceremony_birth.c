/*
 * The people of a ceremony at birth: who was registered there.
 */
#include <string.h>

#include "cli/ceremony_story.h"

enum { BIRTH_ARENA = 4 << 20, FIRST_ROOM = 16 };

/* Room for one more. */
static enum mm_error
make_room(struct mm_principal_claim **claims, size_t count, size_t *room,
    struct mm_arena *arena)
{
	struct mm_principal_claim *more;

	if (count < *room)
		return MM_OK;
	*room = *room > 0 ? 2 * *room : FIRST_ROOM;
	more = mm_arena_alloc(arena, *room * sizeof(*more));
	if (more == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for principals");
	if (count > 0)
		memcpy(more, *claims, count * sizeof(*more));
	*claims = more;
	return MM_OK;
}

/* What officers registered: the statements of an entry have one payload. */
static enum mm_error
open_principal(struct mm_span bytes, struct mm_arena *arena,
    struct mm_principal_claim *out)
{
	struct mm_statement_entry body;
	struct mm_statement statement;
	struct mm_entry entry;
	struct mm_claim claim;
	struct mm_span copy = mm_arena_copy(arena, bytes);
	enum mm_error error;

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a principal");
	error =
	    mm_entry_decode_as(copy, MM_ENTRY_PRINCIPAL, arena, &entry, &body);
	if (error == MM_OK)
		error = mm_statement_decode(
		    mm_list_at(body.statements, struct mm_bytes_item, 0)->value,
		    &statement);
	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_claim_shape, statement.payload, arena, &claim);
	return error == MM_OK ? mm_shape_decode(&mm_principal_claim_shape,
				    claim.body, arena, out)
			      : error;
}

enum mm_error
mm_ceremony_birth(const struct mm_ceremony_log *log, uint64_t time,
    struct mm_arena *arena, struct mm_list *out)
{
	struct mm_principal_claim *claims = NULL;
	size_t count = 0, room = 0;
	enum mm_error error = MM_OK;

	for (uint64_t i = 1; i < log->size && error == MM_OK; i++) {
		mm_auto(arena) own = {0};
		struct mm_entry entry;
		struct mm_span bytes;

		mm_arena_init(&own, BIRTH_ARENA);
		error = log->entry(log->self, i, &bytes);
		if (error == MM_OK)
			error = mm_entry_decode(bytes, &own, &entry);
		if (error == MM_OK && entry.time != time)
			break;
		if (error != MM_OK || entry.kind != MM_ENTRY_PRINCIPAL)
			continue;
		error = make_room(&claims, count, &room, arena);
		if (error == MM_OK)
			error = open_principal(bytes, arena, &claims[count]);
		count++;
	}
	if (error == MM_OK)
		*out = (struct mm_list){claims, count};
	return error;
}
