/*
 * Units that failed for good: one report for each certificate.
 */
#include "server/index_parts.h"

/* The certificate is signed, of this device and serial number, and under the
 * order whose terms in force it rests on. */
static enum mm_error
check_certificate(
    const struct mm_fold *f, const struct mm_scrap_entry *body, uint64_t *order)
{
	struct mm_issued of;
	enum mm_error error =
	    mm_fold_unit(f, body->basis, body->certificate, order, &of);

	if (error != MM_OK)
		return error;
	if (of.kind != MM_ENTRY_CERTIFICATE || of.order != *order ||
	    !mm_span_equal(of.subject, body->device) ||
	    !mm_span_equal(of.serial, body->serial))
		return mm_fold_wrong(f, "its certificate is another unit's");
	if (of.state != MM_ISSUED_SIGNED)
		return mm_fold_wrong(f, "its certificate is not signed");
	return MM_OK;
}

enum mm_error
mm_fold_scrap(const struct mm_fold *f)
{
	const struct mm_scrap_entry *body = f->body;
	uint64_t order = 0, former = 0;
	enum mm_error error = check_certificate(f, body, &order);

	if (error == MM_OK)
		error = mm_fold_absent(f,
		    mm_index_scrap(f->index, body->certificate, &former),
		    "its unit was reported before");
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
