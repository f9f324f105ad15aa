/*
 * The numbers of an RSA private key, and whether they belong together: a key
 * that was pieced together signs what nobody can verify, or gives itself away
 * by that.
 */
#ifndef MM_RSA_NUMBERS_H
#define MM_RSA_NUMBERS_H

#include "protocol/bytes.h"

/* In the order of RFC 8017 A.1.2. */
enum {
	MM_RSA_N,
	MM_RSA_E,
	MM_RSA_D,
	MM_RSA_P,
	MM_RSA_Q,
	MM_RSA_DP,
	MM_RSA_DQ,
	MM_RSA_QINV,
	MM_RSA_PARTS
};

/* RFC 8017 3.2: n = p q, e d = 1 modulo both primes less one, and so on. The
 * parts are big-endian; false where there was no memory, too. */
bool mm_rsa_numbers_agree(const struct mm_span parts[MM_RSA_PARTS]);

#endif
