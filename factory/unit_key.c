/*
 * OpenSSL's EC_KEY and RSA, though deprecated: what replaces them puts RSA's
 * numbers onto the plain heap as it is given them, does not tell where its
 * numbers lie, and takes twice the time.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include "ca/ecdsa.h"
#include "factory/unit_key_parts.h"

enum {
	/* RSA-4096 in the making takes less than a quarter of it. */
	HEAP = 1 << 18,
	HEAP_LEAST = 32,
	STACK = 1 << 17, /* P-256 alone has a table of 50 KiB there */
	SIGNATURE_MAX = 512
};

/* What a key is written from, in libcrypto's secure heap, which costs less
 * than memory of its own. */
struct room {
	uint8_t numbers[KEY_NUMBERS][KEY_NUMBER_SIZE];
	uint8_t point[KEY_POINT_SIZE];
};

struct signature {
	uint8_t bytes[SIGNATURE_MAX];
	unsigned size;
};

static enum mm_error
failed(const char *what)
{
	ERR_clear_error();
	return mm_fail(MM_E_SYSTEM, "libcrypto did not %s", what);
}

static enum mm_error
not_locked(void)
{
	return mm_fail(MM_E_SYSTEM,
	    "libcrypto keeps private keys outside of locked memory: none is "
	    "made or used");
}

static enum mm_error
unsound(void)
{
	return mm_fail(MM_E_FORMAT,
	    "the device's key is not sound: it makes signatures that do not "
	    "verify");
}

/* What is below us on the stack was libcrypto's. */
static __attribute__((noinline)) void
wipe_stack(void)
{
	uint8_t used[STACK];

	sodium_memzero(used, sizeof(used));
}

/* The process has one such heap; its random generators take their part of it
 * for good. */
static enum mm_error
lock_heap(void)
{
	uint8_t byte;
	int state;

	if (CRYPTO_secure_malloc_initialized() == 1)
		return MM_OK;
	/* 2: there is memory, and it is not locked. */
	state = CRYPTO_secure_malloc_init(HEAP, HEAP_LEAST);
	if (state == 1 && RAND_priv_bytes(&byte, 1) == 1)
		return MM_OK;
	ERR_clear_error();
	if (state != 0)
		CRYPTO_secure_malloc_done();
	return mm_fail(MM_E_SYSTEM,
	    "cannot lock %d KiB of memory for private keys: raise the limit "
	    "(ulimit -l, or LimitMEMLOCK= of a unit)",
	    HEAP >> 10);
}

static bool
is_locked(const BIGNUM *number)
{
	return BN_get_flags(number, BN_FLG_SECURE) != 0;
}

/* Kept for good: making one takes as long as signing. */
static const EC_GROUP *
group_of(const struct device_kind *kind)
{
	static EC_GROUP *groups[MM_DEVICE_P384 + 1];
	EC_GROUP **group = &groups[kind->type == MM_KEY_P256 ? MM_DEVICE_P256
							     : MM_DEVICE_P384];

	if (*group == NULL)
		*group = EC_GROUP_new_by_curve_name(kind->nid);
	return *group;
}

/* Of its curve, and empty; NULL. */
static EC_KEY *
new_ec(const struct device_kind *kind)
{
	const EC_GROUP *group = group_of(kind);
	EC_KEY *key = group != NULL ? EC_KEY_new() : NULL;

	if (key != NULL && EC_KEY_set_group(key, group) != 1) {
		EC_KEY_free(key);
		key = NULL;
	}
	return key;
}

/* --- made --- */

static enum mm_error
take_ec(const EC_KEY *made, struct room *room, struct device_key *out)
{
	const BIGNUM *scalar = EC_KEY_get0_private_key(made);
	int size = (int)out->kind->scalar;
	size_t point;

	if (!is_locked(scalar))
		return not_locked();
	point = EC_POINT_point2oct(group_of(out->kind),
	    EC_KEY_get0_public_key(made), POINT_CONVERSION_UNCOMPRESSED,
	    room->point, sizeof(room->point), NULL);
	if (BN_bn2binpad(scalar, room->numbers[KEY_SCALAR], size) != size ||
	    point != 2 * out->kind->scalar + 1)
		return failed("hand over a key");
	out->numbers[KEY_SCALAR] =
	    mm_span(room->numbers[KEY_SCALAR], out->kind->scalar);
	out->point = mm_span(room->point, point);
	return MM_OK;
}

