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

enum mm_error
mm_ecdsa_begin(void)
{
	/* RFC 6979 A.2.5: P-256, SHA-256 of "sample". */
	static const uint8_t digest[] = {0xaf, 0x2b, 0xdb, 0xe1, 0xaa, 0x9b,
	    0x6e, 0xc1, 0xe2, 0xad, 0xe1, 0xd6, 0x94, 0xf4, 0x1f, 0xc7, 0x1a,
	    0x83, 0x1d, 0x02, 0x68, 0xe9, 0x89, 0x15, 0x62, 0x11, 0x3d, 0x8a,
	    0x62, 0xad, 0xd1, 0xbf};
	static const uint8_t point[] = {0x04, 0x60, 0xfe, 0xd4, 0xba, 0x25,
	    0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68,
	    0xc0, 0x49, 0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62,
	    0x2e, 0x60, 0xf2, 0x9f, 0xb6, 0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8,
	    0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc, 0x64, 0xf2,
	    0xf1, 0xb2, 0x0c, 0x2d, 0x7e, 0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94,
	    0xd4, 0x46, 0x22, 0x99};
	static const uint8_t signature[] = {0x30, 0x46, 0x02, 0x21, 0x00, 0xef,
	    0xd4, 0x8b, 0x2a, 0xac, 0xb6, 0xa8, 0xfd, 0x11, 0x40, 0xdd, 0x9c,
	    0xd4, 0x5e, 0x81, 0xd6, 0x9d, 0x2c, 0x87, 0x7b, 0x56, 0xaa, 0xf9,
	    0x91, 0xc3, 0x4d, 0x0e, 0xa8, 0x4e, 0xaf, 0x37, 0x16, 0x02, 0x21,
	    0x00, 0xf7, 0xcb, 0x1c, 0x94, 0x2d, 0x65, 0x7c, 0x41, 0xd4, 0x36,
	    0xc7, 0xa1, 0xb6, 0xe2, 0x9f, 0x65, 0xf3, 0xe9, 0x00, 0xdb, 0xb9,
	    0xaf, 0xf4, 0x06, 0x4d, 0xc4, 0xab, 0x2f, 0x84, 0x3a, 0xcd, 0xa8};

	if (mm_ecdsa_verify(MM_KEY_P256, mm_span(point, sizeof(point)),
		mm_span(digest, sizeof(digest)),
		mm_span(signature, sizeof(signature))))
		return MM_OK;
	return mm_fail(MM_E_MEMORY,
	    "libcrypto does not verify a known signature, as it does where "
	    "it had no memory to begin with: the process must start anew");
}
