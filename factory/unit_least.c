/*
 * How small a unit's certificates and keys can be. They are not there before
 * the certificate is issued, and a partition that has no room for even these
 * has to be told before that.
 */
#include "factory/unit_images_parts.h"
#include "factory/unit_key_parts.h"

enum {
	SPKI_CURVE = 26, /* RFC 5480 2: around a curve's point */
	SPKI_RSA = 34,
	/* RFC 5280 4.1: with names of one letter, 20 bytes of serial, no
	 * extension but the issuer's key's, a signature of P-256. */
	CERTIFICATE = 200,
	PKCS8 = 22, /* RFC 5958 2: around RFC 8017 A.1.2 or RFC 5915 3 */
	CURVE = 18, /* RFC 5915 3: around scalar and point */
	/* "-----BEGIN CERTIFICATE-----" and its end; keys' have one more. */
	FRAME = 54
};

/* A key that the device makes may be of any kind. */
static const struct device_kind *
kind_of(int key)
{
	return mm_device_kind(
	    key < 0 ? MM_DEVICE_P256 : (enum mm_device_key_kind)key);
}

size_t
mm_least_certificate(int key)
{
	const struct device_kind *kind = kind_of(key);

	return CERTIFICATE + (kind->bits > 0 ? SPKI_RSA + kind->bits / 8
					     : SPKI_CURVE + 2 * kind->scalar);
}

size_t
mm_least_issuer(void)
{
	return mm_least_certificate(MM_DEVICE_P256);
}

/* RFC 8017 A.1.2: modulus and exponent, and five numbers of half its length. */
size_t
mm_least_key(int key, bool pkcs8)
{
	const struct device_kind *kind = kind_of(key);
	size_t size =
	    kind->bits > 0 ? kind->bits / 8 * 9 / 2 : CURVE + 3 * kind->scalar;

	return pkcs8 ? size + PKCS8 : size;
}

size_t
mm_least_pem(size_t der)
{
	return FRAME + (der + 2) / 3 * 4;
}
