/*
 * The code-signing keys that quickstart makes beside its own, for Secure Boot:
 * they get no certificate.
 */
#ifndef MM_QUICKSTART_KEYS_H
#define MM_QUICKSTART_KEYS_H

#include "protocol/statement.h"

enum { MM_QUICKSTART_KEYS = 8 };

struct mm_quickstart_keys {
	struct mm_ceremony_key items[MM_QUICKSTART_KEYS];
	size_t count;
};

/* Reads "NAME[:RSA-3072],..." (NULL: none); names point into it. MM_E_USAGE
 * names the one at fault. */
enum mm_error mm_quickstart_keys_read(
    const char *list, struct mm_quickstart_keys *out) mm_must_use;

#endif
