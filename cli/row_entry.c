/*
 * The rows of an entry, by its kind.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/json_value.h"
#include "cli/row_parts.h"
#include "policy/document.h"

/* An entry on its way to rows. */
struct making {
	const struct mm_row_maker *maker;
	struct mm_row row; /* index, time and kind are there */
	struct mm_arena *arena;
	const void *body;
};

static void
set(char out[MM_NAME_MAX + 1], struct mm_span text)
{
	mm_span_string(text, out, MM_NAME_MAX + 1);
}

static enum mm_error
done(struct making *m)
{
	return m->maker->sink(m->maker->self, &m->row);
}

bool
mm_statement_body(const struct mm_list *statements, uint64_t kind,
    struct mm_arena *arena, void *body)
{
	const struct mm_shape *shape = mm_claim_body_shape(kind);

	for (mm_list_each(const struct mm_bytes_item, item, *statements)) {
		struct mm_statement statement;
		struct mm_claim claim;

		if (mm_statement_decode(item->value, &statement) == MM_OK &&
		    mm_shape_decode(&mm_claim_shape, statement.payload, arena,
			&claim) == MM_OK &&
		    claim.kind == kind &&
		    mm_shape_decode(shape, claim.body, arena, body) == MM_OK)
			return true;
	}
	return false;
}

void
mm_order_name(const struct mm_entry *entry, struct mm_arena *arena,
    char out[MM_NAME_MAX + 1])
{
	struct mm_statement_entry body;
	struct mm_order_claim order;

	out[0] = '\0';
	if (entry->kind == MM_ENTRY_ORDER &&
	    mm_shape_decode(&mm_statement_entry_shape, entry->body, arena,
		&body) == MM_OK &&
	    mm_statement_body(
		&body.statements, MM_STATEMENT_ORDER, arena, &order))
		set(out, order.name);
}

static void
serial_text(struct mm_span serial, char out[MM_SERIAL_HEX])
{
	uint8_t whole[MM_SERIAL_SIZE] = {0};

	if (serial.size <= sizeof(whole))
		memcpy(whole + sizeof(whole) - serial.size, serial.data,
		    serial.size);
	sodium_bin2hex(out, MM_SERIAL_HEX, whole, sizeof(whole));
}

/* --- a function a kind --- */

static enum mm_error
genesis_rows(struct making *m)
{
	const struct mm_genesis *body = m->body;

	mm_span_string(body->origin, m->row.what, MM_ROW_TEXT);
	return done(m);
}

static enum mm_error
policy_rows(struct making *m)
{
	const struct mm_policy_entry *body = m->body;
	struct mm_policy policy;

	set(m->row.station, mm_span(NULL, 0));
	if (mm_shape_decode(
		&mm_policy_shape, body->policy, m->arena, &policy) == MM_OK)
		snprintf(
		    m->row.what, MM_ROW_TEXT, "policy %" PRIu64, policy.number);
	return done(m);
}

static enum mm_error
principal_rows(struct making *m)
{
	const struct mm_statement_entry *body = m->body;
	struct mm_principal_claim claim;

	set(m->row.station, body->principal);
	if (mm_statement_body(
		&body->statements, MM_STATEMENT_PRINCIPAL, m->arena, &claim)) {
		set(m->row.what, claim.name);
		snprintf(m->row.reason, sizeof(m->row.reason), "%s",
		    claim.disabled ? "disabled" : "");
	}
	return done(m);
}

static enum mm_error
order_rows(struct making *m)
{
	const struct mm_statement_entry *body = m->body;
	struct mm_order_claim claim;

	set(m->row.station, body->principal);
	if (mm_statement_body(
		&body->statements, MM_STATEMENT_ORDER, m->arena, &claim)) {
		set(m->row.what, claim.name);
		set(m->row.order, claim.name);
		set(m->row.profile, claim.profile);
		m->row.count = claim.units;
	}
	return done(m);
}

static enum mm_error
certificate_rows(struct making *m)
{
	const struct mm_certificate_entry *body = m->body;
	uint8_t serial[MM_SERIAL_SIZE];
	enum mm_error error;

	set(m->row.what, body->subject);
	set(m->row.profile, body->profile);
	set(m->row.station, body->principal);
	m->row.state = MM_ROW_UNSIGNED;
	if (mm_serial_of_tbs(body->tbs, serial) == MM_OK)
		serial_text(mm_span(serial, sizeof(serial)), m->row.serial);
	error = m->maker->name(m->maker->self, body->basis, m->row.order);
	return error == MM_OK ? done(m) : error;
}

