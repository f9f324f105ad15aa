/*
 * Revocation, serial by serial, and the CRLs that say so (RFC 5280 5).
 */
#include "server/index_parts.h"

#include <sodium.h>
#include <string.h>

/* What becomes of a certificate: a reason, and what it was before. */
struct change {
	const struct mm_issued *issued;
	uint64_t reason, since;
};

/* The row stays when a hold is taken back, so that the next CRL is known to
 * differ from the last one. */
static enum mm_error
list_change(const struct mm_fold *f, const struct change *change)
{
	return MM_SQL_CHANGE(f->index, MM_SQL_REVOKED_PUT, "tbuuuu",
	    change->issued->issuer, change->issued->serial, change->reason,
	    f->entry->time, change->since, f->idx);
}

static enum mm_error
count_change(const struct mm_fold *f, uint64_t order, int64_t by)
{
	return order == 0 ? MM_OK
			  : MM_SQL_CHANGE(f->index, MM_SQL_ORDER_REVOKE, "uu",
				(uint64_t)by, order);
}

static enum mm_error
put_revoked(const struct mm_fold *f, const struct change *change)
{
	const struct mm_issued *issued = change->issued;
	enum mm_error error = MM_SQL_CHANGE(f->index, MM_SQL_ISSUED_REVOKE,
	    "uuu", 1 + change->reason, f->entry->time, issued->idx);

	if (error == MM_OK)
		error = list_change(f, change);
	if (error == MM_OK && issued->revoked == 0)
		error = count_change(f, issued->order, 1);
	return error;
}

/* A hold is taken back: as if it had never been. */
static enum mm_error
take_back(const struct mm_fold *f, const struct change *change)
{
	enum mm_error error = MM_SQL_CHANGE(
	    f->index, MM_SQL_ISSUED_RESTORE, "u", change->issued->idx);

	if (error == MM_OK)
		error = list_change(f, change);
	if (error == MM_OK)
		error = count_change(f, change->issued->order, -1);
	return error;
}

/* RFC 5280 5.3.1: once and for ever, but for a hold. */
static bool
may_become(const struct mm_issued *issued, uint64_t reason)
{
	bool held = issued->revoked == 1 + MM_CRL_HOLD;

	if (issued->serial.size == 0 || issued->state != MM_ISSUED_SIGNED)
		return false;
	if (reason == MM_CRL_REMOVE)
		return held;
	return issued->revoked == 0 || (held && reason != MM_CRL_HOLD);
}

static enum mm_error
revoke_one(const struct mm_fold *f, const struct mm_revoked *one)
{
	struct mm_issued issued;
	struct change change = {&issued, one->reason, one->since};
	enum mm_error error =
	    mm_index_serial(f->index, one->serial, f->arena, &issued);

	if (error != MM_OK && error != MM_E_NOT_FOUND)
		return error;
	if (error == MM_E_NOT_FOUND || !may_become(&issued, one->reason))
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu revokes what cannot be revoked so",
		    (unsigned long long)f->idx);
	return one->reason == MM_CRL_REMOVE ? take_back(f, &change)
					    : put_revoked(f, &change);
}

enum mm_error
mm_fold_revocation(const struct mm_fold *f)
{
	struct mm_revoke_claim claim;
	enum mm_error error =
	    mm_fold_stated(f, MM_STATEMENT_REVOKE, false, &claim);

	for (size_t i = 0; error == MM_OK && i < claim.revoked.count; i++)
		error = revoke_one(
		    f, mm_list_at(claim.revoked, struct mm_revoked, i));
	return error;
}

/* What people have revoked for good meanwhile keeps their reason. */
enum mm_error
mm_fold_supersede(const struct mm_fold *f, uint64_t idx)
{
	struct mm_issued issued;
	struct change change = {&issued, MM_CRL_SUPERSEDED, 0};
	enum mm_error error = mm_index_issued(f->index, idx, f->arena, &issued);

	if (error != MM_OK || !may_become(&issued, MM_CRL_SUPERSEDED))
		return error;
	return put_revoked(f, &change);
}

