#include "cli/mint_key.h"

enum { ENTRY_ARENA = 1 << 20 };

static enum mm_error
keep(struct mm_arena *arena, struct mm_span bytes, struct mm_span *out)
{
	*out = mm_arena_copy(arena, bytes);
	return out->data != NULL ? MM_OK
				 : mm_fail(MM_E_MEMORY, "no memory for a key");
}

enum mm_error
mm_mint_genesis(
    struct mm_source *source, struct mm_arena *arena, struct mm_genesis *out)
{
	struct mm_entry frame;
	struct mm_span bytes;
	enum mm_error error = mm_source_entry(source, 0, &bytes);

	if (error == MM_OK)
		error = keep(arena, bytes, &bytes);
	return error == MM_OK ? mm_entry_decode_as(
				    bytes, MM_ENTRY_GENESIS, arena, &frame, out)
			      : error;
}

/* Whether the entry adds it. */
static enum mm_error
take_key(struct mm_span bytes, uint64_t index, struct mm_span name,
    struct mm_arena *arena, struct mm_mint_key *out)
{
	mm_auto(arena) own = {0};
	struct mm_key_entry body;
	struct mm_entry frame;
	enum mm_error error;

	mm_arena_init(&own, ENTRY_ARENA);
	error = mm_entry_decode(bytes, &own, &frame);
	if (error != MM_OK || frame.kind != MM_ENTRY_KEY)
		return error;
	error = mm_entry_decode_as(bytes, MM_ENTRY_KEY, &own, &frame, &body);
	if (error != MM_OK || body.retired || !mm_span_equal(body.name, name))
		return error;
	out->index = index;
	out->basis = body.basis;
	return keep(arena, body.spki, &out->spki);
}

enum mm_error
mm_mint_key(struct mm_source *source, const struct mm_genesis *genesis,
    struct mm_span name, uint64_t end, struct mm_arena *arena,
    struct mm_mint_key *out)
{
	struct mm_mint_key found = {.spki = {NULL, 0}};
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_genesis_key, key, genesis->keys))
		if (mm_span_equal(key->name, name))
			found.spki = key->spki;
	for (uint64_t i = 1; error == MM_OK && i < end && found.spki.size == 0;
	     i++) {
		struct mm_span bytes;

		error = mm_source_entry(source, i, &bytes);
		if (error == MM_OK)
			error = take_key(bytes, i, name, arena, &found);
	}
	if (error == MM_OK && found.spki.size == 0)
		error = mm_fail(MM_E_NOT_FOUND,
		    "no entry before %ju has a key \"%.*s\"", (uintmax_t)end,
		    MM_SPAN(name));
	if (error == MM_OK)
		*out = found;
	return error;
}
