/*
 * The signatures of a ceremony's officers, brought together and judged as the
 * appliance and the token will.
 */
#ifndef MM_CEREMONY_GATHER_H
#define MM_CEREMONY_GATHER_H

#include "cli/ceremony_papers.h"

/*
 * Reads all --statements. `out` has a list for each payload (mm_bytes_item,
 * one an officer), in the arena; `officers` counts them. The errors of a
 * roster; MM_E_STATEMENT_DIFFERS where other payloads were signed.
 */
enum mm_error mm_ceremony_gather(const struct mm_invocation *invocation,
    const struct mm_ceremony_papers *papers, struct mm_arena *arena,
    struct mm_list **out, size_t *officers) mm_must_use;

#endif
