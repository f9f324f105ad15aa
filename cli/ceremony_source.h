/*
 * A ceremony's story, read from a source of a log.
 */
#ifndef MM_CEREMONY_SOURCE_H
#define MM_CEREMONY_SOURCE_H

#include "cli/ceremony_story.h"
#include "cli/source.h"

/*
 * What `ceremony csr`, `fetch` and `record` have in common: the source that
 * the command line names, and the ceremony of the entry that --at names (0),
 * which `use` is given. MM_E_NOT_FOUND where that entry is none.
 */
typedef enum mm_error mm_ceremony_use(const struct mm_invocation *invocation,
    struct mm_source *source, const struct mm_ceremony_story *story,
    struct mm_arena *arena);
enum mm_error mm_ceremony_read(
    const struct mm_invocation *invocation, mm_ceremony_use *use) mm_must_use;
#define MM_CEREMONY_READ_OPTIONS \
	MM_SOURCE_OPTIONS, \
	{ \
		"at", "INDEX", \
		    "of the ceremony of that entry (0, the log's birth)", \
		    false \
	}

/*
 * Waits until all that the ceremony of entry `index` asks for is in the log,
 * at most `appliance->wait` seconds; asks again once a second. MM_E_BUSY
 * where it takes longer.
 */
enum mm_error mm_ceremony_await(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, uint64_t index,
    struct mm_arena *arena, struct mm_ceremony_story *out) mm_must_use;

#endif
