/*
 * An officer's signing key on the officer's own computer, and statements
 * made with it. The key never leaves that computer: what leaves are
 * statements.
 *
 * The file is one line, mode 0600, of one of two forms. Sealed by a
 * passphrase:
 *
 *	mintmark-officer-sealed 1 OPS MEM SALT NONCE PUBLIC BOX
 *
 * OPS and MEM (bytes) are Argon2id's, SALT 16, NONCE 24 and PUBLIC 32 bytes,
 * BOX the Ed25519 seed under XChaCha20-Poly1305 with all that is before it as
 * additional data; bytes are in base64. Or, for trying things out, and the
 * file says so:
 *
 *	mintmark-officer-unprotected SEED
 */
#ifndef MM_OFFICER_H
#define MM_OFFICER_H

#include "cli/passphrase.h"
#include "protocol/statement.h"

/* The key in sodium memory; freed by mm_officer_free. */
struct mm_officer_key {
	uint8_t public_key[32];
	uint8_t secret_key[64];
};

#define MM_OPTION_OFFICER \
	{ \
		"officer", "KEY", "the officer's key, a file", true \
	}

struct mm_officer_key *mm_officer_new(void);
void mm_officer_free(struct mm_officer_key *key);

/* Writes the file, sealed unless `passphrase` is NULL; one that is there is
 * kept: MM_E_EXISTS. */
enum mm_error mm_officer_write(const struct mm_officer_key *key,
    const struct mm_passphrase *passphrase, const char *path) mm_must_use;

/*
 * Reads a key. A sealed one wants `passphrase`: where that is NULL and the
 * file is sealed, `*sealed` is set and the error is MM_E_USAGE. MM_E_FILE
 * where others may read it, MM_E_FORMAT, MM_E_PASSPHRASE.
 */
enum mm_error
mm_officer_read(const char *path, const struct mm_passphrase *passphrase,
    bool *sealed, struct mm_officer_key **out) mm_must_use;

/* By --officer and, where the file is sealed, --passphrase-file or the
 * terminal. */
enum mm_error mm_officer_open(const struct mm_invocation *invocation,
    struct mm_officer_key **out) mm_must_use;

/* Appends a statement of `kind` about `body`, now and valid for `seconds`
 * (0: a week). */
enum mm_error mm_officer_state(const struct mm_officer_key *key,
    struct mm_span origin, uint64_t kind, const void *body, uint64_t seconds,
    struct mm_buffer *out) mm_must_use;

#endif
