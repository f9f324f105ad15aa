/*
 * How much memory a unit takes that has to be locked.
 */
#include <unistd.h>

#include "factory/unit_parts.h"

enum { LABEL = 1 << 18 /* one that shows a secret; few are larger */ };

/* sodium_malloc() puts a canary before what it gives, and rounds up. */
static size_t
locked(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), canary = 16;

	return (size + canary + page - 1) / page * page;
}

size_t
mm_unit_room(const struct mm_production *production)
{
	size_t size = locked(sizeof(struct mm_unit)) +
		      2 * locked(MM_DEVICE_KEY_MAX) +
		      MM_EFUSE_USES * locked(MM_PRODUCTION_EFUSE_KEY_MAX);

	for (size_t i = 0; i < production->image_count; i++)
		size += locked((size_t)production->images[i].plan.size);
	if (production->label.there && production->label.secret)
		size += LABEL;
	return size;
}
