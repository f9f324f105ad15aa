#include "hsm/known.h"

enum { KNOWN_ARENA = 2 << 20 };

struct mm_known_entry *
mm_known_entry_new(uint64_t index)
{
	struct mm_known_entry *entry = calloc(1, sizeof(*entry));

	if (entry == NULL)
		return NULL;
	mm_arena_init(&entry->arena, KNOWN_ARENA);
	entry->index = index;
	return entry;
}

void
mm_known_entry_free(struct mm_known_entry *entry)
{
	if (entry == NULL)
		return;
	mm_arena_clear(&entry->arena);
	free(entry);
}

void
mm_known_clear(struct mm_known *known)
{
	for (size_t i = 0; i < known->count; i++)
		mm_known_entry_free(known->entries[i]);
	*known = (struct mm_known){0};
}

const struct mm_known_entry *
mm_known_find(
    struct mm_known *known, uint64_t index, const struct mm_hash *leaf)
{
	for (size_t i = 0; i < known->count; i++) {
		struct mm_known_entry *entry = known->entries[i];

		if (entry->index == index &&
		    mm_hash_equal(&entry->leaf, leaf)) {
			entry->used = ++known->clock;
			return entry;
		}
	}
	return NULL;
}

static struct mm_known_entry **
place(struct mm_known *known)
{
	struct mm_known_entry **oldest = &known->entries[0];

	if (known->count < MM_KNOWN_MAX)
		return &known->entries[known->count++];
	for (size_t i = 1; i < known->count; i++)
		if (known->entries[i]->used < (*oldest)->used)
			oldest = &known->entries[i];
	mm_known_entry_free(*oldest);
	return oldest;
}

void
mm_known_keep(struct mm_known *known, struct mm_known_entry *entry)
{
	entry->used = ++known->clock;
	*place(known) = entry;
}
