/*
 * SHA-256 over a file and over prefixes of it, in one pass: an image has its
 * own hash in it, its signature covers a padded prefix, and the log names the
 * whole. GnuTLS uses the CPU's SHA instructions where it has them. A checksum
 * by XOR goes with it, block by block: a pass of its own would fetch all of
 * the file from memory a second time.
 */
#ifndef MM_HASHING_H
#define MM_HASHING_H

#include "protocol/bytes.h"

struct mm_prefix_hash {
	uint64_t size; /* of the prefix, at most the file's */
	uint64_t fill; /* bytes 0xFF hashed behind it */
	bool summed;   /* `sum` is asked for, too */
	uint8_t out[32];
	uint8_t sum; /* if `summed`: XOR of its bytes, without head and fill */
};

/* `head` goes before everything (may be empty); prefixes ascending by size.
 * MM_E_INSPECTOR where GnuTLS fails. */
enum mm_error mm_hash_prefixes(struct mm_span head, struct mm_span file,
    struct mm_prefix_hash *prefixes, size_t count) mm_must_use;
enum mm_error mm_hash(struct mm_span bytes, uint8_t out[32]) mm_must_use;
/* XOR of all bytes; 0 where there are none. */
uint8_t mm_xor(struct mm_span bytes);
/* SHA-384, for signatures of P-384. */
enum mm_error mm_hash_384(struct mm_span bytes, uint8_t out[48]) mm_must_use;

#endif
