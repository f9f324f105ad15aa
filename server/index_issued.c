/*
 * What is issued: certificates and images, from their entry to a signature or
 * the end without one.
 */
#include "server/index_parts.h"

#include "ca/der.h"
#include "ca/serial.h"

enum mm_error
mm_fold_issue(const struct mm_fold *f, const struct mm_fold_issue *issue)
{
	return MM_SQL_CHANGE(f->index, MM_SQL_ISSUED_PUT, "uutttuubbttuuuuu",
	    f->idx, f->entry->kind, issue->profile, issue->subject,
	    issue->scheme, issue->order, issue->basis, mm_span(issue->key, 32),
	    issue->serial, issue->issuer, issue->principal,
	    f->entry->time / MM_INDEX_DAY, issue->until, issue->replaces,
	    issue->live, issue->secure);
}

enum mm_error
mm_fold_unit(const struct mm_fold *f, uint64_t basis, uint64_t certificate,
    uint64_t *order, struct mm_issued *out)
{
	enum mm_error error =
	    MM_SQL_FIND_UINT(f->index, order, MM_SQL_ORDER_FIRST, "u", basis);

	if (error == MM_E_NOT_FOUND)
		return mm_fold_wrong(
		    f, "it rests on terms that are in force no more");
	if (error == MM_OK)
		error = mm_index_issued(f->index, certificate, f->arena, out);
	if (error == MM_E_NOT_FOUND || (error == MM_OK && out->inherited))
		return mm_fold_wrong(f, "its certificate is not there");
	return error;
}

static bool
same_device(
    const struct mm_issued *former, const struct mm_certificate_entry *body)
{
	return mm_span_equal(former->profile, body->profile) &&
	       mm_span_equal(former->subject, body->subject);
}

/* A key is never two devices', and only a certificate that was superseded, or
 * is just now while nothing is said against it, has a successor with its
 * key. */
static enum mm_error
check_key(const struct mm_fold *f, const struct mm_certificate_entry *body,
    uint64_t former)
{
	struct mm_issued holder;
	enum mm_error error =
	    mm_index_key(f->index, body->key, f->arena, &holder);

	if (error != MM_OK)
		return error == MM_E_NOT_FOUND ? MM_OK : error;
	if (holder.order == 0 && !holder.inherited)
		return mm_fold_wrong(
		    f, "the device's key is one of the mint's");
	if (same_device(&holder, body) &&
	    ((holder.idx == former && holder.revoked == 0) ||
		holder.revoked == 1 + MM_CRL_SUPERSEDED))
		return MM_OK;
	return mm_fold_wrong(f, "its key is in another certificate");
}

/* The former certificate steps back, until this one is signed or void. */
static enum mm_error
replace(const struct mm_fold *f, const struct mm_certificate_entry *body,
    uint64_t *out)
{
	const struct mm_replaced *what =
	    mm_list_at(body->replaces, struct mm_replaced, 0);
	struct mm_issued former;
	enum mm_error error;

	if (body->replaces.count == 0)
		return MM_OK;
	error = mm_index_serial(f->index, what->serial, f->arena, &former);
	if (error == MM_E_NOT_FOUND)
		return mm_fold_wrong(f, "it replaces what is not there");
	if (error != MM_OK)
		return error;
	if ((former.inherited ? former.basis : former.idx) != what->index ||
	    !same_device(&former, body) || former.state != MM_ISSUED_SIGNED)
		return mm_fold_wrong(f, "it replaces another certificate");
	error =
	    MM_SQL_CHANGE(f->index, MM_SQL_ISSUED_STEP_BACK, "u", former.idx);
	*out = former.idx;
	return mm_fold_changed(f, error, "it replaces what is not live");
}

/* A unit of its order, or of the order's allowance, and one of the day. */
static enum mm_error
fold_device(const struct mm_fold *f, const struct mm_certificate_entry *body,
    struct mm_fold_issue *issue)
{
	bool again = body->replaces.count > 0;
	enum mm_error error =
	    MM_SQL_FIND_UINT(f->index, &issue->order, MM_SQL_ORDER_USE, "uuu",
		(uint64_t)!again, (uint64_t)again, body->basis);

