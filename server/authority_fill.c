/*
 * What goes into the next batch: first what must be logged before anything new
 * is decided, then the requests, in the order of their coming.
 */
#include "server/batch_parts.h"
#include "server/answering.h"
#include "server/partitioning.h"
#include "server/releasing.h"

#include "log/entry.h"
#include "protocol/journal.h"

enum {
	SIGNATURES_MAX = 128,     /* in one entry */
	SIGNATURES_BYTES = 16384, /* all together */
	SERVER_LIFE = 86400       /* seconds until our certificate is renewed */
};

/* One `signatures` entry for all that the token has made since. */
static enum mm_error
add_signatures(struct mm_authority *a)
{
	struct mm_signature list[SIGNATURES_MAX];
	struct mm_item *items[SIGNATURES_MAX];
	struct mm_signatures_entry body = {{list, 0}};
	size_t *count = &body.signatures.count, bytes = 0;
	enum mm_error error;

	for (struct mm_item *i = a->items; i != NULL; i = i->next) {
		if (i->state != MM_ITEM_SIGNED)
			continue;
		bytes += i->signature.size;
		if (*count == SIGNATURES_MAX || bytes > SIGNATURES_BYTES)
			break;
		items[*count] = i;
		list[(*count)++] = (struct mm_signature){
		    i->index, mm_buffer_span(&i->signature)};
	}
	if (*count == 0)
		return MM_OK;
	error = mm_batch_add(a, MM_ENTRY_SIGNATURES, &body, NULL);
	for (size_t n = 0; n < *count && error == MM_OK; n++)
		items[n]->state = MM_ITEM_STORING;
	return error;
}

static enum mm_error
add_voids(struct mm_authority *a)
{
	struct mm_void list[SIGNATURES_MAX];
	struct mm_item *items[SIGNATURES_MAX];
	struct mm_void_entry body = {{list, 0}};
	size_t *count = &body.voids.count;
	enum mm_error error;

	for (struct mm_item *i = a->items; i != NULL && *count < SIGNATURES_MAX;
	     i = i->next) {
		if (i->state != MM_ITEM_VOID)
			continue;
		items[*count] = i;
		list[(*count)++] = (struct mm_void){
		    i->index, mm_span_text(mm_error_name(i->reason))};
	}
	if (*count == 0)
		return MM_OK;
	error = mm_batch_add(a, MM_ENTRY_VOID, &body, NULL);
	for (size_t n = 0; n < *count && error == MM_OK; n++)
		items[n]->state = MM_ITEM_STORING;
	return error;
}

/*
 * Asks for proofs of what a crash left unsigned, and of what it rests on. The
 * notary takes no batch without an entry: these go along with others, and
 * each that is signed brings the next batch.
 */
