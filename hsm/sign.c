#include "hsm/session.h"

#include <string.h>

enum { COORDINATE = 32 };

/* A positive INTEGER in the fewest bytes (X.690 8.3.2). */
static void
put_integer(struct mm_buffer *out, const uint8_t value[COORDINATE])
{
	size_t skip = 0;
	uint8_t head[3] = {0x02, 0, 0};
	bool padded;

	while (skip < COORDINATE - 1 && value[skip] == 0)
		skip++;
	padded = (value[skip] & 0x80) != 0;
	head[1] = (uint8_t)(COORDINATE - skip + padded);
	mm_buffer_add(out, head, padded ? 3 : 2);
	mm_buffer_add(out, value + skip, COORDINATE - skip);
}

/* r || s of PKCS #11 to the Ecdsa-Sig-Value of RFC 3279 section 2.2.3. */
static enum mm_error
put_signature(struct mm_buffer *out, const uint8_t raw[2 * COORDINATE])
{
	mm_auto(buffer) integers = {0};
	uint8_t head[2] = {0x30, 0};

	mm_buffer_init(&integers, 2 * (COORDINATE + 3));
	put_integer(&integers, raw);
	put_integer(&integers, raw + COORDINATE);
	if (integers.error != MM_OK)
		return integers.error;
	head[1] = (uint8_t)integers.size;
	mm_buffer_add(out, head, sizeof(head));
	mm_buffer_add(out, integers.data, integers.size);
	return out->error;
}

static enum mm_error
sign_raw(struct mm_pkcs11 *token, CK_OBJECT_HANDLE key,
    const uint8_t digest[32], uint8_t raw[2 * COORDINATE])
{
	CK_FUNCTION_LIST *call = token->module.call;
	CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
	CK_ULONG size = 2 * COORDINATE;
	CK_BYTE input[32];
	CK_RV rv = call->C_SignInit(token->session, &mechanism, key);

	if (rv != CKR_OK)
		return mm_module_failed("C_SignInit", rv);
	memcpy(input, digest, sizeof(input));
	rv = call->C_Sign(token->session, input, sizeof(input), raw, &size);
	if (rv != CKR_OK)
		return mm_module_failed("C_Sign", rv);
	if (size != 2 * COORDINATE)
		return mm_fail(MM_E_TOKEN_SIGNATURE,
		    "the token's signature has %lu bytes", size);
	return MM_OK;
}

enum mm_error
mm_pkcs11_sign(struct mm_pkcs11 *token, const char *label, struct mm_span spki,
    const uint8_t digest[32], struct mm_buffer *out)
{
	uint8_t raw[2 * COORDINATE];
	const struct mm_pair *pair;
	mm_auto(buffer) signature = {0};
	enum mm_error error = mm_pair_find(token, label, &pair);

	mm_buffer_init(&signature, 80);
	if (error == MM_OK)
		error = sign_raw(token, pair->private_key, digest, raw);
	if (error == MM_OK)
		error = put_signature(&signature, raw);
	if (error != MM_OK)
		return error;
	if (mm_key_verify_p256(spki, digest, mm_buffer_span(&signature)) !=
	    MM_OK)
		return mm_fail(MM_E_TOKEN_SIGNATURE,
		    "what the token signed with \"%s\" does not verify with "
		    "the key of the log",
		    label);
	mm_buffer_add(out, signature.data, signature.size);
	return out->error;
}
