#include "hsm/verify.h"

#include "ca/key.h"

static const struct {
	enum mm_algorithm algorithm;
	uint32_t exponent;
} kinds[] = {{MM_ALGORITHM_P256, 0}, {MM_ALGORITHM_RSA3072, MM_RSA_EXPONENT}};

static bool
is_ours(const struct mm_public_key *key)
{
	for (size_t i = 0; i < MM_COUNT(kinds); i++)
		if (kinds[i].algorithm == key->algorithm)
			return kinds[i].exponent == key->e;
	return false;
}

/* The reader takes PEM and certificates too: only what it writes itself is
 * the one form of a key. */
static enum mm_error
read_key(struct mm_span spki, struct mm_public_key *out)
{
	mm_auto(buffer) again = {0};
	enum mm_error error = mm_public_key_read(spki, out);

	mm_buffer_init(&again, MM_SPKI_MAX);
	if (error == MM_OK)
		error = mm_public_key_spki(out, &again);
	if (error == MM_E_MEMORY)
		return error;
	if (error != MM_OK || !is_ours(out) ||
	    !mm_span_equal(mm_buffer_span(&again), spki))
		return mm_fail(MM_E_KEY_TYPE,
		    "the key is neither ECDSA P-256 nor RSA-3072 with the "
		    "exponent %d, as keys of a mint are",
		    MM_RSA_EXPONENT);
	return MM_OK;
}

enum mm_error
mm_spki_algorithm(struct mm_span spki, enum mm_algorithm *out)
{
	struct mm_public_key key;
	enum mm_error error = read_key(spki, &key);

	if (error == MM_OK)
		*out = key.algorithm;
	return error;
}

enum mm_error
mm_signature_check(
    struct mm_span spki, const uint8_t digest[32], struct mm_span signature)
{
	struct mm_public_key key;
	/* Nearly all signatures: no key object is made for them. */
	enum mm_error error = mm_key_verify_p256(spki, digest, signature);

	if (error != MM_E_KEY_TYPE)
		return error;
	error = read_key(spki, &key);
	if (error == MM_OK)
		error =
		    mm_public_key_verify(&key, mm_span(digest, 32), signature);
	if (error == MM_E_IMAGE_SIGNATURE)
		error = mm_fail(MM_E_TOKEN_SIGNATURE,
		    "the %s signature does not verify",
		    mm_algorithm_name(key.algorithm));
	return error;
}

enum mm_error
mm_signature_check_hash(const uint8_t spki_sha256[32], const uint8_t digest[32],
    struct mm_span signature)
{
	if (signature.size == MM_RSA_BYTES)
		return mm_fail(MM_E_KEY_TYPE,
		    "an RSA signature does not tell its key: bring the public "
		    "key of the signer, in PEM or DER");
	return mm_key_recover_p256(spki_sha256, digest, signature);
}
