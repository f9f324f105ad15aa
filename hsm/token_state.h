/*
 * Inside hsm/token.h: what a token process has, and its keys.
 */
#ifndef MM_TOKEN_STATE_H
#define MM_TOKEN_STATE_H

#include "hsm/crl_numbers.h"
#include "hsm/references.h"
#include "hsm/record.h"

struct mm_token {
	struct mm_pkcs11 *session;
	struct mm_record *record;
	bool genesis; /* keys may be made for a log that is not there yet */
	uint64_t (*now)(void);
	int attached; /* the descriptor of the call at hand, or -1 */
	struct mm_following following;
	struct mm_known known;
	struct mm_crl_numbers crls;
};

/* A name as the module takes it. */
struct mm_token_label {
	char text[MM_NAME_MAX + 1];
};
struct mm_token_label mm_token_label(struct mm_span name);

/* The genesis and everything up to the record is followed:
 * MM_E_TOKEN_REFUSED. */
enum mm_error mm_token_caught_up(const struct mm_token *token) mm_must_use;

/* The log's public key must be that of this token: MM_E_TOKEN_RECORD. */
enum mm_error mm_token_own_key(
    struct mm_token *token, const struct mm_genesis_key *key) mm_must_use;

/* MM_TOKEN_GENERATE */
enum mm_error mm_token_generate(void *self, const void *request,
    struct mm_arena *arena, void *answer) mm_must_use;

#endif
