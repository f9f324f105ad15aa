#include "server/authority.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "ca/certificate.h"
#include "protocol/journal.h"

static enum mm_error
rest_on(struct mm_item *item, uint64_t index)
{
	if (item->reference_count == MM_REFERENCES_MAX)
		return mm_fail(MM_E_BUG, "an entry rests on too many");
	item->references[item->reference_count++] = index;
	return MM_OK;
}

/*
 * The token wants the basis (which it knows where it is genesis or a policy,
 * but a proof more does no harm) and the issuers' certificates up to the
 * root.
 */
enum mm_error
mm_issue_rest(struct mm_authority *a, struct mm_item *item,
    const struct mm_certificate_entry *body)
{
	struct mm_span name = body->issuer;
	enum mm_error error = rest_on(item, body->basis);

	for (int depth = 0; depth < MM_CHAIN_MAX && error == MM_OK; depth++) {
		const struct mm_issuer *issuer = mm_issuer_find(a, name);

		if (issuer == NULL)
			return mm_fail(MM_E_KEY_ABSENT,
			    "there is no certificate of %.*s", MM_SPAN(name));
		error = rest_on(item, issuer->index);
		if (strcmp(issuer->name, issuer->issuer) == 0)
			break;
		name = mm_span_text(issuer->issuer);
	}
	return error;
}

enum mm_error
mm_issue_draft(struct mm_authority *a, const struct mm_profile *profile,
    struct mm_certificate_entry *body, struct mm_span spki,
    struct mm_item **out)
{
	const struct mm_issuer *issuer = mm_issuer_find(a, profile->issuer);
	struct mm_certificate_plan plan = {.profile = profile,
	    .subject = body->subject,
	    .spki = spki,
	    .now = a->batch.now};
	uint8_t serial[MM_SERIAL_SIZE];
	mm_auto(buffer) tbs = {0};
	struct mm_line *line;
	struct mm_item *item;
	enum mm_error error;

	if (issuer == NULL)
		return mm_fail(MM_E_KEY_ABSENT,
		    "there is no certificate of %.*s",
		    MM_SPAN(profile->issuer));
	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	plan.issuer = mm_buffer_span(&issuer->tbs);
	if (profile->purpose == MM_PURPOSE_SERVER)
		plan.names = a->policy.names;
	mm_serial_make(serial);
	error = mm_tbs_build(&plan, serial, &tbs);
	if (error == MM_OK)
		error = mm_tbs_check(mm_buffer_span(&tbs), &plan);
	if (error != MM_OK)
		return error;
	body->profile = profile->name;
	body->issuer = profile->issuer;
	body->tbs = mm_buffer_span(&tbs);
	crypto_hash_sha256(body->key, spki.data, spki.size);
	item = mm_item_new(
	    a, a->size + a->batch.count, MM_ENTRY_CERTIFICATE);
	if (item == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	error = mm_issue_rest(a, item, body);
	for (size_t i = 0; i < item->reference_count && error == MM_OK; i++)
		if (item->references[i] < a->size + a->batch.count)
			error = mm_batch_refer(a, item->references[i]);
	if (error == MM_OK)
		error = mm_batch_add(a, MM_ENTRY_CERTIFICATE, body, &line);
	if (error == MM_OK)
		mm_buffer_add(
		    &item->entry, line->entry.data, line->entry.size);
	if (error != MM_OK) {
		mm_item_free(a, item);
		return error;
	}
	line->item = item;
	*out = item;
	return MM_OK;
}

/* The certificate exists: signed, on its way, or being signed. */
static void
answer_again(struct mm_authority *a, struct mm_job *job,
    const struct mm_issued *issued)
{
	struct mm_item *item = mm_item_find(a, issued->idx);

	if (issued->state == MM_ISSUED_SIGNED)
		mm_read_issued(a, job, issued);
	else if (item != NULL)
		mm_item_wait(a, item, job);
	else
		mm_answer_error(a, job, MM_E_TOKEN_UNAVAILABLE);
}

/* Whether what the request made before is what it asks for now. */
static bool
same_request(const struct mm_issued *issued,
    const struct mm_issue_ask *ask, const uint8_t key[32],
    const struct mm_order_row *order)
{
	return mm_span_equal(issued->profile, ask->profile) &&
	    mm_span_equal(issued->subject, ask->device) &&
	    memcmp(issued->key, key, 32) == 0 && order != NULL &&
	    issued->basis == order->idx;
}

/*
 * A request id names one request for ever (THREATS.md 8 and 10). True where
 * the job was answered.
 */
static bool
answered_before(struct mm_authority *a, struct mm_job *job,
    const struct mm_issue_ask *ask, const uint8_t key[32],
    const struct mm_order_row *order)
{
	struct mm_issued issued;
	uint64_t index;
	enum mm_error error;

	error = mm_index_request(
	    a->index, job->principal.name, job->ask.id, &index);
	if (error != MM_OK)
		return false;
	error = mm_index_issued(a->index, index, &job->arena, &issued);
	if (error == MM_OK && issued.state == MM_ISSUED_VOID)
		return false;
	if (error == MM_OK && same_request(&issued, ask, key, order))
		answer_again(a, job, &issued);
	else
		mm_answer_refusal(a, job, MM_E_REQUEST_REUSED);
	return true;
}

/* What the index knows that the decision wants to know. */
static void
gather(struct mm_authority *a, struct mm_job *job,
    const struct mm_issue_ask *ask, const uint8_t key[32],
    const struct mm_order_row *order, struct mm_issue_facts *facts,
    struct mm_issued *live)
{
	struct mm_issued holder;
	struct mm_principal other;

