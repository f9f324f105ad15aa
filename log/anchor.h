/*
 * The anchor: how far the log had come, outside of the store's directory, so
 * that a rolled-back, restored or copied store stops instead of forking the
 * log. One small file with two slots that are written in turn: a torn write
 * leaves the other slot.
 */
#ifndef MM_ANCHOR_H
#define MM_ANCHOR_H

#include "log/merkle.h"

struct mm_anchored {
	uint8_t log_key[32]; /* whose log it is */
	uint64_t size;
	struct mm_hash root;
	uint64_t time; /* of the last entry; POSIX seconds */
};

struct mm_anchor;

/*
 * Makes the file `anchor` in a directory that has none (MM_E_STATE
 * otherwise), durably, and holds it. At genesis only.
 */
enum mm_error mm_anchor_create(const char *directory,
    const struct mm_anchored *first, struct mm_anchor **out) mm_must_use;
/*
 * Opens and locks it: MM_E_NOT_FOUND, MM_E_LOCKED where another process
 * holds it, MM_E_ROLLBACK where neither slot can be read, MM_E_STATE where
 * it is no regular file of ours.
 */
enum mm_error
mm_anchor_open(const char *directory, struct mm_anchor **out) mm_must_use;
void mm_anchor_close(struct mm_anchor *anchor);

const struct mm_anchored *mm_anchor_last(const struct mm_anchor *anchor);
/*
 * Moves it, durably when this returns. Only forwards and in the same log
 * (MM_E_ROLLBACK otherwise); MM_E_STORE where the disk fails, after which
 * nobody knows where it is.
 */
enum mm_error mm_anchor_move(
    struct mm_anchor *anchor, const struct mm_anchored *next) mm_must_use;

#endif
