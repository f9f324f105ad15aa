/*
 * From a ceremony's file to what officers sign: the ceremony's claim and one
 * of each principal, and what is needed beside them. The same file gives the
 * same claims again, which is how `ceremony run` knows that nobody has
 * changed it since.
 */
#ifndef MM_CEREMONY_PLAN_H
#define MM_CEREMONY_PLAN_H

#include "cli/ceremony_papers.h"
#include "policy/ceremony.h"

struct mm_ceremony_plan {
	struct mm_ceremony_text text;
	char settings[PATH_MAX];        /* path */
	struct mm_span policy, written; /* compiled, and the text of people */
	struct mm_policy decoded;
	struct mm_ceremony_claim claim; /* without `succeeds` */
	struct mm_principal_claim *principals;
	struct mm_span *spkis; /* DER; as many as text.principals */
};

/*
 * Of a log's birth or a succession. Paths in the file begin where it lies.
 * Everything lies in the arena. Errors name the file at fault.
 */
enum mm_error
mm_ceremony_plan_read(const char *path, enum mm_ceremony_stage stage,
    struct mm_arena *arena, struct mm_ceremony_plan *out) mm_must_use;

/* The claim of a text alone, for a policy of this digest. */
void mm_ceremony_plan_claim(const struct mm_ceremony_text *text,
    const uint8_t policy[32], struct mm_ceremony_claim *out);

/* Puts the plan into payloads with fresh nonces, and writes PAYLOADS. */
enum mm_error mm_ceremony_plan_write(const struct mm_invocation *invocation,
    const struct mm_ceremony_plan *plan, const char *path,
    struct mm_arena *arena) mm_must_use;

/* Whether papers say what the plan says: MM_E_STATEMENT_DIFFERS. */
enum mm_error mm_ceremony_plan_match(const struct mm_ceremony_plan *plan,
    const struct mm_ceremony_papers *papers) mm_must_use;

#endif
