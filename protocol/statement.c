#include "protocol/statement.h"

#include <sodium.h>
#include <string.h>

enum {
	DEVICES_MAX_COUNT = 1024,
	REVOKED_MAX = 256,
	SERIAL_MAX = 20, /* RFC 5280 4.1.2.2 */
	BLOB_MAX = 67108864,
	REASON_MAX = 10, /* RFC 5280 5.3.1 */
	SIGNATURE_SIZE = crypto_sign_BYTES,
	/* RFC 9052 section 3.1 and RFC 9053 section 2.2 */
	HEADER_ALG = 1,
	HEADER_KID = 4,
	ALG_EDDSA = -8
};

static const struct mm_field claim_fields[] = {
    MM_FIELD(mm_claim, 0, kind, MM_UINT, 1, MM_STATEMENT_KINDS - 1),
    MM_FIELD(mm_claim, 1, origin, MM_TEXT, 1, MM_ORIGIN_MAX),
    MM_FIELD(mm_claim, 2, nonce, MM_FIXED, 0, MM_NONCE_SIZE),
    MM_FIELD(mm_claim, 3, time, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_claim, 4, expiry, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_claim, 5, body, MM_ITEM, 1, MM_STATEMENT_MAX)};

static const struct mm_field devices_fields[] = {
    MM_ANY(mm_devices, 0, list, &mm_text_item_shape, DEVICES_MAX_COUNT),
    MM_OPTIONAL(mm_devices, 1, first, MM_TEXT, 1, MM_NAME_MAX),
    MM_OPTIONAL(mm_devices, 2, last, MM_TEXT, 1, MM_NAME_MAX),
    MM_OPTIONAL(mm_devices, 3, pattern, MM_TEXT, 1, MM_NAME_MAX)};

static const struct mm_field order_claim_fields[] = {
    MM_FIELD(mm_order_claim, 0, name, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_order_claim, 1, profile, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_order_claim, 2, units, MM_UINT, 1, INT64_MAX),
    MM_NESTED(mm_order_claim, 3, devices, &mm_devices_shape),
    MM_MANY(mm_order_claim, 4, stations, &mm_text_item_shape, 1, 64),
    MM_FIELD(mm_order_claim, 5, until, MM_UINT, 0, INT64_MAX),
    MM_OPTIONAL(mm_order_claim, 6, revision, MM_UINT, 1, INT64_MAX),
    MM_OPTIONAL(mm_order_claim, 7, reissue, MM_UINT, 1, INT64_MAX),
    MM_OPTIONAL(mm_order_claim, 8, closed, MM_BOOL, 0, 1)};

static const struct mm_field scheme_digest_fields[] = {
    MM_FIELD(mm_scheme_digest, 0, scheme, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_scheme_digest, 1, digest, MM_FIXED, 0, 32)};

static const struct mm_field release_claim_fields[] = {
    MM_FIELD(mm_release_claim, 0, product, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_release_claim, 1, version, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_release_claim, 2, size, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_release_claim, 3, sha256, MM_FIXED, 0, 32),
    MM_MANY(mm_release_claim, 4, schemes, &mm_scheme_digest_shape, 1, 16)};

static const struct mm_field principal_claim_fields[] = {
    MM_FIELD(mm_principal_claim, 0, name, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_principal_claim, 1, role, MM_UINT, 1, MM_ROLES - 1),
    MM_FIELD(mm_principal_claim, 2, key, MM_FIXED, 0, 32),
    MM_ANY(mm_principal_claim, 3, profiles, &mm_text_item_shape, 64),
    MM_OPTIONAL(mm_principal_claim, 4, daily, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_principal_claim, 5, disabled, MM_BOOL, 0, 1),
    MM_OPTIONAL(mm_principal_claim, 6, minute, MM_UINT, 1, UINT32_MAX)};

static const struct mm_field withdraw_claim_fields[] = {
    MM_FIELD(mm_withdraw_claim, 0, payload, MM_FIXED, 0, 32)};

static const struct mm_field policy_claim_fields[] = {
    MM_FIELD(mm_policy_claim, 0, number, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_policy_claim, 1, sha256, MM_FIXED, 0, 32)};

static const struct mm_field ceremony_certificate_fields[] = {
    MM_FIELD(mm_ceremony_certificate, 0, key, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_ceremony_certificate, 1, issuer, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_ceremony_certificate, 2, profile, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_ceremony_certificate, 3, subject, MM_TEXT, 1, MM_NAME_MAX)};

static const struct mm_field ceremony_key_fields[] = {
    MM_FIELD(mm_ceremony_key, 0, name, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_ceremony_key, 1, use, MM_UINT, 1, 15),
    MM_OPTIONAL(mm_ceremony_key, 2, existing, MM_BYTES, 32, 32),
    MM_OPTIONAL(mm_ceremony_key, 3, algorithm, MM_UINT, 2, 2)};

