#include "server/authority.h"

#include <sodium.h>
#include <string.h>

#include "policy/roster.h"

/* A statement request taken apart. */
struct stating {
	struct mm_authority *a;
	struct mm_job *job;
	struct mm_statement_ask ask;
	struct mm_claim claim;
	struct mm_span payload;
	union {
		struct mm_order_claim order;
		struct mm_principal_claim principal;
	} body;
};

/* The kind that a statement claims; it is verified as that kind after. */
static enum mm_error
peek(struct stating *s)
{
	struct mm_statement statement;
	enum mm_error error = s->ask.statements.count == 0
	    ? mm_fail(MM_E_STATEMENT, "there is no statement")
	    : mm_statement_decode(
		  mm_list_at(s->ask.statements, struct mm_bytes_item, 0)
		      ->value,
		  &statement);

	if (error == MM_OK)
		error = mm_shape_decode(&mm_claim_shape, statement.payload,
		    &s->job->arena, &s->claim);
	if (error == MM_OK)
		s->payload = statement.payload;
	return error;
}

static enum mm_error
verify(struct stating *s, void *body)
{
	struct mm_roster_question question = {.policy = &s->a->policy,
	    .origin = mm_span_text(s->a->origin),
	    .kind = s->claim.kind,
	    .time = s->a->batch.now};

	return mm_roster_check(&question, &s->ask.statements, &s->job->arena,
	    &s->claim, body);
}

static enum mm_error
add_entry(struct stating *s, uint64_t kind, struct mm_line **line)
{
	struct mm_statement_entry body = {.statements = s->ask.statements,
	    .principal = s->job->principal.name,
	    .request = mm_span(s->job->ask.id, MM_ID_SIZE)};

	return mm_batch_add(s->a, kind, &body, line);
}

static enum mm_error
state_order(struct stating *s)
{
	const struct mm_order_claim *order = &s->body.order;
	const struct mm_profile *profile;
	struct mm_order_row row;
	struct mm_line *line;
	enum mm_error error = verify(s, &s->body.order);

	if (error == MM_OK)
		error = mm_order_sound(order);
	if (error != MM_OK)
		return error;
	profile = mm_policy_profile(&s->a->policy, order->profile);
	if (profile == NULL || profile->purpose != MM_PURPOSE_DEVICE)
		return mm_fail(MM_E_PROFILE,
		    "there is no profile %.*s for devices",
		    MM_SPAN(order->profile));
	if (mm_index_order(s->a->index, order->name, &s->job->arena, &row) ==
	    MM_OK)
		return mm_fail(MM_E_NAME_TAKEN, "there is an order %.*s",
		    MM_SPAN(order->name));
	error = add_entry(s, MM_ENTRY_ORDER, &line);
	if (error == MM_OK)
		line->job = s->job;
	return error;
}

