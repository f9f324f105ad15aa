/*
 * Whether an entry may stand next in the log: it can be read to the ground,
 * genesis is first and of this log, the policy that it names is the newest
 * stored, and time does not run backwards.
 */
#ifndef MM_ADMIT_H
#define MM_ADMIT_H

#include "log/entry.h"
#include "log/note.h"

/*
 * How much an entry may take of the room that is kept free on the disk.
 * Signatures and voids, all of it: they end what was begun. What a start
 * writes and the certificates of the appliance's own, half of it: without its
 * TLS certificate nobody could read.
 */
enum mm_reserve { MM_RESERVE_NONE, MM_RESERVE_HALF, MM_RESERVE_ALL };

/* What the last entry says; all zero before the first. */
struct mm_tail {
	uint64_t time;
	uint8_t policy[32];
	enum mm_reserve reserve; /* the least of all entries so far */
};

/*
 * Judges entry `index` of the log that has this key and moves the tail on to
 * it: MM_E_ENTRY, MM_E_NOTARY_POLICY, MM_E_NOTARY_TIME; then the tail stays.
 */
enum mm_error mm_admit_entry(const struct mm_vkey *log, uint64_t index,
    struct mm_span bytes, struct mm_tail *tail) mm_must_use;

#endif
