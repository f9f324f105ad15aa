/*
 * A policy that somebody proposes, as one reads it before it is signed: its
 * text shows what it says, and gives the document that the statement names.
 */
#ifndef MM_PROPOSAL_H
#define MM_PROPOSAL_H

#include "cli/waiting.h"

/* Whether a text reads as it is compiled: no control characters, none that
 * turn the direction of writing or that nobody sees, a carriage return at a
 * line's end alone.
 * MM_E_TEXT says in which line. */
enum mm_error mm_proposal_plain(struct mm_span text) mm_must_use;

/* Whether a text compiles to this very document; MM_E_POLICY where it does not
 * compile. */
enum mm_error mm_proposal_gives(
    struct mm_span text, struct mm_span document, bool *out) mm_must_use;

/*
 * Reads the text of a policy that waits (kind policy), from its entry or its
 * blob, compiles it, and tells it on stderr. MM_E_MISMATCH where the document
 * beside it is another one, or the statement is about another; MM_E_TEXT;
 * MM_E_POLICY.
 */
enum mm_error mm_proposal_tell(const struct mm_invocation *invocation,
    const struct mm_waiting_one *one, struct mm_arena *arena) mm_must_use;

#endif
