/*
 * Strict deterministic CBOR (RFC 8949 section 4.2.1): shortest heads, definite
 * lengths, map keys strictly ascending, UTF-8 checked, all bytes consumed,
 * depth limited. Unsigned integers, byte and text strings, arrays, maps,
 * booleans and the one tag of COSE_Sign1 exist; nothing else does.
 *
 * The reader is a cursor with a sticky error: read all fields, ask once.
 */
#ifndef MM_CBOR_H
#define MM_CBOR_H

#include "protocol/bytes.h"

enum {
	MM_CBOR_DEPTH = 16,
	MM_CBOR_TAG_SIGN1 = 18 /* RFC 9052 section 4.2 */
};

struct mm_cbor {
	const uint8_t *at, *end;
	enum mm_error error;
};

/* A cursor over `bytes`, which it does not own. */
struct mm_cbor mm_cbor(struct mm_span bytes);

/* After a fault, or where another type stands, each returns 0 or empty. */
uint64_t mm_cbor_uint(struct mm_cbor *reader);
/* A signed integer of 32 bits at most (COSE labels and algorithms). */
int64_t mm_cbor_int(struct mm_cbor *reader);
bool mm_cbor_bool(struct mm_cbor *reader);
struct mm_span mm_cbor_bytes(struct mm_cbor *reader);
/* UTF-8 without control characters (MM_E_TEXT otherwise). */
struct mm_span mm_cbor_text(struct mm_cbor *reader);
/* The number of elements; never more than the bytes left could hold. */
size_t mm_cbor_array(struct mm_cbor *reader);
/* The number of pairs. The caller checks that keys ascend. */
size_t mm_cbor_map(struct mm_cbor *reader);
uint64_t mm_cbor_tag(struct mm_cbor *reader);
/* One whole item of any type, checked to the ground, as its bytes. */
struct mm_span mm_cbor_item(struct mm_cbor *reader);
/* The verdict: every byte consumed, no fault on the way. */
enum mm_error mm_cbor_end(const struct mm_cbor *reader) mm_must_use;

/* The writer appends to a buffer, whose sticky error tells of failure. */
void mm_cbor_put_uint(struct mm_buffer *out, uint64_t value);
void mm_cbor_put_int(struct mm_buffer *out, int64_t value);
void mm_cbor_put_bool(struct mm_buffer *out, bool value);
void mm_cbor_put_bytes(struct mm_buffer *out, struct mm_span bytes);
void mm_cbor_put_text(struct mm_buffer *out, struct mm_span text);
void mm_cbor_put_array(struct mm_buffer *out, size_t count);
void mm_cbor_put_map(struct mm_buffer *out, size_t pairs);
void mm_cbor_put_tag(struct mm_buffer *out, uint64_t tag);

/* Printable UTF-8: no overlong forms, surrogates or control characters. */
bool mm_text_ok(struct mm_span text);

#endif
