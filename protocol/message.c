#include "protocol/message.h"

#include <string.h>

#include "protocol/statement.h"
#include "protocol/text.h"

enum {
	NAME_MAX_BYTES = MM_NAME_MAX,
	VKEY_MAX_BYTES = 192,
	NOTE_MAX_BYTES = 65536,
	SERIAL_MAX_BYTES = 20, /* RFC 5280 4.1.2.2 */
	SIGNATURE_MAX_BYTES = 4096,
	SPKI_MAX_BYTES = 1024,
	RULE_WHY_MAX_BYTES = 255,
	WHY_MAX_BYTES = 512,
	FILTER_MAX_BYTES = 512,
	POLICY_MAX_BYTES = 32768,
	SUBJECT_MAX_BYTES = 192,
	OFFICERS_MAX = 64,
	PROFILES_MAX = 64,
	PROOF_MAX = 63, /* hashes (formats of C2SP: a size is below 2^63) */
	ENTRIES_MAX_COUNT = 4096,
	WAIT_MAX_SECONDS = 86400
};

static const struct mm_field envelope_fields[] = {
    MM_FIELD(mm_envelope, 0, type, MM_UINT, 0, 255),
    MM_FIELD(mm_envelope, 1, id, MM_FIXED, 0, MM_ID_SIZE),
    MM_FIELD(mm_envelope, 2, body, MM_ITEM, 1, MM_FRAME_MAX)};

static const struct mm_field error_answer_fields[] = {
    MM_FIELD(mm_error_answer, 0, code, MM_UINT, 1, 65535),
    MM_FIELD(mm_error_answer, 1, name, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_error_answer, 2, text, MM_TEXT, 1, WHY_MAX_BYTES),
    MM_OPTIONAL(mm_error_answer, 3, retry_after, MM_UINT, 1, WAIT_MAX_SECONDS)};

static const struct mm_field status_answer_fields[] = {
    MM_FIELD(mm_status_answer, 0, origin, MM_TEXT, 1, MM_ORIGIN_MAX),
    MM_FIELD(mm_status_answer, 1, vkey, MM_TEXT, 1, VKEY_MAX_BYTES),
    MM_FIELD(mm_status_answer, 2, size, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_status_answer, 3, checkpoint, MM_BYTES, 1, NOTE_MAX_BYTES),
    MM_FIELD(mm_status_answer, 4, policy, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_status_answer, 5, name, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_status_answer, 6, role, MM_TEXT, 1, NAME_MAX_BYTES)};

static const struct mm_field issue_request_fields[] = {
    MM_FIELD(mm_issue_request, 0, order, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_issue_request, 1, profile, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_issue_request, 2, device, MM_TEXT, 1, MM_DEVICE_MAX),
    MM_FIELD(mm_issue_request, 3, csr, MM_BYTES, 1, MM_CSR_MAX),
    MM_OPTIONAL(mm_issue_request, 4, reissue, MM_BOOL, 0, 1)};

