#include "server/authority.h"

#include <sodium.h>
#include <string.h>

#include "ca/certificate.h"
#include "protocol/journal.h"

static enum mm_error
rest_on(struct mm_rest *rest, uint64_t index)
{
	if (rest->count == MM_REFERENCES_MAX)
		return mm_fail(MM_E_BUG, "an entry rests on too many");
	rest->indexes[rest->count++] = index;
	return MM_OK;
}

static enum mm_error
issuer_named(const struct mm_authority *a, struct mm_span name,
    const struct mm_issuer **out)
{
	*out = mm_issuer_find(a, name);
	return *out != NULL
		   ? MM_OK
		   : mm_fail(MM_E_KEY_ABSENT, "there is no certificate of %.*s",
			 MM_SPAN(name));
}

/*
 * The token wants the basis (which it knows where it is genesis or a policy,
 * but a proof more does no harm) and the issuers' certificates up to the
 * root.
 */
enum mm_error
mm_issue_rest(const struct mm_authority *a,
    const struct mm_certificate_entry *body, struct mm_rest *out)
{
	struct mm_span name = body->issuer;
	enum mm_error error;

	*out = (struct mm_rest){.count = 0};
	error = rest_on(out, body->basis);
	for (int depth = 0; depth < MM_CHAIN_MAX && error == MM_OK; depth++) {
		const struct mm_issuer *issuer;

		error = issuer_named(a, name, &issuer);
		if (error == MM_OK)
			error = rest_on(out, issuer->index);
		if (error != MM_OK || strcmp(issuer->name, issuer->issuer) == 0)
			break;
		name = mm_span_text(issuer->issuer);
	}
	return error;
}

enum mm_error
mm_issue_draft(struct mm_authority *a, const struct mm_profile *profile,
    struct mm_certificate_entry *body, struct mm_span spki,
    struct mm_buffer *tbs)
{
	const struct mm_issuer *issuer;
	struct mm_certificate_plan plan = {.profile = profile,
	    .subject = body->subject,
	    .spki = spki,
	    .now = a->batch.now};
	uint8_t serial[MM_SERIAL_SIZE];
	enum mm_error error = issuer_named(a, profile->issuer, &issuer);

	if (error != MM_OK)
		return error;
	mm_buffer_init(tbs, MM_CERTIFICATE_MAX);
	plan.issuer = mm_buffer_span(&issuer->tbs);
	if (profile->purpose == MM_PURPOSE_SERVER)
		plan.names = a->policy.names;
	mm_serial_make(serial);
	error = mm_tbs_build(&plan, serial, tbs);
	if (error == MM_OK)
		error = mm_tbs_check(mm_buffer_span(tbs), &plan);
	if (error != MM_OK)
		return error;
	body->profile = profile->name;
	body->issuer = profile->issuer;
	body->tbs = mm_buffer_span(tbs);
	crypto_hash_sha256(body->key, spki.data, spki.size);
	return MM_OK;
}

enum mm_error
mm_issue_log(struct mm_authority *a, const struct mm_certificate_entry *body,
    struct mm_item **out)
{
	struct mm_rest rest;
	enum mm_error error = mm_issue_rest(a, body, &rest);

	for (size_t i = 0; i < rest.count && error == MM_OK; i++)
		error = mm_batch_refer(a, rest.indexes[i]);
	if (error == MM_OK)
		error = mm_item_draft(a, MM_ENTRY_CERTIFICATE, body, out);
	if (error == MM_OK)
		(*out)->rest = rest;
	return error;
}

/* Whether what the request made before is what it asks for now. */
static bool
same_request(const struct mm_issued *issued, const struct mm_issue_ask *ask,
    const uint8_t key[32], const struct mm_order_row *order)
{
	return mm_span_equal(issued->profile, ask->profile) &&
	       mm_span_equal(issued->subject, ask->device) &&
	       memcmp(issued->key, key, 32) == 0 && order != NULL &&
	       issued->basis == order->idx;
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

/* The key belongs to another device, or to a principal. */
static enum mm_error
gather_key(struct mm_authority *a, struct mm_job *job, const uint8_t key[32],
    const struct mm_issued *live, struct mm_issue_facts *facts)
{
	struct mm_issued holder;
	struct mm_principal other;
	bool device, principal = false;
	enum mm_error error =
	    whether(mm_index_key(a->index, key, &job->arena, &holder), &device);

	if (error == MM_OK)
		error = whether(
		    mm_index_principal(a->index, key, &job->arena, &other),
		    &principal);
	if (device && facts->device_issued && holder.idx == live->idx)
		device = false;
	facts->key_elsewhere = device || principal;
	return error;
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
		facts->device_same_key = memcmp(live->key, key, 32) == 0;
		facts->device_same_order =
		    order != NULL && live->basis == order->idx;
	}
	error = mm_index_daily(a->index, job->principal.name,
	    MM_ENTRY_CERTIFICATE, a->batch.now, &facts->today);
	return error == MM_OK ? gather_key(a, job, key, live, facts) : error;
}

