/*
 * Units that failed for good: one report for each certificate.
 */
#include "server/index_parts.h"

static enum mm_error
wrong(const struct mm_fold *f, const char *what)
{
	return mm_fail(
	    MM_E_LOG_WRONG, "entry %llu: %s", (unsigned long long)f->idx, what);
}

/* The certificate is signed, of this device and serial number, and under the
 * order whose terms in force it rests on. */
static enum mm_error
check_certificate(
    const struct mm_fold *f, const struct mm_scrap_entry *body, uint64_t order)
{
	struct mm_issued of;
	enum mm_error error =
	    mm_index_issued(f->index, body->certificate, f->arena, &of);

	if (error == MM_E_NOT_FOUND || (error == MM_OK && of.inherited))
		return wrong(f, "its certificate is not there");
	if (error != MM_OK)
		return error;
	if (of.kind != MM_ENTRY_CERTIFICATE || of.order != order ||
	    !mm_span_equal(of.subject, body->device) ||
	    !mm_span_equal(of.serial, body->serial))
		return wrong(f, "its certificate is another unit's");
	if (of.state != MM_ISSUED_SIGNED)
		return wrong(f, "its certificate is not signed");
	return MM_OK;
}

static enum mm_error
check_first(const struct mm_fold *f, const struct mm_scrap_entry *body)
{
	uint64_t former;
	enum mm_error error =
	    mm_index_scrap(f->index, body->certificate, &former);

	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	return error == MM_OK ? wrong(f, "its unit was reported before")
			      : error;
}

enum mm_error
mm_fold_scrap(const struct mm_fold *f)
{
	const struct mm_scrap_entry *body = f->body;
	uint64_t order = 0;
	enum mm_error error = MM_SQL_FIND_UINT(
	    f->index, &order, MM_SQL_ORDER_FIRST, "u", body->basis);

	if (error == MM_E_NOT_FOUND)
		return wrong(f, "it rests on terms that are in force no more");
	if (error == MM_OK)
		error = check_certificate(f, body, order);
	if (error == MM_OK)
		error = check_first(f, body);
	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_SCRAP_PUT, "uu",
		    body->certificate, f->idx);
	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_ORDER_SCRAP, "u", order);
	if (error == MM_OK)
		error = mm_fold_request(f, body->principal, body->request);
	return error;
}

enum mm_error
mm_index_scrap(struct mm_index *index, uint64_t certificate, uint64_t *idx)
{
	return MM_SQL_FIND_UINT(index, idx, MM_SQL_SCRAP_GET, "u", certificate);
}
