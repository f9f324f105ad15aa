#include "log/entry.h"

#include <string.h>

#include "protocol/message.h"
#include "protocol/statement.h"

enum {
	ENTRY_MAX = 65535,  /* tlog-tiles: a bundle's length is 16 bits */
	WRITE_MAX = 49146,  /* in base64 a line below 64 KiB (tlog-proof) */
	BODY_MAX = 1 << 20, /* what an entry decodes to */
	KIND_MAX = 255,
	REQUEST_SIZE = 16,
	KEYS_MAX = 16,
	SPKI_MAX = 1024,
	SERIAL_MAX = 20,
	TBS_MAX = 16384,
	POLICY_MAX = 32768,
	POLICY_TEXT_MAX = 24576,
	SIGNATURE_MAX = 1024,
	CRL_TBS_MAX = 32768,
	FILTER_MAX = 512,
	ITEMS_MAX = 512 /* signatures, voids or refusals of one entry */
};

/* What many fields have in common. */
#define NAME(S, k, member) MM_FIELD(S, k, member, MM_TEXT, 1, MM_NAME_MAX)
#define NAME_OR_NOT(S, k, member) \
	MM_OPTIONAL(S, k, member, MM_TEXT, 1, MM_NAME_MAX)
#define INDEX(S, k, member) MM_FIELD(S, k, member, MM_UINT, 0, INT64_MAX)
#define SHA256(S, k, member) MM_FIELD(S, k, member, MM_FIXED, 0, 32)
#define REQUEST(S, k, member) \
	MM_OPTIONAL(S, k, member, MM_BYTES, REQUEST_SIZE, REQUEST_SIZE)
#define STATEMENTS(S, k) \
	MM_MANY(S, k, statements, &mm_bytes_item_shape, 1, MM_STATEMENTS_MAX)
#define STATEMENTS_OR_NOT(S, k) \
	MM_ANY(S, k, statements, &mm_bytes_item_shape, MM_STATEMENTS_MAX)

