/*
 * A ceremony of a running mint on its way: an officer states it under the
 * policy in force, and waits until it is carried out.
 */
#ifndef MM_CEREMONY_STATE_H
#define MM_CEREMONY_STATE_H

#include "cli/ceremony_source.h"
#include "cli/policy_at.h"
#include "cli/stating.h"

/* The policy in force, by the newest checkpoint. */
enum mm_error mm_ceremony_policy(const struct mm_invocation *invocation,
    struct mm_arena *arena, struct mm_policy_at *out) mm_must_use;

/*
 * Shows the claim, states it (its `policy` is filled in here), and where
 * nobody is missing waits at most --wait seconds until all of it is done;
 * `story->done` says whether that was so.
 */
enum mm_error mm_ceremony_state(const struct mm_invocation *invocation,
    struct mm_ceremony_claim *claim, const struct mm_stating_carries *carries,
    struct mm_arena *arena, struct mm_stated *stated,
    struct mm_ceremony_story *story) mm_must_use;

/* Prints what came of it, and says how it goes on. */
void mm_ceremony_state_report(const struct mm_invocation *invocation,
    const struct mm_stated *stated, json_t *more);

#endif
