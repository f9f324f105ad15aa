/*
 * The fold: what each kind of entry changes in the index, by one table.
 */
#include "server/index_parts.h"

enum mm_error
mm_fold_reference(const struct mm_fold *f)
{
	return MM_SQL_CHANGE(f->index, MM_SQL_REFERENCE_PUT, "uub", f->idx,
	    f->entry->kind, f->bytes);
}

enum mm_error
mm_fold_wrong(const struct mm_fold *f, const char *what)
{
	return mm_fail(
	    MM_E_LOG_WRONG, "entry %llu: %s", (unsigned long long)f->idx, what);
}

enum mm_error
mm_fold_changed(const struct mm_fold *f, enum mm_error error, const char *what)
{
	if (error == MM_OK && sqlite3_changes(f->index->db) != 1)
		return mm_fold_wrong(f, what);
	return error;
}

enum mm_error
mm_fold_absent(const struct mm_fold *f, enum mm_error error, const char *what)
{
	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	return error == MM_OK ? mm_fold_wrong(f, what) : error;
}

static enum mm_error
see(const struct mm_fold *f, struct mm_span principal)
{
	return MM_SQL_CHANGE(
	    f->index, MM_SQL_PRINCIPAL_SEEN, "ut", f->entry->time, principal);
}

enum mm_error
mm_fold_request(
    const struct mm_fold *f, struct mm_span principal, struct mm_span request)
{
	enum mm_error error;

	if (request.size == 0)
		return MM_OK;
	error = MM_SQL_CHANGE(
	    f->index, MM_SQL_REQUEST_PUT, "tbu", principal, request, f->idx);
	return error == MM_OK ? see(f, principal) : error;
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

enum mm_error
mm_fold_stated(const struct mm_fold *f, uint64_t kind, bool rests, void *claim)
{
	const struct mm_statement_entry *body = f->body;
	struct mm_span payload;
	enum mm_error error =
	    mm_index_claim(&body->statements, kind, f->arena, &payload, claim);

	if (error == MM_OK && rests)
		error = mm_fold_reference(f);
	if (error == MM_OK)
		error = mm_fold_in_force(f, payload);
	if (error == MM_OK)
		error = mm_fold_request(f, body->principal, body->request);
	return error;
}

static enum mm_error
fold_genesis(const struct mm_fold *f)
{
	const struct mm_genesis *genesis = f->body;
	struct mm_ceremony_claim claim;
	struct mm_span payload;
	enum mm_error error = mm_fold_reference(f);

	for (mm_list_each(const struct mm_genesis_key, key, genesis->keys))
		if (error == MM_OK)
			error =
			    mm_fold_add_key(f, key->name, key->use, key->spki);
	if (error != MM_OK || genesis->statements.count == 0)
		return error;
	error = mm_index_claim(&genesis->statements, MM_STATEMENT_CEREMONY,
	    f->arena, &payload, &claim);
	return error == MM_OK ? mm_fold_in_force(f, payload) : error;
}

static enum mm_error
fold_policy(const struct mm_fold *f)
{
	const struct mm_policy_entry *body = f->body;
	struct mm_policy_claim claim;
	struct mm_span payload;
	enum mm_error error = mm_index_claim(
	    &body->statements, MM_STATEMENT_POLICY, f->arena, &payload, &claim);

	if (error == MM_OK)
		error = mm_fold_reference(f);
	if (error == MM_OK)
		error = mm_fold_in_force(f, payload);
	if (error == MM_OK)
		error = mm_fold_request(f, body->principal, body->request);
	return error;
}

/* An order that nobody knows has no count. */
static enum mm_error
fold_refusal(const struct mm_fold *f)
{
	const struct mm_refusal_entry *body = f->body;
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_refusal, one, body->refusals)) {
		error = see(f, one->principal);
		if (error == MM_OK && one->order.size > 0)
			error = MM_SQL_CHANGE(f->index, MM_SQL_ORDER_REFUSE,
			    "ut", one->count, one->order);
		if (error != MM_OK)
			break;
	}
	return error;
}

static enum mm_error
fold_export(const struct mm_fold *f)
{
	const struct mm_export_entry *body = f->body;
	enum mm_error error =
	    mm_fold_request(f, body->principal, body->request);

	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_DAILY_ADD, "tuu",
		    body->principal, f->entry->kind,
		    f->entry->time / MM_INDEX_DAY);
	return error;
}

static enum mm_error
fold_nothing(const struct mm_fold *f)
{
	(void)f;
	return MM_OK;
}

static enum mm_error (*const folds[MM_ENTRY_KINDS])(const struct mm_fold *) = {
    [MM_ENTRY_GENESIS] = fold_genesis,
    [MM_ENTRY_POLICY] = fold_policy,
    [MM_ENTRY_PRINCIPAL] = mm_fold_principal,
    [MM_ENTRY_ORDER] = mm_fold_order,
    [MM_ENTRY_CERTIFICATE] = mm_fold_certificate,
    [MM_ENTRY_IMAGE] = mm_fold_image,
    [MM_ENTRY_SIGNATURES] = mm_fold_signatures,
    [MM_ENTRY_VOID] = mm_fold_void,
    [MM_ENTRY_REFUSAL] = fold_refusal,
    [MM_ENTRY_START] = fold_nothing,
    [MM_ENTRY_KEY] = mm_fold_key,
    [MM_ENTRY_REVOCATION] = mm_fold_revocation,
    [MM_ENTRY_CRL] = mm_fold_crl,
    [MM_ENTRY_EXPORT] = fold_export,
    [MM_ENTRY_PENDING] = mm_fold_pending,
    [MM_ENTRY_WITHDRAWAL] = mm_fold_withdrawal,
    [MM_ENTRY_RELEASE] = mm_fold_release,
    [MM_ENTRY_CEREMONY] = mm_fold_ceremony,
    [MM_ENTRY_CSR] = mm_fold_csr,
    [MM_ENTRY_IMPORT] = mm_fold_import,
    [MM_ENTRY_INHERITED] = mm_fold_inherited,
    [MM_ENTRY_PARTITION] = mm_fold_partition,
    [MM_ENTRY_SCRAP] = mm_fold_scrap,
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
	struct mm_fold f = {index, &arena, index->size, bytes, &entry, NULL};
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
	error = folds[entry.kind](&f);
	if (error == MM_OK)
		error = take_in(index, bytes);
	if (error != MM_OK && sqlite3_total_changes(index->db) != changes)
		index->torn = true;
	return error;
}
