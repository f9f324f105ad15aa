/*
 * From a signature back to the keys that can have made it. With r the x of
 * R = kG and s = (e + rd)/k, the key is Q = (sR - eG)/r; R is one of the
 * points over r, and over r + n where that is below p.
 */
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include "ca/ecdsa.h"

struct recovery {
	EC_GROUP *group;
	BN_CTX *context;
	ECDSA_SIG *signature;
	BIGNUM *prime, *x;
	BIGNUM *g, *k; /* Q = g G + k R */
	EC_POINT *r, *key;
};

static void
recovery_clear(struct recovery *work)
{
	EC_POINT_free(work->r);
	EC_POINT_free(work->key);
	BN_free(work->prime);
	BN_free(work->x);
	BN_free(work->g);
	BN_free(work->k);
	ECDSA_SIG_free(work->signature);
	BN_CTX_free(work->context);
	EC_GROUP_free(work->group);
	ERR_clear_error();
}

static bool
recovery_init(struct recovery *work)
{
	work->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	work->context = BN_CTX_new();
	work->prime = BN_new();
	work->x = BN_new();
	work->g = BN_new();
	work->k = BN_new();
	if (work->group == NULL || work->context == NULL ||
	    work->prime == NULL || work->x == NULL || work->g == NULL ||
	    work->k == NULL)
		return false;
	work->r = EC_POINT_new(work->group);
	work->key = EC_POINT_new(work->group);
	return work->r != NULL && work->key != NULL &&
	       EC_GROUP_get_curve(
		   work->group, work->prime, NULL, NULL, work->context) == 1;
}

/* r and s in 1 to n - 1, and the factors -e/r and s/r. */
static bool
find_factors(struct recovery *work, const uint8_t digest[32])
{
	const BIGNUM *n = EC_GROUP_get0_order(work->group);
	const BIGNUM *r = ECDSA_SIG_get0_r(work->signature);
	const BIGNUM *s = ECDSA_SIG_get0_s(work->signature);

	if (BN_is_zero(r) || BN_is_negative(r) || BN_cmp(r, n) >= 0 ||
	    BN_is_zero(s) || BN_is_negative(s) || BN_cmp(s, n) >= 0)
		return false;
	return BN_mod_inverse(work->k, r, n, work->context) != NULL &&
	       BN_bin2bn(digest, 32, work->g) != NULL &&
	       BN_mod_mul(work->g, work->g, work->k, n, work->context) == 1 &&
	       BN_sub(work->g, n, work->g) == 1 &&
	       BN_mod_mul(work->k, work->k, s, n, work->context) == 1;
}

/* The key of the point over work->x with this parity, if it is one. */
static void
try_point(struct recovery *work, int parity, struct mm_recovered *out)
{
	if (EC_POINT_set_compressed_coordinates(
		work->group, work->r, work->x, parity, work->context) == 1 &&
	    EC_POINT_mul(work->group, work->key, work->g, work->r, work->k,
		work->context) == 1 &&
	    EC_POINT_point2oct(work->group, work->key,
		POINT_CONVERSION_UNCOMPRESSED, out->points[out->count],
		MM_P256_POINT, work->context) == MM_P256_POINT)
		out->count++;
}

static bool
recover(
    struct recovery *work, const uint8_t digest[32], struct mm_recovered *out)
{
	if (!recovery_init(work) || !find_factors(work, digest) ||
	    BN_copy(work->x, ECDSA_SIG_get0_r(work->signature)) == NULL)
		return false;
	while (BN_cmp(work->x, work->prime) < 0) {
		try_point(work, 0, out);
		try_point(work, 1, out);
		if (BN_add(work->x, work->x,
			EC_GROUP_get0_order(work->group)) != 1)
			return false;
	}
	return true;
}

enum mm_error
mm_ecdsa_recover(const uint8_t digest[32], struct mm_span signature,
    struct mm_recovered *out)
{
	const unsigned char *at = signature.data;
	struct recovery work = {.group = NULL};
	bool done;

	out->count = 0;
	if (signature.size > 0 && signature.size <= 256)
		work.signature = d2i_ECDSA_SIG(NULL, &at, (long)signature.size);
	done = work.signature != NULL && recover(&work, digest, out);
	recovery_clear(&work);
	return done ? MM_OK
		    : mm_fail(MM_E_TOKEN_SIGNATURE,
			  "this is no ECDSA signature over P-256");
}