static const struct mm_field certificate_answer_fields[] = {
    MM_FIELD(mm_certificate_answer, 0, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(
	mm_certificate_answer, 1, certificate, MM_BYTES, 1, MM_CERTIFICATE_MAX),
    MM_ANY(mm_certificate_answer, 2, chain, &mm_bytes_item_shape, MM_CHAIN_MAX),
    MM_FIELD(mm_certificate_answer, 3, receipt, MM_BYTES, 1, MM_RECEIPT_MAX)};

static const struct mm_field show_request_fields[] = {
    MM_OPTIONAL(mm_show_request, 0, profile, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_OPTIONAL(mm_show_request, 1, device, MM_TEXT, 1, MM_DEVICE_MAX),
    MM_OPTIONAL(mm_show_request, 2, serial, MM_BYTES, 1, SERIAL_MAX_BYTES),
    MM_OPTIONAL(mm_show_request, 3, basis, MM_UINT, 1, INT64_MAX)};

static const struct mm_field statement_request_fields[] = {
    MM_MANY(mm_statement_request, 0, statements, &mm_bytes_item_shape, 1,
	MM_STATEMENTS_MAX),
    MM_OPTIONAL(mm_statement_request, 1, csr, MM_BYTES, 1, MM_CSR_MAX),
    MM_OPTIONAL(mm_statement_request, 2, policy, MM_BYTES, 1, POLICY_MAX_BYTES),
    MM_OPTIONAL(mm_statement_request, 3, text, MM_BYTES, 1, MM_PROPOSAL_MAX),
    MM_ANY(mm_statement_request, 4, certificates, &mm_bytes_item_shape, 8)};

static const struct mm_field statement_answer_fields[] = {
    MM_FIELD(mm_statement_answer, 0, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_statement_answer, 1, receipt, MM_BYTES, 1, MM_RECEIPT_MAX),
    MM_OPTIONAL(
	mm_statement_answer, 2, certificate, MM_BYTES, 1, MM_CERTIFICATE_MAX),
    MM_ANY(mm_statement_answer, 3, chain, &mm_bytes_item_shape, MM_CHAIN_MAX),
    MM_OPTIONAL(mm_statement_answer, 4, missing, MM_UINT, 1, 64)};

/* How large an image may be is the box's setting: MM_E_IMAGE_SIZE. */
static const struct mm_field upload_request_fields[] = {
    MM_FIELD(mm_upload_request, 0, size, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_upload_request, 1, sha256, MM_FIXED, 0, 32)};

static const struct mm_field upload_answer_fields[] = {
    MM_FIELD(mm_upload_answer, 0, upload, MM_UINT, 0, INT64_MAX),
    MM_OPTIONAL(mm_upload_answer, 1, received, MM_UINT, 1, INT64_MAX)};

static const struct mm_field chunk_request_fields[] = {
    MM_FIELD(mm_chunk_request, 0, upload, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_chunk_request, 1, offset, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_chunk_request, 2, data, MM_BYTES, 1, MM_CHUNK_MAX)};

static const struct mm_field chunk_answer_fields[] = {
    MM_FIELD(mm_chunk_answer, 0, received, MM_UINT, 0, INT64_MAX)};

static const struct mm_field submit_request_fields[] = {
    MM_FIELD(mm_submit_request, 0, upload, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_submit_request, 1, product, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_submit_request, 2, version, MM_TEXT, 1, NAME_MAX_BYTES)};

static const struct mm_field rule_row_fields[] = {
    MM_FIELD(mm_rule_row, 0, name, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_rule_row, 1, verdict, MM_UINT, MM_RULE_PASSED, MM_RULE_SILENT),
    MM_OPTIONAL(mm_rule_row, 2, why, MM_TEXT, 1, RULE_WHY_MAX_BYTES)};

static const struct mm_field submit_answer_fields[] = {
    MM_FIELD(mm_submit_answer, 0, state, MM_UINT, 1, MM_RELEASE_STATES - 1),
    MM_FIELD(mm_submit_answer, 1, sha256, MM_FIXED, 0, 32),
    MM_FIELD(mm_submit_answer, 2, size, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_submit_answer, 3, format, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_MANY(mm_submit_answer, 4, rules, &mm_rule_row_shape, 0, MM_RULES_MAX),
    MM_ANY(mm_submit_answer, 5, schemes, &mm_text_item_shape,
	MM_SIGNINGS_MAX)};

static const struct mm_field fetch_request_fields[] = {
    MM_FIELD(mm_fetch_request, 0, product, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_fetch_request, 1, version, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_fetch_request, 2, scheme, MM_TEXT, 1, NAME_MAX_BYTES)};

static const struct mm_field release_answer_fields[] = {
    MM_FIELD(mm_release_answer, 0, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_release_answer, 1, signature, MM_BYTES, 1, SIGNATURE_MAX_BYTES),
    MM_OPTIONAL(
	mm_release_answer, 2, certificate, MM_BYTES, 1, MM_CERTIFICATE_MAX),
    MM_ANY(mm_release_answer, 3, chain, &mm_bytes_item_shape, MM_CHAIN_MAX),
    MM_FIELD(mm_release_answer, 4, receipt, MM_BYTES, 1, MM_RECEIPT_MAX),
    MM_FIELD(mm_release_answer, 5, sha256, MM_FIXED, 0, 32),
    MM_FIELD(mm_release_answer, 6, key, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_release_answer, 7, spki, MM_BYTES, 1, SPKI_MAX_BYTES)};

static const struct mm_field releases_request_fields[] = {
    MM_OPTIONAL(mm_releases_request, 0, product, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_OPTIONAL(mm_releases_request, 1, version, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_OPTIONAL(mm_releases_request, 2, after, MM_UINT, 1, INT64_MAX)};

static const struct mm_field release_signing_fields[] = {
    MM_FIELD(mm_release_signing, 0, scheme, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_OPTIONAL(mm_release_signing, 1, index, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_release_signing, 2, is_signed, MM_BOOL, 0, 1)};

static const struct mm_field release_row_fields[] = {
    MM_FIELD(mm_release_row, 0, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_release_row, 1, product, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_release_row, 2, version, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_release_row, 3, state, MM_UINT, 1, MM_RELEASE_STATES - 1),
    MM_FIELD(mm_release_row, 4, time, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_release_row, 5, size, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_release_row, 6, sha256, MM_FIXED, 0, 32),
    MM_FIELD(mm_release_row, 7, kept, MM_BOOL, 0, 1),
    MM_FIELD(mm_release_row, 8, expiry, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_release_row, 9, payload, MM_FIXED, 0, 32),
    MM_MANY(mm_release_row, 10, signings, &mm_release_signing_shape, 0,
	MM_SIGNINGS_MAX),
    MM_OPTIONAL(mm_release_row, 11, resign, MM_UINT, 1, 2)};

static const struct mm_field releases_answer_fields[] = {MM_MANY(
    mm_releases_answer, 0, releases, &mm_release_row_shape, 0, MM_ROWS_MAX)};

static const struct mm_field image_request_fields[] = {
    MM_FIELD(mm_image_request, 0, sha256, MM_FIXED, 0, 32),
    MM_FIELD(mm_image_request, 1, offset, MM_UINT, 0, INT64_MAX),
    MM_OPTIONAL(mm_image_request, 2, done, MM_BOOL, 0, 1)};

static const struct mm_field image_answer_fields[] = {
    MM_FIELD(mm_image_answer, 0, size, MM_UINT, 1, INT64_MAX),
    MM_OPTIONAL(mm_image_answer, 1, data, MM_BYTES, 1, MM_CHUNK_MAX)};

static const struct mm_field partition_request_fields[] = {
    MM_FIELD(mm_partition_request, 0, order, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_partition_request, 1, device, MM_TEXT, 1, MM_DEVICE_MAX),
    MM_FIELD(mm_partition_request, 2, scheme, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(
	mm_partition_request, 3, partition, MM_BYTES, 1, MM_PARTITION_MAX)};

static const struct mm_field partition_answer_fields[] = {
    MM_FIELD(mm_partition_answer, 0, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(
	mm_partition_answer, 1, signature, MM_BYTES, 1, SIGNATURE_MAX_BYTES),
    MM_FIELD(mm_partition_answer, 2, receipt, MM_BYTES, 1, MM_RECEIPT_MAX),
    MM_FIELD(mm_partition_answer, 3, key, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_partition_answer, 4, spki, MM_BYTES, 1, SPKI_MAX_BYTES)};

static const struct mm_field entries_request_fields[] = {
    MM_FIELD(mm_entries_request, 0, from, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_entries_request, 1, count, MM_UINT, 1, ENTRIES_MAX_COUNT)};

static const struct mm_field entries_answer_fields[] = {
    MM_FIELD(mm_entries_answer, 0, from, MM_UINT, 0, INT64_MAX),
    MM_MANY(mm_entries_answer, 1, entries, &mm_bytes_item_shape, 0,
	ENTRIES_MAX_COUNT)};

static const struct mm_field prove_request_fields[] = {
    MM_FIELD(mm_prove_request, 0, index, MM_UINT, 0, INT64_MAX),
    MM_OPTIONAL(mm_prove_request, 1, cosigned, MM_BOOL, 0, 1),
    MM_OPTIONAL(mm_prove_request, 2, size, MM_UINT, 1, INT64_MAX)};

static const struct mm_field prove_answer_fields[] = {
    MM_FIELD(mm_prove_answer, 0, receipt, MM_BYTES, 1, MM_RECEIPT_MAX)};

static const struct mm_field consistency_request_fields[] = {
    MM_FIELD(mm_consistency_request, 0, older, MM_UINT, 0, INT64_MAX)};

static const struct mm_field consistency_answer_fields[] = {
    MM_FIELD(mm_consistency_answer, 0, checkpoint, MM_BYTES, 1, NOTE_MAX_BYTES),
    MM_ANY(mm_consistency_answer, 1, proof, &mm_hash_item_shape, PROOF_MAX)};

static const struct mm_field cosign_request_fields[] = {
    MM_FIELD(mm_cosign_request, 0, note, MM_BYTES, 1, NOTE_MAX_BYTES)};

static const struct mm_field cosign_answer_fields[] = {
    MM_FIELD(mm_cosign_answer, 0, size, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_cosign_answer, 1, witnesses, MM_UINT, 0, 32)};

static const struct mm_field export_request_fields[] = {
    MM_FIELD(mm_export_request, 0, from, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_export_request, 1, to, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_export_request, 2, format, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_OPTIONAL(mm_export_request, 3, filter, MM_TEXT, 1, FILTER_MAX_BYTES),
    MM_FIELD(mm_export_request, 4, sha256, MM_FIXED, 0, 32),
    MM_FIELD(mm_export_request, 5, size, MM_UINT, 0, INT64_MAX)};

static const struct mm_field export_answer_fields[] = {
    MM_FIELD(mm_export_answer, 0, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_export_answer, 1, receipt, MM_BYTES, 1, MM_RECEIPT_MAX)};

static const struct mm_field blob_request_fields[] = {
    MM_FIELD(mm_blob_request, 0, sha256, MM_FIXED, 0, 32),
    MM_FIELD(mm_blob_request, 1, offset, MM_UINT, 0, MM_BLOB_MAX)};

static const struct mm_field blob_answer_fields[] = {
    MM_FIELD(mm_blob_answer, 0, size, MM_UINT, 1, MM_BLOB_MAX),
    MM_FIELD(mm_blob_answer, 1, data, MM_BYTES, 1, MM_CHUNK_MAX)};

static const struct mm_field renew_request_fields[] = {
    MM_FIELD(mm_renew_request, 0, csr, MM_BYTES, 1, MM_CSR_MAX)};

static const struct mm_field pending_request_fields[] = {
    MM_OPTIONAL(mm_pending_request, 0, payload, MM_BYTES, 32, 32),
    MM_OPTIONAL(mm_pending_request, 1, after, MM_BYTES, 32, 32)};

static const struct mm_field pending_row_fields[] = {
    MM_FIELD(mm_pending_row, 0, payload, MM_FIXED, 0, 32),
    MM_FIELD(mm_pending_row, 1, kind, MM_UINT, 1, MM_STATEMENT_KINDS - 1),
    MM_FIELD(mm_pending_row, 2, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_pending_row, 3, time, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_pending_row, 4, expiry, MM_UINT, 0, INT64_MAX),
    MM_MANY(mm_pending_row, 5, officers, &mm_text_item_shape, 0, OFFICERS_MAX),
    MM_FIELD(mm_pending_row, 6, missing, MM_UINT, 0, 64),
    MM_FIELD(mm_pending_row, 7, subject, MM_TEXT, 1, SUBJECT_MAX_BYTES)};

static const struct mm_field pending_answer_fields[] = {
    MM_MANY(mm_pending_answer, 0, rows, &mm_pending_row_shape, 0, MM_ROWS_MAX)};

static const struct mm_field orders_request_fields[] = {
    MM_OPTIONAL(mm_orders_request, 0, name, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_OPTIONAL(mm_orders_request, 1, after, MM_TEXT, 1, NAME_MAX_BYTES)};

#define COUNT(S, k, member) MM_FIELD(S, k, member, MM_UINT, 0, INT64_MAX)

static const struct mm_field order_state_fields[] = {
    MM_FIELD(mm_order_state, 0, name, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_order_state, 1, profile, MM_TEXT, 1, NAME_MAX_BYTES),
    COUNT(mm_order_state, 2, revision), COUNT(mm_order_state, 3, index),
    COUNT(mm_order_state, 4, first), COUNT(mm_order_state, 5, units),
    COUNT(mm_order_state, 6, reissue), COUNT(mm_order_state, 7, issued),
    COUNT(mm_order_state, 8, reissued), COUNT(mm_order_state, 9, refused),
    COUNT(mm_order_state, 10, revoked), COUNT(mm_order_state, 11, until),
    MM_FIELD(mm_order_state, 12, closed, MM_BOOL, 0, 1),
    COUNT(mm_order_state, 13, scrapped)};

static const struct mm_field orders_answer_fields[] = {MM_MANY(
    mm_orders_answer, 0, orders, &mm_order_state_shape, 0, MM_ROWS_MAX)};

static const struct mm_field principals_request_fields[] = {
    MM_OPTIONAL(mm_principals_request, 0, name, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_OPTIONAL(mm_principals_request, 1, after, MM_TEXT, 1, NAME_MAX_BYTES)};

static const struct mm_field principal_state_fields[] = {
    MM_FIELD(mm_principal_state, 0, name, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_principal_state, 1, role, MM_UINT, 1, MM_ROLES - 1),
    MM_FIELD(mm_principal_state, 2, key, MM_FIXED, 0, 32),
    COUNT(mm_principal_state, 3, index),
    MM_FIELD(mm_principal_state, 4, disabled, MM_BOOL, 0, 1),
    COUNT(mm_principal_state, 5, seen), COUNT(mm_principal_state, 6, until),
    COUNT(mm_principal_state, 7, today), COUNT(mm_principal_state, 8, daily),
    COUNT(mm_principal_state, 9, minute),
    MM_ANY(
	mm_principal_state, 10, profiles, &mm_text_item_shape, PROFILES_MAX)};

static const struct mm_field principals_answer_fields[] = {
    MM_MANY(mm_principals_answer, 0, principals, &mm_principal_state_shape, 0,
	MM_ROWS_MAX)};

static const struct mm_field crl_request_fields[] = {
    MM_FIELD(mm_crl_request, 0, issuer, MM_TEXT, 1, NAME_MAX_BYTES)};

static const struct mm_field crl_answer_fields[] = {
    MM_FIELD(mm_crl_answer, 0, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_crl_answer, 1, signature, MM_BYTES, 1, SIGNATURE_MAX_BYTES),
    MM_FIELD(mm_crl_answer, 2, receipt, MM_BYTES, 1, MM_RECEIPT_MAX)};

static const struct mm_field scrap_request_fields[] = {
    MM_FIELD(mm_scrap_request, 0, order, MM_TEXT, 1, NAME_MAX_BYTES),
    MM_FIELD(mm_scrap_request, 1, serial, MM_BYTES, 1, SERIAL_MAX_BYTES),
    MM_FIELD(mm_scrap_request, 2, reason, MM_TEXT, 1, MM_SCRAP_REASON_MAX)};

static const struct mm_field scrap_answer_fields[] = {
    MM_FIELD(mm_scrap_answer, 0, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_scrap_answer, 1, receipt, MM_BYTES, 1, MM_RECEIPT_MAX)};

MM_SHAPE(mm_envelope_shape, mm_envelope, envelope_fields);
MM_SHAPE(mm_error_answer_shape, mm_error_answer, error_answer_fields);
MM_SHAPE(mm_status_answer_shape, mm_status_answer, status_answer_fields);
MM_SHAPE(mm_issue_request_shape, mm_issue_request, issue_request_fields);
MM_SHAPE(mm_certificate_answer_shape, mm_certificate_answer,
    certificate_answer_fields);
MM_SHAPE(mm_show_request_shape, mm_show_request, show_request_fields);
MM_SHAPE(
    mm_statement_request_shape, mm_statement_request, statement_request_fields);
MM_SHAPE(
    mm_statement_answer_shape, mm_statement_answer, statement_answer_fields);
MM_SHAPE(mm_upload_request_shape, mm_upload_request, upload_request_fields);
MM_SHAPE(mm_upload_answer_shape, mm_upload_answer, upload_answer_fields);
MM_SHAPE(mm_chunk_request_shape, mm_chunk_request, chunk_request_fields);
MM_SHAPE(mm_chunk_answer_shape, mm_chunk_answer, chunk_answer_fields);
MM_SHAPE(mm_submit_request_shape, mm_submit_request, submit_request_fields);
MM_SHAPE(mm_rule_row_shape, mm_rule_row, rule_row_fields);
MM_SHAPE(mm_submit_answer_shape, mm_submit_answer, submit_answer_fields);
MM_SHAPE(mm_release_answer_shape, mm_release_answer, release_answer_fields);
MM_SHAPE(mm_fetch_request_shape, mm_fetch_request, fetch_request_fields);
MM_SHAPE(mm_entries_request_shape, mm_entries_request, entries_request_fields);
MM_SHAPE(mm_entries_answer_shape, mm_entries_answer, entries_answer_fields);
MM_SHAPE(mm_prove_request_shape, mm_prove_request, prove_request_fields);
MM_SHAPE(mm_prove_answer_shape, mm_prove_answer, prove_answer_fields);
MM_SHAPE(mm_consistency_request_shape, mm_consistency_request,
    consistency_request_fields);
MM_SHAPE(mm_consistency_answer_shape, mm_consistency_answer,
    consistency_answer_fields);
MM_SHAPE(mm_cosign_request_shape, mm_cosign_request, cosign_request_fields);
MM_SHAPE(mm_cosign_answer_shape, mm_cosign_answer, cosign_answer_fields);
MM_SHAPE(mm_export_request_shape, mm_export_request, export_request_fields);
MM_SHAPE(mm_export_answer_shape, mm_export_answer, export_answer_fields);
MM_SHAPE(mm_blob_request_shape, mm_blob_request, blob_request_fields);
MM_SHAPE(mm_blob_answer_shape, mm_blob_answer, blob_answer_fields);
MM_SHAPE(mm_renew_request_shape, mm_renew_request, renew_request_fields);
MM_SHAPE(mm_pending_request_shape, mm_pending_request, pending_request_fields);
MM_SHAPE(mm_pending_row_shape, mm_pending_row, pending_row_fields);
MM_SHAPE(mm_pending_answer_shape, mm_pending_answer, pending_answer_fields);
MM_SHAPE(mm_orders_request_shape, mm_orders_request, orders_request_fields);
MM_SHAPE(mm_order_state_shape, mm_order_state, order_state_fields);
MM_SHAPE(mm_orders_answer_shape, mm_orders_answer, orders_answer_fields);
MM_SHAPE(mm_principals_request_shape, mm_principals_request,
    principals_request_fields);
MM_SHAPE(mm_principal_state_shape, mm_principal_state, principal_state_fields);
MM_SHAPE(
    mm_principals_answer_shape, mm_principals_answer, principals_answer_fields);
MM_SHAPE(
    mm_releases_request_shape, mm_releases_request, releases_request_fields);
MM_SHAPE(mm_release_signing_shape, mm_release_signing, release_signing_fields);
MM_SHAPE(mm_release_row_shape, mm_release_row, release_row_fields);
MM_SHAPE(mm_releases_answer_shape, mm_releases_answer, releases_answer_fields);
MM_SHAPE(mm_image_request_shape, mm_image_request, image_request_fields);
MM_SHAPE(mm_image_answer_shape, mm_image_answer, image_answer_fields);
MM_SHAPE(
    mm_partition_request_shape, mm_partition_request, partition_request_fields);
MM_SHAPE(
    mm_partition_answer_shape, mm_partition_answer, partition_answer_fields);
MM_SHAPE(mm_crl_request_shape, mm_crl_request, crl_request_fields);
MM_SHAPE(mm_crl_answer_shape, mm_crl_answer, crl_answer_fields);
MM_SHAPE(mm_scrap_request_shape, mm_scrap_request, scrap_request_fields);
MM_SHAPE(mm_scrap_answer_shape, mm_scrap_answer, scrap_answer_fields);

#define STATION (1U << MM_ROLE_STATION)
#define RELEASE (1U << MM_ROLE_RELEASE)
#define AUDITOR (1U << MM_ROLE_AUDITOR)
#define OFFICER (1U << MM_ROLE_OFFICER)

/* Deny by default: who is not named here may not ask. */
static const struct mm_message_type_row rows[] = {
    {MM_MESSAGE_STATUS, "status", &mm_nothing_shape, &mm_status_answer_shape,
	STATION | RELEASE | AUDITOR | OFFICER},
    {MM_MESSAGE_ISSUE, "issue", &mm_issue_request_shape,
	&mm_certificate_answer_shape, STATION},
    {MM_MESSAGE_SHOW, "show", &mm_show_request_shape,
	&mm_certificate_answer_shape, STATION | AUDITOR | OFFICER},
    {MM_MESSAGE_STATEMENT, "statement", &mm_statement_request_shape,
	&mm_statement_answer_shape, RELEASE | OFFICER},
    {MM_MESSAGE_UPLOAD, "upload", &mm_upload_request_shape,
	&mm_upload_answer_shape, RELEASE},
    {MM_MESSAGE_CHUNK, "chunk", &mm_chunk_request_shape, &mm_chunk_answer_shape,
	RELEASE},
    {MM_MESSAGE_SUBMIT, "submit", &mm_submit_request_shape,
	&mm_submit_answer_shape, RELEASE},
    {MM_MESSAGE_FETCH, "fetch", &mm_fetch_request_shape,
	&mm_release_answer_shape, RELEASE | AUDITOR | OFFICER},
    {MM_MESSAGE_ENTRIES, "entries", &mm_entries_request_shape,
	&mm_entries_answer_shape, AUDITOR | OFFICER},
    {MM_MESSAGE_PROVE, "prove", &mm_prove_request_shape, &mm_prove_answer_shape,
	AUDITOR | OFFICER},
    {MM_MESSAGE_CONSISTENCY, "consistency", &mm_consistency_request_shape,
	&mm_consistency_answer_shape, STATION | RELEASE | AUDITOR | OFFICER},
    {MM_MESSAGE_COSIGN, "cosign", &mm_cosign_request_shape,
	&mm_cosign_answer_shape, AUDITOR | OFFICER},
    {MM_MESSAGE_EXPORT, "export", &mm_export_request_shape,
	&mm_export_answer_shape, AUDITOR | OFFICER},
    {MM_MESSAGE_BLOB, "blob", &mm_blob_request_shape, &mm_blob_answer_shape,
	STATION | RELEASE | AUDITOR | OFFICER},
    {MM_MESSAGE_RENEW, "renew", &mm_renew_request_shape,
	&mm_certificate_answer_shape, STATION | RELEASE | AUDITOR | OFFICER},
    {MM_MESSAGE_PENDING, "pending", &mm_pending_request_shape,
	&mm_pending_answer_shape, RELEASE | AUDITOR | OFFICER},
    {MM_MESSAGE_ORDERS, "orders", &mm_orders_request_shape,
	&mm_orders_answer_shape, STATION | AUDITOR | OFFICER},
    {MM_MESSAGE_PRINCIPALS, "principals", &mm_principals_request_shape,
	&mm_principals_answer_shape, AUDITOR | OFFICER},
    {MM_MESSAGE_CRL, "crl", &mm_crl_request_shape, &mm_crl_answer_shape,
	STATION | RELEASE | AUDITOR | OFFICER},
    {MM_MESSAGE_RELEASES, "releases", &mm_releases_request_shape,
	&mm_releases_answer_shape, RELEASE | AUDITOR | OFFICER},
    {MM_MESSAGE_IMAGE, "image", &mm_image_request_shape, &mm_image_answer_shape,
	RELEASE | OFFICER},
    {MM_MESSAGE_PARTITION, "partition", &mm_partition_request_shape,
	&mm_partition_answer_shape, STATION},
    {MM_MESSAGE_SCRAP, "scrap", &mm_scrap_request_shape,
	&mm_scrap_answer_shape, STATION},
};

const struct mm_message_type_row *
mm_message_row(uint64_t type)
{
	for (size_t i = 0; i < MM_COUNT(rows); i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

enum mm_error
mm_envelope_encode(uint64_t type, const uint8_t id[MM_ID_SIZE],
    const struct mm_shape *shape, const void *body, struct mm_buffer *out)
{
	struct mm_envelope envelope = {.type = type};
	mm_auto(buffer) item = {0};
	enum mm_error error;

	memcpy(envelope.id, id, MM_ID_SIZE);
	mm_buffer_init(&item, MM_FRAME_MAX);
	error = mm_shape_encode(shape, body, &item);
	if (error != MM_OK)
		return error;
	envelope.body = mm_buffer_span(&item);
	return mm_shape_encode(&mm_envelope_shape, &envelope, out);
}

enum mm_error
mm_envelope_error_after(enum mm_error error, const uint8_t id[MM_ID_SIZE],
    uint64_t seconds, struct mm_buffer *out)
{
	char text[WHY_MAX_BYTES + 1];
	struct mm_error_answer answer = {.code = (uint64_t)error,
	    .name = mm_span_text(mm_error_name(error)),
	    .retry_after = seconds};

	answer.text = mm_span(text,
	    mm_text_clean(mm_span_text(mm_why(error)), text, sizeof(text)));
	return mm_envelope_encode(
	    MM_MESSAGE_ERROR, id, &mm_error_answer_shape, &answer, out);
}

enum mm_error
mm_envelope_error(
    enum mm_error error, const uint8_t id[MM_ID_SIZE], struct mm_buffer *out)
{
	return mm_envelope_error_after(error, id, mm_error_wait(error), out);
}

const char *
mm_release_state_name(uint64_t state)
{
	static const char *const names[MM_RELEASE_STATES] = {
	    [MM_RELEASE_REFUSED] = "refused",
	    [MM_RELEASE_KEPT] = "kept",
	    [MM_RELEASE_APPROVED] = "approved",
	    [MM_RELEASE_SIGNED] = "signed"};

	return state < MM_RELEASE_STATES ? names[state] : NULL;
}
