/*
 * Receipts: C2SP tlog-proof v1 with the whole entry in `extra`. Verifiable
 * offline, for ever, with nothing but the log's verifier key.
 */
#ifndef MM_RECEIPT_H
#define MM_RECEIPT_H

#include "log/note.h"

struct mm_receipt {
	struct mm_span entry; /* decoded `extra`, in the arena */
	uint64_t index;
	struct mm_proof proof;
	struct mm_span note; /* the checkpoint, verbatim */
};

/*
 * Appends the receipt's text; entry at most 49,146 bytes (MM_E_RANGE), so
 * that its line fits into the 64 KiB of other people's readers.
 */
enum mm_error mm_receipt_encode(
    const struct mm_receipt *receipt, struct mm_buffer *out) mm_must_use;
/* Strictly; MM_E_RECEIPT. Verifies nothing. Spans point into text and arena. */
enum mm_error mm_receipt_decode(struct mm_span text, struct mm_arena *arena,
    struct mm_receipt *out) mm_must_use;
/*
 * Verifies checkpoint and inclusion of `entry` (the receipt's own where the
 * caller brings none: data is NULL); MM_E_PROOF, MM_E_RECEIPT where there is
 * no entry at all, and the note's errors.
 */
enum mm_error
mm_receipt_verify(const struct mm_receipt *receipt, const struct mm_vkey *vkey,
    struct mm_span entry, struct mm_checkpoint *out) mm_must_use;

/*
 * Receipts that come together are under one checkpoint, whose signature is
 * verified once: the note that was verified last, by one log's key. Zeros: none
 * was.
 */
struct mm_receipt_memory {
	bool there;
	uint8_t note[MM_HASH_SIZE]; /* SHA-256 of all its bytes */
	struct mm_checkpoint checkpoint;
};
/* The same; `memory` may be NULL. */
enum mm_error mm_receipt_verify_next(const struct mm_receipt *receipt,
    const struct mm_vkey *vkey, struct mm_span entry,
    struct mm_receipt_memory *memory, struct mm_checkpoint *out) mm_must_use;

#endif
