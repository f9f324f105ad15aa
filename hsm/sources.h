/*
 * Inside hsm/references.h: what the rules ask, answered from the entries at
 * hand and from what was followed.
 */
#ifndef MM_SOURCES_H
#define MM_SOURCES_H

#include "hsm/references.h"

/* Who asks: an entry at its place, which rests on earlier ones only. */
struct mm_asker {
	const struct mm_references *references;
	uint64_t index;
};

/* They live as long as the asker, and change nothing but what is known. */
struct mm_judge_sources mm_sources_of(const struct mm_asker *asker);

#endif
