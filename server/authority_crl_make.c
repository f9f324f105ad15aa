/*
 * A CRL is made between two batches, of what is stored by then; a long one
 * goes to the notary as a blob, piece by piece; then its entry is added, and
 * signed like any other.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ca/revocation.h"
#include "protocol/journal.h"
#include "protocol/sealed.h"
#include "server/crl_parts.h"
#include "server/issuers.h"

enum { INLINE_MAX = 32768 /* bytes of a TBS that stands in its entry */ };

static enum mm_error
add_revoked(void *self, const struct mm_revoked_row *row)
{
	return mm_crl_add(self, row->serial, row->at, row->reason, row->since);
}

static enum mm_error
write_list(struct mm_authority *a, struct mm_span issuer,
    const struct mm_crl_plan *plan, uint64_t *count, struct mm_buffer *out)
{
	struct mm_crl_writer writer;
	enum mm_error error;

	mm_crl_writer_init(&writer, MM_BLOB_MAX);
	error = mm_index_revoked(a->index, issuer, add_revoked, &writer);
	if (error == MM_OK)
		error = mm_crl_finish(&writer, plan, out);
	*count = writer.count;
	mm_crl_writer_clear(&writer);
	return error;
}

/*
 * Numbers go up by one (RFC 5280 5.2.3). One that was voided is not taken
 * again: the token may have signed it, and signs no other CRL of that number.
 * The first in a log is its time in seconds: the key may have signed CRLs in a
 * log that this one succeeds, and whoever has those must take this for newer.
 */
static enum mm_error
next_number(struct mm_authority *a, struct mm_span issuer, uint64_t *out)
{
	struct mm_crl_row row;
	enum mm_error error = mm_index_crl_entered(a->index, issuer, &row);

	*out = error == MM_OK ? row.number + 1 : a->batch.now;
	return error == MM_E_NOT_FOUND ? MM_OK : error;
}

static enum mm_error
draft(struct mm_authority *a, struct mm_crls *crls)
{
	struct mm_span name = mm_span_text(crls->duty->issuer);
	const struct mm_issuer *issuer = mm_issuer_find(a, name);
	const struct mm_profile *profile =
	    issuer != NULL ? mm_crl_profile(a, issuer) : NULL;
	struct mm_crl_plan plan = {.this_update = a->batch.now};
	enum mm_error error = next_number(a, name, &plan.number);

	if (profile == NULL)
		return mm_fail(MM_E_NO_ISSUER, "it signs no CRLs any more");
	plan.issuer = mm_buffer_span(&issuer->tbs);
	plan.next_update = plan.this_update + profile->crl;
	crls->entry = (struct mm_crl_entry){.issuer = name,
	    .number = plan.number,
	    .this_update = plan.this_update,
	    .next_update = plan.next_update,
	    .size = a->size};
	return error == MM_OK
		   ? write_list(a, name, &plan, &crls->entry.count, &crls->tbs)
		   : error;
}

