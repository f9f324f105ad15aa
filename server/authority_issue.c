#include "server/authority.h"
#include "server/answering.h"

#include <string.h>

enum { SUPERSEDED = 4, HOLD = 6 /* CRLReason, RFC 5280 5.3.1 */ };

/* Whether what the request made before is what it asks for now: under the
 * same order, whichever revision of it. */
static bool
same_request(const struct mm_issued *issued, const struct mm_issue_ask *ask,
    const uint8_t key[32], const struct mm_order_row *order)
{
	return mm_span_equal(issued->profile, ask->profile) &&
	       mm_span_equal(issued->subject, ask->device) &&
	       memcmp(issued->key, key, 32) == 0 && order != NULL &&
	       issued->order == order->first;
}

/* What was revoked, or is on hold, is given to no station. */
static enum mm_error
is_revoked(const struct mm_issued *issued)
{
	return mm_fail(MM_E_REVOKED,
	    "the certificate that this request brought to device %.*s is %s",
	    MM_SPAN(issued->subject),
	    issued->revoked == 1 + HOLD ? "on hold" : "revoked");
}

/*
 * A request id names one request for ever (THREATS.md 8 and 10), also where
 * what it made was voided: then it may only be asked for again. True where
 * the job was answered.
 */
static bool
answered_before(struct mm_authority *a, struct mm_job *job,
    const struct mm_issue_ask *ask, const uint8_t key[32],
    const struct mm_order_row *order)
{
	struct mm_issued issued;
	uint64_t index;
	enum mm_error error = mm_index_request(
	    a->index, job->principal.name, job->ask.id, &index);

	if (error == MM_E_NOT_FOUND)
		return false;
	if (error == MM_OK)
		error = mm_index_issued(a->index, index, &job->arena, &issued);
	if (error != MM_OK && error != MM_E_NOT_FOUND)
		mm_answer_error(a, job, error);
	else if (error != MM_OK || !same_request(&issued, ask, key, order))
		mm_answer_refusal(a, job, mm_plain(MM_E_REQUEST_REUSED));
	else if (issued.state == MM_ISSUED_VOID)
		return false;
	else if (issued.revoked != 0)
		mm_answer_refusal(a, job, is_revoked(&issued));
	else
		mm_read_again(a, job, &issued);
	return true;
}

/* A lookup's answer as yes or no; a store that failed is neither. */
static enum mm_error
whether(enum mm_error looked_up, bool *out)
{
	*out = looked_up == MM_OK;
	return looked_up == MM_E_NOT_FOUND ? MM_OK : looked_up;
}

/*
 * What the key was used for: DESIGN.md promise 2 wants it in no certificate
 * but this device's, and a repaired device may bring the key that it had.
 */
static enum mm_error
gather_key(struct mm_authority *a, struct mm_job *job,
    const struct mm_issue_ask *ask, const uint8_t key[32],
    struct mm_issue_facts *facts)
{
	struct mm_issued holder;
	struct mm_principal other;
	bool held, principal = false, same;
	enum mm_error error =
	    whether(mm_index_key(a->index, key, &job->arena, &holder), &held);

	if (error == MM_OK)
		error = whether(
		    mm_index_principal(a->index, key, &job->arena, &other),
		    &principal);
	if (error != MM_OK)
		return error;
	same = held && mm_span_equal(holder.profile, ask->profile) &&
	       mm_span_equal(holder.subject, ask->device);
	facts->key_elsewhere = principal || (held && !same);
	facts->key_revoked = held && holder.revoked != 0 &&
			     !(same && holder.revoked == 1 + SUPERSEDED);
	return MM_OK;
}

/* What the index knows that the decision wants to know. */
static enum mm_error
gather(struct mm_authority *a, struct mm_job *job,
    const struct mm_issue_ask *ask, const uint8_t key[32],
    const struct mm_order_row *order, struct mm_issue_facts *facts,
    struct mm_issued *live)
{
	enum mm_error error = whether(mm_index_device(a->index, ask->profile,
					  ask->device, &job->arena, live),
	    &facts->device_issued);

