#include <openssl/obj_mac.h>

#include "ca/der.h"
#include "factory/unit_key_parts.h"

#define BYTES(text) \
	{ \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}

static const struct mm_span ec_oid = BYTES("\x2a\x86\x48\xce\x3d\x02\x01");
static const struct mm_span rsa_oid =
    BYTES("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");

#define ECDSA(last) BYTES("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03" last)
#define RSA_SHA256 BYTES("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00")
static const struct mm_span no_curve = {NULL, 0};

#define RSA(name, bits) \
	{ \
		name, bits, 0, 0, MM_KEY_RSA, {NULL, 0}, RSA_SHA256, \
		    EVP_sha256 \
	}

static const struct device_kind kinds[MM_DEVICE_KEY_KINDS] = {
    [MM_DEVICE_P256] = {"P-256", 0, 32, NID_X9_62_prime256v1, MM_KEY_P256,
	BYTES("\x2a\x86\x48\xce\x3d\x03\x01\x07"), ECDSA("\x02"), EVP_sha256},
    [MM_DEVICE_P384] = {"P-384", 0, 48, NID_secp384r1, MM_KEY_P384,
	BYTES("\x2b\x81\x04\x00\x22"), ECDSA("\x03"), EVP_sha384},
    [MM_DEVICE_RSA_2048] = RSA("RSA-2048", 2048),
    [MM_DEVICE_RSA_3072] = RSA("RSA-3072", 3072),
    [MM_DEVICE_RSA_4096] = RSA("RSA-4096", 4096),
};

const struct device_kind *
mm_device_kind(enum mm_device_key_kind kind)
{
	return (size_t)kind < MM_COUNT(kinds) ? &kinds[kind] : NULL;
}

const char *
mm_device_key_name(enum mm_device_key_kind kind)
{
	return (size_t)kind < MM_COUNT(kinds) ? kinds[kind].name : NULL;
}

bool
mm_device_key_named(struct mm_span name, enum mm_device_key_kind *out)
{
	for (size_t i = 0; i < MM_COUNT(kinds); i++)
		if (mm_span_is(name, kinds[i].name)) {
			*out = (enum mm_device_key_kind)i;
			return true;
		}
	return false;
}

/* --- written --- */

static void
put_number(struct mm_buffer *out, struct mm_span magnitude)
{
	size_t opened = mm_der_open(out, MM_DER_INTEGER);

	/* X.690 8.3.3: the first bit is the sign. */
	if (magnitude.size == 0 || magnitude.data[0] >= 0x80)
		mm_buffer_add(out, "", 1);
	mm_buffer_add(out, magnitude.data, magnitude.size);
	mm_der_close(out, opened);
}

static void
put_algorithm(const struct device_kind *kind, struct mm_buffer *out)
{
	bool rsa = kind->bits != 0;
	struct mm_span oid = rsa ? rsa_oid : ec_oid;
	size_t opened = mm_der_open(out, MM_DER_SEQUENCE);

	mm_der_put(out, MM_DER_OID, oid.data, oid.size);
	if (rsa)
		mm_der_put(out, MM_DER_NULL, NULL, 0);
	else
		mm_der_put(out, MM_DER_OID, kind->curve.data, kind->curve.size);
	mm_der_close(out, opened);
}

/* A BIT STRING of whole bytes. */
static size_t
open_bits(struct mm_buffer *out)
{
	size_t opened = mm_der_open(out, MM_DER_BITS);

	mm_buffer_add(out, "", 1);
	return opened;
}

static void
put_ec(const struct device_key *key, struct mm_buffer *out)
{
	struct mm_span scalar = key->numbers[KEY_SCALAR];
	size_t opened, bits;

	mm_der_put(out, MM_DER_INTEGER, "\x01", 1);
	mm_der_put(out, MM_DER_OCTETS, scalar.data, scalar.size);
	opened = mm_der_open(out, MM_DER_CONTEXT_CONSTRUCTED | 1);
	bits = open_bits(out);
	mm_buffer_add(out, key->point.data, key->point.size);
	mm_der_close(out, bits);
	mm_der_close(out, opened);
}

static void
put_rsa(const struct device_key *key, struct mm_buffer *out)
{
	mm_der_put(out, MM_DER_INTEGER, "", 1);
	for (size_t i = 0; i < KEY_NUMBERS; i++)
		put_number(out, key->numbers[i]);
}

void
mm_device_key_put(const struct device_key *key, struct mm_buffer *out)
{
	size_t all = mm_der_open(out, MM_DER_SEQUENCE), octets, inner;

	mm_der_put(out, MM_DER_INTEGER, "", 1);
	put_algorithm(key->kind, out);
	octets = mm_der_open(out, MM_DER_OCTETS);
	inner = mm_der_open(out, MM_DER_SEQUENCE);
	if (key->kind->bits != 0)
		put_rsa(key, out);
	else
		put_ec(key, out);
	mm_der_close(out, inner);
	mm_der_close(out, octets);
	mm_der_close(out, all);
}

