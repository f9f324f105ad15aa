/*
 * Which policy was in force at a place of the log. Every entry names its
 * policy, and policies follow one another: the entry that brought one is found
 * by halving, with some twenty entries read of a million.
 */
#ifndef MM_POLICY_AT_H
#define MM_POLICY_AT_H

#include "cli/source.h"
#include "policy/document.h"

struct mm_policy_at {
	uint64_t index;     /* of the genesis or policy entry that brought it */
	uint64_t time;      /* of that entry */
	uint8_t sha256[32]; /* of the document */
	struct mm_span document, text; /* text: empty where it is a blob */
	struct mm_blob blob;           /* size 0: none */
	struct mm_list statements;     /* mm_bytes_item */
	struct mm_policy policy;
};

/* All that it gives lies in the arena. MM_E_NOT_FOUND past the end;
 * MM_E_LOG_WRONG where the entries contradict each other. */
enum mm_error mm_policy_at(struct mm_source *source, uint64_t index,
    struct mm_arena *arena, struct mm_policy_at *out) mm_must_use;

#endif
