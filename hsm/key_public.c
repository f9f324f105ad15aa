#include "hsm/session.h"

#include <string.h>

#include "hsm/verify.h"

/* id-ecPublicKey's prime256v1, 1.2.840.10045.3.1.7, in DER (RFC 5480). */
static const uint8_t p256[] = {
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
/* An OCTET STRING around the point, as PKCS #11 v2.40 section 2.3.3 wants. */
static const uint8_t point_head[] = {0x04, 0x41};
enum { COORDINATE = 32, POINT_SIZE = 1 + 2 * COORDINATE };

/* The point as it is, or in its OCTET STRING: modules differ. */
static bool
take_point(const uint8_t *bytes, size_t size, struct mm_span *point)
{
	size_t head = sizeof(point_head);

	if (size == head + POINT_SIZE && memcmp(bytes, point_head, head) == 0)
		*point = mm_span(bytes + head, POINT_SIZE);
	else if (size == POINT_SIZE)
		*point = mm_span(bytes, size);
	else
		return false;
	return true;
}

static enum mm_error
read_point(struct mm_pkcs11 *token, const struct mm_pair *pair,
    struct mm_public_key *out)
{
	uint8_t curve[32], bytes[128];
	CK_ATTRIBUTE wanted[] = {{CKA_EC_PARAMS, curve, sizeof(curve)},
	    {CKA_EC_POINT, bytes, sizeof(bytes)}};
	struct mm_span point;
	enum mm_error error = mm_pair_attributes(
	    token, pair->public_key, wanted, MM_COUNT(wanted));

	if (error != MM_OK)
		return error;
	if (wanted[0].ulValueLen != sizeof(p256) ||
	    memcmp(curve, p256, sizeof(p256)) != 0 ||
	    !take_point(bytes, wanted[1].ulValueLen, &point) ||
	    point.data[0] != 0x04)
		return mm_fail(MM_E_KEY_ATTRIBUTES,
		    "the public key \"%s\" is not an ECDSA P-256 key",
		    pair->label);
	/* It must lie on the curve, whatever the token says. */
	return mm_public_key_point(MM_ALGORITHM_P256, point.data + 1,
	    point.data + 1 + COORDINATE, out);
}

/* The three bytes of 65537, with zeros before them or not: modules differ. */
static bool
is_exponent(const uint8_t *bytes, size_t size)
{
	static const uint8_t usual[] = {0x01, 0x00, 0x01};

	while (size > sizeof(usual) && bytes[0] == 0) {
		bytes++;
		size--;
	}
	return size == sizeof(usual) && memcmp(bytes, usual, size) == 0;
}

static enum mm_error
read_modulus(struct mm_pkcs11 *token, const struct mm_pair *pair,
    struct mm_public_key *out)
{
	uint8_t n[MM_RSA_BYTES], own[MM_RSA_BYTES], e[8];
	CK_ATTRIBUTE wanted[] = {
	    {CKA_MODULUS, n, sizeof(n)}, {CKA_PUBLIC_EXPONENT, e, sizeof(e)}};
	CK_ATTRIBUTE private[] = {{CKA_MODULUS, own, sizeof(own)}};
	enum mm_error error = mm_pair_attributes(
	    token, pair->public_key, wanted, MM_COUNT(wanted));

	if (error == MM_OK)
		error = mm_pair_attributes(
		    token, pair->private_key, private, MM_COUNT(private));
	if (error != MM_OK)
		return error;
	if (wanted[0].ulValueLen != sizeof(n) ||
	    wanted[1].ulValueLen > sizeof(e) ||
	    !is_exponent(e, wanted[1].ulValueLen))
		return mm_fail(MM_E_KEY_ATTRIBUTES,
		    "the public key \"%s\" is not an RSA-3072 key with the "
		    "exponent %d",
		    pair->label, MM_RSA_EXPONENT);
	if (private[0].ulValueLen != sizeof(own) ||
	    memcmp(n, own, sizeof(n)) != 0)
		return mm_fail(MM_E_KEY_ATTRIBUTES,
		    "the private and the public key \"%s\" are not one pair: "
		    "remove the one that is not ours",
		    pair->label);
	return mm_public_key_modulus(n, MM_RSA_EXPONENT, out);
}

static enum mm_error
read_public(struct mm_pkcs11 *token, const struct mm_pair *pair,
    struct mm_public_key *out)
{
	return pair->kind->algorithm == MM_ALGORITHM_RSA3072
		   ? read_modulus(token, pair, out)
		   : read_point(token, pair, out);
}

enum mm_error
mm_pkcs11_public(
    struct mm_pkcs11 *token, const char *label, struct mm_buffer *out)
{
	const struct mm_pair *pair;
	mm_auto(buffer) spki = {0};
	struct mm_public_key public;
	struct mm_key key;
	enum mm_error error = mm_pair_find(token, label, &pair);

	mm_buffer_init(&spki, MM_SPKI_MAX);
	if (error == MM_OK)
		error = read_public(token, pair, &public);
	if (error == MM_OK)
		error = mm_public_key_spki(&public, &spki);
	/* Nor is a weak RSA key made into one of the log's. */
	if (error == MM_OK)
		error = mm_key_read(mm_buffer_span(&spki), &key);
	if (error != MM_OK)
		return error;
	mm_buffer_add(out, spki.data, spki.size);
	return out->error;
}