static enum mm_error
make_ec(struct room *room, struct device_key *out)
{
	EC_KEY *made = new_ec(out->kind);
	enum mm_error error = made != NULL && EC_KEY_generate_key(made) == 1
				  ? take_ec(made, room, out)
				  : failed("make a key");

	EC_KEY_free(made);
	return error;
}

static enum mm_error
take_rsa(const RSA *made, struct room *room, struct device_key *out)
{
	const BIGNUM *v[KEY_NUMBERS];

	RSA_get0_key(made, &v[KEY_N], &v[KEY_E], &v[KEY_D]);
	RSA_get0_factors(made, &v[KEY_P], &v[KEY_Q]);
	RSA_get0_crt_params(made, &v[KEY_DP], &v[KEY_DQ], &v[KEY_QINV]);
	for (size_t i = 0; i < KEY_NUMBERS; i++) {
		if (v[i] == NULL || BN_num_bytes(v[i]) > KEY_NUMBER_SIZE)
			return failed("hand over a key");
		if (i >= KEY_D && !is_locked(v[i]))
			return not_locked();
		out->numbers[i] = mm_span(room->numbers[i],
		    (size_t)BN_bn2bin(v[i], room->numbers[i]));
	}
	return MM_OK;
}

static enum mm_error
make_rsa(struct room *room, struct device_key *out)
{
	RSA *made = RSA_new();
	BIGNUM *e = BN_new();
	bool good =
	    made != NULL && e != NULL && BN_set_word(e, RSA_F4) == 1 &&
	    RSA_generate_key_ex(made, (int)out->kind->bits, e, NULL) == 1;
	enum mm_error error =
	    good ? take_rsa(made, room, out) : failed("make a key");

	BN_free(e);
	RSA_free(made);
	return error;
}

static enum mm_error
encode(const struct device_key *key, struct mm_flash_secret *out)
{
	mm_auto(flash_secret) made = {0};
	enum mm_error error = mm_flash_secret_new(MM_DEVICE_KEY_MAX, &made);
	struct mm_buffer der;

	if (error != MM_OK)
		return error;
	der = mm_flash_secret_buffer(&made);
	mm_device_key_put(key, &der);
	if (der.error == MM_OK)
		*out = mm_flash_secret_take(&made, der.size);
	return der.error;
}

enum mm_error
mm_device_key_make(enum mm_device_key_kind kind, struct mm_flash_secret *der)
{
	struct device_key key = {.kind = mm_device_kind(kind)};
	struct room *room;
	enum mm_error error;

	if (key.kind == NULL)
		return mm_fail(MM_E_KEY_TYPE, "there is no such kind of key");
	error = lock_heap();
	if (error != MM_OK)
		return error;
	room = OPENSSL_secure_zalloc(sizeof(*room));
	if (room == NULL)
		return failed("give locked memory");
	error =
	    key.kind->bits != 0 ? make_rsa(room, &key) : make_ec(room, &key);
	if (error == MM_OK)
		error = encode(&key, der);
	OPENSSL_secure_clear_free(room, sizeof(*room));
	wipe_stack();
	return error;
}

/* --- used --- */

static BIGNUM *
locked_number(struct mm_span bytes)
{
	BIGNUM *number = BN_secure_new();

	if (number != NULL &&
	    BN_bin2bn(bytes.data, (int)bytes.size, number) == NULL) {
		BN_clear_free(number);
		number = NULL;
	}
	return number;
}

/* A signature by a key whose parts do not agree, or one that a fault of the
 * machine has hit, may tell the key: none leaves that does not verify. */
