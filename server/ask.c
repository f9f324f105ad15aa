#include "server/ask.h"

#include "protocol/statement.h"

enum {
	WHY_MAX = 512,   /* bytes */
	SERIAL_MAX = 20, /* RFC 5280 4.1.2.2 */
	POLICY_MAX = 32768,
	CERTIFICATES_MAX = 8
};

static const struct mm_field ask_fields[] = {
    MM_FIELD(mm_ask, 0, connection, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_ask, 1, client, MM_FIXED, 0, 32),
    MM_FIELD(mm_ask, 2, type, MM_UINT, 1, MM_MESSAGE_TYPES - 1),
    MM_FIELD(mm_ask, 3, id, MM_FIXED, 0, MM_ID_SIZE),
    MM_FIELD(mm_ask, 4, body, MM_ITEM, 1, MM_FRAME_MAX),
    MM_OPTIONAL(mm_ask, 5, announced, MM_FIXED, 0, 32),
    MM_FIELD(mm_ask, 6, serial, MM_BYTES, 1, SERIAL_MAX)};
MM_SHAPE(mm_ask_shape, mm_ask, ask_fields);

/* The bounds are the wire's; what is in them is the authority's to judge. */
static const struct mm_field issue_ask_fields[] = {
    MM_FIELD(mm_issue_ask, 0, order, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_issue_ask, 1, profile, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_issue_ask, 2, device, MM_TEXT, 1, MM_DEVICE_MAX),
    MM_OPTIONAL(mm_issue_ask, 3, spki, MM_BYTES, 1, MM_CSR_MAX),
    MM_OPTIONAL(mm_issue_ask, 4, refused, MM_UINT, MM_E_CSR, MM_E_KEY_WEAK),
    MM_OPTIONAL(mm_issue_ask, 5, why, MM_TEXT, 1, WHY_MAX),
    MM_OPTIONAL(mm_issue_ask, 6, reissue, MM_BOOL, 0, 1)};
MM_SHAPE(mm_issue_ask_shape, mm_issue_ask, issue_ask_fields);

static const struct mm_field statement_ask_fields[] = {
    MM_MANY(mm_statement_ask, 0, statements, &mm_bytes_item_shape, 1,
	MM_STATEMENTS_MAX),
    MM_OPTIONAL(mm_statement_ask, 1, spki, MM_BYTES, 1, MM_CSR_MAX),
    MM_OPTIONAL(mm_statement_ask, 2, refused, MM_UINT, MM_E_CSR, MM_E_KEY_WEAK),
    MM_OPTIONAL(mm_statement_ask, 3, why, MM_TEXT, 1, WHY_MAX),
    MM_OPTIONAL(mm_statement_ask, 4, policy, MM_BYTES, 1, POLICY_MAX),
    MM_OPTIONAL(mm_statement_ask, 5, text, MM_BYTES, 1, MM_PROPOSAL_MAX),
    MM_ANY(mm_statement_ask, 6, certificates, &mm_bytes_item_shape,
	CERTIFICATES_MAX)};
MM_SHAPE(mm_statement_ask_shape, mm_statement_ask, statement_ask_fields);

static const struct mm_field renew_ask_fields[] = {
    MM_OPTIONAL(mm_renew_ask, 0, spki, MM_BYTES, 1, MM_CSR_MAX),
    MM_OPTIONAL(mm_renew_ask, 1, refused, MM_UINT, MM_E_CSR, MM_E_KEY_WEAK),
    MM_OPTIONAL(mm_renew_ask, 2, why, MM_TEXT, 1, WHY_MAX)};
MM_SHAPE(mm_renew_ask_shape, mm_renew_ask, renew_ask_fields);

static const struct mm_field partition_ask_fields[] = {
    MM_FIELD(mm_partition_ask, 0, order, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_partition_ask, 1, device, MM_TEXT, 1, MM_DEVICE_MAX),
    MM_FIELD(mm_partition_ask, 2, scheme, MM_TEXT, 1, MM_NAME_MAX)};
MM_SHAPE(mm_partition_ask_shape, mm_partition_ask, partition_ask_fields);

static const struct mm_field park_fields[] = {
    MM_FIELD(mm_park, 0, client, MM_FIXED, 0, 32),
    MM_FIELD(mm_park, 1, sha256, MM_FIXED, 0, 32),
    MM_FIELD(mm_park, 2, size, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_park, 3, received, MM_UINT, 1, INT64_MAX)};
MM_SHAPE(mm_park_shape, mm_park, park_fields);

static const struct mm_field tell_fields[] = {
    MM_FIELD(mm_tell, 0, connection, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_tell, 1, envelope, MM_ITEM, 1, MM_FRAME_MAX)};
MM_SHAPE(mm_tell_shape, mm_tell, tell_fields);

static const struct mm_field server_certificate_fields[] = {
    MM_MANY(
	mm_server_certificate, 0, chain, &mm_bytes_item_shape, 1, MM_CHAIN_MAX),
    MM_FIELD(
	mm_server_certificate, 1, anchor, MM_BYTES, 1, MM_CERTIFICATE_MAX)};
MM_SHAPE(mm_server_certificate_shape, mm_server_certificate,
    server_certificate_fields);

bool
mm_ask_refuses(enum mm_error error)
{
	return error >= MM_E_CSR && error <= MM_E_KEY_WEAK;
}

enum mm_error
mm_ask_refused(uint64_t refused, struct mm_span why)
{
	if (refused == 0)
		return MM_OK;
	return mm_fail(mm_error_from(refused), "%.*s", MM_SPAN(why));
}
