#include "hsm/session.h"

#include <string.h>

static const struct mm_pair_kind kinds[] = {
    {MM_ALGORITHM_P256, CKK_EC, CKM_ECDSA, "CKM_ECDSA"},
    {MM_ALGORITHM_RSA3072, CKK_RSA, CKM_RSA_PKCS_PSS, "CKM_RSA_PKCS_PSS"}};

const struct mm_pair_kind *
mm_pair_kind(enum mm_algorithm algorithm)
{
	for (size_t i = 0; i < MM_COUNT(kinds); i++)
		if (kinds[i].algorithm == algorithm)
			return &kinds[i];
	return NULL;
}

/* What a private key must say of itself, each with its answer. */
static const struct {
	CK_ATTRIBUTE_TYPE type;
	const char *name;
	CK_BBOOL value;
} private_must[] = {{CKA_TOKEN, "TOKEN", CK_TRUE},
    {CKA_PRIVATE, "PRIVATE", CK_TRUE}, {CKA_SENSITIVE, "SENSITIVE", CK_TRUE},
    {CKA_ALWAYS_SENSITIVE, "ALWAYS_SENSITIVE", CK_TRUE},
    {CKA_EXTRACTABLE, "EXTRACTABLE", CK_FALSE},
    {CKA_NEVER_EXTRACTABLE, "NEVER_EXTRACTABLE", CK_TRUE},
    {CKA_LOCAL, "LOCAL", CK_TRUE}, {CKA_SIGN, "SIGN", CK_TRUE},
    {CKA_SIGN_RECOVER, "SIGN_RECOVER", CK_FALSE},
    {CKA_DECRYPT, "DECRYPT", CK_FALSE}, {CKA_UNWRAP, "UNWRAP", CK_FALSE},
    {CKA_DERIVE, "DERIVE", CK_FALSE}};

/*
 * PKCS #11 v2.40 section 5.7: these three say that an attribute is not as
 * asked for, and leave its length so that no check passes. Any other failure
 * is the token's, and says nothing about the key.
 */
enum mm_error
mm_pair_attributes(struct mm_pkcs11 *token, CK_OBJECT_HANDLE object,
    CK_ATTRIBUTE *attributes, CK_ULONG count)
{
	CK_RV rv = token->module.call->C_GetAttributeValue(
	    token->session, object, attributes, count);

	if (rv == CKR_OK || rv == CKR_ATTRIBUTE_SENSITIVE ||
	    rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_BUFFER_TOO_SMALL)
		return MM_OK;
	return mm_module_failed("C_GetAttributeValue", rv);
}

static enum mm_error
check_flags(struct mm_pkcs11 *token, const struct mm_pair *pair)
{
	for (size_t i = 0; i < MM_COUNT(private_must); i++) {
		CK_BBOOL value = 0xff;
		CK_ATTRIBUTE attribute = {
		    private_must[i].type, &value, sizeof(value)};
		enum mm_error error =
		    mm_pair_attributes(token, pair->private_key, &attribute, 1);

		if (error != MM_OK)
			return error;
		if (attribute.ulValueLen != sizeof(value) ||
		    value != private_must[i].value)
			return mm_fail(MM_E_KEY_ATTRIBUTES,
			    "the private key \"%s\" must have CKA_%s %s: "
			    "make it with mintmark, not by hand",
			    pair->label, private_must[i].name,
			    private_must[i].value ? "true" : "false");
	}
	return MM_OK;
}

/* Exactly one mechanism, so that a hash can never be chosen by a caller. */
static enum mm_error
check_mechanisms(struct mm_pkcs11 *token, const struct mm_pair *pair)
{
	CK_MECHANISM_TYPE allowed[4] = {0};
	CK_ATTRIBUTE attribute = {
	    CKA_ALLOWED_MECHANISMS, allowed, sizeof(allowed)};
	enum mm_error error =
	    mm_pair_attributes(token, pair->private_key, &attribute, 1);

	if (error != MM_OK)
		return error;
	if (attribute.ulValueLen != sizeof(allowed[0]) ||
	    allowed[0] != pair->kind->mechanism)
		return mm_fail(MM_E_KEY_ATTRIBUTES,
		    "the private key \"%s\" must have %s as its only "
		    "CKA_ALLOWED_MECHANISMS",
		    pair->label, pair->kind->mechanism_name);
	return MM_OK;
}

