#include "ca/key.h"

#include <gnutls/crypto.h>
#include <sodium.h>
#include <string.h>

#include "ca/der.h"
#include "ca/ecdsa.h"
#include "ca/weak.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096, RSA_EXPONENT = 65537 };

/* What stands in a SubjectPublicKeyInfo (RFC 5280 4.1.2.7). */
struct parts {
	struct mm_span oid;
	struct mm_der parameters;
	struct mm_span bits;
};

static enum mm_error
unreadable(const char *what)
{
	return mm_fail(MM_E_CSR, "the public key is malformed: %s", what);
}

/* RFC 5480 2.1.1: a named curve, never explicit parameters. */
static const struct {
	uint64_t type;
	unsigned bits;
	struct mm_span oid;
} curves[] = {
    {MM_KEY_P256, 256,
	{(const uint8_t *)"\x2a\x86\x48\xce\x3d\x03\x01\x07", 8}},
    {MM_KEY_P384, 384, {(const uint8_t *)"\x2b\x81\x04\x00\x22", 5}},
};

static enum mm_error
read_curve(struct parts *parts, struct mm_key *out)
{
	struct mm_span oid;

	if (mm_der_peek(&parts->parameters) == MM_DER_SEQUENCE)
		return mm_fail(MM_E_KEY_TYPE,
		    "the key gives its curve by explicit parameters");
	oid = mm_der_take(&parts->parameters, MM_DER_OID);
	if (!mm_der_end(&parts->parameters))
		return unreadable("no named curve");
	for (size_t i = 0; i < MM_COUNT(curves); i++) {
		if (!mm_span_equal(oid, curves[i].oid))
			continue;
		out->type = curves[i].type;
		out->bits = curves[i].bits;
		return MM_OK;
	}
	return mm_fail(
	    MM_E_KEY_TYPE, "the key's curve is neither P-256 nor P-384");
}

static enum mm_error
read_ec(struct parts *parts, struct mm_key *out)
{
	enum mm_error error = read_curve(parts, out);
	uint8_t form = parts->bits.size > 0 ? parts->bits.data[0] : 0xff;

	if (error != MM_OK)
		return error;
	if (form == 0 && parts->bits.size == 1)
		return mm_fail(
		    MM_E_KEY_WEAK, "the key is the point at infinity");
	if (form == 2 || form == 3)
		return mm_fail(MM_E_KEY_TYPE,
		    "the key's point is compressed; send it uncompressed");
	if (form != 4 || parts->bits.size != mm_ecdsa_point_size(out->type))
		return unreadable("not a point");
	if (!mm_ecdsa_point_ok(out->type, parts->bits))
		return mm_fail(
		    MM_E_KEY_WEAK, "the key's point is not on its curve");
	return MM_OK;
}

static unsigned
bit_length(struct mm_span number)
{
	unsigned bits = (unsigned)number.size * 8;

	for (uint8_t top = 0x80; top > number.data[0]; top >>= 1)
		bits--;
	return bits;
}

/*
 * One exponent alone: with several, one modulus (and so one private key)
 * would pass for as many different keys.
 */
static enum mm_error
check_exponent(struct mm_span exponent)
{
	uint64_t value = 0;

	for (size_t i = 0; i < exponent.size && i < sizeof(value); i++)
		value = value << 8 | exponent.data[i];
	if (exponent.size > sizeof(value) || value != RSA_EXPONENT)
		return mm_fail(MM_E_KEY_WEAK,
		    "the RSA key's exponent must be %d", RSA_EXPONENT);
	return MM_OK;
}

static enum mm_error
check_modulus(struct mm_span modulus)
{
	unsigned bits = bit_length(modulus);
	const char *weakness;

	if (bits > RSA_BITS_MAX)
		return mm_fail(MM_E_KEY_TYPE,
		    "the RSA key has %u bits; %d are the most", bits,
		    RSA_BITS_MAX);
	if (bits < RSA_BITS_MIN)
		return mm_fail(MM_E_KEY_WEAK,
		    "the RSA key has %u bits; %d are the least", bits,
		    RSA_BITS_MIN);
	weakness = mm_rsa_weakness(modulus);
	if (weakness != NULL)
		return mm_fail(MM_E_KEY_WEAK, "the RSA key has a %s", weakness);
	return MM_OK;
}

/* RFC 8017 A.1.1; RFC 3279 2.3.1: the parameters are NULL. */
static enum mm_error
read_rsa(struct parts *parts, struct mm_key *out)
{
	struct mm_der outer = mm_der(parts->bits);
	struct mm_der numbers = mm_der_enter(&outer, MM_DER_SEQUENCE);
	struct mm_span modulus = mm_der_unsigned(&numbers);
	struct mm_span exponent = mm_der_unsigned(&numbers);
	struct mm_span null = mm_der_take(&parts->parameters, MM_DER_NULL);
	enum mm_error error;

	if (null.size != 0 || !mm_der_end(&parts->parameters))
		return unreadable("RSA parameters are not NULL");
	if (!mm_der_end(&numbers) || !mm_der_end(&outer))
		return unreadable("not an RSA key");
	out->type = MM_KEY_RSA;
	out->bits = bit_length(modulus);
	error = check_exponent(exponent);
	return error != MM_OK ? error : check_modulus(modulus);
}

