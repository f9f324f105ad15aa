/*
 * Memory that is locked, for keys: libsodium gives such that is not where the
 * limit is reached, and does not tell. So it is found out before.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "cli/produce_run.h"

enum {
	/* What libcrypto locks for keys in the making, and our own rooms. */
	FIXED = 5 << 16
};

void
mm_memory_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	/* What is not allowed shows when it is needed. */
	(void)setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* Counted against the limit at once, and never filled. */
static bool
can_lock(size_t size)
{
	void *room = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	bool good;

	if (room == MAP_FAILED)
		return false;
	good = mlock2(room, size, MLOCK_ONFAULT) == 0;
	munmap(room, size);
	return good;
}

enum mm_error
mm_memory_fit(struct mm_run *run)
{
	size_t unit = mm_unit_room(run->production);

	/* One more: the images of one unit are in the making. */
	while (run->window > 1 &&
	       !can_lock(FIXED + (MM_RUN_WINDOWS * run->window + 1) * unit))
		run->window /= 2;
	mm_flash_secrets_keep(MM_RUN_WINDOWS * run->window * unit);
	if (run->window > 1 || can_lock(FIXED + 2 * unit))
		return MM_OK;
	return mm_fail(MM_E_SYSTEM,
	    "the keys of one unit take %zu KiB of locked memory: raise the "
	    "limit (ulimit -l, or LimitMEMLOCK= of a unit)",
	    (FIXED + 2 * unit) >> 10);
}
