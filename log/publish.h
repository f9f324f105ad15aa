/*
 * The tlog-tiles directory, derived from the store: blobs, entry bundles,
 * tiles, then the checkpoint that needs them. Whatever is missing or damaged in
 * it comes back byte for byte; a checkpoint is written when every file it needs
 * is on the disk, and never goes back.
 */
#ifndef MM_PUBLISH_H
#define MM_PUBLISH_H

#include "log/note.h"
#include "log/store.h"

struct mm_publisher;

/*
 * `store` and `directory` must outlive it. MM_E_ROLLBACK where the directory
 * has a checkpoint by this log that the store does not lead to.
 */
enum mm_error mm_publisher_open(const char *directory, struct mm_store *store,
    const struct mm_vkey *vkey, struct mm_publisher **out) mm_must_use;
/* Writes what is due, for five seconds at most. */
void mm_publisher_close(struct mm_publisher *publisher);

/* This checkpoint is the newest; earlier ones that wait are passed over. */
enum mm_error mm_publisher_offer(struct mm_publisher *publisher, uint64_t size,
    struct mm_span note) mm_must_use;
/*
 * Writes what is due until a checkpoint of this size or a larger one is in
 * the directory, for two seconds at most: then MM_E_BUSY.
 */
enum mm_error
mm_publisher_reach(struct mm_publisher *publisher, uint64_t size) mm_must_use;
/*
 * Writes a file that is due or, where none is, reviews some of those that
 * should be there (log/review.h). Returns after how many ms it wants to be
 * called again: 0 at once, -1 never. A failure is told in the journal once.
 */
int mm_publisher_step(struct mm_publisher *publisher);

/* Somebody else found that the store contradicts itself. */
void mm_publisher_distrust(struct mm_publisher *publisher, const char *why);
/* MM_E_LOG_WRONG once that was found, until the next start. */
enum mm_error
mm_publisher_check(const struct mm_publisher *publisher) mm_must_use;

#endif