static const struct mm_field ceremony_request_fields[] = {
    MM_FIELD(mm_ceremony_request, 0, key, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_ceremony_request, 1, profile, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_ceremony_request, 2, subject, MM_TEXT, 1, MM_NAME_MAX)};

static const struct mm_field ceremony_import_fields[] = {
    MM_FIELD(mm_ceremony_import, 0, key, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_ceremony_import, 1, sha256, MM_FIXED, 0, 32)};

static const struct mm_field ceremony_proof_fields[] = {
    MM_FIELD(mm_ceremony_proof, 0, issuer, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_ceremony_proof, 1, profile, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_ceremony_proof, 2, code, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_ceremony_proof, 3, key, MM_FIXED, 0, 32)};

static const struct mm_field inherited_blob_fields[] = {
    MM_FIELD(mm_inherited_blob, 0, sha256, MM_FIXED, 0, 32),
    MM_FIELD(mm_inherited_blob, 1, size, MM_UINT, 1, BLOB_MAX),
    MM_FIELD(mm_inherited_blob, 2, count, MM_UINT, 1, INT64_MAX)};

static const struct mm_field predecessor_fields[] = {
    MM_FIELD(mm_predecessor, 0, origin, MM_TEXT, 1, MM_ORIGIN_MAX),
    MM_FIELD(mm_predecessor, 1, log_key, MM_FIXED, 0, 32),
    MM_FIELD(mm_predecessor, 2, size, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_predecessor, 3, root, MM_FIXED, 0, 32),
    MM_ANY(mm_predecessor, 4, inherited, &mm_inherited_blob_shape, 64)};

static const struct mm_field ceremony_claim_fields[] = {
    MM_FIELD(mm_ceremony_claim, 0, policy, MM_FIXED, 0, 32),
    MM_ANY(mm_ceremony_claim, 1, keys, &mm_ceremony_key_shape, 16),
    MM_ANY(
	mm_ceremony_claim, 2, certificates, &mm_ceremony_certificate_shape, 16),
    MM_ANY(mm_ceremony_claim, 3, retired, &mm_text_item_shape, 16),
    MM_ANY(mm_ceremony_claim, 4, requests, &mm_ceremony_request_shape, 16),
    MM_ANY(mm_ceremony_claim, 5, imports, &mm_ceremony_import_shape, 16),
    MM_ANY(mm_ceremony_claim, 6, proofs, &mm_ceremony_proof_shape, 16),
    MM_ANY(mm_ceremony_claim, 7, succeeds, &mm_predecessor_shape, 1),
    MM_OPTIONAL(mm_ceremony_claim, 8, notes, MM_BYTES, 1, 8192)};

static const struct mm_field revoked_fields[] = {
    MM_FIELD(mm_revoked, 0, serial, MM_BYTES, 1, SERIAL_MAX),
    MM_FIELD(mm_revoked, 1, reason, MM_UINT, 0, REASON_MAX),
    MM_OPTIONAL(mm_revoked, 2, since, MM_UINT, 1, INT64_MAX)};

static const struct mm_field revoke_claim_fields[] = {
    MM_MANY(mm_revoke_claim, 0, revoked, &mm_revoked_shape, 1, REVOKED_MAX)};

MM_SHAPE(mm_claim_shape, mm_claim, claim_fields);
MM_SHAPE(mm_devices_shape, mm_devices, devices_fields);
MM_SHAPE(mm_order_claim_shape, mm_order_claim, order_claim_fields);
MM_SHAPE(mm_scheme_digest_shape, mm_scheme_digest, scheme_digest_fields);
MM_SHAPE(mm_release_claim_shape, mm_release_claim, release_claim_fields);
MM_SHAPE(mm_principal_claim_shape, mm_principal_claim, principal_claim_fields);
MM_SHAPE(mm_policy_claim_shape, mm_policy_claim, policy_claim_fields);
MM_SHAPE(mm_revoked_shape, mm_revoked, revoked_fields);
MM_SHAPE(mm_revoke_claim_shape, mm_revoke_claim, revoke_claim_fields);
MM_SHAPE(mm_ceremony_certificate_shape, mm_ceremony_certificate,
    ceremony_certificate_fields);
MM_SHAPE(mm_ceremony_key_shape, mm_ceremony_key, ceremony_key_fields);
MM_SHAPE(
    mm_ceremony_request_shape, mm_ceremony_request, ceremony_request_fields);
