/*
 * The fold: what each kind of entry changes in the index.
 */
#include "server/index_parts.h"

#include <sodium.h>
#include <string.h>

#include "ca/serial.h"

/* An entry being applied. */
struct fold {
	struct mm_index *index;
	struct mm_arena *arena;
	uint64_t idx;
	struct mm_span bytes;
	const struct mm_entry *entry;
	const void *body;
};

static enum mm_error
keep_reference(const struct fold *f)
{
	return MM_SQL_CHANGE(f->index, MM_SQL_REFERENCE_PUT, "uub", f->idx,
	    f->entry->kind, f->bytes);
}

static enum mm_error
apply_genesis(const struct fold *f)
{
	const struct mm_genesis *genesis = f->body;
	enum mm_error error = keep_reference(f);

	for (size_t i = 0; i < genesis->keys.count && error == MM_OK; i++) {
		const struct mm_genesis_key *key =
		    mm_list_at(genesis->keys, struct mm_genesis_key, i);
		uint8_t digest[32];

		crypto_hash_sha256(digest, key->spki.data, key->spki.size);
		error = MM_SQL_CHANGE(f->index, MM_SQL_AUTHORITY_PUT, "tb",
		    key->name, mm_span(digest, sizeof(digest)));
	}
	return error;
}

static enum mm_error
apply_policy(const struct fold *f)
{
	return keep_reference(f);
}

/* Notes who asked for the entry, so that the request finds it again. */
static enum mm_error
keep_request(
    const struct fold *f, struct mm_span principal, struct mm_span request)
{
	if (request.size == 0)
		return MM_OK;
	return MM_SQL_CHANGE(
	    f->index, MM_SQL_REQUEST_PUT, "tbu", principal, request, f->idx);
}

/* The statements' common claim and body; they were checked when logged. */
enum mm_error
mm_index_claim(const struct mm_list *statements, uint64_t kind,
    struct mm_arena *arena, struct mm_span *payload, void *body)
{
	struct mm_statement statement;
	struct mm_claim claim;
	enum mm_error error;

	if (statements->count == 0)
		return mm_fail(MM_E_LOG_WRONG, "an entry has no statement");
	error = mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value,
	    &statement);
	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_claim_shape, statement.payload, arena, &claim);
	if (error == MM_OK && claim.kind != kind)
		error = mm_fail(MM_E_LOG_WRONG, "a statement's kind is wrong");
	if (error == MM_OK)
		error = mm_shape_decode(
		    mm_claim_body_shape(kind), claim.body, arena, body);
	if (error == MM_OK)
		*payload = statement.payload;
	return error;
}

static enum mm_error
keep_statement(const struct fold *f, struct mm_span payload)
{
	uint8_t digest[32];

	crypto_hash_sha256(digest, payload.data, payload.size);
	return MM_SQL_CHANGE(f->index, MM_SQL_STATEMENT_PUT, "bu",
	    mm_span(digest, sizeof(digest)), f->idx);
}

static enum mm_error
apply_principal(const struct fold *f)
{
	const struct mm_statement_entry *body = f->body;
	struct mm_principal_claim claim;
	struct mm_span payload;
	enum mm_error error = mm_index_claim(&body->statements,
	    MM_STATEMENT_PRINCIPAL, f->arena, &payload, &claim);

	if (error == MM_OK)
		error = keep_reference(f);
	if (error == MM_OK)
		error = keep_statement(f, payload);
	if (error == MM_OK)
		error = keep_request(f, body->principal, body->request);
	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_PRINCIPAL_PUT, "tbuu",
		    claim.name, mm_span(claim.key, sizeof(claim.key)), f->idx,
		    (uint64_t)claim.disabled);
	return error;
}

static enum mm_error
apply_order(const struct fold *f)
{
	const struct mm_statement_entry *body = f->body;
	struct mm_order_claim claim;
	struct mm_span payload;
	enum mm_error error = mm_index_claim(
	    &body->statements, MM_STATEMENT_ORDER, f->arena, &payload, &claim);

	if (error == MM_OK)
		error = keep_reference(f);
	if (error == MM_OK)
		error = keep_statement(f, payload);
	if (error == MM_OK)
		error = keep_request(f, body->principal, body->request);
	if (error == MM_OK)
		error = MM_SQL_CHANGE(
		    f->index, MM_SQL_ORDER_PUT, "tu", claim.name, f->idx);
	return error;
}

