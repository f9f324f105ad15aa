/*
 * What a log leaves to its successor (log/inheritance.h), gathered from a copy
 * of it and from receipts that people kept: devices with their certificates,
 * live or revoked, and signed images. Where it is not known whether something
 * was signed after the copy was made, it counts as signed: no device gets a
 * second certificate, no version a second image.
 */
#ifndef MM_CEREMONY_INHERIT_H
#define MM_CEREMONY_INHERIT_H

#include "cli/source.h"

struct mm_inheritance;

/* Of a copy: all of its entries are read, and held against its checkpoint. */
enum mm_error mm_inheritance_read(
    struct mm_source *source, struct mm_inheritance **out) mm_must_use;
void mm_inheritance_free(struct mm_inheritance *inheritance);

/*
 * A receipt that somebody kept, as text. Its entry is taken in where the copy
 * lacks it, and its checkpoint where it is the newest. MM_E_FORK where it
 * contradicts the copy or another receipt; the errors of a receipt.
 */
enum mm_error mm_inheritance_receipt(struct mm_inheritance *inheritance,
    struct mm_source *source, struct mm_span receipt) mm_must_use;

struct mm_inheritance_counts {
	uint64_t certificates, revoked, images; /* revoked: of certificates */
	uint64_t receipts;                      /* entries that only they had */
};

/* Once all receipts are in: puts it in order, and counts. */
enum mm_error mm_inheritance_close(struct mm_inheritance *inheritance,
    struct mm_inheritance_counts *out) mm_must_use;

/* The newest checkpoint that is known. */
const struct mm_checkpoint *
mm_inheritance_checkpoint(const struct mm_inheritance *inheritance);
/* Whether the old token had a key of this SHA-256 (of its SPKI). */
bool mm_inheritance_key(
    const struct mm_inheritance *inheritance, const uint8_t sha256[32]);

/* Appends the items from `*at` on, as many as `out` may hold, and counts
 * them; `*at` is where the next blob begins. */
enum mm_error mm_inheritance_blob(const struct mm_inheritance *inheritance,
    size_t *at, struct mm_buffer *out, uint64_t *count) mm_must_use;
size_t mm_inheritance_size(const struct mm_inheritance *inheritance);

#endif
