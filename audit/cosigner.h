/*
 * A witness's directory from inside: what lies in it, and how a file gets
 * there so that it is whole or not there, whenever the power goes.
 */
#ifndef MM_AUDIT_COSIGNER_H
#define MM_AUDIT_COSIGNER_H

#include <limits.h>

#include "audit/witness.h"

struct mm_cosigner_log {
	struct mm_witnessed followed;
	char directory[PATH_MAX];
	char hex[2 * MM_HASH_SIZE + 1]; /* SHA-256 of the origin */
	bool known; /* `followed` is what the disk has: not after a fault */
};

struct mm_cosigner {
	char directory[PATH_MAX];
	int lock; /* the directory, locked; -1: only a view */
	struct mm_witness identity;
	uint8_t *secret; /* 64 bytes of sodium memory; NULL: only a view */
	struct mm_cosigner_log *logs;
	size_t count;
};

/*
 * Writes directory/name beside itself, flushes it, renames it, flushes the
 * directory. Without `replace` a file that is there is kept: MM_E_EXISTS.
 * After a fault nobody knows which of the two the disk has: read it again.
 */
enum mm_error mm_cosigner_place(const char *directory, const char *name,
    struct mm_span bytes, unsigned mode, bool replace) mm_must_use;

/* The log's newest checkpoint from the disk, verified: MM_E_STATE. */
enum mm_error mm_cosigner_load(const struct mm_cosigner *cosigner,
    struct mm_cosigner_log *log) mm_must_use;
/* The file itself; empty where nothing was cosigned. */
enum mm_error mm_cosigner_note(
    const struct mm_cosigner_log *log, struct mm_buffer *out) mm_must_use;

/*
 * Keeps a checkpoint that contradicts the newest one, and the request that it
 * came with, never overwriting: evidence/HEX.request and HEX.cosigned, HEX
 * being the SHA-256 of the checkpoint's text. `certain`: signed proof of a
 * fork; else the proof may be somebody's mistake, and there is a limit.
 */
enum mm_error mm_cosigner_keep(const struct mm_cosigner_log *log,
    struct mm_span request, struct mm_span text, bool certain,
    char hex[2 * MM_HASH_SIZE + 1]) mm_must_use;

#endif
