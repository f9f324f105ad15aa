/*
 * What a statement is about, in a few words for people: how what waits for
 * approvals is called. Both sides make them from the payload itself.
 */
#ifndef MM_SUBJECT_H
#define MM_SUBJECT_H

#include "protocol/statement.h"

enum { MM_SUBJECT_TEXT = 193 /* with its NUL */ };

/* "batch-7 revision 1", "lamp 2.0", "policy 4", "3 certificates", ... Only
 * claim->kind and claim->body count; the errors of mm_shape_decode(). */
enum mm_error mm_claim_subject(
    const struct mm_claim *claim, char out[MM_SUBJECT_TEXT]) mm_must_use;

#endif
