#include "hsm/session.h"

#include <sodium.h>
#include <string.h>

enum { ID_SIZE = 20 };

/* id-ecPublicKey's prime256v1, 1.2.840.10045.3.1.7, in DER (RFC 5480). */
static uint8_t p256[] = {
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_ULONG modulus_bits = 3072;
static uint8_t exponent[] = {0x01, 0x00, 0x01}; /* 65537, big-endian */

/* How a kind is made, and what its public half is asked to be. */
static const struct recipe {
	enum mm_algorithm algorithm;
	CK_MECHANISM_TYPE mechanism;
	CK_ATTRIBUTE asked[2];
	CK_ULONG count;
} recipes[] = {{MM_ALGORITHM_P256, CKM_EC_KEY_PAIR_GEN,
		   {{CKA_EC_PARAMS, p256, sizeof(p256)}}, 1},
    {MM_ALGORITHM_RSA3072, CKM_RSA_PKCS_KEY_PAIR_GEN,
	{{CKA_MODULUS_BITS, &modulus_bits, sizeof(modulus_bits)},
	    {CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)}},
	2}};

/* Each kind has one. */
static const struct recipe *
recipe_of(const struct mm_pair_kind *kind)
{
	size_t i = 0;

	while (recipes[i].algorithm != kind->algorithm)
		i++;
	return &recipes[i];
}

static enum mm_error
label_is_free(struct mm_pkcs11 *token, const char *label)
{
	static const CK_OBJECT_CLASS classes[] = {
	    CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};

	for (size_t i = 0; i < MM_COUNT(classes); i++) {
		CK_OBJECT_HANDLE handle;
		CK_ULONG count = 0;
		enum mm_error error =
		    mm_pair_objects(token, classes[i], label, &handle, &count);

		if (error != MM_OK)
			return error;
		if (count > 0)
			return mm_fail(MM_E_EXISTS,
			    "the token has a key \"%s\" already", label);
	}
	return MM_OK;
}

enum mm_error
mm_pkcs11_forget_half(struct mm_pkcs11 *token, const char *label)
{
	CK_OBJECT_HANDLE handle, public_key;
	CK_ULONG private_count = 0, public_count = 0;
	CK_RV rv;
	enum mm_error error = mm_pair_objects(
	    token, CKO_PRIVATE_KEY, label, &handle, &private_count);

	if (error == MM_OK)
		error = mm_pair_objects(
		    token, CKO_PUBLIC_KEY, label, &public_key, &public_count);
	if (error != MM_OK || private_count != 0 || public_count != 1)
		return error;
	rv = token->module.call->C_DestroyObject(token->session, public_key);
	return rv == CKR_OK ? MM_OK : mm_module_failed("C_DestroyObject", rv);
}

static CK_ATTRIBUTE
flag(CK_ATTRIBUTE_TYPE type, bool value)
{
	static CK_BBOOL values[] = {CK_FALSE, CK_TRUE};

	return (CK_ATTRIBUTE){type, &values[value], sizeof(values[0])};
}

/* Of both kinds: it signs, and nothing else. */
static enum mm_error
generate(struct mm_pkcs11 *token, const char *label,
    const struct mm_pair_kind *kind, CK_BYTE id[ID_SIZE])
{
	const struct recipe *recipe = recipe_of(kind);
	CK_MECHANISM mechanism = {recipe->mechanism, NULL, 0};
	CK_MECHANISM_TYPE allowed[] = {kind->mechanism};
	void *name = (void *)(uintptr_t)label;
	const CK_ATTRIBUTE named[] = {
	    {CKA_LABEL, name, strlen(label)}, {CKA_ID, id, ID_SIZE}};
	CK_ATTRIBUTE private[] = {flag(CKA_TOKEN, true),
	    flag(CKA_PRIVATE, true), flag(CKA_SENSITIVE, true),
	    flag(CKA_EXTRACTABLE, false), flag(CKA_SIGN, true),
	    flag(CKA_SIGN_RECOVER, false), flag(CKA_DECRYPT, false),
	    flag(CKA_UNWRAP, false), flag(CKA_DERIVE, false),
	    {CKA_ALLOWED_MECHANISMS, allowed, sizeof(allowed)}, named[0],
	    named[1]};
	CK_ATTRIBUTE public[] = {flag(CKA_TOKEN, true),
	    flag(CKA_PRIVATE, false), flag(CKA_VERIFY, true),
	    flag(CKA_VERIFY_RECOVER, false), flag(CKA_ENCRYPT, false),
	    flag(CKA_WRAP, false), named[0], named[1], recipe->asked[0],
	    recipe->asked[1]};
	CK_ULONG more = MM_COUNT(recipe->asked) - recipe->count;
	CK_OBJECT_HANDLE public_key, private_key;
	CK_RV rv = token->module.call->C_GenerateKeyPair(token->session,
	    &mechanism, public, MM_COUNT(public) - more, private,
	    MM_COUNT(private), &public_key, &private_key);

	return rv == CKR_OK ? MM_OK : mm_module_failed("C_GenerateKeyPair", rv);
}

enum mm_error
mm_pkcs11_generate(
    struct mm_pkcs11 *token, const char *label, enum mm_algorithm algorithm)
{
	const struct mm_pair_kind *kind = mm_pair_kind(algorithm);
	CK_BYTE id[ID_SIZE];
	const struct mm_pair *pair;
	enum mm_error error;

	if (kind == NULL)
		return mm_fail(MM_E_KEY_TYPE,
		    "the token makes ECDSA P-256 and RSA-3072 keys");
	if (label[0] == '\0' || strlen(label) > MM_LABEL_MAX)
		return mm_fail(MM_E_RANGE,
		    "a key's label has 1 to %d characters", MM_LABEL_MAX);
	error = label_is_free(token, label);
	if (error != MM_OK)
		return error;
	randombytes_buf(id, sizeof(id));
	error = generate(token, label, kind, id);
	if (error != MM_OK)
		return error;
	/* A module may take a template and ignore half of it. */
	return mm_pair_find(token, label, &pair);
}
