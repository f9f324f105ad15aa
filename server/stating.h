/*
 * What people state, inside the authority: a statement request taken apart,
 * and what each kind of statement does.
 */
#ifndef MM_STATING_REQUEST_H
#define MM_STATING_REQUEST_H

#include "server/authority.h"

/* A statement request taken apart; `statements` and what came along are the
 * request's, together with what was gathered before. */
struct mm_stating {
	struct mm_authority *a;
	struct mm_job *job;
	struct mm_statement_ask ask;
	struct mm_claim claim;
	struct mm_span payload;
	uint8_t payload_hash[32];
	struct mm_list statements; /* mm_bytes_item */
	struct mm_span spki, policy, text;
	/* The text, where a pending entry has it beside the log; size 0: not.
	 * Of the two there is one at most. */
	struct mm_blob text_blob;
	struct mm_list certificates; /* mm_bytes_item */
	union {
		struct mm_order_claim order;
		struct mm_release_claim release;
		struct mm_revoke_claim revoke;
		struct mm_principal_claim principal;
		struct mm_policy_claim policy;
		struct mm_ceremony_claim ceremony;
		struct mm_withdraw_claim withdraw;
	} body;
};

/*
 * What a kind of statement does. `check`: whether it could be in force now,
 * asked when it is brought and again when it has enough signatures, so that
 * nobody approves what can never be. `enter` adds its entry, and has the job
 * answered.
 */
struct mm_statement_kind_row {
	uint64_t kind;
	enum mm_error (*check)(struct mm_stating *s);
	enum mm_error (*enter)(struct mm_stating *s);
};

/* --- authority_statement.c --- */
/* Adds the entry that is what the statements say; the job is answered with
 * it when it is stored. */
enum mm_error
mm_statement_enter(struct mm_stating *s, uint64_t kind) mm_must_use;

/* --- authority_gather.c --- */
/* What there is of a statement, with what was gathered before. */
struct mm_gathered {
	uint64_t missing; /* officers who have to sign yet */
	bool waits;       /* there is a pending entry about it: */
	uint64_t idx;     /* the newest */
	bool adds;        /* the request brings what that has not */
};
/*
 * Puts the request's statements to those that wait, each officer's once and
 * only those that count under the policy in force; each of the request must.
 * s->claim, s->body, s->statements and what came along are complete after.
 * MM_E_STATEMENT and its family; MM_E_STATEMENT_DIFFERS: what came along is
 * not what waits; MM_E_STATEMENT_WITHDRAWN.
 */
enum mm_error
mm_pending_gather(struct mm_stating *s, struct mm_gathered *out) mm_must_use;
/* Of statements over one payload those that count now. */
struct mm_counted {
	struct mm_list statements; /* mm_bytes_item */
	struct mm_list officers;   /* mm_text_item: whose they are, in the
				    * policy's arena */
	uint64_t missing;          /* officers who would have to sign yet */
};
/* What was signed by who is no officer any more is passed over; the lists lie
 * in the arena. MM_E_STATEMENT_TIME. */
enum mm_error mm_pending_counted(struct mm_authority *a, uint64_t kind,
    const struct mm_list *statements, struct mm_arena *arena,
    struct mm_counted *out) mm_must_use;

/* --- authority_pending.c --- */
/* The pending entry at `idx`, where it is the newest about its payload. */
enum mm_error mm_pending_read(struct mm_authority *a, uint64_t idx,
    struct mm_arena *arena, struct mm_pending_entry *out) mm_must_use;
/* Adds a pending entry; the job is answered with it when it is stored.
 * MM_E_PENDING_FULL; MM_E_RANGE where all statements together would be more
 * than an entry can hold. */
enum mm_error mm_pending_enter(
    struct mm_stating *s, const struct mm_gathered *gathered) mm_must_use;

/* --- authority_people.c --- */
enum mm_error mm_order_check_stated(struct mm_stating *s) mm_must_use;
enum mm_error mm_order_enter(struct mm_stating *s) mm_must_use;
enum mm_error mm_principal_check(struct mm_stating *s) mm_must_use;
enum mm_error mm_principal_enter(struct mm_stating *s) mm_must_use;
/* The certificate of a principal whose statement is in force, by entry
 * `basis`, and whose former one was voided: for s->spki. */
enum mm_error
mm_principal_certify(struct mm_stating *s, uint64_t basis) mm_must_use;
enum mm_error mm_revoke_check(struct mm_stating *s) mm_must_use;
enum mm_error mm_revoke_enter(struct mm_stating *s) mm_must_use;
enum mm_error mm_withdraw_check(struct mm_stating *s) mm_must_use;
enum mm_error mm_withdraw_enter(struct mm_stating *s) mm_must_use;

/* --- authority_release.c, too --- */
enum mm_error mm_release_check(struct mm_stating *s) mm_must_use;
enum mm_error mm_release_enter(struct mm_stating *s) mm_must_use;

/* --- authority_policy.c --- */
enum mm_error mm_policy_check_stated(struct mm_stating *s) mm_must_use;
/* Nothing else goes into its batch (batch.sealed): the next entry is decided
 * under the new policy. */
enum mm_error mm_policy_enter(struct mm_stating *s) mm_must_use;

/* --- authority_ceremony.c --- */
enum mm_error mm_ceremony_check(struct mm_stating *s) mm_must_use;
/* The certificate of an import, among those that came along; or none. */
struct mm_span mm_ceremony_brought(
    const struct mm_stating *s, const struct mm_ceremony_import *import);

/* --- authority_ceremony_enter.c --- */
enum mm_error mm_ceremony_enter(struct mm_stating *s) mm_must_use;

#endif
