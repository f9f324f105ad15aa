/*
 * Which members of entries, statements and policies stand for more than
 * their bytes or number: a table, and a function for each way of showing.
 */
#include <string.h>

#include "cli/json_value.h"
#include "log/entry.h"
#include "policy/document.h"

enum { ARENA = 4 << 20 };

/* A word of a table for a number, or the number where it has none. */
static json_t *
word_or_number(const char *word, uint64_t number)
{
	return word != NULL ? json_string(word) : mm_json_number(number);
}

static json_t *
view_time(const struct mm_field *field, const void *member)
{
	(void)field;
	return mm_json_time(*(const uint64_t *)member);
}

static json_t *
view_use(const struct mm_field *field, const void *member)
{
	uint64_t use = *(const uint64_t *)member;

	(void)field;
	return word_or_number(mm_key_use_name(use), use);
}

static json_t *
view_role(const struct mm_field *field, const void *member)
{
	uint64_t role = *(const uint64_t *)member;

	(void)field;
	return word_or_number(mm_role_name(role), role);
}

static json_t *
view_purpose(const struct mm_field *field, const void *member)
{
	static const char *const names[] = {[MM_PURPOSE_DEVICE] = "device",
	    [MM_PURPOSE_CLIENT] = "client",
	    [MM_PURPOSE_SERVER] = "server",
	    [MM_PURPOSE_CA] = "ca",
	    [MM_PURPOSE_CODE_SIGNING] = "code-signing",
	    [MM_PURPOSE_PROOF] = "proof"};
	uint64_t purpose = *(const uint64_t *)member;

	(void)field;
	return word_or_number(
	    purpose < MM_COUNT(names) ? names[purpose] : NULL, purpose);
}

static json_t *
view_standard(const struct mm_field *field, const void *member)
{
	uint64_t standard = *(const uint64_t *)member;

	(void)field;
	return word_or_number(mm_standard_name(standard), standard);
}

static json_t *
view_alternative(const struct mm_field *field, const void *member)
{
	static const char *const names[] = {[MM_ALTERNATIVE_DNS] = "dns",
	    [MM_ALTERNATIVE_URI] = "uri",
	    [MM_ALTERNATIVE_HARDWARE] = "hardware-module"};
	uint64_t kind = *(const uint64_t *)member;

	(void)field;
	return word_or_number(
	    kind < MM_COUNT(names) ? names[kind] : NULL, kind);
}

/* RFC 5280 5.3.1 */
const char *
mm_revocation_reason(uint64_t reason)
{
	static const char *const names[] = {"unspecified", "keyCompromise",
	    "cACompromise", "affiliationChanged", "superseded",
	    "cessationOfOperation", "certificateHold", NULL, "removeFromCRL",
	    "privilegeWithdrawn", "aACompromise"};

	return reason < MM_COUNT(names) ? names[reason] : NULL;
}

static json_t *
view_reason(const struct mm_field *field, const void *member)
{
	uint64_t reason = *(const uint64_t *)member;

	(void)field;
	return word_or_number(mm_revocation_reason(reason), reason);
}

static json_t *
view_statement_kind(const struct mm_field *field, const void *member)
{
	uint64_t kind = *(const uint64_t *)member;

	(void)field;
	return word_or_number(mm_statement_kind_name(kind), kind);
}

static json_t *
view_key_types(const struct mm_field *field, const void *member)
{
	uint64_t bits = *(const uint64_t *)member;
	json_t *out = json_array();

	(void)field;
	for (unsigned type = MM_KEY_P256; type <= MM_KEY_ED25519; type++)
		if ((bits >> type & 1) != 0)
			json_array_append_new(
			    out, json_string(mm_key_type_name(type)));
	return out;
}

static json_t *
view_lines(const struct mm_field *field, const void *member)
{
	(void)field;
	return mm_json_lines(*(const struct mm_span *)member);
}

static json_t *
view_policy(const struct mm_field *field, const void *member)
{
	struct mm_span document = *(const struct mm_span *)member;
	struct mm_policy policy;
	mm_auto(arena) arena = {0};

	(void)field;
	mm_arena_init(&arena, ARENA);
	if (mm_shape_decode(&mm_policy_shape, document, &arena, &policy) !=
	    MM_OK)
		return mm_json_unreadable(document);
	return mm_json_shape(&mm_policy_shape, &policy);
}

/* --- statements: one payload, and the officers under it --- */