void
mm_device_key_put_spki(const struct device_key *key, struct mm_buffer *out)
{
	size_t all = mm_der_open(out, MM_DER_SEQUENCE), bits;

	put_algorithm(key->kind, out);
	bits = open_bits(out);
	if (key->kind->bits != 0) {
		size_t inner = mm_der_open(out, MM_DER_SEQUENCE);

		put_number(out, key->numbers[KEY_N]);
		put_number(out, key->numbers[KEY_E]);
		mm_der_close(out, inner);
	} else {
		mm_buffer_add(out, key->point.data, key->point.size);
	}
	mm_der_close(out, bits);
	mm_der_close(out, all);
}

void
mm_device_key_put_info(const struct device_key *key, struct mm_buffer *out)
{
	size_t all = mm_der_open(out, MM_DER_SEQUENCE);

	mm_der_put(out, MM_DER_INTEGER, "", 1);
	mm_der_put(out, MM_DER_SEQUENCE, NULL, 0);
	mm_device_key_put_spki(key, out);
	mm_der_put(out, MM_DER_CONTEXT_CONSTRUCTED, NULL, 0);
	mm_der_close(out, all);
}

void
mm_device_key_put_request(const struct device_kind *kind, struct mm_span info,
    struct mm_span signature, struct mm_buffer *out)
{
	size_t all = mm_der_open(out, MM_DER_SEQUENCE), bits;

	mm_buffer_add(out, info.data, info.size);
	mm_der_put(
	    out, MM_DER_SEQUENCE, kind->algorithm.data, kind->algorithm.size);
	bits = open_bits(out);
	mm_buffer_add(out, signature.data, signature.size);
	mm_der_close(out, bits);
	mm_der_close(out, all);
}

/* --- read --- */

static enum mm_error
no_key(void)
{
	return mm_fail(MM_E_FORMAT,
	    "this is no device key as it is made here: PKCS#8, P-256, P-384 "
	    "or RSA of 2048, 3072 or 4096 bits, with its public key");
}

static bool
is_number(struct mm_span magnitude, uint8_t number)
{
	return magnitude.size == 1 && magnitude.data[0] == number;
}

/* By its curve, or by the bytes of its modulus; NULL. */
static const struct device_kind *
find_kind(struct mm_span curve, size_t modulus)
{
	for (size_t i = 0; i < MM_COUNT(kinds); i++) {
		const struct device_kind *kind = &kinds[i];

		if (kind->bits == 0 ? mm_span_equal(kind->curve, curve)
				    : kind->bits == 8 * modulus)
			return kind;
	}
	return NULL;
}

static bool
read_ec(struct mm_der in, struct mm_span curve, struct device_key *out)
{
	bool version = is_number(mm_der_unsigned(&in), 1);
	struct mm_der public;

	out->numbers[KEY_SCALAR] = mm_der_take(&in, MM_DER_OCTETS);
	public = mm_der_enter(&in, MM_DER_CONTEXT_CONSTRUCTED | 1);
	out->point = mm_der_bits(&public);
	out->kind = find_kind(curve, 0);
	return version && mm_der_end(&public) && mm_der_end(&in) &&
	       out->kind != NULL &&
	       out->numbers[KEY_SCALAR].size == out->kind->scalar &&
	       out->point.size == 2 * out->kind->scalar + 1;
}

static bool
read_rsa(struct mm_der in, struct device_key *out)
{
	bool version = is_number(mm_der_unsigned(&in), 0);

	for (size_t i = 0; i < KEY_NUMBERS; i++)
		out->numbers[i] = mm_der_unsigned(&in);
	out->kind = find_kind(no_curve, out->numbers[KEY_N].size);
	return version && mm_der_end(&in) && out->kind != NULL &&
	       out->numbers[KEY_N].data[0] >= 0x80;
}

enum mm_error
mm_device_key_read(struct mm_span der, struct device_key *out)
{
	struct mm_der file = mm_der(der), body, algorithm, inner;
	struct device_key key = {.kind = NULL};
	struct mm_span oid, curve = no_curve;
	bool rsa, good;

	body = mm_der_enter(&file, MM_DER_SEQUENCE);
	good = is_number(mm_der_unsigned(&body), 0);
	algorithm = mm_der_enter(&body, MM_DER_SEQUENCE);
	oid = mm_der_take(&algorithm, MM_DER_OID);
	rsa = mm_span_equal(oid, rsa_oid);
	if (rsa)
		(void)mm_der_take(&algorithm, MM_DER_NULL);
	else
		curve = mm_der_take(&algorithm, MM_DER_OID);
	inner = mm_der(mm_der_take(&body, MM_DER_OCTETS));
	good = good && mm_der_end(&algorithm) && mm_der_end(&body) &&
	       mm_der_end(&file) && (rsa || mm_span_equal(oid, ec_oid));
	if (!good)
		return no_key();
	body = mm_der_enter(&inner, MM_DER_SEQUENCE);
	good = mm_der_end(&inner) &&
	       (rsa ? read_rsa(body, &key) : read_ec(body, curve, &key));
	if (!good)
		return no_key();
	*out = key;
	return MM_OK;
}
