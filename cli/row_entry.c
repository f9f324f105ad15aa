/*
 * The rows of an entry, by its kind.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/row_making.h"

void
mm_row_set(char out[MM_NAME_MAX + 1], struct mm_span text)
{
	mm_span_string(text, out, MM_NAME_MAX + 1);
}

enum mm_error
mm_row_done(struct mm_row_making *m)
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
		mm_row_set(out, order.name);
}

void
mm_row_serial(struct mm_span serial, char out[MM_SERIAL_HEX])
{
	uint8_t whole[MM_SERIAL_SIZE] = {0};

	if (serial.size <= sizeof(whole))
		memcpy(whole + sizeof(whole) - serial.size, serial.data,
		    serial.size);
	sodium_bin2hex(out, MM_SERIAL_HEX, whole, sizeof(whole));
}

static enum mm_error
genesis_rows(struct mm_row_making *m)
{
	const struct mm_genesis *body = m->body;

	mm_span_string(body->origin, m->row.what, MM_ROW_TEXT);
	return mm_row_done(m);
}

static enum mm_error
certificate_rows(struct mm_row_making *m)
{
	const struct mm_certificate_entry *body = m->body;
	uint8_t serial[MM_SERIAL_SIZE];
	enum mm_error error;

	mm_row_set(m->row.what, body->subject);
	mm_row_set(m->row.profile, body->profile);
	mm_row_set(m->row.station, body->principal);
	m->row.state = MM_ROW_UNSIGNED;
	if (mm_serial_of_tbs(body->tbs, serial) == MM_OK)
		mm_row_serial(mm_span(serial, sizeof(serial)), m->row.serial);
	error = m->maker->name(m->maker->self, body->basis, m->row.order);
	return error == MM_OK ? mm_row_done(m) : error;
}

static enum mm_error
image_rows(struct mm_row_making *m)
{
	const struct mm_image_entry *body = m->body;

	snprintf(m->row.what, MM_ROW_TEXT, "%.*s %.*s", MM_SPAN(body->product),
	    MM_SPAN(body->version));
	mm_row_set(m->row.product, body->product);
	mm_row_set(m->row.profile, body->scheme);
	mm_row_set(m->row.station, body->principal);
	m->row.state = MM_ROW_UNSIGNED;
	return mm_row_done(m);
}

/* The requests whose refusals are about a product; "release" is what logs
 * have from before images were submitted. */
static bool
is_about_image(struct mm_span request)
{
	static const char *const names[] = {"release", "submit", "fetch"};

	for (size_t i = 0; i < MM_COUNT(names); i++)
		if (mm_span_is(request, names[i]))
			return true;
	return false;
}

static enum mm_error
refusal_rows(struct mm_row_making *m)
{
	const struct mm_refusal_entry *body = m->body;
	enum mm_error error = MM_OK;

	m->row.state = MM_ROW_REFUSED;
	for (mm_list_each(const struct mm_refusal, item, body->refusals)) {
		bool image = is_about_image(item->request);

		mm_row_set(m->row.what, item->subject);
		mm_row_set(
		    m->row.product, image ? item->subject : mm_span(NULL, 0));
		mm_row_set(m->row.station, item->principal);
		mm_row_set(m->row.reason, item->reason);
		mm_row_set(m->row.order, item->order);
		m->row.count = item->count;
		error = mm_row_done(m);
		if (error != MM_OK)
			break;
	}
	return error;
}

static enum mm_error
start_rows(struct mm_row_making *m)
{
	const struct mm_start_entry *body = m->body;

	mm_row_set(m->row.what, body->version);
	return mm_row_done(m);
}

static enum mm_error
key_rows(struct mm_row_making *m)
{
	const struct mm_key_entry *body = m->body;

	mm_row_set(m->row.what, body->name);
	mm_row_set(
	    m->row.reason, mm_span_text(body->retired ? "retired" : "added"));
	return mm_row_done(m);
}

static enum mm_error
partition_rows(struct mm_row_making *m)
{
	const struct mm_partition_entry *body = m->body;
	enum mm_error error;

	mm_row_set(m->row.what, body->device);
	mm_row_set(m->row.profile, body->profile);
	mm_row_set(m->row.station, body->principal);
	m->row.state = MM_ROW_UNSIGNED;
	error = m->maker->name(m->maker->self, body->basis, m->row.order);
	return error == MM_OK ? mm_row_done(m) : error;
}

