/*
 * The archive's own parts: what archive.c opens and archive_read.c answers
 * from. For these two alone.
 */
#ifndef MM_ARCHIVE_PARTS_H
#define MM_ARCHIVE_PARTS_H

#include "log/archive.h"
#include "log/cosigned.h"
#include "log/publish.h"
#include "log/store.h"

enum { MM_ARCHIVE_ENTRIES_MAX = 4096 /* of one answer */ };

struct mm_archive {
	char *state, *tiles;
	struct mm_list witnesses; /* the caller's: mm_text_item */
	struct mm_store *store;   /* NULL until there is one (genesis) */
	struct mm_publisher *publisher;
	struct mm_cosigned *cosigned;
	struct mm_vkey vkey;
	struct mm_checkpoint newest; /* published; size 0: none yet */
	struct mm_buffer note;       /* that of `newest` */
};

/*
 * Opens what there is now: at genesis the archive may be there before the
 * log is, and after an upgrade before the notary is. MM_E_STARTING.
 */
enum mm_error mm_archive_ready(struct mm_archive *archive) mm_must_use;

/* The calls that only read. */
enum mm_error mm_archive_run_entries(void *self, const void *request,
    struct mm_arena *arena, void *answer) mm_must_use;
enum mm_error mm_archive_run_receipt(void *self, const void *request,
    struct mm_arena *arena, void *answer) mm_must_use;
enum mm_error mm_archive_run_consistency(void *self, const void *request,
    struct mm_arena *arena, void *answer) mm_must_use;
enum mm_error mm_archive_run_blob(void *self, const void *request,
    struct mm_arena *arena, void *answer) mm_must_use;

#endif