/* --- CRLs --- */

/* One number after the other, and no CRL forgets what the last one saw. */
static enum mm_error
check_order(const struct mm_fold *f, const struct mm_crl_entry *body)
{
	struct mm_crl_row last;
	enum mm_error error =
	    mm_index_crl_entered(f->index, body->issuer, &last);

	if (error != MM_OK && error != MM_E_NOT_FOUND)
		return error;
	if (body->size <= f->idx &&
	    (error == MM_E_NOT_FOUND ||
		(body->number == last.number + 1 && body->size >= last.size)))
		return MM_OK;
	return mm_fail(MM_E_LOG_WRONG,
	    "entry %llu is not the CRL that comes next",
	    (unsigned long long)f->idx);
}

enum mm_error
mm_fold_crl(const struct mm_fold *f)
{
	const struct mm_crl_entry *body = f->body;
	uint8_t digest[32];
	enum mm_error error = check_order(f, body);

	crypto_hash_sha256(digest, body->tbs.data, body->tbs.size);
	if (body->tbs_sha256.size == sizeof(digest))
		memcpy(digest, body->tbs_sha256.data, sizeof(digest));
	if (error == MM_OK)
		error = mm_fold_issue(f, &(struct mm_fold_issue){
					     .subject = body->issuer,
					     .issuer = body->issuer,
					     .key = digest,
					 });
	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_CRL_PUT, "tuuuuu",
		    body->issuer, f->idx, body->number, body->this_update,
		    body->next_update, body->size);
	return error;
}

static enum mm_error
get_crl(struct mm_index *index, enum mm_sql row, struct mm_span issuer,
    struct mm_crl_row *out)
{
	enum mm_error error = MM_SQL_LOOK(index, row, "t", issuer);

	if (error != MM_OK)
		return error;
	*out = (struct mm_crl_row){.idx = mm_sql_uint(index, row, 0),
	    .number = mm_sql_uint(index, row, 1),
	    .this_update = mm_sql_uint(index, row, 2),
	    .next_update = mm_sql_uint(index, row, 3),
	    .size = mm_sql_uint(index, row, 4),
	    .is_signed = mm_sql_uint(index, row, 5) != 0};
	mm_sql_done(index, row);
	return MM_OK;
}

enum mm_error
mm_index_crl(
    struct mm_index *index, struct mm_span issuer, struct mm_crl_row *out)
{
	return get_crl(index, MM_SQL_CRL_GET, issuer, out);
}

enum mm_error
mm_index_crl_entered(
    struct mm_index *index, struct mm_span issuer, struct mm_crl_row *out)
{
	return get_crl(index, MM_SQL_CRL_ENTERED, issuer, out);
}

enum mm_error
mm_index_crl_changes(struct mm_index *index, struct mm_span issuer,
    uint64_t size, uint64_t *count)
{
	return MM_SQL_FIND_UINT(
	    index, count, MM_SQL_REVOKED_SINCE, "tu", issuer, size);
}

enum mm_error
mm_index_revoked(struct mm_index *index, struct mm_span issuer,
    enum mm_error (*sink)(void *self, const struct mm_revoked_row *row),
    void *self)
{
	enum mm_sql list = MM_SQL_REVOKED_LIST;
	enum mm_error error =
	    MM_SQL_LOOK(index, MM_SQL_REVOKED_LIST, "t", issuer);

	while (error == MM_OK) {
		const struct mm_revoked_row row = {
		    .serial = mm_sql_lent(index, list, 0),
		    .reason = mm_sql_uint(index, list, 1),
		    .at = mm_sql_uint(index, list, 2),
		    .since = mm_sql_uint(index, list, 3)};

		error = sink(self, &row);
		if (error != MM_OK) {
			mm_sql_done(index, list);
			return error;
		}
		error = mm_sql_next(index, list);
	}
	return error == MM_E_NOT_FOUND ? MM_OK : error;
}