static enum mm_error
scrap_rows(struct mm_row_making *m)
{
	const struct mm_scrap_entry *body = m->body;
	enum mm_error error;

	mm_row_set(m->row.what, body->device);
	mm_row_set(m->row.station, body->principal);
	mm_row_serial(body->serial, m->row.serial);
	mm_span_string(body->reason, m->row.reason, sizeof(m->row.reason));
	error = m->maker->name(m->maker->self, body->basis, m->row.order);
	return error == MM_OK ? mm_row_done(m) : error;
}

static enum mm_error
csr_rows(struct mm_row_making *m)
{
	const struct mm_csr_entry *body = m->body;

	mm_row_set(m->row.what, body->subject);
	mm_row_set(m->row.profile, body->profile);
	m->row.state = MM_ROW_UNSIGNED;
	return mm_row_done(m);
}

static enum mm_error
import_rows(struct mm_row_making *m)
{
	const struct mm_import_entry *body = m->body;

	mm_row_set(m->row.what, body->key);
	return mm_row_done(m);
}

static enum mm_error
inherited_rows(struct mm_row_making *m)
{
	const struct mm_inherited_entry *body = m->body;

	sodium_bin2hex(m->row.what, MM_ROW_TEXT, body->things_sha256.data,
	    body->things_sha256.size);
	m->row.count = body->count;
	return mm_row_done(m);
}

static enum mm_error
crl_rows(struct mm_row_making *m)
{
	const struct mm_crl_entry *body = m->body;

	snprintf(m->row.what, MM_ROW_TEXT, "%.*s %" PRIu64,
	    MM_SPAN(body->issuer), body->number);
	m->row.count = body->count;
	return mm_row_done(m);
}

static enum mm_error
export_rows(struct mm_row_making *m)
{
	const struct mm_export_entry *body = m->body;

	snprintf(m->row.what, MM_ROW_TEXT, "%" PRIu64 " to %" PRIu64 " %.*s",
	    body->from, body->to, MM_SPAN(body->format));
	mm_row_set(m->row.station, body->principal);
	return mm_row_done(m);
}

enum mm_error
mm_rows_of_entry(const struct mm_row_maker *maker, uint64_t index,
    const struct mm_entry *entry, struct mm_arena *arena)
{
	static enum mm_error (*const rows[MM_ENTRY_KINDS])(
	    struct mm_row_making *) = {[MM_ENTRY_GENESIS] = genesis_rows,
	    [MM_ENTRY_POLICY] = mm_policy_rows,
	    [MM_ENTRY_PRINCIPAL] = mm_principal_rows,
	    [MM_ENTRY_ORDER] = mm_order_rows,
	    [MM_ENTRY_CERTIFICATE] = certificate_rows,
	    [MM_ENTRY_IMAGE] = image_rows,
	    [MM_ENTRY_REFUSAL] = refusal_rows,
	    [MM_ENTRY_START] = start_rows,
	    [MM_ENTRY_KEY] = key_rows,
	    [MM_ENTRY_REVOCATION] = mm_revocation_rows,
	    [MM_ENTRY_CRL] = crl_rows,
	    [MM_ENTRY_EXPORT] = export_rows,
	    [MM_ENTRY_PENDING] = mm_pending_rows,
	    [MM_ENTRY_WITHDRAWAL] = mm_withdrawal_rows,
	    [MM_ENTRY_RELEASE] = mm_release_rows,
	    [MM_ENTRY_CEREMONY] = mm_ceremony_rows,
	    [MM_ENTRY_CSR] = csr_rows,
	    [MM_ENTRY_IMPORT] = import_rows,
	    [MM_ENTRY_INHERITED] = inherited_rows,
	    [MM_ENTRY_PARTITION] = partition_rows,
	    [MM_ENTRY_SCRAP] = scrap_rows};
	const struct mm_shape *shape = mm_entry_body_shape(entry->kind);
	struct mm_row_making making = {.maker = maker,
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
