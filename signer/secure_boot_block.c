/*
 * A signature block of Secure Boot V2, byte by byte.
 */
#include "signer/secure_boot_v2.h"

#include <openssl/bn.h>
#include <string.h>

#include "signer/crc.h"
#include "signer/hashing.h"
#include "signer/numbers.h"
#include "signer/scheme.h"

enum {
	CRC_AT = 1196,
	KEY_MAX = 776,
	E_AT = 384, /* in the key part of RSA: n, e, R, M' */
	R_AT = 388,
	M_AT = 772,
	X_AT = 1 /* in that of a curve: the curve's number, x, y */
};

struct layout {
	enum mm_algorithm algorithm;
	uint8_t version, hash, curve; /* as the block has them */
	size_t digest, key_at, key_size, signature_at, signature_size;
};
static const struct layout layouts[] = {
    {MM_ALGORITHM_RSA3072, MM_SECURE_BOOT_RSA, 0, 0, 32, 36, KEY_MAX, 812,
	MM_RSA_BYTES},
    {MM_ALGORITHM_P256, MM_SECURE_BOOT_ECDSA, 0, 2, 32, 36, 65, 101, 64},
    {MM_ALGORITHM_P192, MM_SECURE_BOOT_ECDSA, 0, 1, 32, 36, 65, 101, 64},
    {MM_ALGORITHM_P384, MM_SECURE_BOOT_ECDSA, 1, 3, 48, 52, 97, 149, 96}};

static const struct layout *
layout_of(enum mm_algorithm algorithm)
{
	for (size_t i = 0; i < MM_COUNT(layouts); i++)
		if (layouts[i].algorithm == algorithm)
			return &layouts[i];
	return NULL;
}

static void
reverse(const uint8_t *from, size_t size, uint8_t *out)
{
	for (size_t i = 0; i < size; i++)
		out[i] = from[size - 1 - i];
}

/* ---- the key part */

/* R = 2^6144 mod n and M' = -n^-1 mod 2^32, what Montgomery multiplication
 * with operands of 3072 bits and words of 32 starts from. */
static bool
montgomery(const uint8_t n[MM_RSA_BYTES], uint8_t *r, uint8_t *m)
{
	BN_CTX *context = BN_CTX_new();
	BIGNUM *modulus = BN_bin2bn(n, MM_RSA_BYTES, NULL);
	BIGNUM *value = BN_new();
	uint32_t low = (uint32_t)n[380] << 24 | (uint32_t)n[381] << 16 |
		       (uint32_t)n[382] << 8 | n[383];
	uint32_t inverse = 1;
	bool made = context != NULL && modulus != NULL && value != NULL &&
		    BN_set_bit(value, 2 * 8 * MM_RSA_BYTES) == 1 &&
		    BN_mod(value, value, modulus, context) == 1 &&
		    BN_bn2lebinpad(value, r, MM_RSA_BYTES) == MM_RSA_BYTES;

	/* Newton: the number of right bits doubles, from 1 to 32. */
	for (int i = 0; i < 5; i++)
		inverse *= 2 - low * inverse;
	mm_little_put(0 - inverse, 4, m);
	BN_free(value);
	BN_free(modulus);
	BN_CTX_free(context);
	return made;
}

static enum mm_error
put_key(
    const struct mm_public_key *key, const struct layout *layout, uint8_t *out)
{
	size_t coordinate = mm_algorithm_coordinate(key->algorithm);

	memset(out, 0, layout->key_size);
	if (coordinate > 0) {
		out[0] = layout->curve;
		reverse(key->x, coordinate, out + X_AT);
		reverse(key->y, coordinate, out + X_AT + coordinate);
		return MM_OK;
	}
	reverse(key->n, MM_RSA_BYTES, out);
	mm_little_put(key->e, 4, out + E_AT);
	if (!montgomery(key->n, out + R_AT, out + M_AT))
		return mm_fail(MM_E_MEMORY, "the modulus cannot be computed "
					    "with");
	return MM_OK;
}

enum mm_error
mm_secure_boot_v2_key_digest(const struct mm_public_key *key, uint8_t out[32])
{
	const struct layout *layout = layout_of(key->algorithm);
	uint8_t part[KEY_MAX];
	enum mm_error error;

	if (layout == NULL)
		return mm_fail(
		    MM_E_KEY_TYPE, "Secure Boot V2 has no keys of this kind");
	error = put_key(key, layout, part);
	return error == MM_OK ? mm_hash(mm_span(part, layout->key_size), out)
			      : error;
}

/* ---- the whole */

/* From the log's form, big-endian or DER, to that of the block. */
static enum mm_error
put_signature(
    const struct layout *layout, struct mm_span signature, uint8_t *out)
{
	size_t coordinate = mm_algorithm_coordinate(layout->algorithm);
	uint8_t raw[2 * MM_POINT_MAX];
	enum mm_error error;

	if (coordinate == 0 && signature.size != MM_RSA_BYTES)
		return mm_fail(MM_E_IMAGE_SIGNATURE,
		    "the signature has %zu bytes, one of RSA-3072 has %d",
		    signature.size, MM_RSA_BYTES);
	if (coordinate == 0) {
		reverse(signature.data, MM_RSA_BYTES, out);
		return MM_OK;
	}
	error = mm_ecdsa_raw(signature, coordinate, raw);
	if (error != MM_OK)
		return error;
	reverse(raw, coordinate, out);
	reverse(raw + coordinate, coordinate, out + coordinate);
	return MM_OK;
}