/* Two rows: where a blob stands for `member`. */
#define BLOB(S, k, l, member) \
	MM_OPTIONAL(S, k, member##_sha256, MM_BYTES, 32, 32), \
	    MM_OPTIONAL(S, l, member##_size, MM_UINT, 1, MM_BLOB_MAX)

static const struct mm_field entry_fields[] = {
    MM_FIELD(mm_entry, 0, kind, MM_UINT, 0, KIND_MAX),
    MM_FIELD(mm_entry, 1, time, MM_UINT, 0, INT64_MAX),
    SHA256(mm_entry, 2, policy),
    MM_FIELD(mm_entry, 3, body, MM_ITEM, 1, ENTRY_MAX)};
MM_SHAPE(mm_entry_shape, mm_entry, entry_fields);

static const struct mm_field genesis_key_fields[] = {
    NAME(mm_genesis_key, 0, name),
    MM_FIELD(
	mm_genesis_key, 1, use, MM_UINT, MM_KEY_ROOT_CA, MM_KEY_CODE_SIGNING),
    MM_FIELD(mm_genesis_key, 2, spki, MM_BYTES, 1, SPKI_MAX)};
MM_SHAPE(mm_genesis_key_shape, mm_genesis_key, genesis_key_fields);

static const struct mm_field genesis_fields[] = {
    MM_FIELD(mm_genesis, 0, origin, MM_TEXT, 1, MM_ORIGIN_MAX),
    MM_FIELD(mm_genesis, 1, log_key, MM_FIXED, 0, 32),
    MM_MANY(mm_genesis, 2, keys, &mm_genesis_key_shape, 1, KEYS_MAX),
    MM_FIELD(mm_genesis, 3, policy, MM_BYTES, 1, POLICY_MAX),
    MM_OPTIONAL(mm_genesis, 4, text, MM_BYTES, 1, POLICY_TEXT_MAX),
    STATEMENTS_OR_NOT(mm_genesis, 5), BLOB(mm_genesis, 6, 7, text)};
MM_SHAPE(mm_genesis_shape, mm_genesis, genesis_fields);

static const struct mm_field policy_fields[] = {
    MM_FIELD(mm_policy_entry, 0, policy, MM_BYTES, 1, POLICY_MAX),
    MM_OPTIONAL(mm_policy_entry, 1, text, MM_BYTES, 1, POLICY_TEXT_MAX),
    STATEMENTS(mm_policy_entry, 2), BLOB(mm_policy_entry, 3, 4, text),
    NAME_OR_NOT(mm_policy_entry, 5, principal),
    REQUEST(mm_policy_entry, 6, request)};
MM_SHAPE(mm_policy_entry_shape, mm_policy_entry, policy_fields);

static const struct mm_field statement_fields[] = {
    STATEMENTS(mm_statement_entry, 0),
    NAME_OR_NOT(mm_statement_entry, 1, principal),
    REQUEST(mm_statement_entry, 2, request)};
MM_SHAPE(mm_statement_entry_shape, mm_statement_entry, statement_fields);

static const struct mm_field pending_fields[] = {
    STATEMENTS(mm_pending_entry, 0), NAME(mm_pending_entry, 1, principal),
    MM_FIELD(
	mm_pending_entry, 2, request, MM_BYTES, REQUEST_SIZE, REQUEST_SIZE),
    MM_OPTIONAL(mm_pending_entry, 3, spki, MM_BYTES, 1, SPKI_MAX),
    MM_OPTIONAL(mm_pending_entry, 4, policy, MM_BYTES, 1, POLICY_MAX),
    MM_OPTIONAL(mm_pending_entry, 5, text, MM_BYTES, 1, POLICY_TEXT_MAX),
    BLOB(mm_pending_entry, 6, 7, text),
    MM_ANY(mm_pending_entry, 8, certificates, &mm_bytes_item_shape, 8)};
MM_SHAPE(mm_pending_entry_shape, mm_pending_entry, pending_fields);

static const struct mm_field replaced_fields[] = {INDEX(mm_replaced, 0, index),
    MM_FIELD(mm_replaced, 1, serial, MM_BYTES, 1, SERIAL_MAX)};
MM_SHAPE(mm_replaced_shape, mm_replaced, replaced_fields);

static const struct mm_field certificate_fields[] = {
    NAME(mm_certificate_entry, 0, profile),
    NAME(mm_certificate_entry, 1, subject),
    INDEX(mm_certificate_entry, 2, basis),
    NAME(mm_certificate_entry, 3, issuer), SHA256(mm_certificate_entry, 4, key),
    MM_FIELD(mm_certificate_entry, 5, tbs, MM_BYTES, 1, TBS_MAX),
    NAME_OR_NOT(mm_certificate_entry, 6, principal),
    REQUEST(mm_certificate_entry, 7, request),
    MM_ANY(mm_certificate_entry, 8, replaces, &mm_replaced_shape, 1)};
MM_SHAPE(mm_certificate_entry_shape, mm_certificate_entry, certificate_fields);

static const struct mm_field image_fields[] = {NAME(mm_image_entry, 0, product),
    NAME(mm_image_entry, 1, version),
    MM_FIELD(mm_image_entry, 2, size, MM_UINT, 0, INT64_MAX),
    SHA256(mm_image_entry, 3, sha256), NAME(mm_image_entry, 4, scheme),
    SHA256(mm_image_entry, 5, digest), NAME(mm_image_entry, 6, key),
    NAME(mm_image_entry, 7, format), STATEMENTS_OR_NOT(mm_image_entry, 8),
    NAME_OR_NOT(mm_image_entry, 9, principal),
    REQUEST(mm_image_entry, 10, request), SHA256(mm_image_entry, 11, signer),
    NAME_OR_NOT(mm_image_entry, 12, chip),
    NAME_OR_NOT(mm_image_entry, 13, project),
    MM_OPTIONAL(mm_image_entry, 14, secure_version, MM_UINT, 1, INT64_MAX)};
MM_SHAPE(mm_image_entry_shape, mm_image_entry, image_fields);

static const struct mm_field partition_fields[] = {
    NAME(mm_partition_entry, 0, profile), NAME(mm_partition_entry, 1, device),
    INDEX(mm_partition_entry, 2, basis),
    INDEX(mm_partition_entry, 3, certificate),
    INDEX(mm_partition_entry, 4, size), SHA256(mm_partition_entry, 5, sha256),
    NAME(mm_partition_entry, 6, scheme), SHA256(mm_partition_entry, 7, digest),
    NAME(mm_partition_entry, 8, key), SHA256(mm_partition_entry, 9, signer),
    NAME(mm_partition_entry, 10, principal),
    MM_FIELD(
	mm_partition_entry, 11, request, MM_BYTES, REQUEST_SIZE, REQUEST_SIZE)};
MM_SHAPE(mm_partition_entry_shape, mm_partition_entry, partition_fields);

static const struct mm_field signature_fields[] = {
    INDEX(mm_signature, 0, index),
    MM_FIELD(mm_signature, 1, signature, MM_BYTES, 1, SIGNATURE_MAX)};
MM_SHAPE(mm_signature_shape, mm_signature, signature_fields);

static const struct mm_field signatures_fields[] = {MM_MANY(
    mm_signatures_entry, 0, signatures, &mm_signature_shape, 1, ITEMS_MAX)};
MM_SHAPE(mm_signatures_entry_shape, mm_signatures_entry, signatures_fields);

static const struct mm_field void_fields[] = {
    INDEX(mm_void, 0, index), NAME(mm_void, 1, reason)};
MM_SHAPE(mm_void_shape, mm_void, void_fields);

static const struct mm_field voids_fields[] = {
    MM_MANY(mm_void_entry, 0, voids, &mm_void_shape, 1, ITEMS_MAX)};
MM_SHAPE(mm_void_entry_shape, mm_void_entry, voids_fields);

static const struct mm_field refusal_fields[] = {NAME(mm_refusal, 0, principal),
    NAME(mm_refusal, 1, request), NAME(mm_refusal, 2, reason),
    MM_FIELD(mm_refusal, 3, count, MM_UINT, 1, UINT32_MAX),
    NAME_OR_NOT(mm_refusal, 4, subject), NAME_OR_NOT(mm_refusal, 5, order)};
MM_SHAPE(mm_refusal_shape, mm_refusal, refusal_fields);

static const struct mm_field refusals_fields[] = {
    MM_MANY(mm_refusal_entry, 0, refusals, &mm_refusal_shape, 1, ITEMS_MAX)};
MM_SHAPE(mm_refusal_entry_shape, mm_refusal_entry, refusals_fields);

static const struct mm_field start_fields[] = {
    NAME(mm_start_entry, 0, version), INDEX(mm_start_entry, 1, undecided)};
MM_SHAPE(mm_start_entry_shape, mm_start_entry, start_fields);

static const struct mm_field key_fields[] = {NAME(mm_key_entry, 0, name),
    MM_FIELD(
	mm_key_entry, 1, use, MM_UINT, MM_KEY_ROOT_CA, MM_KEY_CODE_SIGNING),
    MM_FIELD(mm_key_entry, 2, spki, MM_BYTES, 1, SPKI_MAX),
    MM_FIELD(mm_key_entry, 3, retired, MM_BOOL, 0, 1),
    INDEX(mm_key_entry, 4, basis)};
MM_SHAPE(mm_key_entry_shape, mm_key_entry, key_fields);

static const struct mm_field csr_fields[] = {NAME(mm_csr_entry, 0, key),
    NAME(mm_csr_entry, 1, profile), NAME(mm_csr_entry, 2, subject),
    INDEX(mm_csr_entry, 3, basis),
    MM_FIELD(mm_csr_entry, 4, info, MM_BYTES, 1, TBS_MAX)};
MM_SHAPE(mm_csr_entry_shape, mm_csr_entry, csr_fields);

static const struct mm_field import_fields[] = {NAME(mm_import_entry, 0, key),
    INDEX(mm_import_entry, 1, basis),
    MM_FIELD(mm_import_entry, 2, certificate, MM_BYTES, 1, TBS_MAX)};
MM_SHAPE(mm_import_entry_shape, mm_import_entry, import_fields);

static const struct mm_field inherited_fields[] = {
    INDEX(mm_inherited_entry, 0, count),
    BLOB(mm_inherited_entry, 1, 2, things)};
MM_SHAPE(mm_inherited_entry_shape, mm_inherited_entry, inherited_fields);

static const struct mm_field crl_fields[] = {NAME(mm_crl_entry, 0, issuer),
    INDEX(mm_crl_entry, 1, number), INDEX(mm_crl_entry, 2, this_update),
    INDEX(mm_crl_entry, 3, next_update), INDEX(mm_crl_entry, 4, size),
    INDEX(mm_crl_entry, 5, count),
    MM_OPTIONAL(mm_crl_entry, 6, tbs, MM_BYTES, 1, CRL_TBS_MAX),
    BLOB(mm_crl_entry, 7, 8, tbs)};
MM_SHAPE(mm_crl_entry_shape, mm_crl_entry, crl_fields);

static const struct mm_field export_fields[] = {INDEX(mm_export_entry, 0, from),
    INDEX(mm_export_entry, 1, to), NAME(mm_export_entry, 2, format),
    MM_OPTIONAL(mm_export_entry, 3, filter, MM_TEXT, 1, FILTER_MAX),
    SHA256(mm_export_entry, 4, sha256), INDEX(mm_export_entry, 5, size),
    NAME(mm_export_entry, 6, principal),
    MM_FIELD(
	mm_export_entry, 7, request, MM_BYTES, REQUEST_SIZE, REQUEST_SIZE)};
MM_SHAPE(mm_export_entry_shape, mm_export_entry, export_fields);

static const struct mm_field scrap_fields[] = {INDEX(mm_scrap_entry, 0, basis),
    INDEX(mm_scrap_entry, 1, certificate),
    MM_FIELD(mm_scrap_entry, 2, serial, MM_BYTES, 1, SERIAL_MAX),
    NAME(mm_scrap_entry, 3, device),
    MM_FIELD(mm_scrap_entry, 4, reason, MM_TEXT, 1, MM_SCRAP_REASON_MAX),
    NAME(mm_scrap_entry, 5, principal),
    MM_FIELD(mm_scrap_entry, 6, request, MM_BYTES, REQUEST_SIZE, REQUEST_SIZE)};
MM_SHAPE(mm_scrap_entry_shape, mm_scrap_entry, scrap_fields);

static const struct kind {
	const char *name;
	const struct mm_shape *body;
} kinds[MM_ENTRY_KINDS] = {[MM_ENTRY_GENESIS] = {"genesis", &mm_genesis_shape},
    [MM_ENTRY_POLICY] = {"policy", &mm_policy_entry_shape},
    [MM_ENTRY_PRINCIPAL] = {"principal", &mm_statement_entry_shape},
    [MM_ENTRY_ORDER] = {"order", &mm_statement_entry_shape},
    [MM_ENTRY_CERTIFICATE] = {"certificate", &mm_certificate_entry_shape},
    [MM_ENTRY_IMAGE] = {"image", &mm_image_entry_shape},
    [MM_ENTRY_SIGNATURES] = {"signatures", &mm_signatures_entry_shape},
    [MM_ENTRY_VOID] = {"void", &mm_void_entry_shape},
    [MM_ENTRY_REFUSAL] = {"refusal", &mm_refusal_entry_shape},
    [MM_ENTRY_START] = {"start", &mm_start_entry_shape},
    [MM_ENTRY_KEY] = {"key", &mm_key_entry_shape},
    [MM_ENTRY_REVOCATION] = {"revocation", &mm_statement_entry_shape},
    [MM_ENTRY_CRL] = {"crl", &mm_crl_entry_shape},
    [MM_ENTRY_EXPORT] = {"export", &mm_export_entry_shape},
    [MM_ENTRY_PENDING] = {"pending", &mm_pending_entry_shape},
    [MM_ENTRY_WITHDRAWAL] = {"withdrawal", &mm_statement_entry_shape},
    [MM_ENTRY_RELEASE] = {"release", &mm_statement_entry_shape},
    [MM_ENTRY_CEREMONY] = {"ceremony", &mm_statement_entry_shape},
    [MM_ENTRY_CSR] = {"csr", &mm_csr_entry_shape},
    [MM_ENTRY_IMPORT] = {"import", &mm_import_entry_shape},
    [MM_ENTRY_INHERITED] = {"inherited", &mm_inherited_entry_shape},
    [MM_ENTRY_PARTITION] = {"partition", &mm_partition_entry_shape},
    [MM_ENTRY_SCRAP] = {"scrap", &mm_scrap_entry_shape}};

const struct mm_shape *
mm_entry_body_shape(uint64_t kind)
{
	return kind < MM_ENTRY_KINDS ? kinds[kind].body : NULL;
}

const char *
mm_entry_kind_name(uint64_t kind)
{
	return kind < MM_ENTRY_KINDS ? kinds[kind].name : NULL;
}

static enum mm_error
unknown_kind(uint64_t kind)
{
	return mm_fail(MM_E_ENTRY, "there are no entries of kind %llu",
	    (unsigned long long)kind);
}

enum mm_error
mm_entry_encode(
    const struct mm_entry *entry, const void *body, struct mm_buffer *out)
{
	const struct mm_shape *shape = mm_entry_body_shape(entry->kind);
	struct mm_entry whole = *entry;
	mm_auto(buffer) inner = {0}, outer = {0};
	enum mm_error error;

	mm_buffer_init(&inner, ENTRY_MAX);
	mm_buffer_init(&outer, WRITE_MAX);
	if (shape == NULL)
		return unknown_kind(entry->kind);
	error = mm_shape_encode(shape, body, &inner);
	if (error != MM_OK)
		return error;
	whole.body = mm_buffer_span(&inner);
	error = mm_shape_encode(&mm_entry_shape, &whole, &outer);
	if (error != MM_OK)
		return error;
	mm_buffer_add(out, outer.data, outer.size);
	return out->error;
}

/* Whatever is wrong with the bytes, they are no entry; why stands beside. */
static enum mm_error
no_entry(const char *what, enum mm_error error)
{
	if (error == MM_OK || error == MM_E_MEMORY)
		return error;
	return mm_fail(MM_E_ENTRY, "no %s entry: %s", what, mm_why(error));
}

enum mm_error
mm_entry_decode(
    struct mm_span bytes, struct mm_arena *arena, struct mm_entry *out)
{
	struct mm_entry entry;
	enum mm_error error;

	if (bytes.size > ENTRY_MAX)
		return mm_fail(
		    MM_E_ENTRY, "an entry has at most %d bytes", ENTRY_MAX);
	error = mm_shape_decode(&mm_entry_shape, bytes, arena, &entry);
	if (error != MM_OK)
		return no_entry("log", error);
	if (mm_entry_body_shape(entry.kind) == NULL)
		return unknown_kind(entry.kind);
	*out = entry;
	return MM_OK;
}

enum mm_error
mm_entry_decode_as(struct mm_span bytes, enum mm_entry_kind kind,
    struct mm_arena *arena, struct mm_entry *out, void *body)
{
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode(bytes, arena, &entry);

	if (error == MM_OK && entry.kind != kind)
		error = mm_fail(MM_E_ENTRY, "the entry's kind is %s, not %s",
		    kinds[entry.kind].name, kinds[kind].name);
	if (error == MM_OK && body != NULL)
		error = no_entry(kinds[kind].name,
		    mm_shape_decode(kinds[kind].body, entry.body, arena, body));
	if (error == MM_OK)
		*out = entry;
	return error;
}
