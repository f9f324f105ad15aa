/*
 * OpenSSL's EC_KEY, though deprecated, verifies P-256 in 48 us; EVP_PKEY
 * takes 60 (made from parameters) or 150 (from DER), GnuTLS 113. This is the
 * floor of an issuance, so it counts.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "ca/ecdsa.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

struct curve {
	uint64_t type;
	int nid;
	size_t point;
	EC_GROUP *group; /* made at its first use, kept for good */
};

static struct curve curves[] = {
    {MM_KEY_P256, NID_X9_62_prime256v1, 65, NULL},
    {MM_KEY_P384, NID_secp384r1, 97, NULL},
};

static struct curve *
curve_of(uint64_t type)
{
	for (size_t i = 0; i < MM_COUNT(curves); i++)
		if (curves[i].type == type)
			return &curves[i];
	return NULL;
}

static const EC_GROUP *
group_of(struct curve *curve)
{
	if (curve->group == NULL)
		curve->group = EC_GROUP_new_by_curve_name(curve->nid);
	return curve->group;
}

size_t
mm_ecdsa_point_size(uint64_t type)
{
	const struct curve *curve = curve_of(type);

	return curve != NULL ? curve->point : 0;
}

bool
mm_ecdsa_point_ok(uint64_t type, struct mm_span point)
{
	struct curve *curve = curve_of(type);
	const EC_GROUP *group;
	EC_POINT *place;
	bool ok;

	if (curve == NULL || point.size != curve->point || point.data[0] != 4)
		return false;
	group = group_of(curve);
	place = group != NULL ? EC_POINT_new(group) : NULL;
	ok = place != NULL && EC_POINT_oct2point(group, place, point.data,
				  point.size, NULL) == 1;
	EC_POINT_free(place);
	ERR_clear_error();
	return ok;
}

bool
mm_ecdsa_verify(uint64_t type, struct mm_span point, struct mm_span digest,
    struct mm_span signature)
{
	struct curve *curve = curve_of(type);
	EC_KEY *key;
	bool ok;

	if (curve == NULL || point.size != curve->point || signature.size > 256)
		return false;
	key = EC_KEY_new();
	/* ECDSA_verify refuses what is not strict DER by itself. */
	ok = key != NULL && group_of(curve) != NULL &&
	     EC_KEY_set_group(key, curve->group) == 1 &&
	     EC_KEY_oct2key(key, point.data, point.size, NULL) == 1 &&
	     ECDSA_verify(0, digest.data, (int)digest.size, signature.data,
		 (int)signature.size, key) == 1;
	EC_KEY_free(key);
	ERR_clear_error();
	return ok;
}
