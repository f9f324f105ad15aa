#include "hsm/session.h"

#include <sodium.h>
#include <string.h>

/* id-ecPublicKey's prime256v1, 1.2.840.10045.3.1.7, in DER (RFC 5480). */
static const uint8_t p256[] = {
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
/* SubjectPublicKeyInfo up to the point. */
static const uint8_t spki_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
/* An OCTET STRING around the point, as PKCS #11 v2.40 section 2.3.3 wants. */
static const uint8_t point_head[] = {0x04, 0x41};
enum { POINT_SIZE = 65, ID_SIZE = 20 };

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
static enum mm_error
read_attributes(struct mm_pkcs11 *token, CK_OBJECT_HANDLE object,
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
		    read_attributes(token, pair->private_key, &attribute, 1);

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
	    read_attributes(token, pair->private_key, &attribute, 1);

	if (error != MM_OK)
		return error;
	if (attribute.ulValueLen != sizeof(allowed[0]) ||
	    allowed[0] != CKM_ECDSA)
		return mm_fail(MM_E_KEY_ATTRIBUTES,
		    "the private key \"%s\" must have CKM_ECDSA as its only "
		    "CKA_ALLOWED_MECHANISMS",
		    pair->label);
	return MM_OK;
}

/* The number of objects of this class and label, 2 for more. */
static enum mm_error
find_objects(struct mm_pkcs11 *token, CK_OBJECT_CLASS class, const char *label,
    CK_OBJECT_HANDLE *handle, CK_ULONG *count)
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
	enum mm_error error = find_objects(token, class, label, handle, &count);

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

static enum mm_error
label_is_free(struct mm_pkcs11 *token, const char *label)
{
	static const CK_OBJECT_CLASS classes[] = {
	    CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};

	for (size_t i = 0; i < MM_COUNT(classes); i++) {
		CK_OBJECT_HANDLE handle;
		CK_ULONG count = 0;
		enum mm_error error =
		    find_objects(token, classes[i], label, &handle, &count);

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
	enum mm_error error = find_objects(
	    token, CKO_PRIVATE_KEY, label, &handle, &private_count);

	if (error == MM_OK)
		error = find_objects(
		    token, CKO_PUBLIC_KEY, label, &public_key, &public_count);
	if (error != MM_OK || private_count != 0 || public_count != 1)
		return error;
	rv = token->module.call->C_DestroyObject(token->session, public_key);
	return rv == CKR_OK ? MM_OK : mm_module_failed("C_DestroyObject", rv);
}

static enum mm_error
generate(struct mm_pkcs11 *token, const char *label, CK_BYTE id[ID_SIZE])
{
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_MECHANISM_TYPE allowed[] = {CKM_ECDSA};
	void *name = (void *)(uintptr_t)label;
	CK_ULONG name_size = strlen(label);
	CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, sizeof(yes)},
	    {CKA_PRIVATE, &yes, sizeof(yes)},
	    {CKA_SENSITIVE, &yes, sizeof(yes)},
	    {CKA_EXTRACTABLE, &no, sizeof(no)}, {CKA_SIGN, &yes, sizeof(yes)},
	    {CKA_SIGN_RECOVER, &no, sizeof(no)}, {CKA_DECRYPT, &no, sizeof(no)},
	    {CKA_UNWRAP, &no, sizeof(no)}, {CKA_DERIVE, &no, sizeof(no)},
	    {CKA_ALLOWED_MECHANISMS, allowed, sizeof(allowed)},
	    {CKA_LABEL, name, name_size}, {CKA_ID, id, ID_SIZE}};
	CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, sizeof(yes)},
	    {CKA_PRIVATE, &no, sizeof(no)}, {CKA_VERIFY, &yes, sizeof(yes)},
	    {CKA_VERIFY_RECOVER, &no, sizeof(no)},
	    {CKA_ENCRYPT, &no, sizeof(no)}, {CKA_WRAP, &no, sizeof(no)},
	    {CKA_EC_PARAMS, (void *)(uintptr_t)p256, sizeof(p256)},
	    {CKA_LABEL, name, name_size}, {CKA_ID, id, ID_SIZE}};
	CK_OBJECT_HANDLE public_key, private_key;
	CK_RV rv = token->module.call->C_GenerateKeyPair(token->session,
	    &mechanism, public, MM_COUNT(public), private, MM_COUNT(private),
	    &public_key, &private_key);

	return rv == CKR_OK ? MM_OK : mm_module_failed("C_GenerateKeyPair", rv);
}

enum mm_error
mm_pkcs11_generate(struct mm_pkcs11 *token, const char *label)
{
	CK_BYTE id[ID_SIZE];
	const struct mm_pair *pair;
	enum mm_error error;

	if (label[0] == '\0' || strlen(label) > MM_LABEL_MAX)
		return mm_fail(MM_E_RANGE,
		    "a key's label has 1 to %d characters", MM_LABEL_MAX);
	error = label_is_free(token, label);
	if (error != MM_OK)
		return error;
	randombytes_buf(id, sizeof(id));
	error = generate(token, label, id);
	if (error != MM_OK)
		return error;
	/* A module may take a template and ignore half of it. */
	return mm_pair_find(token, label, &pair);
}

/* The point as it is, or in its OCTET STRING: modules differ. */
static bool
take_point(const uint8_t *bytes, size_t size, struct mm_span *point)
{
	size_t head = sizeof(point_head);

	if (size == head + POINT_SIZE && memcmp(bytes, point_head, head) == 0)
		*point = mm_span(bytes + head, POINT_SIZE);
	else if (size == POINT_SIZE)
		*point = mm_span(bytes, size);
	else
		return false;
	return true;
}

static enum mm_error
read_point(
    struct mm_pkcs11 *token, const struct mm_pair *pair, struct mm_buffer *out)
{
	uint8_t curve[32], bytes[128];
	CK_ATTRIBUTE wanted[] = {{CKA_EC_PARAMS, curve, sizeof(curve)},
	    {CKA_EC_POINT, bytes, sizeof(bytes)}};
	struct mm_span point;
	enum mm_error error =
	    read_attributes(token, pair->public_key, wanted, MM_COUNT(wanted));

	if (error != MM_OK)
		return error;
	if (wanted[0].ulValueLen != sizeof(p256) ||
	    memcmp(curve, p256, sizeof(p256)) != 0 ||
	    !take_point(bytes, wanted[1].ulValueLen, &point))
		return mm_fail(MM_E_KEY_ATTRIBUTES,
		    "the public key \"%s\" is not an ECDSA P-256 key",
		    pair->label);
	mm_buffer_add(out, spki_head, sizeof(spki_head));
	mm_buffer_add(out, point.data, point.size);
	return out->error;
}

enum mm_error
mm_pkcs11_public(
    struct mm_pkcs11 *token, const char *label, struct mm_buffer *out)
{
	const struct mm_pair *pair;
	mm_auto(buffer) spki = {0};
	struct mm_key key;
	enum mm_error error = mm_pair_find(token, label, &pair);

	mm_buffer_init(&spki, MM_SPKI_MAX);
	if (error == MM_OK)
		error = read_point(token, pair, &spki);
	/* Its point must lie on the curve, whatever the token says. */
	if (error == MM_OK)
		error = mm_key_read(mm_buffer_span(&spki), &key);
	if (error != MM_OK)
		return error;
	mm_buffer_add(out, spki.data, spki.size);
	return out->error;
}
