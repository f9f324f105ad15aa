/*
 * What a token process remembers of its log: its key, its genesis, the policy
 * that was followed last and the keys that were retired. One small file,
 * written only at genesis, moved only upwards, durable before a move counts.
 * Whoever feeds this process an older policy, another log or one without a
 * retirement is found out by it.
 */
#ifndef MM_RECORD_H
#define MM_RECORD_H

#include "log/note.h"

struct mm_record_state {
	struct mm_span origin;  /* of the log */
	uint8_t log_key[32];    /* Ed25519 */
	uint8_t genesis[32];    /* leaf hash of the genesis entry */
	uint64_t number;        /* of the policy followed last */
	uint8_t policy[32];     /* SHA-256 of its document */
	struct mm_list retired; /* mm_hash_item: SHA-256 of SPKIs */
};
extern const struct mm_shape mm_record_state_shape;

struct mm_record;

/*
 * Opens the record at `path`, whose directory is the token process's own.
 * Where there is none yet: MM_E_TOKEN_RECORD unless `genesis`. The lock (on
 * the directory) is held while the file is read or moved, not longer:
 * several token processes may share one record.
 */
enum mm_error mm_record_open(
    const char *path, bool genesis, struct mm_record **out) mm_must_use;
void mm_record_close(struct mm_record *record);

/* What it says; NULL before it was begun. */
const struct mm_record_state *mm_record_state(const struct mm_record *record);

/* At genesis. MM_E_TOKEN_RECORD where there is a record already. */
enum mm_error mm_record_begin(
    struct mm_record *record, const struct mm_record_state *state) mm_must_use;

/*
 * Moves it to policy `number`, one more than before, or finds it there with
 * the same digest. MM_E_TOKEN_RECORD otherwise; on failure it says what it
 * said.
 */
enum mm_error mm_record_advance(struct mm_record *record, uint64_t number,
    const uint8_t policy[32]) mm_must_use;

/*
 * Adds a key, by the SHA-256 of its SPKI, to those that are retired for ever,
 * or finds it among them. MM_E_TOKEN_RECORD, MM_E_DISK_FULL; on failure the
 * record says what it said.
 */
enum { MM_RECORD_RETIRED_MAX = 256 };
enum mm_error
mm_record_retire(struct mm_record *record, const uint8_t key[32]) mm_must_use;
bool mm_record_retired(const struct mm_record *record, const uint8_t key[32]);

#endif
