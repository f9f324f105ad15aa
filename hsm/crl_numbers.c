#include "hsm/crl_numbers.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static enum mm_error
find(struct mm_crl_numbers *numbers, const uint8_t key[32],
    struct mm_crl_number **out)
{
	size_t wider = numbers->capacity > 0 ? 2 * numbers->capacity : 8;
	struct mm_crl_number *more;

	for (size_t i = 0; i < numbers->count; i++)
		if (memcmp(numbers->items[i].key, key, 32) == 0) {
			*out = &numbers->items[i];
			return MM_OK;
		}
	if (numbers->count == numbers->capacity) {
		more = reallocarray(numbers->items, wider, sizeof(*more));
		if (more == NULL)
			return mm_fail(
			    MM_E_MEMORY, "no memory for a CRL's number");
		numbers->items = more;
		numbers->capacity = wider;
	}
	*out = &numbers->items[numbers->count++];
	**out = (struct mm_crl_number){.number = 0};
	memcpy((*out)->key, key, 32);
	return MM_OK;
}

enum mm_error
mm_crl_numbers_pass(struct mm_crl_numbers *numbers,
    const struct mm_genesis_key *key, uint64_t number, const uint8_t digest[32])
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct mm_crl_number *last = NULL;
	enum mm_error error;

	crypto_hash_sha256(hash, key->spki.data, key->spki.size);
	error = find(numbers, hash, &last);
	if (error != MM_OK)
		return error;
	if (number < last->number ||
	    (number == last->number && memcmp(digest, last->digest, 32) != 0))
		return mm_fail(MM_E_TOKEN_REFUSED,
		    "CRL %ju of \"%.*s\" was signed; its number does not go "
		    "down or come twice",
		    (uintmax_t)last->number, MM_SPAN(key->name));
	last->number = number;
	memcpy(last->digest, digest, 32);
	return MM_OK;
}

void
mm_crl_numbers_clear(struct mm_crl_numbers *numbers)
{
	free(numbers->items);
	*numbers = (struct mm_crl_numbers){.items = NULL};
}
