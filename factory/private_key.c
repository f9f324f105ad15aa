#include "factory/private_key.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <sodium.h>
#include <string.h>

#include "ca/der.h"
#include "factory/rsa_numbers.h"

enum { SCALAR_MAX = 66, POINT_MAX = 1 + 2 * SCALAR_MAX, EC_DER_MAX = 512 };

static const uint8_t ec_oid[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t rsa_oid[] = {
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};

static const struct curve {
	const char *name;
	int nid;
	uint16_t bits, scalar; /* bytes of a private key */
	struct mm_span oid;
} curves[] = {
#define OID(text) \
	{ \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
    {"P-192", NID_X9_62_prime192v1, 192, 24,
	OID("\x2a\x86\x48\xce\x3d\x03\x01\x01")},
    {"P-224", NID_secp224r1, 224, 28, OID("\x2b\x81\x04\x00\x21")},
    {"P-256", NID_X9_62_prime256v1, 256, 32,
	OID("\x2a\x86\x48\xce\x3d\x03\x01\x07")},
    {"P-384", NID_secp384r1, 384, 48, OID("\x2b\x81\x04\x00\x22")},
    {"P-521", NID_secp521r1, 521, 66, OID("\x2b\x81\x04\x00\x23")},
    {"secp256k1", NID_secp256k1, 256, 32, OID("\x2b\x81\x04\x00\x0a")},
#undef OID
};

static enum mm_error
unsound(const char *what)
{
	return mm_fail(MM_E_FORMAT, "the private key is not sound: %s", what);
}

static bool
is_oid(struct mm_span oid, const uint8_t *wanted, size_t size)
{
	return mm_span_equal(oid, mm_span(wanted, size));
}

static bool
is_number(struct mm_span magnitude, uint8_t number)
{
	return magnitude.size == 1 && magnitude.data[0] == number;
}

void
mm_private_key_clear(struct mm_private_key *key)
{
	mm_flash_secret_clear(&key->der);
	*key = (struct mm_private_key){.name = NULL};
}

/* --- curves --- */

struct ec {
	const struct curve *curve;
	struct mm_span scalar, point; /* point: empty where it is not there */
};

static enum mm_error
find_curve(struct mm_span oid, const struct curve **out)
{
	for (size_t i = 0; i < MM_COUNT(curves); i++)
		if (mm_span_equal(oid, curves[i].oid)) {
			*out = &curves[i];
			return MM_OK;
		}
	return mm_fail(MM_E_KEY_TYPE,
	    "the private key's curve is none that is known here, or it is "
	    "given by parameters: make a P-256 key");
}

/* k * G, uncompressed. BIGNUMs of a secret are erased when they are freed. */
static bool
multiply(const struct ec *ec, uint8_t out[POINT_MAX], size_t *size)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(ec->curve->nid);
	EC_POINT *point = group != NULL ? EC_POINT_new(group) : NULL;
	BIGNUM *k = BN_secure_new();
	bool good = point != NULL && k != NULL &&
		    BN_bin2bn(ec->scalar.data, (int)ec->scalar.size, k) != NULL;

	if (good) {
		BN_set_flags(k, BN_FLG_CONSTTIME);
		good = !BN_is_zero(k) &&
		       BN_cmp(k, EC_GROUP_get0_order(group)) < 0 &&
		       EC_POINT_mul(group, point, k, NULL, NULL, NULL) == 1;
	}
	*size = !good
		    ? 0
		    : EC_POINT_point2oct(group, point,
			  POINT_CONVERSION_UNCOMPRESSED, out, POINT_MAX, NULL);
	BN_clear_free(k);
	EC_POINT_clear_free(point);
	EC_GROUP_free(group);
	return *size > 0;
}

bool
mm_point_is(struct mm_span told, struct mm_span point)
{
	size_t x = point.size / 2;

	if (told.size != 1 + x)
		return mm_span_equal(told, point);
	return told.data[0] == (2 | (point.data[point.size - 1] & 1)) &&
	       memcmp(told.data + 1, point.data + 1, x) == 0;
}

static void
put_point(struct mm_buffer *der, struct mm_span point)
{
	size_t opened = mm_der_open(der, MM_DER_CONTEXT_CONSTRUCTED | 1);
	size_t bits = mm_der_open(der, MM_DER_BITS);

	mm_buffer_add(der, "", 1); /* no bits are unused */
	mm_buffer_add(der, point.data, point.size);
	mm_der_close(der, bits);
	mm_der_close(der, opened);
}

/* RFC 5915 3, with the parameters and the public key that are optional. */
static enum mm_error
write_ec(const struct ec *ec, struct mm_private_key *out)
{
	uint8_t point[POINT_MAX];
	size_t point_size, all, opened;
	struct mm_buffer der;
	enum mm_error error;

	if (!multiply(ec, point, &point_size))
		return unsound("its number is not one of its curve");
	if (ec->point.size > 0 &&
	    !mm_point_is(ec->point, mm_span(point, point_size)))
		return unsound("its public half belongs to another");
	error = mm_flash_secret_new(EC_DER_MAX, &out->der);
	if (error != MM_OK)
		return error;
	der = mm_flash_secret_buffer(&out->der);
	all = mm_der_open(&der, MM_DER_SEQUENCE);
	mm_der_put(&der, MM_DER_INTEGER, "\x01", 1);
	mm_der_put(&der, MM_DER_OCTETS, ec->scalar.data, ec->scalar.size);
	opened = mm_der_open(&der, MM_DER_CONTEXT_CONSTRUCTED);
	mm_der_put(&der, MM_DER_OID, ec->curve->oid.data, ec->curve->oid.size);
	mm_der_close(&der, opened);
	put_point(&der, mm_span(point, point_size));
	mm_der_close(&der, all);
	out->der.size = der.size;
	out->point = mm_span(der.data + der.size - point_size, point_size);
	out->curve = ec->curve->oid;
	out->name = ec->curve->name;
	out->bits = ec->curve->bits;
	return der.error;
}

/* RFC 5915 3; `oid` is the curve's where PKCS#8 gave it, or empty. */
static enum mm_error
read_ec(struct mm_der in, struct mm_span oid, struct mm_private_key *out)
{
	struct ec ec = {.curve = NULL};
	struct mm_span version;
	struct mm_der body;
	enum mm_error error;

	version = mm_der_unsigned(&in);
	ec.scalar = mm_der_take(&in, MM_DER_OCTETS);
	if (mm_der_peek(&in) == MM_DER_CONTEXT_CONSTRUCTED) {
		body = mm_der_enter(&in, MM_DER_CONTEXT_CONSTRUCTED);
		oid = mm_der_take(&body, MM_DER_OID);
	}
	if (mm_der_peek(&in) == (MM_DER_CONTEXT_CONSTRUCTED | 1)) {
		body = mm_der_enter(&in, MM_DER_CONTEXT_CONSTRUCTED | 1);
		ec.point = mm_der_bits(&body);
		if (ec.point.size == 0 || !mm_der_end(&body))
			in.bad = true;
	}
	if (!mm_der_end(&in) || !is_number(version, 1))
		return unsound("it is no SEC 1 key");
	error = find_curve(oid, &ec.curve);
	if (error != MM_OK)
		return error;
	if (ec.scalar.size != ec.curve->scalar)
		return unsound("its number has not its curve's length");
	return write_ec(&ec, out);
}

/* --- RSA --- */

static unsigned
bits_of(struct mm_span number)
{
	unsigned bits = (unsigned)number.size * 8;

	for (unsigned top = number.data[0]; top < 0x80 && bits > 0; top <<= 1)
		bits--;
	return bits;
}

/* `der` lies in out->der. RFC 8017 A.1.2. */
static enum mm_error
read_rsa(struct mm_private_key *out)
{
	struct mm_der file = mm_der(mm_span(out->der.data, out->der.size));
	struct mm_der in = mm_der_enter(&file, MM_DER_SEQUENCE);
	struct mm_span parts[MM_RSA_PARTS];
	struct mm_span version = mm_der_unsigned(&in);

	for (size_t i = 0; i < MM_RSA_PARTS; i++)
		parts[i] = mm_der_unsigned(&in);
	if (!mm_der_end(&in) || !mm_der_end(&file) || !is_number(version, 0))
		return unsound("it is no PKCS#1 key of two primes");
	out->rsa = true;
	out->name = "RSA";
	out->bits = bits_of(parts[MM_RSA_N]);
	out->n = parts[MM_RSA_N];
	out->e = parts[MM_RSA_E];
	out->d = parts[MM_RSA_D];
	if (out->bits < 1024 || out->bits > 4096)
		return mm_fail(MM_E_KEY_TYPE,
		    "the RSA key has %u bits: 1024 to 4096 are held here",
		    out->bits);
	for (size_t i = 0; i < MM_RSA_PARTS; i++)
		if (parts[i].size > parts[MM_RSA_N].size)
			return unsound("a number is longer than its modulus");
	return mm_rsa_numbers_agree(parts)
		   ? MM_OK
		   : unsound("its numbers do not belong together");
}

static enum mm_error
copy_rsa(struct mm_span der, struct mm_private_key *out)
{
	enum mm_error error = der.size > 0
				  ? mm_flash_secret_new(der.size, &out->der)
				  : unsound("it is empty");

	if (error != MM_OK)
		return error;
	memcpy(out->der.data, der.data, der.size);
	return read_rsa(out);
}

/* --- the three forms --- */

/* RFC 5958 2. */
static enum mm_error
read_pkcs8(struct mm_der in, struct mm_private_key *out)
{
	struct mm_der algorithm, inner;
	struct mm_span version, oid, curve = mm_span(NULL, 0), octets;

	version = mm_der_unsigned(&in);
	algorithm = mm_der_enter(&in, MM_DER_SEQUENCE);
	oid = mm_der_take(&algorithm, MM_DER_OID);
	if (mm_der_peek(&algorithm) == MM_DER_OID)
		curve = mm_der_take(&algorithm, MM_DER_OID);
	octets = mm_der_take(&in, MM_DER_OCTETS);
	if (in.bad || (!is_number(version, 0) && !is_number(version, 1)))
		return unsound("it is no PKCS#8 key");
	if (is_oid(oid, rsa_oid, sizeof(rsa_oid)))
		return copy_rsa(octets, out);
	if (!is_oid(oid, ec_oid, sizeof(ec_oid)))
		return mm_fail(MM_E_KEY_TYPE,
		    "the private key is neither RSA nor of a curve for ECDSA: "
		    "make a P-256 key");
	inner = mm_der(octets);
	in = mm_der_enter(&inner, MM_DER_SEQUENCE);
	if (!mm_der_end(&inner))
		return unsound("it is no PKCS#8 key");
	return read_ec(in, curve, out);
}

/* What follows the version tells the form: an algorithm, an OCTET STRING, a
 * modulus. `body` gets the key's fields. */
static enum mm_error
form_of(struct mm_span der, struct mm_der *body, unsigned *tag)
{
	struct mm_der file = mm_der(der), ahead;

	*body = mm_der_enter(&file, MM_DER_SEQUENCE);
	ahead = *body;
	(void)mm_der_unsigned(&ahead);
	*tag = mm_der_peek(&ahead);
	if (!mm_der_end(&file) || !mm_der_sound(der))
		return mm_fail(MM_E_FORMAT,
		    "this is no private key in DER or PEM, or more follows it");
	if (*tag != MM_DER_SEQUENCE && *tag != MM_DER_OCTETS &&
	    *tag != MM_DER_INTEGER)
		return mm_fail(MM_E_FORMAT,
		    "this is no private key: it has to be PKCS#8, SEC 1 or "
		    "PKCS#1, not encrypted");
	return MM_OK;
}

static enum mm_error
read_der(struct mm_span der, struct mm_private_key *out)
{
	struct mm_der body;
	unsigned tag;
	enum mm_error error = form_of(der, &body, &tag);

	if (error != MM_OK)
		return error;
	if (tag == MM_DER_SEQUENCE)
		return read_pkcs8(body, out);
	return tag == MM_DER_OCTETS ? read_ec(body, mm_span(NULL, 0), out)
				    : copy_rsa(der, out);
}

enum mm_error
mm_private_key_read(
    const struct mm_flash_secret *file, struct mm_private_key *out)
{
	mm_auto(flash_secret) decoded = {0};
	mm_auto(private_key) key = {.name = NULL};
	struct mm_span der = mm_span(file->data, file->size);
	enum mm_error error = MM_OK;

	if (mm_is_pem(der)) {
		error = mm_flash_private_key(file, &decoded);
		der = mm_span(decoded.data, decoded.size);
	}
	if (error == MM_OK)
		error = read_der(der, &key);
	if (error != MM_OK)
		return error;
	*out = key;
	key = (struct mm_private_key){.name = NULL};
	return MM_OK;
}

/* --- as they are stored --- */

enum { PEM_LINE = 64, LINE_BYTES = PEM_LINE / 4 * 3 };

static void
write_pem(const char *label, struct mm_span der, struct mm_buffer *out)
{
	char line[PEM_LINE + 1];

	/* Not mm_buffer_printf(), which wants a byte more than it writes. */
	mm_buffer_add_text(out, "-----BEGIN ");
	mm_buffer_add_text(out, label);
	mm_buffer_add_text(out, "-----\n");
	for (size_t at = 0; at < der.size; at += LINE_BYTES) {
		size_t size = der.size - at;

		sodium_bin2base64(line, sizeof(line), der.data + at,
		    size < LINE_BYTES ? size : LINE_BYTES,
		    sodium_base64_VARIANT_ORIGINAL);
		mm_buffer_add_text(out, line);
		mm_buffer_add_text(out, "\n");
	}
	mm_buffer_add_text(out, "-----END ");
	mm_buffer_add_text(out, label);
	mm_buffer_add_text(out, "-----\n");
	sodium_memzero(line, sizeof(line));
}

static enum mm_error
hand_over(struct mm_flash_secret *room, const struct mm_buffer *written,
    struct mm_flash_secret *out)
{
	if (written->error != MM_OK)
		return mm_fail(written->error, "the private key is too long");
	*out = mm_flash_secret_take(room, written->size);
	return MM_OK;
}

/* Base64 and its line ends stay below the double. */
static enum mm_error
new_room(size_t der, struct mm_flash_secret *out)
{
	return mm_flash_secret_new(2 * der + 128, out);
}

enum mm_error
mm_private_key_stored(
    const struct mm_private_key *key, bool pem, struct mm_flash_secret *out)
{
	mm_auto(flash_secret) room = {0};
	struct mm_buffer stored;
	enum mm_error error = new_room(key->der.size, &room);

	if (error != MM_OK)
		return error;
	stored = mm_flash_secret_buffer(&room);
	if (pem) {
		write_pem(key->rsa ? "RSA PRIVATE KEY" : "EC PRIVATE KEY",
		    mm_span(key->der.data, key->der.size), &stored);
		mm_buffer_add(&stored, "", 1);
	} else {
		mm_buffer_add(&stored, key->der.data, key->der.size);
	}
	return hand_over(&room, &stored, out);
}

enum mm_error
mm_private_key_pem(
    const struct mm_flash_secret *der, struct mm_flash_secret *out)
{
	mm_auto(flash_secret) room = {0};
	struct mm_span bytes = mm_span(der->data, der->size);
	struct mm_buffer pem;
	struct mm_der body;
	unsigned tag;
	enum mm_error error = form_of(bytes, &body, &tag);

	if (error == MM_OK)
		error = new_room(der->size, &room);
	if (error != MM_OK)
		return error;
	pem = mm_flash_secret_buffer(&room);
	write_pem(tag == MM_DER_SEQUENCE ? "PRIVATE KEY"
		  : tag == MM_DER_OCTETS ? "EC PRIVATE KEY"
					 : "RSA PRIVATE KEY",
	    bytes, &pem);
	return hand_over(&room, &pem, out);
}
