#include "hsm/session.h"

#include <string.h>

#include "hsm/verify.h"

enum { COORDINATE = 32, SALT = 32 };

/* What a kind's mechanism wants beside the key, and gives. */
struct way {
	enum mm_algorithm algorithm;
	const void *parameter;
	CK_ULONG parameter_size, signature_size;
	enum mm_error (*put)(
	    const uint8_t *raw, struct mm_buffer *out) mm_must_use;
};

/* r || s of PKCS #11 to the Ecdsa-Sig-Value of RFC 3279 section 2.2.3. */
static enum mm_error
put_ecdsa(const uint8_t *raw, struct mm_buffer *out)
{
	return mm_ecdsa_der(raw, COORDINATE, out);
}

static enum mm_error
put_rsa(const uint8_t *raw, struct mm_buffer *out)
{
	mm_buffer_add(out, raw, MM_RSA_BYTES);
	return out->error;
}

/* RFC 8017 8.1, as the boot loader of Secure Boot V2 verifies it. */
static const CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, SALT};

static const struct way ways[] = {
    {MM_ALGORITHM_P256, NULL, 0, 2 * COORDINATE, put_ecdsa},
    {MM_ALGORITHM_RSA3072, &pss, sizeof(pss), MM_RSA_BYTES, put_rsa}};

static const struct way *
way_of(enum mm_algorithm algorithm)
{
	size_t i = 0;

	while (ways[i].algorithm != algorithm)
		i++;
	return &ways[i];
}

static enum mm_error
sign_raw(struct mm_pkcs11 *token, const struct mm_pair *pair,
    const struct way *way, const uint8_t digest[32], uint8_t *raw)
{
	CK_FUNCTION_LIST *call = token->module.call;
	CK_MECHANISM mechanism = {pair->kind->mechanism,
	    (void *)(uintptr_t)way->parameter, way->parameter_size};
	CK_ULONG size = way->signature_size;
	CK_BYTE input[32];
	CK_RV rv =
	    call->C_SignInit(token->session, &mechanism, pair->private_key);

	if (rv != CKR_OK)
		return mm_module_failed("C_SignInit", rv);
	memcpy(input, digest, sizeof(input));
	rv = call->C_Sign(token->session, input, sizeof(input), raw, &size);
	if (rv != CKR_OK)
		return mm_module_failed("C_Sign", rv);
	if (size != way->signature_size)
		return mm_fail(MM_E_TOKEN_SIGNATURE,
		    "the token's signature has %lu bytes", size);
	return MM_OK;
}

/* The size of what the token writes follows from its own key alone. */
static enum mm_error
sign(struct mm_pkcs11 *token, const struct mm_pair *pair,
    const uint8_t digest[32], struct mm_buffer *out)
{
	const struct way *way = way_of(pair->kind->algorithm);
	uint8_t raw[MM_RSA_BYTES];
	enum mm_error error = sign_raw(token, pair, way, digest, raw);

	if (error == MM_OK)
		error = way->put(raw, out);
	/* An r or s of zero. */
	return error == MM_E_IMAGE_SIGNATURE
		   ? mm_fail(MM_E_TOKEN_SIGNATURE, "%s", mm_why(error))
		   : error;
}

enum mm_error
mm_pkcs11_sign(struct mm_pkcs11 *token, const char *label, struct mm_span spki,
    const uint8_t digest[32], struct mm_buffer *out)
{
	const struct mm_pair *pair;
	mm_auto(buffer) signature = {0};
	enum mm_error error = mm_pair_find(token, label, &pair);

	mm_buffer_init(&signature, MM_RSA_BYTES);
	if (error == MM_OK)
		error = sign(token, pair, digest, &signature);
	if (error != MM_OK)
		return error;
	if (mm_signature_check(spki, digest, mm_buffer_span(&signature)) !=
	    MM_OK)
		return mm_fail(MM_E_TOKEN_SIGNATURE,
		    "what the token signed with \"%s\" does not verify with "
		    "the key of the log",
		    label);
	mm_buffer_add(out, signature.data, signature.size);
	return out->error;
}