	facts->device_issued = mm_index_device(a->index, ask->profile,
				   ask->device, &job->arena, live) == MM_OK;
	if (facts->device_issued) {
		facts->device_same_key = memcmp(live->key, key, 32) == 0;
		facts->device_same_order =
		    order != NULL && live->basis == order->idx;
	}
	facts->key_elsewhere =
	    mm_index_key(a->index, key, &job->arena, &holder) == MM_OK &&
	    !(facts->device_issued && holder.idx == live->idx);
	facts->key_elsewhere |=
	    mm_index_principal(a->index, key, &job->arena, &other) == MM_OK;
	facts->today =
	    mm_index_daily(a->index, job->principal.name, a->batch.now);
}

static void
issue_new(struct mm_authority *a, struct mm_job *job,
    const struct mm_issue_ask *ask, uint64_t order)
{
	struct mm_certificate_entry body = {.subject = ask->device,
	    .basis = order,
	    .principal = job->principal.name,
	    .request = mm_span(job->ask.id, MM_ID_SIZE)};
	struct mm_item *item;
	enum mm_error error = a->batch.clock;

	if (error == MM_OK && !a->followed)
		error = MM_E_TOKEN_UNAVAILABLE;
	if (error == MM_OK)
		error = mm_issue_draft(a,
		    mm_policy_profile(&a->policy, ask->profile), &body,
		    ask->spki, &item);
	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	job->index = item->index;
	mm_jobs_push(&item->waiters, job);
}

void
mm_issue_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_issue_ask ask;
	struct mm_issued live;
	struct mm_order_row order;
	struct mm_key key;
	struct mm_issue_facts facts = {.policy = &a->policy,
	    .principal = &job->principal,
	    .now = a->batch.now};
	enum mm_error error = mm_shape_decode(
	    &mm_issue_ask_shape, job->ask.body, &job->arena, &ask);
	bool known;

