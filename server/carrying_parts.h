/*
 * A ceremony that is carried out, between the files that do it:
 * authority_carrying.c knows which one it is and where it stands,
 * authority_carrying_keys.c has its keys made and retired,
 * authority_carrying_signed.c its certificates and CSRs signed.
 */
#ifndef MM_CARRYING_PARTS_H
#define MM_CARRYING_PARTS_H

#include "server/authority.h"

/* What it says; its spans lie in the arena. */
struct mm_act {
	struct mm_authority *a;
	struct mm_arena arena;
	uint64_t index;
	struct mm_claim claim;
	struct mm_ceremony_claim ceremony;
};

/* Something is begun now: MM_E_STATEMENT_TIME after the statement's end. */
enum mm_error mm_act_begin(struct mm_act *act, bool *begun) mm_must_use;
/* The steps, in their order. `*begun`: it has begun something that is waited
 * for; else all of this step is done. */
enum mm_error mm_act_make_keys(struct mm_act *act, bool *begun) mm_must_use;
enum mm_error mm_act_sign_next(struct mm_act *act, bool *begun) mm_must_use;
enum mm_error mm_act_retire(struct mm_act *act, bool *begun) mm_must_use;
/* What the token has made and has no entry yet: it is asked again. */
void mm_act_forget_keys(struct mm_carrying *c);
/* One thing failed: it is tried again, but not for ever. */
void mm_act_fail(struct mm_authority *a, enum mm_error error);

#endif