static void
issue_new(struct mm_authority *a, struct mm_job *job,
    const struct mm_issue_ask *ask, uint64_t order)
{
	struct mm_certificate_entry body = {.subject = ask->device,
	    .basis = order,
	    .principal = job->principal.name,
	    .request = mm_span(job->ask.id, MM_ID_SIZE)};
	mm_auto(buffer) tbs = {0};
	struct mm_item *item;
	enum mm_error error = MM_OK;

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
		issue_new(a, job, ask, order->idx);
		break;
	case MM_ISSUE_AGAIN:
		mm_read_again(a, job, &live);
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

/* Its station may be disabled since, the order over. */
static enum mm_error
device_again(struct mm_authority *a, const struct mm_certificate_entry *body,
    struct mm_arena *arena)
{
	struct mm_principal principal;
	struct mm_order_claim order;
	enum mm_error error = mm_index_principal_named(
	    a->index, body->principal, arena, &principal);

	if (error == MM_OK && principal.disabled)
		error = mm_fail(MM_E_PRINCIPAL, "its station is disabled");
	if (error == MM_OK)
		error = mm_index_order_at(a->index, body->basis, arena, &order);
	if (error == MM_OK)
		error = mm_order_check(&order, body->profile, body->subject,
		    body->principal, mm_seconds(CLOCK_REALTIME));
	return error;
}

/* Its principal may have another key since, or be disabled. */
static enum mm_error
client_again(struct mm_authority *a, const struct mm_certificate_entry *body,
    struct mm_arena *arena)
{
	struct mm_principal principal;
	enum mm_error error = mm_index_principal_named(
	    a->index, body->subject, arena, &principal);

	if (error == MM_OK &&
	    (principal.disabled || principal.basis != body->basis))
		error =
		    mm_fail(MM_E_PRINCIPAL, "its principal was changed since");
	return error;
}

/* This start has a TLS key of its own. */
static enum mm_error
server_again(struct mm_authority *a, const struct mm_certificate_entry *body,
    struct mm_arena *arena)
{
	(void)a;
	(void)body;
	(void)arena;
	return mm_fail(
	    MM_E_STARTING, "it was for the TLS key of a former start");
}

enum mm_error
mm_issue_again(struct mm_authority *a, const struct mm_certificate_entry *body)
{
	static const struct {
		enum mm_purpose purpose;
		enum mm_error (*again)(struct mm_authority *,
		    const struct mm_certificate_entry *, struct mm_arena *);
	} purposes[] = {{MM_PURPOSE_DEVICE, device_again},
	    {MM_PURPOSE_CLIENT, client_again},
	    {MM_PURPOSE_SERVER, server_again}};
	const struct mm_profile *profile =
	    mm_policy_profile(&a->policy, body->profile);
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, 1 << 20);
	if (profile == NULL)
		return mm_fail(MM_E_PROFILE, "its profile is gone");
	for (size_t i = 0; i < MM_COUNT(purposes); i++)
		if (purposes[i].purpose == profile->purpose)
			return purposes[i].again(a, body, &arena);
	return MM_OK;
}

enum mm_error
mm_issue_server(struct mm_authority *a)
{
	const struct mm_profile *profile =
	    mm_profile_for(&a->policy, MM_PURPOSE_SERVER);
	struct mm_certificate_entry body = {.basis = a->policy_index};
	mm_auto(buffer) tbs = {0};
	struct mm_item *item;
	enum mm_error error;

	if (profile == NULL || a->policy.names.count == 0)
		return mm_fail(MM_E_POLICY,
		    "the policy has no profile or name for the appliance's "
		    "own TLS certificate");
	body.subject =
	    mm_list_at(a->policy.names, struct mm_text_item, 0)->value;
	error = mm_issue_draft(
	    a, profile, &body, mm_buffer_span(&a->tls_spki), &tbs);
	if (error == MM_OK)
		error = mm_issue_log(a, &body, &item);
	if (error == MM_OK)
		item->ours = true;
	return error;
}

void
mm_issue_show_gate(struct mm_authority *a, struct mm_link *gate)
{
	const struct mm_issuer *access = NULL;
	struct mm_bytes_item own = {mm_buffer_span(&a->server)};
	struct mm_server_certificate message = {.chain = {&own, 1}};
	const struct mm_profile *profile =
	    mm_profile_for(&a->policy, MM_PURPOSE_SERVER);
	enum mm_error error;

	if (profile != NULL)
		access = mm_issuer_find(a, profile->issuer);
	if (access == NULL || a->server.size == 0)
		return;
	message.anchor = mm_buffer_span(&access->certificate);
	error = mm_link_send(gate, MM_CERTIFICATE, 0,
	    &mm_server_certificate_shape, &message, NULL);
	if (error != MM_OK)
		mm_journal(
		    MM_LEVEL_ERROR, mm_error_name(error), "%s", mm_why(error));
}

void
mm_issue_served(struct mm_authority *a, const struct mm_item *item)
{
	struct mm_certificate_entry body;
	struct mm_entry entry;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, 1 << 18);
	mm_buffer_reset(&a->server);
	error = mm_entry_decode_as(mm_buffer_span(&item->entry),
	    MM_ENTRY_CERTIFICATE, &arena, &entry, &body);
	if (error == MM_OK)
		error = mm_certificate_assemble(
		    body.tbs, mm_buffer_span(&item->signature), &a->server);
	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
	for (size_t i = 0; i < MM_GATES_MAX; i++)
		if (a->gates[i] != NULL)
			mm_issue_show_gate(a, a->gates[i]);
}