/* A device's certificate uses a unit of its order and of the day. */
static enum mm_error
count_device(const struct fold *f, const struct mm_certificate_entry *body)
{
	enum mm_error error = MM_SQL_CHANGE(
	    f->index, MM_SQL_ORDER_USE, "uu", (uint64_t)1, body->basis);

	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_DAILY_ADD, "tuu",
		    body->principal, f->entry->kind,
		    f->entry->time / MM_INDEX_DAY);
	return error;
}

/* Devices rest on orders, and only they. */
static enum mm_error
is_order(
    struct mm_index *index, uint64_t idx, struct mm_arena *arena, bool *out)
{
	struct mm_span bytes;
	struct mm_entry entry;
	enum mm_error error = mm_index_reference(index, idx, arena, &bytes);

	if (error == MM_OK)
		error = mm_entry_decode(bytes, arena, &entry);
	if (error == MM_OK)
		*out = entry.kind == MM_ENTRY_ORDER;
	return error;
}

/* A certificate for a key of the token: others will rest on it. */
static enum mm_error
keep_authority(const struct fold *f, const struct mm_certificate_entry *body)
{
	enum mm_error error = MM_SQL_CHANGE(f->index, MM_SQL_AUTHORITY_CERTIFY,
	    "ub", f->idx, mm_span(body->key, sizeof(body->key)));

	if (error == MM_OK && sqlite3_changes(f->index->db) > 0)
		error = keep_reference(f);
	return error;
}

static enum mm_error
apply_certificate(const struct fold *f)
{
	const struct mm_certificate_entry *body = f->body;
	uint8_t serial[MM_SERIAL_SIZE];
	bool device = false;
	enum mm_error error =
	    is_order(f->index, body->basis, f->arena, &device);

	if (error == MM_OK)
		error = mm_serial_of_tbs(body->tbs, serial);
	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_ISSUED_PUT,
		    "uutttuubbtu", f->idx, f->entry->kind, body->profile,
		    body->subject, mm_span(NULL, 0), (uint64_t)device,
		    body->basis, mm_span(body->key, sizeof(body->key)),
		    mm_span(serial, sizeof(serial)), body->principal,
		    f->entry->time / MM_INDEX_DAY);
	if (error == MM_OK)
		error = keep_request(f, body->principal, body->request);
	if (error == MM_OK)
		error =
		    device ? count_device(f, body) : keep_authority(f, body);
	return error;
}

static enum mm_error
apply_image(const struct fold *f)
{
	const struct mm_image_entry *body = f->body;
	enum mm_error error = MM_SQL_CHANGE(f->index, MM_SQL_ISSUED_PUT,
	    "uutttuubbtu", f->idx, f->entry->kind, body->product, body->version,
	    body->scheme, (uint64_t)0, (uint64_t)0,
	    mm_span(body->sha256, sizeof(body->sha256)), mm_span(NULL, 0),
	    body->principal, f->entry->time / MM_INDEX_DAY);

	if (error == MM_OK)
		error = keep_request(f, body->principal, body->request);
	return error;
}

static enum mm_error
apply_signatures(const struct fold *f)
{
	const struct mm_signatures_entry *body = f->body;

	for (size_t i = 0; i < body->signatures.count; i++) {
		const struct mm_signature *one =
		    mm_list_at(body->signatures, struct mm_signature, i);
		enum mm_error error = MM_SQL_CHANGE(f->index,
		    MM_SQL_ISSUED_SIGN, "bu", one->signature, one->index);

		if (error != MM_OK)
			return error;
		if (sqlite3_changes(f->index->db) != 1)
			return mm_fail(MM_E_LOG_WRONG,
			    "entry %llu is signed but waits for no signature",
			    (unsigned long long)one->index);
	}
	return MM_OK;
}

