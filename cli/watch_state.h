/*
 * What `log watch` remembers, in one text file: the last checkpoint that it
 * verified and the right edge of that tree, so that the entries that come next
 * can be shown to make the next checkpoint.
 *
 *	mintmark-watch@v1
 *	<base64 hash>       one for each 1-bit of the size, largest tree first
 *	                    an empty line
 *	<the checkpoint, verbatim>
 *
 * While not all hooks of these entries have run, also how far they are. No
 * signature covers that number, hence the SHA-256:
 *
 *	mintmark-watch@v2
 *	<base64 SHA-256 of all that follows>
 *	told <entries whose hooks have run, fewer than the checkpoint has>
 *	<what v1 has after its first line>
 */
#ifndef MM_WATCH_STATE_H
#define MM_WATCH_STATE_H

#include "log/note.h"

struct mm_watch_state {
	struct mm_buffer note; /* empty: nothing was seen yet */
	struct mm_checkpoint checkpoint;
	struct mm_frontier frontier; /* of checkpoint.size entries */
	uint64_t told; /* the hooks of so many of these entries have run */
};

/* One watch at a time has a file; held until the descriptor is closed.
 * MM_E_LOCKED, MM_E_FILE. */
enum mm_error mm_watch_lock(const char *path, int *out) mm_must_use;

/* A file that is not there is a beginning. MM_E_FORMAT where it is damaged,
 * and the errors of mm_checkpoint_open(). */
enum mm_error mm_watch_load(const char *path, const struct mm_vkey *vkey,
    struct mm_watch_state *out) mm_must_use;
/* Durable when it returns. */
enum mm_error
mm_watch_save(const char *path, const struct mm_watch_state *state) mm_must_use;
void mm_watch_state_clear(struct mm_watch_state *state);

#endif
