/*
 * How much memory a unit takes that has to be locked.
 */
#include "factory/unit_parts.h"

enum { LABEL = 1 << 18 /* one that shows a secret; few are larger */ };

size_t
mm_unit_room(const struct mm_production *production)
{
	size_t size =
	    mm_flash_secret_locked(sizeof(struct mm_unit)) +
	    2 * mm_flash_secret_locked(MM_DEVICE_KEY_MAX) +
	    MM_EFUSE_USES * mm_flash_secret_locked(MM_PRODUCTION_EFUSE_KEY_MAX);

	for (size_t i = 0; i < production->image_count; i++)
		size += mm_flash_secret_locked(
		    (size_t)production->images[i].plan.size);
	if (production->label.there && production->label.secret)
		size += LABEL;
	return size;
}