/* RFC 8410 section 4: no parameters, the key's bytes as they are. */
static enum mm_error
read_ed25519(struct parts *parts, struct mm_key *out)
{
	if (!mm_der_end(&parts->parameters) ||
	    parts->bits.size != crypto_core_ed25519_BYTES)
		return unreadable("not an Ed25519 key");
	if (crypto_core_ed25519_is_valid_point(parts->bits.data) != 1)
		return mm_fail(MM_E_KEY_WEAK,
		    "the Ed25519 key is no point of the large subgroup");
	out->type = MM_KEY_ED25519;
	out->bits = 256;
	return MM_OK;
}

static const struct {
	struct mm_span oid;
	enum mm_error (*read)(struct parts *parts, struct mm_key *out);
} algorithms[] = {
    {{(const uint8_t *)"\x2a\x86\x48\xce\x3d\x02\x01", 7}, read_ec},
    {{(const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9}, read_rsa},
    {{(const uint8_t *)"\x2b\x65\x70", 3}, read_ed25519},
};

static enum mm_error
take_apart(struct mm_span spki, struct parts *out)
{
	struct mm_der outer = mm_der(spki);
	struct mm_der info = mm_der_enter(&outer, MM_DER_SEQUENCE);

	out->parameters = mm_der_enter(&info, MM_DER_SEQUENCE);
	out->oid = mm_der_take(&out->parameters, MM_DER_OID);
	out->bits = mm_der_bits(&info);
	if (!mm_der_end(&outer) || !mm_der_end(&info) || out->parameters.bad ||
	    !mm_der_sound(spki))
		return unreadable("not a DER SubjectPublicKeyInfo");
	return MM_OK;
}

static enum mm_error
judge(struct parts *parts, struct mm_key *out)
{
	for (size_t i = 0; i < MM_COUNT(algorithms); i++)
		if (mm_span_equal(parts->oid, algorithms[i].oid))
			return algorithms[i].read(parts, out);
	return mm_fail(MM_E_KEY_TYPE,
	    "the key's algorithm is none of EC, RSA and Ed25519");
}

enum mm_error
mm_key_read(struct mm_span spki, struct mm_key *out)
{
	struct mm_key key = {0};
	struct parts parts;
	uint8_t hash[32];
	enum mm_error error;

	error = take_apart(spki, &parts);
	if (error == MM_OK)
		error = judge(&parts, &key);
	if (error != MM_OK)
		return error;
	if (spki.size > MM_SPKI_MAX)
		return mm_fail(MM_E_KEY_TYPE,
		    "the public key has %zu bytes; %d are the most", spki.size,
		    MM_SPKI_MAX);
	if (gnutls_hash_fast(
		GNUTLS_DIG_SHA256, spki.data, spki.size, key.sha256) < 0 ||
	    gnutls_hash_fast(
		GNUTLS_DIG_SHA256, parts.bits.data, parts.bits.size, hash) < 0)
		return mm_fail(MM_E_BUG, "SHA-256 failed");
	memcpy(key.ski, hash, sizeof(key.ski));
	*out = key;
	return MM_OK;
}

const char *
mm_key_type_name(uint64_t type)
{
	static const char *const names[] = {[MM_KEY_P256] = "P-256",
	    [MM_KEY_P384] = "P-384",
	    [MM_KEY_RSA] = "RSA",
	    [MM_KEY_ED25519] = "Ed25519"};

	if (type >= MM_COUNT(names) || names[type] == NULL)
		return "unknown";
	return names[type];
}

/* The one DER SubjectPublicKeyInfo of a P-256 point, up to the point. */
static const uint8_t p256_head[26] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

enum mm_error
mm_key_verify_p256(
    struct mm_span spki, const uint8_t digest[32], struct mm_span signature)
{
	const size_t head = sizeof(p256_head);
	struct mm_span point;

	if (spki.size < head || memcmp(spki.data, p256_head, head) != 0)
		return mm_fail(MM_E_KEY_TYPE, "the key is not of P-256");
	point = mm_span(spki.data + head, spki.size - head);
	if (!mm_ecdsa_verify(
		MM_KEY_P256, point, mm_span(digest, 32), signature))
		return mm_fail(MM_E_TOKEN_SIGNATURE,
		    "the ECDSA signature does not verify");
	return MM_OK;
}

enum mm_error
mm_key_recover_p256(const uint8_t spki_sha256[32], const uint8_t digest[32],
    struct mm_span signature)
{
	const size_t head = sizeof(p256_head);
	uint8_t spki[sizeof(p256_head) + MM_P256_POINT], hash[32];
	struct mm_recovered keys;
	enum mm_error error = mm_ecdsa_recover(digest, signature, &keys);

	memcpy(spki, p256_head, head);
	for (size_t i = 0; error == MM_OK && i < keys.count; i++) {
		memcpy(spki + head, keys.points[i], MM_P256_POINT);
		gnutls_hash_fast(GNUTLS_DIG_SHA256, spki, sizeof(spki), hash);
		if (memcmp(hash, spki_sha256, sizeof(hash)) == 0)
			return mm_key_verify_p256(
			    mm_span(spki, sizeof(spki)), digest, signature);
	}
	return mm_fail(MM_E_TOKEN_SIGNATURE,
	    "the ECDSA signature is not of the key that is named");
}