/* Of which kind it is decides what it may do. */
static enum mm_error
check_type(struct mm_pkcs11 *token, struct mm_pair *pair)
{
	CK_KEY_TYPE type = CK_UNAVAILABLE_INFORMATION;
	CK_ATTRIBUTE attribute = {CKA_KEY_TYPE, &type, sizeof(type)};
	enum mm_error error =
	    mm_pair_attributes(token, pair->private_key, &attribute, 1);

	if (error != MM_OK)
		return error;
	for (size_t i = 0; i < MM_COUNT(kinds); i++)
		if (attribute.ulValueLen == sizeof(type) &&
		    kinds[i].type == type)
			pair->kind = &kinds[i];
	if (pair->kind == NULL)
		return mm_fail(MM_E_KEY_ATTRIBUTES,
		    "the private key \"%s\" is neither an EC nor an RSA key",
		    pair->label);
	return MM_OK;
}

enum mm_error
mm_pair_objects(struct mm_pkcs11 *token, CK_OBJECT_CLASS class,
    const char *label, CK_OBJECT_HANDLE *handle, CK_ULONG *count)
{
	CK_FUNCTION_LIST *call = token->module.call;
	CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof(class)},
	    {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
	CK_OBJECT_HANDLE handles[2];
	CK_RV rv =
	    call->C_FindObjectsInit(token->session, wanted, MM_COUNT(wanted));

	if (rv != CKR_OK)
		return mm_module_failed("C_FindObjectsInit", rv);
	rv = call->C_FindObjects(
	    token->session, handles, MM_COUNT(handles), count);
	call->C_FindObjectsFinal(token->session);
	if (rv != CKR_OK)
		return mm_module_failed("C_FindObjects", rv);
	if (*count > 0)
		*handle = handles[0];
	return MM_OK;
}

static enum mm_error
find_one(struct mm_pkcs11 *token, CK_OBJECT_CLASS class, const char *label,
    CK_OBJECT_HANDLE *handle)
{
	CK_ULONG count = 0;
	enum mm_error error =
	    mm_pair_objects(token, class, label, handle, &count);

	if (error != MM_OK)
		return error;
	if (count == 0)
		return mm_fail(MM_E_KEY_ABSENT,
		    "the token has no %s key \"%s\"",
		    class == CKO_PRIVATE_KEY ? "private" : "public", label);
	if (count > 1)
		return mm_fail(MM_E_KEY_ATTRIBUTES,
		    "the token has more than one %s key \"%s\": remove the "
		    "one that is not ours",
		    class == CKO_PRIVATE_KEY ? "private" : "public", label);
	return MM_OK;
}

static enum mm_error
look_up(struct mm_pkcs11 *token, const char *label, struct mm_pair *pair)
{
	enum mm_error error;

	if (strlen(label) > MM_LABEL_MAX)
		return mm_fail(
		    MM_E_RANGE, "a key's label is too long: %s", label);
	strcpy(pair->label, label);
	error = find_one(token, CKO_PRIVATE_KEY, label, &pair->private_key);
	if (error == MM_OK)
		error =
		    find_one(token, CKO_PUBLIC_KEY, label, &pair->public_key);
	if (error == MM_OK)
		error = check_type(token, pair);
	if (error == MM_OK)
		error = check_flags(token, pair);
	if (error == MM_OK)
		error = check_mechanisms(token, pair);
	return error;
}

enum mm_error
mm_pair_find(
    struct mm_pkcs11 *token, const char *label, const struct mm_pair **out)
{
	struct mm_pair pair = {0};
	struct mm_pair *place;
	enum mm_error error;

	for (size_t i = 0; i < token->pairs_count; i++)
		if (strcmp(token->pairs[i].label, label) == 0) {
			*out = &token->pairs[i];
			return MM_OK;
		}
	error = look_up(token, label, &pair);
	if (error != MM_OK)
		return error;
	/* The one that has been there for longest makes room. */
	place = &token->pairs[token->pairs_next];
	token->pairs_next = (token->pairs_next + 1) % MM_PAIRS_MAX;
	if (token->pairs_count < MM_PAIRS_MAX)
		token->pairs_count++;
	*place = pair;
	*out = place;
	return MM_OK;
}
