/*
 * DER (X.690), read strictly and written: low tag numbers, definite lengths
 * in their shortest form, primitive strings, every byte consumed.
 *
 * The reader is a cursor with a sticky fault: take all elements, ask once.
 * Whoever enters an element asks its own cursor, too.
 */
#ifndef MM_DER_H
#define MM_DER_H

#include "protocol/bytes.h"

enum mm_der_tag {
	MM_DER_BOOLEAN = 0x01,
	MM_DER_INTEGER = 0x02,
	MM_DER_BITS = 0x03,
	MM_DER_OCTETS = 0x04,
	MM_DER_NULL = 0x05,
	MM_DER_OID = 0x06,
	MM_DER_UTF8 = 0x0c,
	MM_DER_PRINTABLE = 0x13,
	MM_DER_IA5 = 0x16,
	MM_DER_UTC_TIME = 0x17,
	MM_DER_TIME = 0x18,
	MM_DER_SEQUENCE = 0x30,
	MM_DER_SET = 0x31,
	MM_DER_CONTEXT = 0x80, /* | number */
	MM_DER_CONTEXT_CONSTRUCTED = 0xa0
};

enum {
	MM_DER_DEPTH = 16,
	MM_OID_TEXT_SIZE = 65 /* of a dotted OID and its NUL */
};

struct mm_der {
	const uint8_t *at, *end;
	bool bad;
};

/* A cursor over `bytes`, which it does not own. */
struct mm_der mm_der(struct mm_span bytes);
/* Whether anything is left; false after a fault. */
bool mm_der_more(const struct mm_der *reader);
/* The next element's tag, 0 at the end or after a fault. */
unsigned mm_der_peek(const struct mm_der *reader);

/* After a fault, or where another tag stands, each returns empty. */
struct mm_span mm_der_take(struct mm_der *reader, unsigned tag);
/* Header and contents together. */
struct mm_span mm_der_whole(struct mm_der *reader, unsigned tag);
/* Whatever comes, with its tag. */
struct mm_span mm_der_any(struct mm_der *reader, unsigned *tag);
/* A cursor over the contents; faulty where the element is not there. */
struct mm_der mm_der_enter(struct mm_der *reader, unsigned tag);
/* A non-negative INTEGER's magnitude, without the sign's zero byte. */
struct mm_span mm_der_unsigned(struct mm_der *reader);
/* A BIT STRING of whole bytes. */
struct mm_span mm_der_bits(struct mm_der *reader);
/* DEFAULT FALSE: absent, or TRUE as DER writes it. */
bool mm_der_flag(struct mm_der *reader);
/* RFC 5280 4.1.2.5: UTCTime through 2049, then GeneralizedTime, whole
 * seconds, Z; POSIX seconds, from 1970 on. */
uint64_t mm_der_time(struct mm_der *reader);
/* The verdict: every byte consumed, no fault on the way. */
bool mm_der_end(const struct mm_der *reader);

/* Whether these are elements well-formed to the ground. */
bool mm_der_sound(struct mm_span elements);

/* The writer appends to a buffer, whose sticky error tells of failure. */
void mm_der_put(
    struct mm_buffer *out, unsigned tag, const void *contents, size_t size);
/* Opens an element; what is appended until `close` is in it. */
size_t mm_der_open(struct mm_buffer *out, unsigned tag);
void mm_der_close(struct mm_buffer *out, size_t opened);
void mm_der_put_time(struct mm_buffer *out, uint64_t seconds);
/* GeneralizedTime in every year, as an invalidityDate is (5.3.2). */
void mm_der_put_generalized(struct mm_buffer *out, uint64_t seconds);

/* The last second that a certificate can name: 99991231235959Z. */
#define MM_DER_TIME_MAX UINT64_C(253402300799)

/* Appends the whole OBJECT IDENTIFIER of a dotted text; MM_E_POLICY. */
enum mm_error
mm_der_put_oid(struct mm_buffer *out, struct mm_span text) mm_must_use;
/* The dotted text of an OID's contents; false where it is malformed or does
 * not fit. */
bool mm_der_oid_text(struct mm_span oid, char out[MM_OID_TEXT_SIZE]);

#endif