enum mm_error
mm_secure_boot_v2_block(const struct mm_public_key *key, struct mm_span digest,
    struct mm_span signature, uint8_t out[MM_SECURE_BOOT_BLOCK])
{
	const struct layout *layout = layout_of(key->algorithm);
	uint8_t block[MM_SECURE_BOOT_BLOCK] = {MM_SECURE_BOOT_MAGIC};
	enum mm_error error;

	if (layout == NULL)
		return mm_fail(
		    MM_E_KEY_TYPE, "Secure Boot V2 has no keys of this kind");
	if (digest.size != layout->digest)
		return mm_fail(MM_E_BUG, "a digest of %zu bytes", digest.size);
	block[1] = layout->version;
	block[2] = layout->hash;
	memcpy(block + 4, digest.data, digest.size);
	error = put_key(key, layout, block + layout->key_at);
	if (error == MM_OK)
		error = put_signature(
		    layout, signature, block + layout->signature_at);
	if (error != MM_OK)
		return error;
	mm_little_put(mm_crc_std(mm_span(block, CRC_AT)), 4, block + CRC_AT);
	memcpy(out, block, sizeof(block));
	return MM_OK;
}

static enum mm_error
find_layout(const uint8_t *block, const struct layout **out)
{
	if (block[0] != MM_SECURE_BOOT_MAGIC)
		return mm_fail(MM_E_IMAGE, "its magic is 0x%02x, not 0x%02x",
		    block[0], MM_SECURE_BOOT_MAGIC);
	if (block[1] != MM_SECURE_BOOT_RSA && block[1] != MM_SECURE_BOOT_ECDSA)
		return mm_fail(MM_E_IMAGE,
		    "its version is %u, which is neither 2 (RSA) nor 3 (ECDSA)",
		    block[1]);
	if (mm_little_u32(block + CRC_AT) != mm_crc_std(mm_span(block, CRC_AT)))
		return mm_fail(MM_E_IMAGE, "its CRC is wrong");
	for (size_t i = 0; i < MM_COUNT(layouts); i++)
		if (layouts[i].version == block[1] &&
		    layouts[i].hash == block[2] &&
		    (layouts[i].version == MM_SECURE_BOOT_RSA ||
			layouts[i].curve == block[layouts[i].key_at])) {
			*out = &layouts[i];
			return MM_OK;
		}
	return mm_fail(MM_E_IMAGE, "its curve or its hash is unknown");
}

/* The key, which must stand there as its digest in the eFuses was made. */
static enum mm_error
get_key(const uint8_t *part, const struct layout *layout,
    struct mm_secure_boot_block *out)
{
	size_t coordinate = mm_algorithm_coordinate(layout->algorithm);
	uint8_t one[MM_RSA_BYTES], two[MM_POINT_MAX], again[KEY_MAX];
	enum mm_error error;

	if (coordinate == 0) {
		reverse(part, MM_RSA_BYTES, one);
		error = mm_public_key_modulus(
		    one, mm_little_u32(part + E_AT), &out->key);
	} else {
		reverse(part + X_AT, coordinate, one);
		reverse(part + X_AT + coordinate, coordinate, two);
		error =
		    mm_public_key_point(layout->algorithm, one, two, &out->key);
	}
	if (error == MM_E_KEY_TYPE)
		return mm_fail(
		    MM_E_IMAGE, "its key: %s", mm_why(MM_E_KEY_TYPE));
	if (error == MM_OK)
		error = put_key(&out->key, layout, again);
	if (error == MM_OK && memcmp(part, again, layout->key_size) != 0)
		error = mm_fail(MM_E_IMAGE,
		    "R, M' or the padding beside its key is wrong: the chip "
		    "would not compute with it");
	if (error == MM_OK)
		error =
		    mm_hash(mm_span(part, layout->key_size), out->key_digest);
	return error;
}

static enum mm_error
get_signature(const uint8_t *at, const struct layout *layout,
    struct mm_secure_boot_block *out)
{
	size_t coordinate = mm_algorithm_coordinate(layout->algorithm);
	uint8_t raw[2 * MM_POINT_MAX];
	mm_auto(buffer) der = {0};

	if (coordinate == 0) {
		reverse(at, MM_RSA_BYTES, out->signature);
		out->signature_size = MM_RSA_BYTES;
		return MM_OK;
	}
	reverse(at, coordinate, raw);
	reverse(at + coordinate, coordinate, raw + coordinate);
	mm_buffer_init(&der, sizeof(out->signature));
	if (mm_ecdsa_der(raw, coordinate, &der) != MM_OK)
		return mm_fail(MM_E_IMAGE, "%s", mm_why(MM_E_IMAGE_SIGNATURE));
	memcpy(out->signature, der.data, der.size);
	out->signature_size = der.size;
	return MM_OK;
}

enum mm_error
mm_secure_boot_v2_block_read(
    const uint8_t block[MM_SECURE_BOOT_BLOCK], struct mm_secure_boot_block *out)
{
	struct mm_secure_boot_block read = {.digest_size = 0};
	const struct layout *layout = NULL;
	enum mm_error error = find_layout(block, &layout);

	if (error == MM_OK)
		error = get_key(block + layout->key_at, layout, &read);
	if (error == MM_OK)
		error =
		    get_signature(block + layout->signature_at, layout, &read);
	if (error != MM_OK)
		return error;
	memcpy(read.digest, block + 4, layout->digest);
	read.digest_size = layout->digest;
	*out = read;
	return MM_OK;
}

enum mm_error
mm_secure_boot_v2_block_verify(const struct mm_secure_boot_block *block)
{
	return mm_public_key_verify(&block->key,
	    mm_span(block->digest, block->digest_size),
	    mm_span(block->signature, block->signature_size));
}