MM_SHAPE(mm_ceremony_import_shape, mm_ceremony_import, ceremony_import_fields);
MM_SHAPE(mm_ceremony_proof_shape, mm_ceremony_proof, ceremony_proof_fields);
MM_SHAPE(mm_inherited_blob_shape, mm_inherited_blob, inherited_blob_fields);
MM_SHAPE(mm_predecessor_shape, mm_predecessor, predecessor_fields);
MM_SHAPE(mm_ceremony_claim_shape, mm_ceremony_claim, ceremony_claim_fields);
MM_SHAPE(mm_withdraw_claim_shape, mm_withdraw_claim, withdraw_claim_fields);

static const struct {
	const char *name;
	const struct mm_shape *body;
} kinds[MM_STATEMENT_KINDS] = {
    [MM_STATEMENT_ORDER] = {"order", &mm_order_claim_shape},
    [MM_STATEMENT_RELEASE] = {"release", &mm_release_claim_shape},
    [MM_STATEMENT_REVOKE] = {"revoke", &mm_revoke_claim_shape},
    [MM_STATEMENT_PRINCIPAL] = {"principal", &mm_principal_claim_shape},
    [MM_STATEMENT_POLICY] = {"policy", &mm_policy_claim_shape},
    [MM_STATEMENT_CEREMONY] = {"ceremony", &mm_ceremony_claim_shape},
    [MM_STATEMENT_WITHDRAW] = {"withdraw", &mm_withdraw_claim_shape},
};

static const char *const roles[MM_ROLES] = {
    [MM_ROLE_STATION] = "station",
    [MM_ROLE_RELEASE] = "release",
    [MM_ROLE_AUDITOR] = "auditor",
    [MM_ROLE_OFFICER] = "officer",
};

static const char *const uses[] = {[MM_KEY_ROOT_CA] = "root-ca",
    [MM_KEY_DEVICE_CA] = "device-ca",
    [MM_KEY_ACCESS_CA] = "access-ca",
    [MM_KEY_CODE_SIGNING] = "code-signing"};

const struct mm_shape *
mm_claim_body_shape(uint64_t kind)
{
	return kind < MM_COUNT(kinds) ? kinds[kind].body : NULL;
}

const char *
mm_statement_kind_name(uint64_t kind)
{
	return kind < MM_COUNT(kinds) ? kinds[kind].name : NULL;
}

const char *
mm_role_name(uint64_t role)
{
	return role < MM_COUNT(roles) ? roles[role] : NULL;
}

const char *
mm_key_use_name(uint64_t use)
{
	return use < MM_COUNT(uses) ? uses[use] : NULL;
}

