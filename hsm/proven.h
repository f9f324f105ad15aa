/*
 * An entry with its proof is in the log, or it is nothing.
 */
#ifndef MM_PROVEN_H
#define MM_PROVEN_H

#include "hsm/token.h"

/* Gives the leaf hash. MM_E_PROOF where the checkpoint does not hold it. */
enum mm_error mm_proven_check(const struct mm_proven *proven,
    const struct mm_checkpoint *checkpoint, struct mm_hash *leaf) mm_must_use;
/* The same for an entry that is followed, whose checkpoint is signed by the
 * log's key: the errors of mm_checkpoint_open(). */
enum mm_error mm_proven_follow(const struct mm_token_follow_request *request,
    const struct mm_vkey *vkey, struct mm_hash *leaf) mm_must_use;

#endif