static json_t *
show_body(const struct mm_claim *claim, struct mm_arena *arena)
{
	const struct mm_shape *shape = mm_claim_body_shape(claim->kind);
	void *body = shape != NULL ? mm_arena_alloc(arena, shape->size) : NULL;

	if (body == NULL ||
	    mm_shape_decode(shape, claim->body, arena, body) != MM_OK)
		return mm_json_unreadable(claim->body);
	return mm_json_shape(shape, body);
}

static json_t *
show_payload(struct mm_span payload)
{
	mm_auto(arena) arena = {0};
	struct mm_claim claim;
	json_t *out;

	mm_arena_init(&arena, ARENA);
	if (mm_shape_decode(&mm_claim_shape, payload, &arena, &claim) != MM_OK)
		return mm_json_unreadable(payload);
	out = mm_json_shape(&mm_claim_shape, &claim);
	json_object_set_new(out, "body", show_body(&claim, &arena));
	return out;
}

static json_t *
view_statements(const struct mm_field *field, const void *member)
{
	const struct mm_list *list = member;
	struct mm_span payload = {NULL, 0};
	json_t *out = json_array(), *last = NULL;

	(void)field;
	for (mm_list_each(const struct mm_bytes_item, item, *list)) {
		struct mm_statement statement;

		if (mm_statement_decode(item->value, &statement) != MM_OK) {
			json_array_append_new(
			    out, mm_json_unreadable(item->value));
			last = NULL;
			continue;
		}
		if (last == NULL ||
		    !mm_span_equal(statement.payload, payload)) {
			last = show_payload(statement.payload);
			payload = statement.payload;
			json_object_set_new(last, "officers", json_array());
			json_array_append_new(out, last);
		}
		json_array_append_new(json_object_get(last, "officers"),
		    mm_json_hex(statement.kid));
	}
	return out;
}

/* Shape "": a member of that name and type in any shape. */
static const struct row {
	const char *shape, *name;
	uint8_t type;
	mm_view *view;
} rows[] = {
    {"", "time", MM_UINT, view_time},
    {"", "expiry", MM_UINT, view_time},
    {"", "until", MM_UINT, view_time},
    {"", "since", MM_UINT, view_time},
    {"", "this_update", MM_UINT, view_time},
    {"", "next_update", MM_UINT, view_time},
    {"", "use", MM_UINT, view_use},
    {"", "role", MM_UINT, view_role},
    {"", "spki", MM_BYTES, mm_view_spki},
    {"", "statements", MM_LIST, view_statements},
    {"", "key_usage", MM_UINT, mm_view_key_usage},
    {"mm_genesis", "policy", MM_BYTES, view_policy},
    {"mm_genesis", "text", MM_BYTES, view_lines},
    {"mm_policy_entry", "policy", MM_BYTES, view_policy},
    {"mm_policy_entry", "text", MM_BYTES, view_lines},
    {"mm_pending_entry", "policy", MM_BYTES, view_policy},
    {"mm_pending_entry", "text", MM_BYTES, view_lines},
    {"mm_pending_entry", "certificates", MM_LIST, mm_view_certificates},
    {"mm_certificate_entry", "tbs", MM_BYTES, mm_view_tbs},
    {"mm_csr_entry", "info", MM_BYTES, mm_view_request},
    {"mm_import_entry", "certificate", MM_BYTES, mm_view_certificate},
    {"mm_crl_entry", "tbs", MM_BYTES, mm_view_crl},
    {"mm_revoked", "reason", MM_UINT, view_reason},
    {"mm_ceremony_claim", "notes", MM_BYTES, view_lines},
    {"mm_claim", "kind", MM_UINT, view_statement_kind},
    {"mm_threshold", "kind", MM_UINT, view_statement_kind},
    {"mm_profile", "purpose", MM_UINT, view_purpose},
    {"mm_profile", "keys", MM_UINT, view_key_types},
    {"mm_profile", "standard", MM_UINT, view_standard},
    {"mm_alternative", "kind", MM_UINT, view_alternative},
};

mm_view *
mm_view_of(const struct mm_shape *shape, const struct mm_field *field)
{
	for (size_t i = 0; i < MM_COUNT(rows); i++)
		if ((rows[i].shape[0] == '\0' ||
			strcmp(rows[i].shape, shape->name) == 0) &&
		    rows[i].type == field->type &&
		    strcmp(rows[i].name, field->name) == 0)
			return rows[i].view;
	return NULL;
}
