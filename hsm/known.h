/*
 * Entries that others rest on and that were verified once, under the policy
 * in force: an order's statements are not checked again for each of its ten
 * thousand devices. Bounded; the least recently used one makes room.
 */
#ifndef MM_KNOWN_H
#define MM_KNOWN_H

#include "log/entry.h"
#include "log/merkle.h"
#include "log/notary.h"
#include "protocol/statement.h"

/* Twice what one call may refer to, so that none in use has to go. */
enum { MM_KNOWN_MAX = 2 * MM_BATCH_REFERENCES };

struct mm_known_entry {
	struct mm_arena arena; /* of all that follows */
	uint64_t index;
	struct mm_hash leaf;
	struct mm_entry frame;
	union { /* by frame.kind */
		struct mm_order_claim order;
		struct mm_principal_claim principal;
		struct mm_certificate_entry certificate;
	};
	uint64_t used; /* when; for the order of leaving */
};

struct mm_known {
	struct mm_known_entry *entries[MM_KNOWN_MAX];
	size_t count;
	uint64_t clock;
};

/* Empty it whenever the policy changes. */
void mm_known_clear(struct mm_known *known);
/* NULL for an entry that was not verified yet. */
const struct mm_known_entry *mm_known_find(
    struct mm_known *known, uint64_t index, const struct mm_hash *leaf);
/* Takes the entry. */
void mm_known_keep(struct mm_known *known, struct mm_known_entry *entry);

struct mm_known_entry *mm_known_entry_new(uint64_t index);
void mm_known_entry_free(struct mm_known_entry *entry);

#endif
