/*
 * RSA moduli that can be factored: small factors, close primes (Fermat),
 * the primes of Infineon's library (ROCA, CVE-2017-15361), no factors at all.
 */
#ifndef MM_WEAK_H
#define MM_WEAK_H

#include "protocol/bytes.h"

/* What is wrong with a modulus, big-endian; NULL: nothing that we know. */
const char *mm_rsa_weakness(struct mm_span modulus);

#endif
