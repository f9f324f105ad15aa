/*
 * Serial numbers: 20 bytes, positive, 158 random bits (RFC 5280 4.1.2.2 wants
 * at most 20 bytes; the field wants at least 64 random bits).
 */
#ifndef MM_SERIAL_H
#define MM_SERIAL_H

#include "protocol/bytes.h"

enum { MM_SERIAL_SIZE = 20 };

void mm_serial_make(uint8_t out[MM_SERIAL_SIZE]);

/* The serial of a TBSCertificate of ours, without parsing the rest. */
enum mm_error
mm_serial_of_tbs(struct mm_span tbs, uint8_t out[MM_SERIAL_SIZE]) mm_must_use;

#endif
