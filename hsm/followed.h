/*
 * Inside hsm/following.h: the lists of what was followed, and the steps by
 * which ceremonies, keys and imports come in.
 */
#ifndef MM_FOLLOWED_H
#define MM_FOLLOWED_H

#include "hsm/following.h"

enum { MM_FOLLOWED_ARENA = 4 << 20 };

/* MM_E_MEMORY */
enum mm_error mm_followed_no_memory(void);
/* Takes `one`. */
enum mm_error mm_followed_keep(struct mm_followed *list, void *one) mm_must_use;
void mm_followed_clear(struct mm_followed *list, void (*free_one)(void *));
void mm_force_free(void *one);
void mm_followed_ceremony_free(void *one);
void mm_followed_key_free(void *one);
void mm_followed_import_free(void *one);

/* A copy of the key, brought by an entry. */
enum mm_error mm_followed_keep_key(struct mm_following *following,
    const struct mm_genesis_key *from, uint64_t index) mm_must_use;
/* The key of this name or with this SPKI (empty: not asked for), whenever it
 * was there. */
struct mm_followed_key *mm_followed_ever(const struct mm_following *following,
    struct mm_span name, struct mm_span spki);

/* Entries whose place was checked. */
enum mm_error mm_follow_ceremony(struct mm_following *following,
    struct mm_span bytes, uint64_t index) mm_must_use;
enum mm_error mm_follow_key(struct mm_following *following,
    struct mm_span bytes, uint64_t index) mm_must_use;
enum mm_error mm_follow_import(struct mm_following *following,
    struct mm_span bytes, uint64_t index) mm_must_use;

#endif