static enum mm_error
image_rows(struct making *m)
{
	const struct mm_image_entry *body = m->body;

	snprintf(m->row.what, MM_ROW_TEXT, "%.*s %.*s", MM_SPAN(body->product),
	    MM_SPAN(body->version));
	set(m->row.product, body->product);
	set(m->row.profile, body->scheme);
	set(m->row.station, body->principal);
	m->row.state = MM_ROW_UNSIGNED;
	return done(m);
}

static enum mm_error
refusal_rows(struct making *m)
{
	const struct mm_refusal_entry *body = m->body;
	enum mm_error error = MM_OK;

	m->row.state = MM_ROW_REFUSED;
	for (mm_list_each(const struct mm_refusal, item, body->refusals)) {
		bool image = mm_span_is(item->request, "release");

		set(m->row.what, item->subject);
		set(m->row.product, image ? item->subject : mm_span(NULL, 0));
		set(m->row.station, item->principal);
		set(m->row.reason, item->reason);
		m->row.count = item->count;
		error = done(m);
		if (error != MM_OK)
			break;
	}
	return error;
}

static enum mm_error
start_rows(struct making *m)
{
	const struct mm_start_entry *body = m->body;

	set(m->row.what, body->version);
	return done(m);
}

static enum mm_error
key_rows(struct making *m)
{
	const struct mm_key_entry *body = m->body;

	set(m->row.what, body->name);
	set(m->row.station, body->principal);
	set(m->row.reason, mm_span_text(body->retired ? "retired" : "added"));
	return done(m);
}

static enum mm_error
revocation_rows(struct making *m)
{
	const struct mm_statement_entry *body = m->body;
	struct mm_revoke_claim claim;
	enum mm_error error = MM_OK;

	set(m->row.station, body->principal);
	if (!mm_statement_body(
		&body->statements, MM_STATEMENT_REVOKE, m->arena, &claim))
		return done(m);
	for (mm_list_each(const struct mm_revoked, item, claim.revoked)) {
		serial_text(item->serial, m->row.serial);
		set(m->row.reason,
		    mm_span_text(mm_revocation_reason(item->reason)));
		error = done(m);
		if (error != MM_OK)
			break;
	}
	return error;
}

static enum mm_error
crl_rows(struct making *m)
{
	const struct mm_crl_entry *body = m->body;

	snprintf(m->row.what, MM_ROW_TEXT, "%.*s %" PRIu64,
	    MM_SPAN(body->issuer), body->number);
	m->row.count = body->count;
	return done(m);
}

static enum mm_error
export_rows(struct making *m)
{
	const struct mm_export_entry *body = m->body;

	snprintf(m->row.what, MM_ROW_TEXT, "%" PRIu64 " to %" PRIu64 " %.*s",
	    body->from, body->to, MM_SPAN(body->format));
	set(m->row.station, body->principal);
	return done(m);
}

enum mm_error
mm_rows_of_entry(const struct mm_row_maker *maker, uint64_t index,
    const struct mm_entry *entry, struct mm_arena *arena)
{
	static enum mm_error (*const rows[MM_ENTRY_KINDS])(struct making *) = {
	    [MM_ENTRY_GENESIS] = genesis_rows,
	    [MM_ENTRY_POLICY] = policy_rows,
	    [MM_ENTRY_PRINCIPAL] = principal_rows,
	    [MM_ENTRY_ORDER] = order_rows,
	    [MM_ENTRY_CERTIFICATE] = certificate_rows,
	    [MM_ENTRY_IMAGE] = image_rows,
	    [MM_ENTRY_REFUSAL] = refusal_rows,
	    [MM_ENTRY_START] = start_rows,
	    [MM_ENTRY_KEY] = key_rows,
	    [MM_ENTRY_REVOCATION] = revocation_rows,
	    [MM_ENTRY_CRL] = crl_rows,
	    [MM_ENTRY_EXPORT] = export_rows};
	const struct mm_shape *shape = mm_entry_body_shape(entry->kind);
	struct making making = {.maker = maker,
	    .row = {.index = index,
		.time = entry->time,
		.kind = entry->kind,
		.count = 1},
	    .arena = arena};
	enum mm_error error;
	void *body;

	if (rows[entry->kind] == NULL)
		return MM_OK;
	body = mm_arena_alloc(arena, shape->size);
	if (body == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	error = mm_shape_decode(shape, entry->body, arena, body);
	if (error != MM_OK)
		return mm_fail(
		    MM_E_ENTRY, "entry %" PRIu64 ": %s", index, mm_why(error));
	making.body = body;
	return rows[entry->kind](&making);
}
