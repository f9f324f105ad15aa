/*
 * Certificates out of the log itself: a certificate is the TBS of its entry
 * and the signature that a later entry holds. A directory of tiles is all it
 * takes.
 */
#ifndef MM_HARVEST_H
#define MM_HARVEST_H

#include "log/entry.h"
#include "log/reader.h"

struct mm_harvested {
	uint64_t index;
	struct mm_certificate_entry entry;
	struct mm_span certificate; /* DER; empty: not signed */
};

enum { MM_HARVEST_MAX = 512 };

struct mm_harvest {
	struct mm_arena arena;
	struct mm_genesis genesis;
	struct mm_harvested certificates[MM_HARVEST_MAX];
	size_t count;
};

/* The first certificates of a log, as many as there is room for. */
enum mm_error mm_harvest_read(const char *directory, const struct mm_vkey *vkey,
    struct mm_harvest *out) mm_must_use;
void mm_harvest_clear(struct mm_harvest *harvest);

/* Appends a log's first entry, unverified: its genesis says by which key the
 * rest is to be verified. */
enum mm_error
mm_harvest_first(const char *directory, struct mm_buffer *out) mm_must_use;

/* The newest certificate of a key (SHA-256 of its SPKI), or NULL. */
const struct mm_harvested *
mm_harvest_key(const struct mm_harvest *harvest, const uint8_t key[32]);
/* The newest certificate of the token's key of this name, or NULL. */
const struct mm_harvested *
mm_harvest_named(const struct mm_harvest *harvest, const char *name);

#endif
