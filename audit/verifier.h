/*
 * Inside audit: who verifies signatures. By itself, or spread over helper
 * processes, which hold nothing but what is in the log; then a bad one is
 * told some signatures late.
 */
#ifndef MM_VERIFIER_H
#define MM_VERIFIER_H

#include "protocol/bytes.h"

struct mm_verifier;

/* A signature of the log, and what it must be of. */
struct mm_verifiable {
	uint64_t index; /* of the entry that is signed */
	uint64_t at;    /* of the one that has the signature */
	struct mm_span spki;
	uint8_t digest[32];
	struct mm_span signature;
};

enum mm_error
mm_verifier_new(unsigned helpers, struct mm_verifier **out) mm_must_use;
void mm_verifier_free(struct mm_verifier *verifier);

/* MM_E_LOG_WRONG for this one or an earlier one; MM_E_SYSTEM. */
enum mm_error mm_verifier_add(
    struct mm_verifier *verifier, const struct mm_verifiable *one) mm_must_use;
/* All that were added are good. */
enum mm_error mm_verifier_end(struct mm_verifier *verifier) mm_must_use;

#endif
