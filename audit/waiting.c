#include "audit/waiting.h"

#include <stdlib.h>

enum { WAITING_FIRST = 64 };

void
mm_waiting_list_clear(struct mm_waiting_list *list)
{
	free(list->items);
	*list = (struct mm_waiting_list){.count = 0};
}

static void
forget_done(struct mm_waiting_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (!list->items[i].done)
			list->items[kept++] = list->items[i];
	list->count = kept;
	list->done = 0;
}

enum mm_error
mm_waiting_add(struct mm_waiting_list *list, const struct mm_waiting *one)
{
	if (list->done > list->count / 2)
		forget_done(list);
	if (list->count == list->capacity) {
		size_t wider =
		    list->capacity > 0 ? 2 * list->capacity : WAITING_FIRST;
		struct mm_waiting *items =
		    reallocarray(list->items, wider, sizeof(*items));

		if (items == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for an audit");
		list->items = items;
		list->capacity = wider;
	}
	list->items[list->count++] = *one;
	return MM_OK;
}

static int
compare_index(const void *wanted, const void *found)
{
	uint64_t a = *(const uint64_t *)wanted;
	uint64_t b = ((const struct mm_waiting *)found)->index;

	return (a > b) - (a < b);
}

static struct mm_waiting *
find(const struct mm_waiting_list *list, uint64_t index)
{
	struct mm_waiting *found =
	    list->count == 0 ? NULL
			     : bsearch(&index, list->items, list->count,
				   sizeof(*found), compare_index);

	return found != NULL && !found->done ? found : NULL;
}

bool
mm_waiting_has(const struct mm_waiting_list *list, uint64_t index)
{
	return find(list, index) != NULL;
}

bool
mm_waiting_take(
    struct mm_waiting_list *list, uint64_t index, struct mm_waiting *out)
{
	struct mm_waiting *found = find(list, index);

	if (found == NULL)
		return false;
	*out = *found;
	found->done = true;
	list->done++;
	return true;
}