	if (error != MM_OK)
		return error;
	if (facts->device_issued) {
		facts->device_held = live->revoked != 0;
		facts->device_same_key = memcmp(live->key, key, 32) == 0;
		facts->device_same_order =
		    order != NULL && live->order == order->first;
		/* As long as it is on its way, whatever the batch says. */
		facts->device_unsigned = live->state != MM_ISSUED_SIGNED ||
					 mm_item_find(a, live->idx) != NULL;
	}
	error = mm_index_daily(a->index, job->principal.name,
	    MM_ENTRY_CERTIFICATE, a->batch.now, &facts->today);
	return error == MM_OK ? gather_key(a, job, ask, key, facts) : error;
}

/* `former`: the certificate that this one makes void; NULL: none. */
static void
issue_new(struct mm_authority *a, struct mm_job *job,
    const struct mm_issue_ask *ask, uint64_t order,
    const struct mm_issued *former)
{
	struct mm_replaced replaced;
	struct mm_certificate_entry body = {.subject = ask->device,
	    .basis = order,
	    .principal = job->principal.name,
	    .request = mm_span(job->ask.id, MM_ID_SIZE)};
	mm_auto(buffer) tbs = {0};
	struct mm_item *item;
	enum mm_error error = MM_OK;

	if (former != NULL) {
		replaced = (struct mm_replaced){
		    former->inherited ? former->basis : former->idx,
		    former->serial};
		body.replaces = (struct mm_list){&replaced, 1};
	}
	if (a->batch.clock != MM_OK)
		error = mm_plain(a->batch.clock);
	else if (!a->followed)
		error = mm_plain(MM_E_TOKEN_UNAVAILABLE);
	if (error == MM_OK)
		error = mm_issue_draft(a,
		    mm_policy_profile(&a->policy, ask->profile), &body,
		    ask->spki, &tbs);
	if (error == MM_OK)
		error = mm_issue_log(a, &body, &item);
	if (error != MM_OK)
		mm_answer_refusal(a, job, error);
	else
		mm_item_wait(a, item, job);
}

/* With the request decoded and its key read. */
static void
decide(struct mm_authority *a, struct mm_job *job,
    const struct mm_issue_ask *ask, const struct mm_key *key,
    const struct mm_order_row *order)
{
	struct mm_issued live;
	struct mm_issue_facts facts = {.policy = &a->policy,
	    .principal = &job->principal,
	    .order = order != NULL ? &order->claim : NULL,
	    .order_used = order != NULL ? order->used : 0,
	    .order_reissued = order != NULL ? order->reissued : 0,
	    .reissue = ask->reissue,
	    .profile = ask->profile,
	    .device = ask->device,
	    .key_type = key->type,
	    .now = a->batch.now};
	enum mm_error error =
	    gather(a, job, ask, key->sha256, order, &facts, &live);

	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	switch (mm_decide_issue(&facts, &error)) {
	case MM_ISSUE_NEW:
		issue_new(a, job, ask, order->idx, NULL);
		break;
	case MM_ISSUE_AGAIN:
		mm_read_again(a, job, &live);
		break;
	case MM_ISSUE_REPLACE:
		issue_new(a, job, ask, order->idx, &live);
		break;
	case MM_ISSUE_DENY:
		mm_answer_refusal(a, job, error);
		break;
	}
}

void
mm_issue_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_issue_ask ask;
	struct mm_order_row row, *order = NULL;
	struct mm_key key;
	bool known;
	enum mm_error error = mm_shape_decode(
	    &mm_issue_ask_shape, job->ask.body, &job->arena, &ask);

	if (error == MM_OK)
		error = mm_ask_refused(ask.refused, ask.why);
	if (error == MM_OK)
		error = mm_key_read(ask.spki, &key);
	if (error != MM_OK) {
		mm_answer_refusal(a, job, error);
		return;
	}
	error = whether(
	    mm_index_order(a->index, ask.order, &job->arena, &row), &known);
	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	if (known)
		order = &row;
	if (!answered_before(a, job, &ask, key.sha256, order))
		decide(a, job, &ask, &key, order);
}
