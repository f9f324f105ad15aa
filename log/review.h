/*
 * The review of the tlog-tiles directory: whether what should be there is
 * there, quickly, and whether it and the store still hold what they held,
 * slowly, round after round, so that bits that rot are found (also those that
 * nobody asks for).
 */
#ifndef MM_REVIEW_H
#define MM_REVIEW_H

#include "log/derive.h"

struct mm_review {
	const char *directory;
	struct mm_store *store;
	uint64_t size; /* of the log that this round is over */
	struct mm_tile_walk walk;
	uint64_t next_blob; /* the first entry whose blob is to be looked at */
	uint64_t restored;  /* files that were written anew */
};

/* Begins a round over what a log of this size has. */
void mm_review_begin(struct mm_review *review, uint64_t size);

/*
 * Looks for some of the files without reading any, and writes those that are
 * missing or have another size. `published` is the log's size by now. True
 * where the round has more.
 */
bool mm_review_look(
    struct mm_review *review, uint64_t published, enum mm_error *error);

/*
 * Compares one file with the store, and the store with itself. What is
 * damaged in the directory is told in the journal and written anew;
 * MM_E_LOG_WRONG where the store is. True where the round has more.
 */
bool mm_review_compare(
    struct mm_review *review, uint64_t published, enum mm_error *error);

/* The partial forms of a full tile. What cannot be removed harms nobody. */
void mm_review_drop_partials(const char *directory, unsigned level, uint64_t n);

#endif
