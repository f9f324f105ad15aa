/*
 * The code-signing keys of a mint as its log has them: from the birth on, and
 * as ceremonies added and retired them, each with its newest certificate.
 */
#ifndef MM_CODE_KEYS_H
#define MM_CODE_KEYS_H

#include "cli/source.h"
#include "signer/public_key.h"

enum { MM_CODE_KEYS_MAX = 64 };

struct mm_code_key {
	struct mm_span name, spki; /* in the arena, like the certificate */
	uint64_t index;            /* of the entry that brought it */
	uint64_t retired;          /* of the one that retired it; 0: none */
	struct mm_public_key key;
	struct mm_span certificate; /* DER; empty: it has none */
	/* The certificate that is logged and waits for its signature. */
	uint64_t unsigned_index;
	struct mm_span unsigned_tbs;
};
struct mm_code_keys {
	struct mm_code_key keys[MM_CODE_KEYS_MAX];
	size_t count;
};

/* Reads the whole log, and holds it against its checkpoint. MM_E_LOG_WRONG,
 * MM_E_ENTRY. */
enum mm_error mm_code_keys_read(struct mm_source *source,
    struct mm_arena *arena, struct mm_code_keys *out) mm_must_use;

#endif
