/*
 * The key that seals a run's journal, where devices' private keys wait until
 * their units are finished: of a passphrase, by Argon2id, or of a file with
 * random bytes (--run-key). It lies in sodium memory alone.
 */
#ifndef MM_PRODUCE_SEAL_H
#define MM_PRODUCE_SEAL_H

#include "cli/passphrase.h"

enum {
	MM_SEAL_SALT = 16,
	MM_SEAL_KEY = 32,   /* bytes */
	MM_SEAL_NONCE = 24, /* XChaCha20-Poly1305 */
	MM_SEAL_TAG = 16,
	MM_RUN_KEY_MIN = 32,
	MM_RUN_KEY_MAX = 4096
};

/* How the key is made; in clear in the journal's header. */
struct mm_seal_terms {
	bool passphrase; /* else a file's bytes */
	uint8_t salt[MM_SEAL_SALT];
	uint64_t operations, memory; /* of Argon2id */
};

/* A new salt, and what Argon2id costs. */
void mm_seal_terms_new(bool passphrase, struct mm_seal_terms *out);

/*
 * The key by the terms, from --run-key, --passphrase-file or the terminal;
 * `fresh`: for a journal that is made now. MM_E_USAGE where what was said is
 * not what the terms say; MM_E_FILE, MM_E_RANGE, MM_E_MEMORY. sodium_free().
 */
enum mm_error mm_seal_key(const struct mm_invocation *invocation,
    const struct mm_seal_terms *terms, bool fresh, uint8_t **out) mm_must_use;

#endif
