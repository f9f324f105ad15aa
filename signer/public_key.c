#include "signer/public_key.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "signer/hashing.h"

enum { SPKI_MAX = 512, GROUP_MAX = 32, SALT = 32 };

/* A SubjectPublicKeyInfo up to the point, RFC 5480 2.1.1.1 and 2.2. */
struct curve {
	enum mm_algorithm algorithm;
	const char *name, *group; /* `group` as libcrypto calls it */
	size_t coordinate, digest;
	const char *spki;
	size_t spki_size;
};

#define BYTES(text) text, sizeof(text) - 1
static const struct curve curves[] = {
    {MM_ALGORITHM_P256, "P-256", "prime256v1", 32, 32,
	BYTES("\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08"
	      "\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04")},
    {MM_ALGORITHM_P384, "P-384", "secp384r1", 48, 48,
	BYTES("\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05"
	      "\x2b\x81\x04\x00\x22\x03\x62\x00\x04")},
    {MM_ALGORITHM_P192, "P-192", "prime192v1", 24, 32,
	BYTES("\x30\x49\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08"
	      "\x2a\x86\x48\xce\x3d\x03\x01\x01\x03\x32\x00\x04")}};

static const struct curve *
curve_of(enum mm_algorithm algorithm)
{
	for (size_t i = 0; i < MM_COUNT(curves); i++)
		if (curves[i].algorithm == algorithm)
			return &curves[i];
	return NULL;
}

const char *
mm_algorithm_name(enum mm_algorithm algorithm)
{
	const struct curve *curve = curve_of(algorithm);

	if (algorithm == MM_ALGORITHM_RSA3072)
		return "RSA-3072";
	return curve != NULL ? curve->name : NULL;
}

size_t
mm_algorithm_coordinate(enum mm_algorithm algorithm)
{
	const struct curve *curve = curve_of(algorithm);

	return curve != NULL ? curve->coordinate : 0;
}

/* ---- as SubjectPublicKeyInfo */

/* RFC 8017 A.1.1 in RFC 3279 2.3.1: the lengths follow from e's alone. */
static void
add_rsa_spki(const struct mm_public_key *key, struct mm_buffer *out)
{
	static const char algorithm[] =
	    "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
	const size_t oid = sizeof(algorithm) - 1;
	uint8_t e[5];
	size_t skip = 0, number, inner, bits;

	for (size_t i = 0; i < sizeof(e); i++)
		e[i] = (uint8_t)((uint64_t)key->e >> (8 * (4 - i)));
	while (skip < 4 && e[skip] == 0 && e[skip + 1] < 0x80)
		skip++;
	number = sizeof(e) - skip;
	inner = 4 + 1 + MM_RSA_BYTES + 2 + number;
	bits = 1 + 4 + inner;
#define LENGTH(size) (uint8_t)((size) >> 8), (uint8_t)(size)
	{
		const size_t all = oid + 4 + bits;
		const uint8_t outer[] = {0x30, 0x82, LENGTH(all)};
		const uint8_t head[] = {0x03, 0x82, LENGTH(bits), 0, 0x30, 0x82,
		    LENGTH(inner), 0x02, 0x82, LENGTH(1 + MM_RSA_BYTES), 0};
		const uint8_t exponent[] = {0x02, (uint8_t)number};

		mm_buffer_add(out, outer, sizeof(outer));
		mm_buffer_add(out, algorithm, oid);
		mm_buffer_add(out, head, sizeof(head));
		mm_buffer_add(out, key->n, MM_RSA_BYTES);
		mm_buffer_add(out, exponent, sizeof(exponent));
		mm_buffer_add(out, e + skip, number);
	}
#undef LENGTH
}

enum mm_error
mm_public_key_spki(const struct mm_public_key *key, struct mm_buffer *out)
{
	const struct curve *curve = curve_of(key->algorithm);

	if (curve == NULL && key->algorithm != MM_ALGORITHM_RSA3072)
		return mm_fail(MM_E_KEY_TYPE, "there is no such kind of key");
	if (curve == NULL) {
		add_rsa_spki(key, out);
		return out->error;
	}
	mm_buffer_add(out, curve->spki, curve->spki_size);
	mm_buffer_add(out, key->x, curve->coordinate);
	mm_buffer_add(out, key->y, curve->coordinate);
	return out->error;
}

/* libcrypto opens its configuration when it is first used, unless it was told
 * before: a process in a sandbox may open nothing, and nobody's settings say
 * what verifies. */
static bool
begin(void)
{
	ERR_set_mark();
	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1;
}

/* libcrypto's form of it, which also finds points that are not on their
 * curve. Its queue of errors is left as it was. */
