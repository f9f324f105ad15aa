/*
 * How a notary begins: genesis, and what a start must find before anything
 * is signed. The notary's own parts; for notary.c and begin.c alone.
 */
#ifndef MM_BEGIN_H
#define MM_BEGIN_H

#include "log/admit.h"
#include "log/anchor.h"
#include "log/key.h"
#include "log/notary.h"
#include "log/store.h"

enum {
	MM_NOTARY_LEVELS = 32, /* of a proof: a log holds 2^32 entries */
	/* Each entry makes its leaf and, on average, one subtree complete. */
	MM_GROWTH_NODES = 2 * MM_BATCH_ENTRIES + 64
};
#define MM_NOTARY_SIZE_MAX (UINT64_C(1) << MM_NOTARY_LEVELS)

/* The tree with its newest batch, whose nodes are still at hand. */
struct mm_growth {
	struct mm_frontier frontier;
	uint64_t first; /* number of nodes[0] */
	struct mm_hash nodes[MM_GROWTH_NODES];
	size_t count;
};

struct mm_notary {
	char *state, *anchor_directory, *key_directory;
	uint64_t reserve;
	bool genesis; /* an empty state that may be begun */
	int directory;
	struct mm_log_key key;
	struct mm_vkey vkey;
	struct mm_store *store; /* NULL until genesis */
	struct mm_anchor *anchor;
	struct mm_growth growth;
	struct mm_tail tail;
	struct mm_buffer note; /* of the newest checkpoint; empty at size 0 */
};

uint64_t mm_notary_size(const struct mm_notary *notary);
struct mm_tree mm_notary_tree(struct mm_notary *notary);
/* Signs the checkpoint of what is stored; the same bytes every time. */
enum mm_error mm_notary_sign(struct mm_notary *notary) mm_must_use;
/* Moves the anchor to what is stored. */
enum mm_error mm_notary_anchor(struct mm_notary *notary) mm_must_use;

/* Opens and checks all parts, or that there are none before genesis. */
enum mm_error mm_notary_start(struct mm_notary *notary) mm_must_use;
/* The call MM_NOTARY_GENESIS. */
enum mm_error mm_notary_run_genesis(void *self, const void *request,
    struct mm_arena *arena, void *answer) mm_must_use;

#endif
