/*
 * CRLReason's words (RFC 5280 5.3.1).
 */
#ifndef MM_REVOCATION_REASON_H
#define MM_REVOCATION_REASON_H

#include "cli/command.h"

/* --reason as a number; `out` keeps its value where it was not said. */
enum mm_error mm_value_reason(
    const struct mm_invocation *invocation, uint64_t *out) mm_must_use;

#endif
