/*
 * Certification requests, PKCS#10 (RFC 2986), PEM or DER, read strictly. A
 * CSR proves possession of its key, and that is all that is taken from it.
 */
#ifndef MM_CSR_H
#define MM_CSR_H

#include "ca/key.h"

struct mm_csr {
	struct mm_span spki; /* in the arena */
	struct mm_key key;
};

/*
 * Reads one CSR and verifies its own signature: MM_E_CSR,
 * MM_E_CSR_SIGNATURE, MM_E_KEY_TYPE, MM_E_KEY_WEAK.
 */
enum mm_error mm_csr_read(struct mm_span bytes, struct mm_arena *arena,
    struct mm_csr *out) mm_must_use;

#endif