static EVP_PKEY *
make(const struct mm_public_key *key)
{
	mm_auto(buffer) spki = {0};
	const uint8_t *at;
	EVP_PKEY *made;

	mm_buffer_init(&spki, SPKI_MAX);
	if (mm_public_key_spki(key, &spki) != MM_OK)
		return NULL;
	at = spki.data;
	made = begin() ? d2i_PUBKEY(NULL, &at, (long)spki.size) : NULL;
	ERR_pop_to_mark();
	return made;
}

static enum mm_error
finish(struct mm_public_key *key, struct mm_public_key *out)
{
	mm_auto(buffer) spki = {0};
	EVP_PKEY *made = make(key);
	enum mm_error error;

	EVP_PKEY_free(made);
	if (made == NULL)
		return mm_fail(MM_E_KEY_TYPE, "this is no %s key",
		    mm_algorithm_name(key->algorithm));
	mm_buffer_init(&spki, SPKI_MAX);
	error = mm_public_key_spki(key, &spki);
	if (error == MM_OK)
		error = mm_hash(mm_buffer_span(&spki), key->spki_sha256);
	if (error == MM_OK)
		*out = *key;
	return error;
}

enum mm_error
mm_public_key_point(enum mm_algorithm algorithm, const uint8_t *x,
    const uint8_t *y, struct mm_public_key *out)
{
	struct mm_public_key key = {.algorithm = algorithm};
	const struct curve *curve = curve_of(algorithm);

	if (curve == NULL)
		return mm_fail(MM_E_KEY_TYPE, "there is no such curve");
	memcpy(key.x, x, curve->coordinate);
	memcpy(key.y, y, curve->coordinate);
	return finish(&key, out);
}

enum mm_error
mm_public_key_modulus(
    const uint8_t n[MM_RSA_BYTES], uint32_t e, struct mm_public_key *out)
{
	struct mm_public_key key = {.algorithm = MM_ALGORITHM_RSA3072, .e = e};

	if (n[0] < 0x80 || n[MM_RSA_BYTES - 1] % 2 == 0)
		return mm_fail(MM_E_KEY_TYPE, "the modulus is no RSA-3072 one");
	if (e < 3 || e % 2 == 0)
		return mm_fail(
		    MM_E_KEY_TYPE, "%u is no public exponent", (unsigned)e);
	memcpy(key.n, n, MM_RSA_BYTES);
	return finish(&key, out);
}

bool
mm_public_key_equal(
    const struct mm_public_key *a, const struct mm_public_key *b)
{
	return a->algorithm == b->algorithm &&
	       memcmp(a->spki_sha256, b->spki_sha256, 32) == 0;
}

/* ---- from files */

static bool
number(const EVP_PKEY *from, const char *name, uint8_t *out, size_t size)
{
	BIGNUM *value = NULL;
	bool fits = EVP_PKEY_get_bn_param(from, name, &value) == 1 &&
		    BN_bn2binpad(value, out, (int)size) == (int)size;

	BN_free(value);
	return fits;
}

static enum mm_error
take_curve(const EVP_PKEY *from, struct mm_public_key *out)
{
	uint8_t x[MM_POINT_MAX], y[MM_POINT_MAX];
	const struct curve *curve = NULL;
	char group[GROUP_MAX];
	size_t size;

	if (EVP_PKEY_get_group_name(from, group, sizeof(group), &size) != 1)
		return mm_fail(MM_E_KEY_TYPE, "the key is of no named curve");
	for (size_t i = 0; i < MM_COUNT(curves) && curve == NULL; i++)
		if (strcmp(group, curves[i].group) == 0)
			curve = &curves[i];
	if (curve == NULL)
		return mm_fail(MM_E_KEY_TYPE,
		    "the key is on %s; images are signed on P-256", group);
	if (!number(from, OSSL_PKEY_PARAM_EC_PUB_X, x, curve->coordinate) ||
	    !number(from, OSSL_PKEY_PARAM_EC_PUB_Y, y, curve->coordinate))
		return mm_fail(MM_E_KEY_TYPE, "the key is not on its curve");
	return mm_public_key_point(curve->algorithm, x, y, out);
}

static enum mm_error
take_rsa(const EVP_PKEY *from, struct mm_public_key *out)
{
	uint8_t n[MM_RSA_BYTES], e[4];
	int bits = EVP_PKEY_get_bits(from);

	if (bits != 8 * MM_RSA_BYTES ||
	    !number(from, OSSL_PKEY_PARAM_RSA_N, n, sizeof(n)))
		return mm_fail(MM_E_KEY_TYPE,
		    "the key is RSA-%d; images are signed with RSA-3072", bits);
	if (!number(from, OSSL_PKEY_PARAM_RSA_E, e, sizeof(e)))
		return mm_fail(MM_E_KEY_TYPE,
		    "the key's public exponent has more than 32 bits");
	return mm_public_key_modulus(n,
	    (uint32_t)e[0] << 24 | (uint32_t)e[1] << 16 | (uint32_t)e[2] << 8 |
		e[3],
	    out);
}

