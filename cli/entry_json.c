#include "cli/entry_json.h"

#include "cli/json_value.h"
#include "log/merkle.h"

enum { ARENA = 4 << 20 };

static json_t *
show_body(const struct mm_entry *entry, struct mm_arena *arena)
{
	const struct mm_shape *shape = mm_entry_body_shape(entry->kind);
	void *body = mm_arena_alloc(arena, shape->size);

	if (body == NULL ||
	    mm_shape_decode(shape, entry->body, arena, body) != MM_OK)
		return mm_json_unreadable(entry->body);
	return mm_json_shape(shape, body);
}

enum mm_error
mm_entry_json(uint64_t index, struct mm_span bytes, json_t **out)
{
	struct mm_hash leaf = mm_leaf_hash(bytes);
	mm_auto(arena) arena = {0};
	struct mm_entry entry;
	enum mm_error error;
	json_t *object;

	mm_arena_init(&arena, ARENA);
	error = mm_entry_decode(bytes, &arena, &entry);
	if (error != MM_OK)
		return mm_fail(error, "entry %llu: %s",
		    (unsigned long long)index, mm_why(error));
	object = json_pack("{s:I, s:o, s:s, s:o, s:o, s:o}", "index",
	    (json_int_t)index, "time", mm_json_time(entry.time), "kind",
	    mm_entry_kind_name(entry.kind), "policy",
	    mm_json_hex(mm_span(entry.policy, sizeof(entry.policy))), "leaf",
	    mm_json_hex(mm_span(leaf.bytes, sizeof(leaf.bytes))), "body",
	    show_body(&entry, &arena));
	if (object == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to show entry %llu",
		    (unsigned long long)index);
	*out = object;
	return MM_OK;
}
