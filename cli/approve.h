/*
 * An officer approves what another one has stated: reads it from the log,
 * looks at it, signs the same payload. `order approve` and its like are rows
 * that name a kind; this is what they do.
 */
#ifndef MM_APPROVE_H
#define MM_APPROVE_H

#include "cli/stating.h"
#include "cli/waiting.h"

#define MM_APPROVE_OPTIONS \
	MM_OPTION_IDENTITY, MM_OPTION_OFFICER, MM_OPTION_PASSPHRASE, \
	    {"yes", NULL, "it was looked at: do not ask at the terminal", \
		false}, \
	    {"receipt", "FILE", "where the receipt goes", false}, \
	    MM_OPTION_WAIT

/* Asks at the terminal, unless --yes was said. MM_E_USAGE where there is none;
 * MM_E_NOT_FOUND where the answer is no. */
enum mm_error mm_confirm(
    const struct mm_invocation *invocation, const char *question) mm_must_use;

/* Approves the one of this kind (0: any) that the first operand names. */
enum mm_error
mm_approve(const struct mm_invocation *invocation, uint64_t kind) mm_must_use;

#endif