static enum mm_error
take(const EVP_PKEY *from, struct mm_public_key *out)
{
	switch (EVP_PKEY_get_base_id(from)) {
	case EVP_PKEY_EC:
		return take_curve(from, out);
	case EVP_PKEY_RSA:
		return take_rsa(from, out);
	default:
		return mm_fail(MM_E_KEY_TYPE,
		    "images are signed with ECDSA P-256 and RSA-3072; this is "
		    "a key of neither kind");
	}
}

/* NULL where it is neither, or where something stands behind it. */
static EVP_PKEY *
read_der(struct mm_span der)
{
	const uint8_t *at = der.data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.size);
	X509 *certificate;

	if (key == NULL) {
		at = der.data;
		certificate = d2i_X509(NULL, &at, (long)der.size);
		key = X509_get_pubkey(certificate);
		X509_free(certificate);
	}
	if (key != NULL && at == der.data + der.size)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

/* The first block; only of the right kind, so that a private key is not taken
 * for its public half. */
static EVP_PKEY *
read_pem(struct mm_span pem)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	char *label = NULL, *header = NULL;
	uint8_t *der = NULL;
	EVP_PKEY *key = NULL;
	long size;

	if (bio != NULL &&
	    PEM_read_bio(bio, &label, &header, &der, &size) == 1 &&
	    (strcmp(label, PEM_STRING_PUBLIC) == 0 ||
		strcmp(label, PEM_STRING_X509) == 0))
		key = read_der(mm_span(der, (size_t)size));
	OPENSSL_free(label);
	OPENSSL_free(header);
	OPENSSL_clear_free(der, der != NULL ? (size_t)size : 0);
	BIO_free(bio);
	return key;
}

enum mm_error
mm_public_key_read(struct mm_span file, struct mm_public_key *out)
{
	EVP_PKEY *key = NULL;
	enum mm_error error;

	if (begin() && file.size > 0 && file.size <= INT32_MAX)
		key = file.data[0] == 0x30 ? read_der(file) : read_pem(file);
	ERR_pop_to_mark();
	if (key == NULL)
		return mm_fail(MM_E_FORMAT,
		    "this is neither a public key nor a certificate, in PEM or "
		    "DER");
	error = take(key, out);
	EVP_PKEY_free(key);
	return error;
}

/* ---- what they have signed */

static bool
verify(EVP_PKEY *key, bool pss, struct mm_span digest, struct mm_span signature)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
	bool right = context != NULL && EVP_PKEY_verify_init(context) == 1;

	if (right && pss)
		right =
		    EVP_PKEY_CTX_set_rsa_padding(
			context, RSA_PKCS1_PSS_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
		    EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(context, SALT) == 1;
	right = right && EVP_PKEY_verify(context, signature.data,
			     signature.size, digest.data, digest.size) == 1;
	EVP_PKEY_CTX_free(context);
	return right;
}

static enum mm_error
check_form(const struct mm_public_key *key, const struct curve *curve,
    struct mm_span digest, struct mm_span signature)
{
	uint8_t raw[2 * MM_POINT_MAX];

	if (digest.size != (curve != NULL ? curve->digest : 32))
		return mm_fail(MM_E_IMAGE_SIGNATURE,
		    "a digest of %zu bytes is not signed with %s", digest.size,
		    mm_algorithm_name(key->algorithm));
	if (curve != NULL)
		return mm_ecdsa_raw(signature, curve->coordinate, raw);
	if (signature.size != MM_RSA_BYTES)
		return mm_fail(MM_E_IMAGE_SIGNATURE,
		    "the signature has %zu bytes, one of RSA-3072 has %d",
		    signature.size, MM_RSA_BYTES);
	return MM_OK;
}

enum mm_error
mm_public_key_verify(const struct mm_public_key *key, struct mm_span digest,
    struct mm_span signature)
{
	const struct curve *curve = curve_of(key->algorithm);
	enum mm_error error = check_form(key, curve, digest, signature);
	EVP_PKEY *made;
	bool right;

	if (error != MM_OK)
		return error;
	made = make(key);
	right = begin() && made != NULL &&
		verify(made, curve == NULL, digest, signature);
	ERR_pop_to_mark();
	EVP_PKEY_free(made);
	if (right)
		return MM_OK;
	return mm_fail(MM_E_IMAGE_SIGNATURE,
	    "the signature is not this %s key's over this data",
	    mm_algorithm_name(key->algorithm));
}
