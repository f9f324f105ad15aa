/*
 * What people said, as the log has it: an appliance tells of an order or a
 * principal, and the entry that it names is read by its receipt before
 * anybody signs or believes it.
 */
#ifndef MM_LOGGED_CLAIM_H
#define MM_LOGGED_CLAIM_H

#include "cli/appliance.h"
#include "cli/attested.h"
#include "log/entry.h"

/* The entry `index`, by a receipt that verifies. MM_E_MISMATCH where it is
 * another one or of another kind; the errors of a receipt. */
enum mm_error mm_logged_entry(const struct mm_appliance *appliance,
    uint64_t index, enum mm_entry_kind kind, struct mm_arena *arena,
    struct mm_attested *out) mm_must_use;

/*
 * The body of the statements in the entry `index`, of this kind: as
 * mm_claim_body_shape() has it, in `body`, its spans in the arena.
 * MM_E_MISMATCH where the entry is another one or of another kind; the errors
 * of a receipt.
 */
enum mm_error
mm_logged_claim(const struct mm_appliance *appliance, uint64_t index,
    uint64_t kind, struct mm_arena *arena, void *body) mm_must_use;

#endif