/* A key belongs to one principal, or to one device. */
static enum mm_error
check_principal(struct stating *s)
{
	const struct mm_principal_claim *claim = &s->body.principal;
	struct mm_principal former, holder;
	struct mm_issued device;
	struct mm_arena *arena = &s->job->arena;
	bool known = mm_index_principal_named(s->a->index, claim->name,
			 arena, &former) == MM_OK;
	uint8_t key[32];

	if (claim->role == 0 || claim->role >= MM_ROLES)
		return mm_fail(MM_E_STATEMENT_DIFFERS, "there is no role %llu",
		    (unsigned long long)claim->role);
	if (claim->disabled)
		return known ? MM_OK
			     : mm_fail(MM_E_NOT_FOUND, "there is no %.*s",
				   MM_SPAN(claim->name));
	if ((mm_index_principal(s->a->index, claim->key, arena, &holder) ==
		    MM_OK &&
		!mm_span_equal(holder.name, claim->name)) ||
	    mm_index_key(s->a->index, claim->key, arena, &device) == MM_OK)
		return mm_fail(MM_E_KEY_USED, "%s",
		    mm_error_text(MM_E_KEY_USED));
	if (s->ask.spki.size == 0)
		return MM_OK;
	crypto_hash_sha256(key, s->ask.spki.data, s->ask.spki.size);
	if (sodium_memcmp(key, claim->key, sizeof(key)) != 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the statement is about another key than the CSR's");
	return MM_OK;
}

static const struct mm_profile *
client_profile(const struct mm_authority *a)
{
	for (mm_list_each(const struct mm_profile, one, a->policy.profiles))
		if (one->purpose == MM_PURPOSE_CLIENT)
			return one;
	return NULL;
}

/* The principal's certificate rests on its entry, in the same batch. */
static enum mm_error
add_identity(struct stating *s, uint64_t basis)
{
	const struct mm_profile *profile = client_profile(s->a);
	struct mm_certificate_entry body = {
	    .subject = s->body.principal.name,
	    .basis = basis,
	    .principal = s->job->principal.name};
	struct mm_item *item;
	enum mm_error error;

	if (profile == NULL)
		return mm_fail(
		    MM_E_PROFILE, "there is no profile for TLS clients");
	error = mm_issue_draft(
	    s->a, profile, &body, s->ask.spki, &item);
	if (error != MM_OK)
		return error;
	s->job->index = item->index;
	mm_jobs_push(&item->waiters, s->job);
	return MM_OK;
}

static enum mm_error
state_principal(struct stating *s)
{
	struct mm_line *line;
	uint64_t basis = s->a->size + s->a->batch.count;
	bool wants = s->ask.spki.size > 0;
	enum mm_error error = verify(s, &s->body.principal);

	if (error == MM_OK)
		error = check_principal(s);
	if (error == MM_OK && wants && !s->a->followed)
		error = MM_E_TOKEN_UNAVAILABLE;
	if (error == MM_OK)
		error = add_entry(s, MM_ENTRY_PRINCIPAL, &line);
	if (error != MM_OK)
		return error;
	if (wants && !s->body.principal.disabled)
		return add_identity(s, basis);
	line->job = s->job;
	return MM_OK;
}

static const struct {
	uint64_t kind;
	enum mm_error (*state)(struct stating *);
} kinds[] = {
    {MM_STATEMENT_ORDER, state_order},
    {MM_STATEMENT_PRINCIPAL, state_principal},
};

/* The same answer again: a principal's certificate follows its entry. */
static void
answer_again(struct stating *s, uint64_t index)
{
	struct mm_issued issued;

	if (mm_index_issued(
		s->a->index, index + 1, &s->job->arena, &issued) == MM_OK &&
	    issued.basis == index && issued.state == MM_ISSUED_SIGNED)
		mm_read_issued(s->a, s->job, &issued);
	else
		mm_read_stated(s->a, s->job, index);
}

/* The same statement from the same request is answered as it was. */
static bool
answered_before(struct stating *s)
{
	struct mm_authority *a = s->a;
	uint64_t by_payload, by_id;
	bool stated = mm_index_statement(
			  a->index, s->payload, &by_payload) == MM_OK;
	bool requested = mm_index_request(a->index, s->job->principal.name,
			     s->job->ask.id, &by_id) == MM_OK;

	if (stated && requested && by_payload == by_id)
		answer_again(s, by_payload);
	else if (requested)
		mm_answer_refusal(a, s->job, MM_E_REQUEST_REUSED);
	else if (stated)
		mm_answer_refusal(a, s->job, MM_E_STATEMENT_REPLAY);
	return stated || requested;
}

static enum mm_error
state(struct stating *s)
{
	for (size_t i = 0; i < MM_COUNT(kinds); i++)
		if (kinds[i].kind == s->claim.kind)
			return kinds[i].state(s);
	return mm_fail(MM_E_STATEMENT_KIND,
	    "statements of kind %llu are not taken here",
	    (unsigned long long)s->claim.kind);
}

void
mm_statement_decide(struct mm_authority *a, struct mm_job *job)
{
	struct stating s = {.a = a, .job = job};
	enum mm_error error = mm_shape_decode(
	    &mm_statement_ask_shape, job->ask.body, &job->arena, &s.ask);

	if (error == MM_OK)
		error = peek(&s);
	if (error == MM_OK && answered_before(&s))
		return;
	if (error == MM_OK)
		error = a->batch.clock;
	if (error == MM_OK)
		error = state(&s);
	if (error != MM_OK)
		mm_answer_refusal(a, job, error);
}