	if (error == MM_OK)
		error = mm_key_read(ask.spki, &key);
	if (error != MM_OK) {
		mm_answer_refusal(a, job, error);
		return;
	}
	known = mm_index_order(a->index, ask.order, &job->arena, &order) ==
	    MM_OK;
	if (answered_before(a, job, &ask, key.sha256, known ? &order : NULL))
		return;
	facts.profile = ask.profile;
	facts.device = ask.device;
	facts.key_type = key.type;
	facts.order = known ? &order.claim : NULL;
	facts.order_used = known ? order.used : 0;
	gather(a, job, &ask, key.sha256, known ? &order : NULL, &facts,
	    &live);
	switch (mm_decide_issue(&facts, &error)) {
	case MM_ISSUE_NEW:
		issue_new(a, job, &ask, order.idx);
		break;
	case MM_ISSUE_AGAIN:
		answer_again(a, job, &live);
		break;
	case MM_ISSUE_DENY:
		mm_answer_refusal(a, job, error);
		break;
	}
}

/* After a crash: the station may be disabled since, the order over. */
enum mm_error
mm_issue_again(
    struct mm_authority *a, const struct mm_certificate_entry *body)
{
	const struct mm_profile *profile =
	    mm_policy_profile(&a->policy, body->profile);
	struct mm_principal principal;
	struct mm_order_claim order;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, 1 << 18);
	if (profile == NULL)
		return mm_fail(MM_E_PROFILE, "its profile is gone");
	if (profile->purpose != MM_PURPOSE_DEVICE)
		return MM_OK;
	error = mm_index_principal_named(
	    a->index, body->principal, &arena, &principal);
	if (error == MM_OK && principal.disabled)
		error = mm_fail(MM_E_PRINCIPAL, "its station is disabled");
	if (error == MM_OK)
		error = mm_index_order_at(
		    a->index, body->basis, &arena, &order);
	if (error == MM_OK)
		error = mm_order_check(&order, body->profile, body->subject,
		    body->principal, (uint64_t)time(NULL));
	return error;
}

static const struct mm_profile *
profile_for(const struct mm_authority *a, enum mm_purpose purpose)
{
	for (mm_list_each(const struct mm_profile, one, a->policy.profiles))
		if (one->purpose == purpose)
			return one;
	return NULL;
}

enum mm_error
mm_issue_server(struct mm_authority *a)
{
	const struct mm_profile *profile =
	    profile_for(a, MM_PURPOSE_SERVER);
	struct mm_certificate_entry body = {.basis = a->policy_index};
	struct mm_item *item;
	enum mm_error error;

	if (profile == NULL || a->policy.names.count == 0)
		return mm_fail(MM_E_POLICY,
		    "the policy has no profile or name for the appliance's "
		    "own TLS certificate");
	body.subject =
	    mm_list_at(a->policy.names, struct mm_text_item, 0)->value;
	error = mm_issue_draft(
	    a, profile, &body, mm_buffer_span(&a->tls_spki), &item);
	if (error != MM_OK)
		return error;
	item->ours = true;
	a->server_wanted = false;
	a->server_since = ev_now(a->loop);
	return MM_OK;
}

void
mm_issue_show_gate(struct mm_authority *a, struct mm_link *gate)
{
	const struct mm_issuer *access = NULL;
	struct mm_bytes_item own = {mm_buffer_span(&a->server)};
	struct mm_server_certificate message = {.chain = {&own, 1}};
	const struct mm_profile *profile =
	    profile_for(a, MM_PURPOSE_SERVER);
	enum mm_error error;

	if (profile != NULL)
		access = mm_issuer_find(a, profile->issuer);
	if (access == NULL || a->server.size == 0)
		return;
	message.anchor = mm_buffer_span(&access->certificate);
	error = mm_link_send(gate, MM_CERTIFICATE, 0,
	    &mm_server_certificate_shape, &message, NULL);
	if (error != MM_OK)
		mm_journal(MM_LEVEL_ERROR, mm_error_name(error), "%s",
		    mm_why(error));
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
	mm_authority_advance(a);
}
