/*
 * How the token process comes to know, by itself, whose word counts: from the
 * genesis entry, which the ceremony's officers signed, through every change
 * of policy, each allowed by the roster before it. The ceremonies and keys
 * that come later are in hsm/following.h. Nothing here touches the token.
 */
#ifndef MM_FOLLOW_H
#define MM_FOLLOW_H

#include "hsm/token.h"
#include "log/entry.h"
#include "policy/roster.h"

/* The log's genesis, which never changes; all spans lie in the arena. */
struct mm_birth {
	struct mm_arena arena;
	struct mm_vkey vkey; /* of the log */
	struct mm_hash leaf; /* of the genesis entry */
	struct mm_genesis genesis;
	uint64_t time; /* of the entry */
	struct mm_ceremony_claim ceremony;
	uint64_t ceremony_end;          /* the statement's expiry */
	uint8_t ceremony_statement[32]; /* SHA-256 of its payload */
};

/* A policy that was followed; all spans lie in the arena. */
struct mm_force {
	struct mm_arena arena;
	struct mm_policy policy;
	uint8_t digest[32]; /* SHA-256 of its document */
	uint64_t index;     /* of the entry that brought it */
};

/* Whether a ceremony lists this key for its use, of its algorithm, and with
 * this SPKI where it names one that is there already. */
bool mm_ceremony_adds(
    const struct mm_ceremony_claim *ceremony, const struct mm_genesis_key *key);
/* SHA-256 of the payload that statements are over. */
enum mm_error mm_statements_hash(
    const struct mm_list *statements, uint8_t out[32]) mm_must_use;

void mm_birth_init(struct mm_birth *birth);
void mm_birth_clear(struct mm_birth *birth);
void mm_force_init(struct mm_force *force);
void mm_force_clear(struct mm_force *force);

/*
 * Checks a genesis entry by what it says itself: the checkpoint by its log
 * key, the ceremony by its roster, the listed keys by the ceremony. Whether
 * it is the right genesis is for the record to say. Both outputs are
 * initialised; on failure they are to be cleared. MM_E_TOKEN_REFUSED, or the
 * error of the check that failed.
 */
enum mm_error mm_birth_check(const struct mm_token_follow_request *request,
    struct mm_birth *birth, struct mm_force *first) mm_must_use;

/*
 * The same for one who has the whole log, and takes an entry's place in it
 * for granted: an auditor. The policy entry that follows `former` is checked
 * by the former roster.
 */
enum mm_error mm_birth_read(struct mm_span entry, struct mm_birth *birth,
    struct mm_force *first) mm_must_use;
enum mm_error mm_force_read(struct mm_span entry, uint64_t index,
    const struct mm_birth *birth, const struct mm_force *former,
    struct mm_force *next) mm_must_use;

#endif
