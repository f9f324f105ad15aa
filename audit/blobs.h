/*
 * Inside audit: which blobs the entries name and which are there. Each has
 * to be in both lists, with one size.
 */
#ifndef MM_BLOBS_H
#define MM_BLOBS_H

#include "log/entry.h"

struct mm_blobs;

enum mm_error mm_blobs_new(const char *work, struct mm_blobs **out) mm_must_use;
void mm_blobs_free(struct mm_blobs *blobs);

/* Notes the blob that an entry names, if it names one. MM_E_ENTRY. */
enum mm_error mm_blobs_named(
    struct mm_blobs *blobs, uint64_t index, struct mm_span entry) mm_must_use;
/* As above, of an entry beyond the checkpoint: the blob may be missing. */
enum mm_error
mm_blobs_ahead(struct mm_blobs *blobs, struct mm_span entry) mm_must_use;
/* A file that is there, whose name is its hash. */
enum mm_error
mm_blobs_found(struct mm_blobs *blobs, const struct mm_blob *blob) mm_must_use;

/* The verdict: MM_E_BLOB for what is missing, MM_E_STRAY for what nobody
 * names. `count`: of the blobs that the checkpoint's entries name. */
enum mm_error mm_blobs_end(struct mm_blobs *blobs, uint64_t *count) mm_must_use;

#endif
