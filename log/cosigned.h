/*
 * The newest cosigned checkpoint: the log's own note with the lines of the
 * witnesses that are known, kept as `cosigned` beside the tiles. It never
 * stands in the way of issuing: witnesses come when they come.
 */
#ifndef MM_COSIGNED_H
#define MM_COSIGNED_H

#include "log/note.h"

struct mm_cosigned;

/*
 * `witnesses`: mm_text_item, verifier keys (MM_E_VKEY, also for the log's
 * own key); `directory` and `vkey` must outlive it. The file is verified:
 * one that is no cosigned checkpoint of this log is removed, which the
 * journal tells. MM_E_ROLLBACK where the log has signed it and `tree`, of
 * `size` leaves, does not lead to it.
 */
enum mm_error
mm_cosigned_open(const char *directory, const struct mm_list *witnesses,
    const struct mm_vkey *vkey, const struct mm_tree *tree, uint64_t size,
    struct mm_cosigned **out) mm_must_use;
void mm_cosigned_close(struct mm_cosigned *cosigned);

/*
 * Takes a note of a log that had `size` published leaves by now, durably.
 * Lines of others than the log and the witnesses are left out, lines held
 * already for the same size stay; of an older checkpoint than the one held
 * nothing is taken. The errors of mm_checkpoint_open(); MM_E_COSIGNATURE
 * where a witness's line is wrong or none is there, MM_E_NOT_FOUND for a
 * larger size, MM_E_FORK for another root; MM_E_FILE, MM_E_DISK_FULL.
 */
enum mm_error mm_cosigned_take(struct mm_cosigned *cosigned,
    struct mm_span note, const struct mm_tree *tree, uint64_t size) mm_must_use;

/* What is held: its size is 0 and the note empty where nothing is. */
uint64_t mm_cosigned_size(const struct mm_cosigned *cosigned);
uint64_t mm_cosigned_count(const struct mm_cosigned *cosigned);
struct mm_span mm_cosigned_note(const struct mm_cosigned *cosigned);

#endif
