/*
 * A principal is disabled or enabled: what the log says of it is stated
 * again, with that alone changed.
 */
#ifndef MM_PRINCIPAL_SWITCH_H
#define MM_PRINCIPAL_SWITCH_H

#include "cli/stating.h"

/* Of the principal that the first operand names. MM_E_USAGE where it is so
 * already; the errors of mm_principal_terms(). */
enum mm_error mm_principal_switch(
    const struct mm_invocation *invocation, bool disabled) mm_must_use;

#endif