void
mm_kid(const uint8_t public_key[32], uint8_t out[MM_KID_SIZE])
{
	uint8_t digest[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(digest, public_key, crypto_sign_PUBLICKEYBYTES);
	memcpy(out, digest, MM_KID_SIZE);
}

enum mm_error
mm_claim_encode(
    const struct mm_claim *claim, const void *body, struct mm_buffer *out)
{
	const struct mm_shape *shape = mm_claim_body_shape(claim->kind);
	struct mm_claim whole = *claim;
	mm_auto(buffer) item = {0};
	enum mm_error error;

	mm_buffer_init(&item, MM_STATEMENT_MAX);
	if (shape == NULL)
		return mm_fail(MM_E_STATEMENT_KIND,
		    "there is no statement of kind %llu",
		    (unsigned long long)claim->kind);
	error = mm_shape_encode(shape, body, &item);
	if (error != MM_OK)
		return error;
	whole.body = mm_buffer_span(&item);
	return mm_shape_encode(&mm_claim_shape, &whole, out);
}

static enum mm_error
malformed(const char *why)
{
	return mm_fail(MM_E_STATEMENT, "not a mintmark statement: %s", why);
}

/* RFC 9052 section 3: the protected header is a map of its own in a bstr. */
static enum mm_error
decode_header(struct mm_span header, struct mm_span *kid)
{
	struct mm_cbor reader = mm_cbor(header);

	if (mm_cbor_map(&reader) != 2 || mm_cbor_int(&reader) != HEADER_ALG ||
	    mm_cbor_int(&reader) != ALG_EDDSA ||
	    mm_cbor_int(&reader) != HEADER_KID)
		return malformed("the protected header is not {1: -8, 4: kid}");
	*kid = mm_cbor_bytes(&reader);
	if (kid->size != MM_KID_SIZE || mm_cbor_end(&reader) != MM_OK)
		return malformed("the key id is not 8 bytes");
	return MM_OK;
}

enum mm_error
mm_statement_decode(struct mm_span bytes, struct mm_statement *out)
{
	struct mm_cbor reader = mm_cbor(bytes);
	struct mm_statement found;
	struct mm_span signature;
	enum mm_error error;

	if (bytes.size == 0 || bytes.size > MM_STATEMENT_MAX)
		return malformed("it is empty or too large");
	if (mm_cbor_tag(&reader) != MM_CBOR_TAG_SIGN1 ||
	    mm_cbor_array(&reader) != 4)
		return malformed("it is not a tagged COSE_Sign1");
	found.protected_header = mm_cbor_bytes(&reader);
	if (mm_cbor_map(&reader) != 0)
		return malformed("there are unprotected headers");
	found.payload = mm_cbor_bytes(&reader);
	signature = mm_cbor_bytes(&reader);
	if (mm_cbor_end(&reader) != MM_OK)
		return malformed(mm_error_text(
		    reader.error != MM_OK ? reader.error : MM_E_TRAILING));
	if (found.payload.size == 0 || signature.size != SIGNATURE_SIZE)
		return malformed("payload or signature have no right size");
	error = decode_header(found.protected_header, &found.kid);
	if (error != MM_OK)
		return error;
	found.signature = signature.data;
	*out = found;
	return MM_OK;
}

/* RFC 9052 section 4.4, without external data. */
static enum mm_error
sig_structure(struct mm_span protected_header, struct mm_span payload,
    struct mm_buffer *out)
{
	mm_cbor_put_array(out, 4);
	mm_cbor_put_text(out, mm_span_text("Signature1"));
	mm_cbor_put_bytes(out, protected_header);
	mm_cbor_put_bytes(out, mm_span(NULL, 0));
	mm_cbor_put_bytes(out, payload);
	if (out->error != MM_OK)
		return mm_fail(out->error, "the statement is too large");
	return MM_OK;
}

enum mm_error
mm_statement_verify(
    const struct mm_statement *statement, const uint8_t public_key[32])
{
	uint8_t kid[MM_KID_SIZE];
	mm_auto(buffer) message = {0};
	enum mm_error error;

	mm_buffer_init(&message, 2 * MM_STATEMENT_MAX);
	mm_kid(public_key, kid);
	if (!mm_span_equal(statement->kid, mm_span(kid, sizeof(kid))))
		return mm_fail(MM_E_STATEMENT_SIGNATURE,
		    "the statement names another officer's key");
	error = sig_structure(
	    statement->protected_header, statement->payload, &message);
	if (error != MM_OK)
		return error;
	/* Refuses small orders and what is not canonical, too. */
	if (crypto_sign_verify_detached(statement->signature, message.data,
		message.size, public_key) != 0)
		return mm_fail(MM_E_STATEMENT_SIGNATURE,
		    "the statement's signature does not verify");
	return MM_OK;
}

static void
put_header(const uint8_t public_key[32], struct mm_buffer *out)
{
	uint8_t kid[MM_KID_SIZE];

	mm_kid(public_key, kid);
	mm_cbor_put_map(out, 2);
	mm_cbor_put_int(out, HEADER_ALG);
	mm_cbor_put_int(out, ALG_EDDSA);
	mm_cbor_put_int(out, HEADER_KID);
	mm_cbor_put_bytes(out, mm_span(kid, sizeof(kid)));
}

static void
put_sign1(struct mm_span header, struct mm_span payload,
    struct mm_span signature, struct mm_buffer *out)
{
	mm_cbor_put_tag(out, MM_CBOR_TAG_SIGN1);
	mm_cbor_put_array(out, 4);
	mm_cbor_put_bytes(out, header);
	mm_cbor_put_map(out, 0);
	mm_cbor_put_bytes(out, payload);
	mm_cbor_put_bytes(out, signature);
}

enum mm_error
mm_statement_sign(
    struct mm_span payload, const uint8_t secret_key[64], struct mm_buffer *out)
{
	uint8_t signature[SIGNATURE_SIZE];
	mm_auto(buffer) header = {0}, message = {0}, sign1 = {0};
	enum mm_error error;

	mm_buffer_init(&header, 64);
	mm_buffer_init(&message, 2 * MM_STATEMENT_MAX);
	mm_buffer_init(&sign1, MM_STATEMENT_MAX);
	if (payload.size == 0)
		return malformed("there is no payload");
	/* libsodium's secret key ends with the public key. */
	put_header(secret_key + 32, &header);
	error = sig_structure(mm_buffer_span(&header), payload, &message);
	if (error != MM_OK)
		return error;
	crypto_sign_detached(
	    signature, NULL, message.data, message.size, secret_key);
	put_sign1(mm_buffer_span(&header), payload,
	    mm_span(signature, sizeof(signature)), &sign1);
	if (sign1.error != MM_OK)
		return mm_fail(sign1.error, "the statement is too large");
	mm_buffer_add(out, sign1.data, sign1.size);
	if (out->error != MM_OK)
		return mm_fail(out->error, "no room for the statement");
	return MM_OK;
}
