/*
 * Texts that were met before, and a number for each: the devices of a run and
 * what became of them, the lines of a list that say something which may be
 * said once. Many of them: a list has as many rows as an order has units.
 */
#ifndef MM_PRODUCE_SEEN_H
#define MM_PRODUCE_SEEN_H

#include "protocol/bytes.h"

struct mm_seen {
	struct mm_buffer texts;
	struct mm_seen_place *places; /* a power of two, or none yet */
	size_t room, count;
	uint8_t key[16]; /* what the texts are hashed with */
};
void mm_seen_clear(struct mm_seen *seen);

/* The number that belongs to the text, the set's own until the next call, or
 * NULL. */
uint64_t *mm_seen_find(struct mm_seen *seen, struct mm_span text);
/* Sets the number, whether the text was there or not. MM_E_MEMORY. */
enum mm_error mm_seen_put(
    struct mm_seen *seen, struct mm_span text, uint64_t number) mm_must_use;

#endif
