/*
 * The numbers of the CRLs that were signed: they only go up (RFC 5280 5.2.3),
 * whatever is asked for, as long as the process lives.
 */
#ifndef MM_CRL_NUMBERS_H
#define MM_CRL_NUMBERS_H

#include "log/entry.h"

struct mm_crl_number {
	uint8_t key[32]; /* SHA-256 of the issuer's SPKI */
	uint64_t number;
	uint8_t digest[32]; /* of the CRL with it */
};
struct mm_crl_numbers {
	struct mm_crl_number *items;
	size_t count, capacity;
};

/*
 * A CRL is about to be signed: higher than the key's last one, or that one
 * again. MM_E_TOKEN_REFUSED for others.
 */
enum mm_error mm_crl_numbers_pass(struct mm_crl_numbers *numbers,
    const struct mm_genesis_key *key, uint64_t number,
    const uint8_t digest[32]) mm_must_use;
void mm_crl_numbers_clear(struct mm_crl_numbers *numbers);

#endif
