/*
 * What people state: principals, orders, releases; what waits until enough of
 * them have signed, and what was withdrawn.
 */
#include "server/index_parts.h"

#include <sodium.h>

enum mm_error
mm_fold_principal(const struct mm_fold *f)
{
	struct mm_principal_claim claim;
	enum mm_error error =
	    mm_fold_stated(f, MM_STATEMENT_PRINCIPAL, true, &claim);

	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_PRINCIPAL_PUT, "tbuu",
		    claim.name, mm_span(claim.key, sizeof(claim.key)), f->idx,
		    (uint64_t)claim.disabled);
	return error;
}

/* Other terms for an order that is there: one revision after the other. */
static enum mm_error
revise(const struct mm_fold *f, const struct mm_order_claim *claim)
{
	enum mm_error error = MM_SQL_CHANGE(f->index, MM_SQL_ORDER_REVISE,
	    "tuut", claim->name, f->idx, claim->revision, claim->profile);

	return mm_fold_changed(
	    f, error, "this is not the next revision of an order");
}

enum mm_error
mm_fold_order(const struct mm_fold *f)
{
	struct mm_order_claim claim;
	enum mm_error error =
	    mm_fold_stated(f, MM_STATEMENT_ORDER, true, &claim);

	if (error != MM_OK)
		return error;
	if (claim.revision > 0)
		return revise(f, &claim);
	return MM_SQL_CHANGE(f->index, MM_SQL_ORDER_PUT, "tut", claim.name,
	    f->idx, claim.profile);
}

enum mm_error
mm_fold_release(const struct mm_fold *f)
{
	struct mm_release_claim claim;
	enum mm_error error =
	    mm_fold_stated(f, MM_STATEMENT_RELEASE, true, &claim);

	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_RELEASE_PUT, "ttub",
		    claim.product, claim.version, f->idx,
		    mm_span(claim.sha256, sizeof(claim.sha256)));
	return error;
}

/* --- what waits --- */

/* What was withdrawn can neither wait again nor come into force. */
static enum mm_error
find_waiting(const struct mm_fold *f, const uint8_t digest[32], bool *waits,
    struct mm_pending_index *out)
{
	enum mm_error error = mm_index_pending(f->index, digest, out);

	if (error == MM_OK && out->withdrawn)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu has a statement that was withdrawn",
		    (unsigned long long)f->idx);
	*waits = error == MM_OK;
	return error == MM_E_NOT_FOUND ? MM_OK : error;
}

/* Its place is taken by another entry, or by none. */
static enum mm_error
forget_entry(const struct mm_fold *f, uint64_t idx)
{
	return MM_SQL_CHANGE(f->index, MM_SQL_REFERENCE_DROP, "u", idx);
}

enum mm_error
mm_fold_in_force(const struct mm_fold *f, struct mm_span payload)
{
	struct mm_pending_index pending;
	uint8_t digest[32];
	bool waits;
	enum mm_error error;

	crypto_hash_sha256(digest, payload.data, payload.size);
	error = find_waiting(f, digest, &waits, &pending);
	if (error == MM_OK && waits)
		error = forget_entry(f, pending.idx);
	if (error == MM_OK && waits)
		error = MM_SQL_CHANGE(f->index, MM_SQL_PENDING_DROP, "b",
		    mm_span(digest, sizeof(digest)));
	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_STATEMENT_PUT, "bu",
		    mm_span(digest, sizeof(digest)), f->idx);
	return error;
}

/* What has expired can never come into force. */
static enum mm_error
drop_expired(const struct mm_fold *f)
{
	for (;;) {
		uint64_t idx = 0;
		enum mm_error error = MM_SQL_FIND_UINT(f->index, &idx,
		    MM_SQL_PENDING_EXPIRED, "u", f->entry->time);

		if (error == MM_E_NOT_FOUND)
			return MM_OK;
		if (error == MM_OK)
			error = forget_entry(f, idx);
		if (error != MM_OK)
			return error;
	}
}

/* The image that it would release; of other kinds none. */
static enum mm_error
image_of(
    const struct mm_fold *f, const struct mm_claim *claim, struct mm_span *out)
{
	struct mm_release_claim release;
	enum mm_error error;

	*out = mm_span(NULL, 0);
	if (claim->kind != MM_STATEMENT_RELEASE)
		return MM_OK;
	error = mm_shape_decode(
	    &mm_release_claim_shape, claim->body, f->arena, &release);
	if (error == MM_OK)
		*out = mm_arena_copy(
		    f->arena, mm_span(release.sha256, sizeof(release.sha256)));
	return error;
}

static enum mm_error
keep_waiting(const struct mm_fold *f, struct mm_span payload)
{
	struct mm_pending_index former;
	struct mm_claim claim;
	uint8_t digest[32];
	struct mm_span image;
	bool waits = false;
	uint64_t idx;
	enum mm_error error =
	    mm_shape_decode(&mm_claim_shape, payload, f->arena, &claim);

	if (error == MM_OK)
		error = image_of(f, &claim, &image);
	if (error == MM_OK &&
	    mm_index_statement(f->index, payload, &idx) == MM_OK)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu waits for what is in force",
		    (unsigned long long)f->idx);
	crypto_hash_sha256(digest, payload.data, payload.size);
	if (error == MM_OK)
		error = find_waiting(f, digest, &waits, &former);
	if (error == MM_OK && waits)
		error = forget_entry(f, former.idx);
	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_PENDING_PUT, "buuuub",
		    mm_span(digest, sizeof(digest)), f->idx, claim.kind,
		    claim.time, claim.expiry, image);
	return error;
}

enum mm_error
mm_fold_pending(const struct mm_fold *f)
{
	const struct mm_pending_entry *body = f->body;
	struct mm_statement statement;
	enum mm_error error = mm_statement_decode(
	    mm_list_at(body->statements, struct mm_bytes_item, 0)->value,
	    &statement);

	if (error == MM_OK)
		error = keep_waiting(f, statement.payload);
	if (error == MM_OK)
		error = mm_fold_reference(f);
	if (error == MM_OK)
		error = mm_fold_request(f, body->principal, body->request);
	return error == MM_OK ? drop_expired(f) : error;
}

enum mm_error
mm_fold_withdrawal(const struct mm_fold *f)
{
	struct mm_withdraw_claim claim;
	struct mm_pending_index pending;
	bool waits = false;
	enum mm_error error =
	    mm_fold_stated(f, MM_STATEMENT_WITHDRAW, false, &claim);

	if (error == MM_OK)
		error = find_waiting(f, claim.payload, &waits, &pending);
	if (error == MM_OK && !waits)
		error = mm_fail(MM_E_LOG_WRONG,
		    "entry %llu withdraws what does not wait",
		    (unsigned long long)f->idx);
	if (error == MM_OK)
		error = forget_entry(f, pending.idx);
	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_PENDING_WITHDRAW, "b",
		    mm_span(claim.payload, sizeof(claim.payload)));
	return error;
}
