/*
 * The mint's own keys as a log has them: those of its birth, and those that a
 * ceremony added later.
 */
#ifndef MM_MINT_KEY_H
#define MM_MINT_KEY_H

#include "cli/source.h"

struct mm_mint_key {
	struct mm_span spki;   /* DER SubjectPublicKeyInfo; in the arena */
	uint64_t index, basis; /* of its entry and ceremony; 0, 0: genesis */
};

/* The log's first entry; its spans lie in the arena. MM_E_ENTRY. */
enum mm_error mm_mint_genesis(struct mm_source *source, struct mm_arena *arena,
    struct mm_genesis *out) mm_must_use;

/*
 * The key of this name among the entries before `end`. Nobody but a reader of
 * all entries knows where one was added after the genesis: they are read, and
 * not proven before mm_source_settle(). MM_E_NOT_FOUND.
 */
enum mm_error mm_mint_key(struct mm_source *source,
    const struct mm_genesis *genesis, struct mm_span name, uint64_t end,
    struct mm_arena *arena, struct mm_mint_key *out) mm_must_use;

#endif
