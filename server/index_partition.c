/*
 * Partitions of devices: one for each certificate and signing that is not void.
 */
#include "server/index_parts.h"

/* The certificate that lies in it is good, of this device and under the order
 * whose terms in force it rests on. */
static enum mm_error
check_certificate(
    const struct mm_fold *f, const struct mm_partition_entry *body)
{
	struct mm_issued of;
	uint64_t order = 0;
	enum mm_error error =
	    mm_fold_unit(f, body->basis, body->certificate, &order, &of);

	if (error != MM_OK)
		return error;
	if (of.kind != MM_ENTRY_CERTIFICATE || of.order != order ||
	    !mm_span_equal(of.profile, body->profile) ||
	    !mm_span_equal(of.subject, body->device))
		return mm_fold_wrong(f, "its certificate is another device's");
	if (of.state != MM_ISSUED_SIGNED || of.revoked != 0)
		return mm_fold_wrong(
		    f, "its certificate is unsigned or revoked");
	return MM_OK;
}

static enum mm_error
check_first(const struct mm_fold *f, const struct mm_partition_entry *body)
{
	struct mm_issued former;

	return mm_fold_absent(f,
	    mm_index_partition(
		f->index, body->certificate, body->scheme, f->arena, &former),
	    "another one of its certificate is signed, or waits");
}

/* It counts for no unit: the row names no order. */
static enum mm_error
put(const struct mm_fold *f, const struct mm_partition_entry *body)
{
	const struct mm_fold_issue issue = {.profile = body->profile,
	    .subject = body->device,
	    .scheme = body->scheme,
	    .issuer = body->key,
	    .principal = body->principal,
	    .key = body->sha256,
	    .basis = body->basis,
	    .live = MM_LIVE_NOT};
	enum mm_error error = mm_fold_issue(f, &issue);

	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_PARTITION_PUT, "utu",
		    body->certificate, body->scheme, f->idx);
	return error;
}

enum mm_error
mm_fold_partition(const struct mm_fold *f)
{
	const struct mm_partition_entry *body = f->body;
	enum mm_error error = check_certificate(f, body);

	if (error == MM_OK)
		error = check_first(f, body);
	if (error == MM_OK)
		error = put(f, body);
	if (error == MM_OK)
		error = mm_fold_request(f, body->principal, body->request);
	return error;
}

enum mm_error
mm_index_partition(struct mm_index *index, uint64_t certificate,
    struct mm_span scheme, struct mm_arena *arena, struct mm_issued *out)
{
	uint64_t idx = 0;
	enum mm_error error = MM_SQL_FIND_UINT(
	    index, &idx, MM_SQL_PARTITION_GET, "ut", certificate, scheme);

	return error == MM_OK ? mm_index_issued(index, idx, arena, out) : error;
}