static enum mm_error
refer_unproven(struct mm_authority *a)
{
	for (struct mm_item *i = a->items; i != NULL; i = i->next) {
		enum mm_error error = MM_OK;

		if (i->state != MM_ITEM_UNPROVEN)
			continue;
		if (mm_batch_is_full(a, 0))
			return MM_OK;
		for (size_t n = 0; n < i->rest.count && error == MM_OK; n++)
			error = mm_batch_refer(a, i->rest.indexes[n]);
		if (error == MM_OK)
			error = mm_batch_refer(a, i->index);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* The first entry of a start: that it happened. */
static enum mm_error
add_start(struct mm_authority *a)
{
	struct mm_start_entry body = {.version = mm_span_text("1")};
	/* An auditor counts as well: a fault is not written down as 0. */
	enum mm_error error =
	    mm_index_unsigned_count(a->index, &body.undecided);

	if (error == MM_OK)
		error = mm_batch_add(a, MM_ENTRY_START, &body, NULL);
	a->batch.start = error == MM_OK;
	return error;
}

static bool
any_item(const struct mm_authority *a, enum mm_item_state state)
{
	for (const struct mm_item *i = a->items; i != NULL; i = i->next)
		if (i->state == state)
			return true;
	return false;
}

static bool
server_wanted(const struct mm_authority *a)
{
	return a->followed && a->server_due > 0 &&
	       ev_now(a->loop) >= a->server_due;
}

bool
mm_batch_is_due(const struct mm_authority *a)
{
	if (a->distrusted)
		return a->queue.first != NULL;
	return !a->started || (a->ready && a->queue.first != NULL) ||
	       any_item(a, MM_ITEM_SIGNED) || any_item(a, MM_ITEM_VOID) ||
	       server_wanted(a) || mm_refusals_due(a) || mm_ceremony_due(a) ||
	       mm_crl_due(a) || mm_release_due(a);
}

/* The appliance's own certificate: where there is no room just now, later.
 * Where none can be made, the one that there is serves as long as it lasts. */
static enum mm_error
add_server(struct mm_authority *a)
{
	enum mm_error error;

	if (!server_wanted(a) || a->batch.clock != MM_OK)
		return MM_OK;
	error = mm_issue_server(a);
	if (error == MM_OK)
		a->server_due = ev_now(a->loop) + SERVER_LIFE;
	if (error == MM_OK || error == MM_E_BUSY)
		return MM_OK;
	if (a->server.size == 0 || error == MM_E_MEMORY || error == MM_E_STORE)
		return error;
	mm_journal(MM_LEVEL_ERROR, mm_error_name(error),
	    "no TLS certificate can be made for the appliance: %s",
	    mm_why(error));
	a->server_due = ev_now(a->loop) + MM_SERVER_AGAIN;
	return MM_OK;
}

/* Where the disk is short, what may use its last room goes alone. */
static bool
is_closed(struct mm_authority *a)
{
	a->batch.closing = a->store_short && a->batch.count > 0;
	return a->batch.closing;
}

static enum mm_error
fill_others(struct mm_authority *a)
{
	enum mm_error error = mm_refusals_add(a);

	if (error == MM_OK && a->started)
		error = mm_ceremony_add(a);
	if (error == MM_OK && a->started)
		error = mm_crl_add_entry(a);
	if (error == MM_OK && a->started)
		mm_release_add(a);
	return error;
}

/* What must be logged before anything new is decided. */
static enum mm_error
fill_own(struct mm_authority *a)
{
	enum mm_error error = add_signatures(a);

	if (error == MM_OK)
		error = add_voids(a);
	/* The notary keeps the last room of the disk for these alone, */
	if (is_closed(a))
		return error;
	if (error == MM_OK && !a->started)
		error = add_start(a);
	if (error == MM_OK)
		error = add_server(a);
	/* and half of it for those. */
	if (error == MM_OK && !is_closed(a))
		error = fill_others(a);
	if (error == MM_OK && a->followed && a->batch.count > 0)
		error = refer_unproven(a);
	return error;
}

static const struct {
	uint64_t type;
	void (*decide)(struct mm_authority *, struct mm_job *);
	bool writes; /* may make an entry */
} decisions[] = {
    {MM_MESSAGE_STATUS, mm_read_decide, false},
    {MM_MESSAGE_ISSUE, mm_issue_decide, true},
    {MM_MESSAGE_SHOW, mm_read_decide, false},
    {MM_MESSAGE_STATEMENT, mm_statement_decide, true},
    {MM_MESSAGE_UPLOAD, mm_read_decide, false},
    {MM_MESSAGE_SUBMIT, mm_submit_decide, true},
    {MM_MESSAGE_FETCH, mm_fetch_decide, false},
    {MM_MESSAGE_ENTRIES, mm_audit_decide, false},
    {MM_MESSAGE_PROVE, mm_audit_decide, false},
    {MM_MESSAGE_CONSISTENCY, mm_audit_decide, false},
    {MM_MESSAGE_COSIGN, mm_audit_decide, false},
    {MM_MESSAGE_EXPORT, mm_export_decide, true},
    {MM_MESSAGE_BLOB, mm_audit_decide, false},
    {MM_MESSAGE_RENEW, mm_renew_decide, true},
    {MM_MESSAGE_PENDING, mm_pending_decide, false},
    {MM_MESSAGE_ORDERS, mm_orders_decide, false},
    {MM_MESSAGE_PRINCIPALS, mm_principals_decide, false},
    {MM_MESSAGE_CRL, mm_crl_decide, true},
    {MM_MESSAGE_RELEASES, mm_releases_decide, false},
    {MM_MESSAGE_IMAGE, mm_image_decide, false},
    {MM_MESSAGE_PARTITION, mm_partition_decide, true},
    {MM_MESSAGE_SCRAP, mm_scrap_decide, true},
};

/* The job is answered, parked, or in the batch afterwards. */
static void
decide(struct mm_authority *a, struct mm_job *job)
{
	enum mm_error error = mm_job_admit(a, job);

	if (error == MM_OK)
		error = mm_limits_admit(a, job);
	if (error != MM_OK) {
		mm_answer_refusal(a, job, error);
		return;
	}
	for (size_t i = 0; i < MM_COUNT(decisions); i++) {
		if (decisions[i].type != job->ask.type)
			continue;
		if (decisions[i].writes && a->distrusted)
			mm_answer_error(a, job, mm_plain(MM_E_LOG_WRONG));
		else
			decisions[i].decide(a, job);
		return;
	}
	mm_answer_error(a, job, mm_plain(MM_E_UNKNOWN));
}

static void
fill_asked(struct mm_authority *a)
{
	while (a->ready && !a->batch.closing && !a->batch.sealed &&
	       a->queue.first != NULL &&
	       !mm_batch_is_full(a, a->queue.first->ask.body.size))
		decide(a, mm_jobs_pop(&a->queue));
}

enum mm_error
mm_batch_fill(struct mm_authority *a)
{
	enum mm_error error = mm_index_begin(a->index);

	a->batch.closing = a->batch.sealed = a->batch.start = false;
	if (error == MM_OK && !a->distrusted)
		error = fill_own(a);
	if (error == MM_OK)
		fill_asked(a);
	if (error != MM_OK || a->batch.closing || a->batch.sealed ||
	    a->distrusted || mm_batch_is_full(a, 0))
		return error;
	/* What was asked for, or refused, just now goes along. */
	mm_release_add(a);
	return mm_batch_is_full(a, 0) ? MM_OK : mm_refusals_add(a);
}