static enum mm_error
sign_ec(
    const struct device_key *key, struct mm_span digest, struct signature *out)
{
	EC_KEY *ec = new_ec(key->kind);
	BIGNUM *scalar = locked_number(key->numbers[KEY_SCALAR]);
	enum mm_error error = MM_OK;

	/* It keeps a copy of the number. */
	if (ec == NULL || scalar == NULL ||
	    EC_KEY_set_private_key(ec, scalar) != 1)
		error = failed("take a key");
	else if (!is_locked(EC_KEY_get0_private_key(ec)))
		error = not_locked();
	else if (ECDSA_sign(0, digest.data, (int)digest.size, out->bytes,
		     &out->size, ec) != 1)
		error = failed("sign a request");
	BN_clear_free(scalar);
	EC_KEY_free(ec);
	if (error != MM_OK)
		return error;
	return mm_ecdsa_verify(key->kind->type, key->point, digest,
		   mm_span(out->bytes, out->size))
		   ? MM_OK
		   : unsound();
}

/* The numbers become the key's, each part whole or not at all. */
static bool
load_rsa(const struct device_key *key, RSA *out)
{
	BIGNUM *v[KEY_NUMBERS];
	bool good = true;
	size_t given = 0;

	for (size_t i = 0; i < KEY_NUMBERS; i++) {
		v[i] = locked_number(key->numbers[i]);
		good = good && v[i] != NULL;
	}
	if (good && RSA_set0_key(out, v[KEY_N], v[KEY_E], v[KEY_D]) == 1)
		given = KEY_P;
	if (given == KEY_P && RSA_set0_factors(out, v[KEY_P], v[KEY_Q]) == 1)
		given = KEY_DP;
	if (given == KEY_DP &&
	    RSA_set0_crt_params(out, v[KEY_DP], v[KEY_DQ], v[KEY_QINV]) == 1)
		given = KEY_NUMBERS;
	for (size_t i = given; i < KEY_NUMBERS; i++)
		BN_clear_free(v[i]);
	return given == KEY_NUMBERS;
}

static enum mm_error
sign_rsa(
    const struct device_key *key, struct mm_span digest, struct signature *out)
{
	unsigned size = (unsigned)digest.size;
	RSA *rsa = RSA_new();
	enum mm_error error = MM_OK;

	if (rsa == NULL || !load_rsa(key, rsa))
		error = failed("take a key");
	else if (!is_locked(RSA_get0_d(rsa)))
		error = not_locked();
	else if (RSA_sign(NID_sha256, digest.data, size, out->bytes, &out->size,
		     rsa) != 1 ||
		 RSA_verify(NID_sha256, digest.data, size, out->bytes,
		     out->size, rsa) != 1)
		error = unsound();
	ERR_clear_error();
	RSA_free(rsa);
	return error;
}

static enum mm_error
sign(const struct device_key *key, struct mm_span info, struct signature *out)
{
	uint8_t bytes[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	enum mm_error error;

	if (EVP_Digest(
		info.data, info.size, bytes, &size, key->kind->md(), NULL) != 1)
		return failed("hash a request");
	error = key->kind->bits != 0 ? sign_rsa(key, mm_span(bytes, size), out)
				     : sign_ec(key, mm_span(bytes, size), out);
	wipe_stack();
	return error;
}

static enum mm_error
put_csr(const struct device_key *key, struct mm_buffer *out)
{
	mm_auto(buffer) info = {0};
	struct signature signature;
	enum mm_error error;

	mm_buffer_init(&info, MM_DEVICE_CSR_MAX);
	mm_device_key_put_info(key, &info);
	if (info.error != MM_OK)
		return info.error;
	error = sign(key, mm_buffer_span(&info), &signature);
	if (error != MM_OK)
		return error;
	mm_device_key_put_request(key->kind, mm_buffer_span(&info),
	    mm_span(signature.bytes, signature.size), out);
	return out->error;
}

enum mm_error
mm_device_key_csr(const struct mm_flash_secret *der, struct mm_buffer *csr,
    struct mm_buffer *spki)
{
	struct device_key key;
	enum mm_error error = lock_heap();

	if (error == MM_OK)
		error = mm_device_key_read(mm_span(der->data, der->size), &key);
	if (error == MM_OK && csr != NULL)
		error = put_csr(&key, csr);
	if (error != MM_OK || spki == NULL)
		return error;
	mm_device_key_put_spki(&key, spki);
	return spki->error;
}
