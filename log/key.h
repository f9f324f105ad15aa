/*
 * The log's key: an Ed25519 seed in a file of the notary alone. It signs
 * checkpoints and nothing else, and lies in sodium memory while it is used.
 */
#ifndef MM_LOG_KEY_H
#define MM_LOG_KEY_H

#include "log/note.h"

struct mm_log_key {
	uint8_t public_key[32];
	uint8_t *secret; /* 64 bytes of sodium memory, read-only; owned */
};

/*
 * Makes `log.key` in a directory that has none (MM_E_STATE otherwise),
 * durably: 32 bytes, mode 0600.
 */
enum mm_error
mm_log_key_create(const char *directory, struct mm_log_key *out) mm_must_use;
/*
 * Reads it. MM_E_STATE unless it is a regular file of 32 bytes, ours, and
 * closed to everybody else.
 */
enum mm_error
mm_log_key_open(const char *directory, struct mm_log_key *out) mm_must_use;
void mm_log_key_clear(struct mm_log_key *key);

#endif