	if (error == MM_E_NOT_FOUND)
		return mm_fold_wrong(
		    f, "it rests on terms that are in force no more");
	if (error == MM_OK)
		error = replace(f, body, &issue->replaces);
	if (error == MM_OK)
		error = check_key(f, body, issue->replaces);
	issue->live = MM_LIVE_DEVICE;
	if (error == MM_OK)
		error = MM_SQL_CHANGE(f->index, MM_SQL_DAILY_ADD, "tuu",
		    body->principal, f->entry->kind,
		    f->entry->time / MM_INDEX_DAY);
	return error;
}

/* RFC 5280 4.1: the TBS's notAfter, without reading what comes behind it. */
static enum mm_error
not_after(const struct mm_fold *f, struct mm_span tbs, uint64_t *out)
{
	struct mm_der outer = mm_der(tbs);
	struct mm_der fields = mm_der_enter(&outer, MM_DER_SEQUENCE);
	struct mm_der validity;

	mm_der_whole(&fields, MM_DER_CONTEXT_CONSTRUCTED);
	mm_der_whole(&fields, MM_DER_INTEGER);
	mm_der_whole(&fields, MM_DER_SEQUENCE);
	mm_der_whole(&fields, MM_DER_SEQUENCE);
	validity = mm_der_enter(&fields, MM_DER_SEQUENCE);
	(void)mm_der_time(&validity);
	*out = mm_der_time(&validity);
	return mm_der_end(&validity)
		   ? MM_OK
		   : mm_fold_wrong(
			 f, "its certificate's validity cannot be read");
}

/* Others rest on a certificate of a key of the mint. */
static enum mm_error
fold_own(const struct mm_fold *f, const struct mm_certificate_entry *body,
    struct mm_fold_issue *issue)
{
	uint64_t one = 0;
	enum mm_error error =
	    MM_SQL_FIND_UINT(f->index, &one, MM_SQL_AUTHORITY_BY_KEY, "b",
		mm_span(body->key, sizeof(body->key)));

	issue->live = MM_LIVE_OWN;
	if (error == MM_OK)
		return mm_fold_reference(f);
	return error == MM_E_NOT_FOUND ? MM_OK : error;
}

/* What it is, by what it rests on. */
static enum mm_error
place(const struct mm_fold *f, const struct mm_certificate_entry *body,
    struct mm_fold_issue *issue)
{
	uint64_t kind = 0;
	enum mm_error error = MM_SQL_FIND_UINT(
	    f->index, &kind, MM_SQL_REFERENCE_KIND, "u", body->basis);

	if (error == MM_E_NOT_FOUND)
		return mm_fold_wrong(
		    f, "there is nothing that it could rest on");
	if (error != MM_OK)
		return error;
	if (kind == MM_ENTRY_ORDER)
		return fold_device(f, body, issue);
	if (body->replaces.count > 0)
		return mm_fold_wrong(
		    f, "only a device's certificate replaces one");
	if (kind == MM_ENTRY_PRINCIPAL)
		return not_after(f, body->tbs, &issue->until);
	return fold_own(f, body, issue);
}

enum mm_error
mm_fold_certificate(const struct mm_fold *f)
{
	const struct mm_certificate_entry *body = f->body;
	uint8_t serial[MM_SERIAL_SIZE];
	struct mm_fold_issue issue = {.profile = body->profile,
	    .subject = body->subject,
	    .serial = {serial, sizeof(serial)},
	    .issuer = body->issuer,
	    .principal = body->principal,
	    .key = body->key,
	    .basis = body->basis};
	enum mm_error error = mm_serial_of_tbs(body->tbs, serial);

	if (error == MM_OK)
		error = place(f, body, &issue);
	if (error == MM_OK)
		error = mm_fold_issue(f, &issue);
	if (error == MM_OK)
		error = mm_fold_request(f, body->principal, body->request);
	return error;
}