/* What was never signed gives its unit back. */
static enum mm_error
apply_one_void(const struct fold *f, uint64_t idx)
{
	struct mm_index *index = f->index;
	uint64_t device, basis, day;
	struct mm_span principal;
	enum mm_error error = MM_SQL_LOOK(index, MM_SQL_ISSUED_VOID, "u", idx);

	if (error == MM_E_NOT_FOUND)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu is voided but waits for no signature",
		    (unsigned long long)idx);
	if (error != MM_OK)
		return error;
	device = mm_sql_uint(index, MM_SQL_ISSUED_VOID, 0);
	basis = mm_sql_uint(index, MM_SQL_ISSUED_VOID, 1);
	principal = mm_sql_span(index, MM_SQL_ISSUED_VOID, 2, f->arena);
	day = mm_sql_uint(index, MM_SQL_ISSUED_VOID, 3);
	mm_sql_done(index, MM_SQL_ISSUED_VOID);
	if (device == 0)
		return MM_OK;
	error = MM_SQL_CHANGE(index, MM_SQL_ORDER_USE, "uu", UINT64_MAX, basis);
	if (error == MM_OK)
		error = MM_SQL_CHANGE(index, MM_SQL_DAILY_GIVE_BACK, "tuu",
		    principal, (uint64_t)MM_ENTRY_CERTIFICATE, day);
	return error;
}

static enum mm_error
apply_void(const struct fold *f)
{
	const struct mm_void_entry *body = f->body;
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < body->voids.count && error == MM_OK; i++)
		error = apply_one_void(
		    f, mm_list_at(body->voids, struct mm_void, i)->index);
	return error;
}

static enum mm_error
apply_export(const struct fold *f)
{
	const struct mm_export_entry *body = f->body;
	enum mm_error error = keep_request(f, body->principal, body->request);

	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_DAILY_ADD, "tuu",
		    body->principal, f->entry->kind,
		    f->entry->time / MM_INDEX_DAY);
	return error;
}

static enum mm_error
apply_nothing(const struct fold *f)
{
	(void)f;
	return MM_OK;
}

/*
 * Nothing in this program makes such entries yet. A log that has one was
 * written by a later version, under which a key may be retired or a device's
 * certificate revoked: to pass over it would be to go on signing as if that
 * had not been said. So it is not started at all.
 */
static enum mm_error
apply_unknown(const struct fold *f)
{
	return mm_fail(MM_E_STATE,
	    "entry %llu is of kind %s, which this version of mintmarkd does "
	    "not know how to obey: start the version that wrote it",
	    (unsigned long long)f->idx, mm_entry_kind_name(f->entry->kind));
}

static enum mm_error (*const apply[MM_ENTRY_KINDS])(const struct fold *) = {
    [MM_ENTRY_GENESIS] = apply_genesis,
    [MM_ENTRY_POLICY] = apply_policy,
    [MM_ENTRY_PRINCIPAL] = apply_principal,
    [MM_ENTRY_ORDER] = apply_order,
    [MM_ENTRY_CERTIFICATE] = apply_certificate,
    [MM_ENTRY_IMAGE] = apply_image,
    [MM_ENTRY_SIGNATURES] = apply_signatures,
    [MM_ENTRY_VOID] = apply_void,
    [MM_ENTRY_REFUSAL] = apply_nothing,
    [MM_ENTRY_START] = apply_nothing,
    [MM_ENTRY_KEY] = apply_unknown,
    [MM_ENTRY_REVOCATION] = apply_unknown,
    [MM_ENTRY_CRL] = apply_unknown,
    [MM_ENTRY_EXPORT] = apply_export,
};

/* The entry is in: the fold is one longer. */
static enum mm_error
take_in(struct mm_index *index, struct mm_span bytes)
{
	mm_buffer_reset(&index->newest);
	mm_buffer_add(&index->newest, bytes.data, bytes.size);
	if (index->newest.error != MM_OK)
		return mm_fail(index->newest.error, "no memory for an entry");
	index->size++;
	return MM_OK;
}

enum mm_error
mm_index_apply(struct mm_index *index, struct mm_span bytes)
{
	mm_auto(arena) arena = {0};
	struct mm_entry entry;
	const struct mm_shape *shape;
	struct fold f = {index, &arena, index->size, bytes, &entry, NULL};
	enum mm_error error;
	int changes;
	void *body;

	mm_arena_init(&arena, 1 << 20);
	error = mm_entry_decode(bytes, &arena, &entry);
	if (error != MM_OK)
		return error;
	shape = mm_entry_body_shape(entry.kind);
	body = mm_arena_alloc(&arena, shape->size);
	if (body == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	error = mm_shape_decode(shape, entry.body, &arena, body);
	if (error != MM_OK)
		return error;
	f.body = body;
	changes = sqlite3_total_changes(index->db);
	error = apply[entry.kind](&f);
	if (error == MM_OK)
		error = take_in(index, bytes);
	if (error != MM_OK && sqlite3_total_changes(index->db) != changes)
		index->torn = true;
	return error;
}
