/*
 * An officer's signing key on the officer's own computer, and statements
 * made with it.
 *
 * The file is one line, `mintmark-officer-unprotected ` and the Ed25519 seed
 * in base64, mode 0600: a key for trying things out, and the file says so.
 */
#ifndef MM_OFFICER_H
#define MM_OFFICER_H

#include "protocol/statement.h"

/* The key in sodium memory; freed by mm_officer_free. */
struct mm_officer_key {
	uint8_t public_key[32];
	uint8_t secret_key[64];
};

struct mm_officer_key *mm_officer_new(void);
void mm_officer_free(struct mm_officer_key *key);
enum mm_error mm_officer_write(
    const struct mm_officer_key *key, const char *path) mm_must_use;
enum mm_error
mm_officer_read(const char *path, struct mm_officer_key **out) mm_must_use;

/* Appends a statement of `kind` about `body`, now and valid for a week. */
enum mm_error
mm_officer_state(const struct mm_officer_key *key, struct mm_span origin,
    uint64_t kind, const void *body, struct mm_buffer *out) mm_must_use;

#endif
