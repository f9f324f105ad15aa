/*
 * The batch of the authority between the files that make it: authority_batch.c
 * begins and sends it, authority_fill.c says what goes into it,
 * authority_stored.c what its answer does.
 */
#ifndef MM_BATCH_PARTS_H
#define MM_BATCH_PARTS_H

#include "server/authority.h"

/* Seconds until our own certificate is tried again, where there is one. */
enum { MM_SERVER_AGAIN = 60 };

/* Whether there is no room for what a request of `size` bytes makes. */
bool mm_batch_is_full(const struct mm_authority *a, size_t size);
/* Whether there is anything to be logged or decided. */
bool mm_batch_is_due(const struct mm_authority *a);
/* Decides what goes into the batch that was begun: its entries are applied to
 * the index, in a transaction that is open after. */
enum mm_error mm_batch_fill(struct mm_authority *a) mm_must_use;

#endif
