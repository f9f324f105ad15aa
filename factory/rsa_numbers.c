#include "factory/rsa_numbers.h"

#include <openssl/bn.h>

/* BIGNUMs of a secret are erased when they are freed. */
static bool
load(const struct mm_span parts[MM_RSA_PARTS], BIGNUM *numbers[MM_RSA_PARTS])
{
	bool good = true;

	for (size_t i = 0; i < MM_RSA_PARTS; i++) {
		numbers[i] = BN_secure_new();
		good = good && numbers[i] != NULL &&
		       BN_bin2bn(parts[i].data, (int)parts[i].size,
			   numbers[i]) != NULL;
	}
	return good;
}

/* e d = 1 modulo prime - 1, and `reduced` is d modulo that. */
static bool
inverts(const BIGNUM *e, const BIGNUM *d, const BIGNUM *prime,
    const BIGNUM *reduced, BIGNUM *room[2], BN_CTX *context)
{
	return BN_copy(room[0], prime) != NULL &&
	       BN_sub_word(room[0], 1) == 1 && !BN_is_zero(room[0]) &&
	       BN_mod_mul(room[1], e, d, room[0], context) == 1 &&
	       BN_is_one(room[1]) &&
	       BN_nnmod(room[1], d, room[0], context) == 1 &&
	       BN_cmp(room[1], reduced) == 0;
}

static bool
agree(BIGNUM *const v[MM_RSA_PARTS])
{
	BN_CTX *context = BN_CTX_secure_new();
	BIGNUM *room[2] = {BN_secure_new(), BN_secure_new()};
	bool good = context != NULL && room[0] != NULL && room[1] != NULL;

	good = good &&
	       BN_mul(room[0], v[MM_RSA_P], v[MM_RSA_Q], context) == 1 &&
	       BN_cmp(room[0], v[MM_RSA_N]) == 0 &&
	       inverts(v[MM_RSA_E], v[MM_RSA_D], v[MM_RSA_P], v[MM_RSA_DP],
		   room, context) &&
	       inverts(v[MM_RSA_E], v[MM_RSA_D], v[MM_RSA_Q], v[MM_RSA_DQ],
		   room, context) &&
	       BN_mod_mul(room[0], v[MM_RSA_Q], v[MM_RSA_QINV], v[MM_RSA_P],
		   context) == 1 &&
	       BN_is_one(room[0]);
	BN_clear_free(room[0]);
	BN_clear_free(room[1]);
	BN_CTX_free(context);
	return good;
}

bool
mm_rsa_numbers_agree(const struct mm_span parts[MM_RSA_PARTS])
{
	BIGNUM *numbers[MM_RSA_PARTS] = {NULL};
	bool good = load(parts, numbers) && agree(numbers);

	for (size_t i = 0; i < MM_RSA_PARTS; i++)
		BN_clear_free(numbers[i]);
	return good;
}