static enum mm_error
fill_memfd(int fd, struct mm_span bytes)
{
	while (bytes.size > 0) {
		ssize_t put = write(fd, bytes.data, bytes.size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return mm_fail(MM_E_MEMORY, "cannot hold a CRL: %s",
			    strerror(errno));
		bytes.data += put;
		bytes.size -= (size_t)put;
	}
	if (fcntl(fd, F_ADD_SEALS, MM_SEALS) != 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot seal a CRL: %s", strerror(errno));
	return MM_OK;
}

static void
stored(struct mm_authority *a, const struct mm_blob *blob, enum mm_error error)
{
	struct mm_crls *crls = a->crls;

	if (error != MM_OK) {
		mm_crl_give_up(a, error);
		return;
	}
	/* The token has it from the descriptor. */
	mm_buffer_clear(&crls->tbs);
	crls->blob = *blob;
	crls->stage = MM_CRL_READY;
	mm_batch_step(a);
}

static enum mm_error
store(struct mm_authority *a, struct mm_crls *crls)
{
	struct mm_span tbs = mm_buffer_span(&crls->tbs);
	enum mm_error error;

	crls->fd = memfd_create("crl", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (crls->fd < 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot hold a CRL: %s", strerror(errno));
	error = fill_memfd(crls->fd, tbs);
	crls->stage = MM_CRL_STORING;
	return error == MM_OK ? mm_blob_store(a, tbs, stored) : error;
}

/* Nobody is answered meanwhile: how long that was is for people to see. */
static void
tell_made(const struct mm_crls *crls, const struct timespec *begin)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	mm_journal(MM_LEVEL_INFO, "crl-made",
	    "CRL %llu of \"%s\": %llu certificates, %zu bytes, made in %lld "
	    "ms",
	    (unsigned long long)crls->entry.number, crls->duty->issuer,
	    (unsigned long long)crls->entry.count, crls->tbs.size,
	    (long long)(end.tv_sec - begin->tv_sec) * 1000 +
		(end.tv_nsec - begin->tv_nsec) / 1000000);
}

void
mm_crl_make(struct mm_authority *a)
{
	struct mm_crls *crls = a->crls;
	struct timespec begin;
	enum mm_error error;

	if (!mm_crl_due(a) || crls->stage != MM_CRL_IDLE || a->distrusted ||
	    a->batch.clock != MM_OK)
		return;
	crls->duty = mm_crl_first_due(a);
	crls->duty->due = false;
	mm_buffer_init(&crls->tbs, MM_BLOB_MAX);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	error = draft(a, crls);
	if (error == MM_OK)
		tell_made(crls, &begin);
	if (error == MM_OK && crls->tbs.size > INLINE_MAX)
		error = store(a, crls);
	else if (error == MM_OK)
		crls->stage = MM_CRL_READY;
	if (error != MM_OK)
		mm_crl_give_up(a, error);
}

/* --- entered --- */

static enum mm_error
add(struct mm_authority *a, struct mm_crls *crls, struct mm_item **out)
{
	struct mm_crl_entry *entry = &crls->entry;
	struct mm_rest rest = {.count = 0};
	enum mm_error error = mm_issue_rest_chain(a, entry->issuer, &rest);

	if (crls->blob.size == 0)
		entry->tbs = mm_buffer_span(&crls->tbs);
	else
		entry->tbs_sha256 = mm_span(crls->blob.sha256, 32);
	entry->tbs_size = crls->blob.size;
	for (size_t i = 0; i < rest.count && error == MM_OK; i++)
		error = mm_batch_refer(a, rest.indexes[i]);
	if (error == MM_OK)
		error = mm_item_draft(a, MM_ENTRY_CRL, entry, out);
	if (error == MM_OK)
		(*out)->rest = rest;
	return error;
}

enum mm_error
mm_crl_add_entry(struct mm_authority *a)
{
	struct mm_crls *crls = a->crls;
	struct mm_item *item;
	struct mm_job *job;
	enum mm_error error;

	if (crls == NULL || crls->stage != MM_CRL_READY || !a->followed ||
	    a->batch.clock != MM_OK)
		return MM_OK;
	error = add(a, crls, &item);
	/* Where there is no room just now, with the next batch. */
	if (error == MM_E_BUSY)
		return MM_OK;
	if (error != MM_OK) {
		mm_crl_give_up(a, error);
		return MM_OK;
	}
	crls->stage = MM_CRL_ADDED;
	crls->index = item->index;
	while ((job = mm_jobs_pop(&crls->duty->waiters)) != NULL)
		mm_item_wait(a, item, job);
	return MM_OK;
}

int
mm_crl_blob(struct mm_authority *a, uint64_t index)
{
	const struct mm_crls *crls = a->crls;

	return crls != NULL && crls->stage == MM_CRL_ADDED &&
		       crls->index == index
		   ? crls->fd
		   : -1;
}
