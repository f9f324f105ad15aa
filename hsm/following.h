/*
 * What somebody knows who has followed a log: its genesis, every policy with
 * its place, every ceremony, the mint's keys as they came and went, the
 * certificates that CAs outside made for them. The token process follows
 * entries with proofs, and has its own say in each; an auditor reads them from
 * the whole log. All the same rules. Nothing here touches the token.
 */
#ifndef MM_FOLLOWING_H
#define MM_FOLLOWING_H

#include "hsm/follow.h"

/* A ceremony: the genesis' own, or an entry's. Spans lie in the arena. */
struct mm_followed_ceremony {
	struct mm_arena arena;
	uint64_t index, time;  /* of its entry */
	uint64_t end;          /* its statement's expiry: not used after it */
	uint8_t statement[32]; /* SHA-256 of the payload */
	const struct mm_force *force; /* in force at its entry */
	struct mm_ceremony_claim claim;
};

/* A key of the mint, for ever: one name, one use, one SPKI. */
struct mm_followed_key {
	struct mm_genesis_key key;
	struct mm_arena arena;
	uint8_t sha256[32]; /* of its SPKI */
	uint64_t index;     /* of the entry that brought it; 0: the genesis */
	uint64_t retired;   /* of the entry that retired it; 0: none did */
};

/* A certificate of a key of the mint, by a CA outside. */
struct mm_followed_import {
	struct mm_arena arena;
	uint64_t index;
	const struct mm_followed_key *key;
	struct mm_span certificate, tbs; /* DER */
};

/*
 * Who follows, where he has to agree as well before anything is taken: the
 * token process, by its record and its keys. A NULL member agrees.
 */
struct mm_follower {
	void *self;
	enum mm_error (*genesis)(void *self, const struct mm_birth *birth,
	    const struct mm_force *first) mm_must_use;
	enum mm_error (*policy)(
	    void *self, const struct mm_force *next) mm_must_use;
	enum mm_error (*key)(
	    void *self, const struct mm_genesis_key *added) mm_must_use;
	enum mm_error (*retired)(
	    void *self, const struct mm_followed_key *key) mm_must_use;
};

/* A list of pointers to things of its own, in the order in which they came. */
struct mm_followed {
	void **items;
	size_t count, capacity;
};

struct mm_following {
	struct mm_follower follower;
	bool born; /* the genesis was followed */
	struct mm_birth birth;
	struct mm_followed forces;     /* struct mm_force; the first is first */
	struct mm_followed ceremonies; /* struct mm_followed_ceremony */
	struct mm_followed keys;       /* struct mm_followed_key */
	struct mm_followed imports;    /* struct mm_followed_import */
	/* Indexes of all entries ever followed; `at` of them since the genesis
	 * was followed last. */
	struct mm_trail {
		uint64_t *indexes;
		size_t at, count, capacity;
	} trail;
};

/* `follower` NULL: nobody else has to agree. */
void mm_following_init(
    struct mm_following *following, const struct mm_follower *follower);
void mm_following_clear(struct mm_following *following);

/* Whether entries of this kind are followed: genesis, policy, ceremony, key,
 * import. */
bool mm_following_wants(uint64_t kind);

/*
 * Follows the next entry. They come in the log's order, the genesis first;
 * entries of other kinds between them are left out. The genesis may come
 * again, when the process that feeds us has begun anew: then all that was
 * followed before comes again too, so that no retired key is forgotten.
 *
 *   policy    one more than the last one, by that one's roster;
 *   ceremony  by the roster of the policy in force at its place, which it
 *             names; its statement was not followed before;
 *   key       added or retired by a ceremony that lists it, before its end;
 *             a name or an SPKI is never there twice, even when retired;
 *   import    whose SHA-256 its ceremony lists for the key, and which is what
 *             the key's use wants (ca/request.h).
 *
 * MM_E_TOKEN_REFUSED, or the error of the check that failed; then everything
 * is as it was. `_check` wants the proof in the request's checkpoint, `_read`
 * takes an entry's place for granted: an auditor has the whole log.
 */
enum mm_error mm_following_check(struct mm_following *following,
    const struct mm_token_follow_request *request) mm_must_use;
enum mm_error mm_following_read(struct mm_following *following,
    struct mm_span entry, uint64_t index) mm_must_use;

/* Whether everything that was followed once is followed. */
bool mm_following_complete(const struct mm_following *following);

/* The policy followed last; and the one in force at an entry, which is the
 * newest whose own entry is not after it. NULL before the genesis. */
const struct mm_force *mm_force_last(const struct mm_following *following);
const struct mm_force *
mm_force_at(const struct mm_following *following, uint64_t index);

/* The ceremony of an entry (0: the genesis); NULL for others. */
const struct mm_followed_ceremony *
mm_followed_ceremony(const struct mm_following *following, uint64_t index);

/*
 * A key of the mint as it was at an entry: there by then and not retired yet;
 * NULL for others. UINT64_MAX: as it is now. `mm_followed_spki_ever` finds
 * retired ones too.
 */
const struct mm_followed_key *mm_followed_key(
    const struct mm_following *following, struct mm_span name, uint64_t index);
const struct mm_followed_key *mm_followed_spki(
    const struct mm_following *following, struct mm_span spki, uint64_t index);
const struct mm_followed_key *mm_followed_spki_ever(
    const struct mm_following *following, struct mm_span spki);

/* The newest imported certificate of a key before an entry; NULL where there
 * is none. */
const struct mm_followed_import *
mm_followed_import(const struct mm_following *following,
    const struct mm_genesis_key *key, uint64_t index);

/*
 * Seconds from thisUpdate to nextUpdate that a CRL of this key may have: the
 * most that a profile of `policy` allows by which a ceremony had the key
 * certified. 0: it signs no CRLs.
 */
uint64_t mm_followed_crl(const struct mm_following *following,
    const struct mm_genesis_key *key, const struct mm_policy *policy);

#endif
