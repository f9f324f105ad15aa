/*
 * A source of a log as a ceremony's story reads it.
 */
#ifndef MM_CEREMONY_SOURCE_H
#define MM_CEREMONY_SOURCE_H

#include "cli/ceremony_story.h"
#include "cli/source.h"

/* All entries up to the source's checkpoint; mm_source_settle() ends it. */
struct mm_ceremony_log mm_ceremony_source(struct mm_source *source);

/*
 * Waits until all that the ceremony of entry `index` asks for is in the log,
 * at most `appliance->wait` seconds; asks again once a second. MM_E_BUSY
 * where it takes longer.
 */
enum mm_error mm_ceremony_await(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, uint64_t index,
    struct mm_arena *arena, struct mm_ceremony_story *out) mm_must_use;

#endif