enum mm_error
mm_fold_image(const struct mm_fold *f)
{
	const struct mm_image_entry *body = f->body;
	enum mm_error error =
	    mm_fold_issue(f, &(struct mm_fold_issue){.profile = body->product,
				 .subject = body->version,
				 .scheme = body->scheme,
				 .issuer = body->key,
				 .principal = body->principal,
				 .key = body->sha256,
				 .live = MM_LIVE_IMAGE,
				 .secure = body->secure_version});

	if (error == MM_OK)
		error = mm_fold_request(f, body->principal, body->request);
	return error;
}

/* --- what becomes of it --- */

/* What a signature means beyond itself: the row's columns are those that
 * MM_SQL_ISSUED_SIGN gives. */
static enum mm_error
come_alive(const struct mm_fold *f, uint64_t idx)
{
	enum mm_sql row = MM_SQL_ISSUED_SIGN;
	struct mm_index *index = f->index;
	uint64_t live = mm_sql_uint(index, row, 0);
	uint64_t until = mm_sql_uint(index, row, 1);
	uint64_t former = mm_sql_uint(index, row, 2);

	if (former != 0) {
		mm_sql_done(index, row);
		return mm_fold_supersede(f, former);
	}
	if (until != 0)
		return MM_SQL_CHANGE(index, MM_SQL_PRINCIPAL_CERTIFY, "utb",
		    until, mm_sql_lent(index, row, 3),
		    mm_sql_lent(index, row, 4));
	if (live == MM_LIVE_OWN)
		return MM_SQL_CHANGE(index, MM_SQL_AUTHORITY_CERTIFY, "ub", idx,
		    mm_sql_lent(index, row, 4));
	return MM_OK;
}

static enum mm_error
sign(const struct mm_fold *f, const struct mm_signature *one)
{
	enum mm_error error = MM_SQL_LOOK(
	    f->index, MM_SQL_ISSUED_SIGN, "bu", one->signature, one->index);

	if (error == MM_E_NOT_FOUND)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu is signed but waits for no signature",
		    (unsigned long long)one->index);
	if (error == MM_OK)
		error = come_alive(f, one->index);
	mm_sql_done(f->index, MM_SQL_ISSUED_SIGN);
	return error;
}

enum mm_error
mm_fold_signatures(const struct mm_fold *f)
{
	const struct mm_signatures_entry *body = f->body;
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < body->signatures.count && error == MM_OK; i++)
		error = sign(
		    f, mm_list_at(body->signatures, struct mm_signature, i));
	return error;
}

/* What was never signed gives its unit back, and the device the certificate
 * that it should have replaced. */
static enum mm_error
give_back(const struct mm_fold *f)
{
	struct mm_index *index = f->index;
	enum mm_sql row = MM_SQL_ISSUED_VOID;
	uint64_t order = mm_sql_uint(index, row, 0);
	struct mm_span principal = mm_sql_span(index, row, 1, f->arena);
	uint64_t day = mm_sql_uint(index, row, 2);
	uint64_t former = mm_sql_uint(index, row, 3);
	enum mm_error error;

	mm_sql_done(index, row);
	if (order == 0)
		return MM_OK;
	error = MM_SQL_CHANGE(index, MM_SQL_ORDER_GIVE_BACK, "uuu",
	    (uint64_t)(former == 0), (uint64_t)(former != 0), order);
	if (error == MM_OK && former != 0)
		error =
		    MM_SQL_CHANGE(index, MM_SQL_ISSUED_STEP_FORTH, "u", former);
	if (error == MM_OK)
		error = MM_SQL_CHANGE(index, MM_SQL_DAILY_GIVE_BACK, "tuu",
		    principal, (uint64_t)MM_ENTRY_CERTIFICATE, day);
	return error;
}

enum mm_error
mm_fold_void(const struct mm_fold *f)
{
	const struct mm_void_entry *body = f->body;
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_void, one, body->voids)) {
		error =
		    MM_SQL_LOOK(f->index, MM_SQL_ISSUED_VOID, "u", one->index);
		if (error == MM_E_NOT_FOUND)
			return mm_fail(MM_E_LOG_WRONG,
			    "entry %llu is voided but waits for no signature",
			    (unsigned long long)one->index);
		if (error == MM_OK)
			error = give_back(f);
		if (error != MM_OK)
			break;
	}
	return error;
}
