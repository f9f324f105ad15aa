#include "server/authority.h"

#include <sodium.h>
#include <string.h>

#include "ca/key.h"
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
	enum mm_error error =
	    s->ask.statements.count == 0
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

	return mm_roster_check(
	    &question, &s->ask.statements, &s->job->arena, &s->claim, body);
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
	error = mm_index_order(s->a->index, order->name, &s->job->arena, &row);
	if (error == MM_OK)
		return mm_fail(MM_E_NAME_TAKEN, "there is an order %.*s",
		    MM_SPAN(order->name));
	if (error == MM_E_NOT_FOUND)
		error = add_entry(s, MM_ENTRY_ORDER, &line);
	if (error == MM_OK)
		line->job = s->job;
	return error;
}

/* Whether this is the SHA-256 of a key of the mint itself. */
static bool
is_own(const struct mm_authority *a, const uint8_t key[32])
{
	uint8_t own[32];

	for (size_t i = 0; i < a->issuer_count; i++) {
		struct mm_span spki = mm_buffer_span(&a->issuers[i].spki);

		crypto_hash_sha256(own, spki.data, spki.size);
		if (memcmp(own, key, sizeof(own)) == 0)
			return true;
	}
	return false;
}

/* A key belongs to one principal, to one device, or to the mint. */
static enum mm_error
check_principal(struct stating *s)
{
	const struct mm_principal_claim *claim = &s->body.principal;
	struct mm_principal former;
	struct mm_issued device;
	struct mm_arena *arena = &s->job->arena;
	bool known = mm_index_principal_named(
			 s->a->index, claim->name, arena, &former) == MM_OK;
	uint8_t key[32];

	if (claim->role == 0 || claim->role >= MM_ROLES)
		return mm_fail(MM_E_STATEMENT_DIFFERS, "there is no role %llu",
		    (unsigned long long)claim->role);
	if (claim->disabled)
		return known ? MM_OK
			     : mm_fail(MM_E_NOT_FOUND, "there is no %.*s",
				   MM_SPAN(claim->name));
	/* A statement that disables may name a key that is another's since:
	 * there can be two rows of one key, and each counts. */
	if (mm_index_principal_other(s->a->index, claim->key, claim->name) ==
		MM_OK ||
	    mm_index_key(s->a->index, claim->key, arena, &device) == MM_OK ||
	    is_own(s->a, claim->key))
		return mm_fail(
		    MM_E_KEY_USED, "%s", mm_error_text(MM_E_KEY_USED));
	if (s->ask.spki.size == 0)
		return MM_OK;
	crypto_hash_sha256(key, s->ask.spki.data, s->ask.spki.size);
	if (sodium_memcmp(key, claim->key, sizeof(key)) != 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the statement is about another key than the CSR's");
	return MM_OK;
}

/* The certificate for the CSR that came along, resting on `basis`. */
static enum mm_error
draft_identity(struct stating *s, uint64_t basis,
    struct mm_certificate_entry *body, struct mm_buffer *tbs)
{
	const struct mm_profile *profile =
	    mm_profile_for(&s->a->policy, MM_PURPOSE_CLIENT);
	struct mm_key key;
	enum mm_error error;

	if (profile == NULL)
		return mm_fail(
		    MM_E_PROFILE, "there is no profile for TLS clients");
	if (!s->a->followed)
		return mm_plain(MM_E_TOKEN_UNAVAILABLE);
	error = mm_key_read(s->ask.spki, &key);
	if (error == MM_OK && (profile->keys >> key.type & 1) == 0)
		error = mm_fail(MM_E_KEY_TYPE,
		    "profile %.*s does not allow keys of this kind",
		    MM_SPAN(profile->name));
	if (error != MM_OK)
		return error;
	*body = (struct mm_certificate_entry){.subject = s->body.principal.name,
	    .basis = basis,
	    .principal = s->job->principal.name};
	return mm_issue_draft(s->a, profile, body, s->ask.spki, tbs);
}

static enum mm_error
log_identity(struct stating *s, const struct mm_certificate_entry *body)
{
	struct mm_item *item;
	enum mm_error error = mm_issue_log(s->a, body, &item);

	if (error == MM_OK)
		mm_item_wait(s->a, item, s->job);
	return error;
}

/*
 * Its certificate rests on the principal's entry, in the same batch, and is
 * drafted before: what cannot have one is not registered either.
 */
static enum mm_error
state_principal(struct stating *s)
{
	struct mm_certificate_entry body;
	mm_auto(buffer) tbs = {0};
	struct mm_line *line;
	bool wants;
	enum mm_error error = verify(s, &s->body.principal);

	if (error == MM_OK)
		error = check_principal(s);
	wants = s->ask.spki.size > 0 && !s->body.principal.disabled;
	if (error == MM_OK && wants)
		error = draft_identity(
		    s, s->a->size + s->a->batch.count, &body, &tbs);
	if (error == MM_OK && wants && s->a->item_count >= MM_ITEMS_MAX)
		error = mm_plain(MM_E_BUSY);
	if (error == MM_OK)
		error = add_entry(s, MM_ENTRY_PRINCIPAL, &line);
	if (error != MM_OK)
		return error;
	if (wants)
		return log_identity(s, &body);
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

/* What was said of the principal later is what counts. */
static enum mm_error
check_newest(struct stating *s, uint64_t index)
{
	struct mm_span name = s->body.principal.name;
	struct mm_principal now;
	enum mm_error error =
	    mm_index_principal_named(s->a->index, name, &s->job->arena, &now);

	if (error == MM_OK && now.basis != index)
		error = mm_fail(MM_E_STATEMENT_REPLAY,
		    "there is a later statement about principal %.*s",
		    MM_SPAN(name));
	return error;
}

/* The certificate of a retried request was voided: there is a new one. */
static enum mm_error
certify_again(struct stating *s, uint64_t index)
{
	struct mm_certificate_entry body;
	mm_auto(buffer) tbs = {0};
	enum mm_error error = verify(s, &s->body.principal);

	if (error == MM_OK)
		error = check_newest(s, index);
	if (error == MM_OK && s->a->batch.clock != MM_OK)
		error = mm_plain(s->a->batch.clock);
	if (error == MM_OK)
		error = draft_identity(s, index, &body, &tbs);
	return error == MM_OK ? log_identity(s, &body) : error;
}

/* The same answer again: a principal's certificate rests on its entry. */
static void
answer_again(struct stating *s, uint64_t index)
{
	struct mm_issued issued;
	uint8_t key[32];
	enum mm_error error =
	    mm_index_resting(s->a->index, index, &s->job->arena, &issued);

	crypto_hash_sha256(key, s->ask.spki.data, s->ask.spki.size);
	if (error == MM_E_NOT_FOUND || s->ask.spki.size == 0) {
		mm_read_stated(s->a, s->job, index);
		return;
	}
	if (error == MM_OK && memcmp(key, issued.key, sizeof(key)) != 0)
		error = mm_plain(MM_E_REQUEST_REUSED);
	if (error == MM_OK && issued.state != MM_ISSUED_VOID) {
		mm_read_again(s->a, s->job, &issued);
		return;
	}
	if (error == MM_OK)
		error = certify_again(s, index);
	if (error != MM_OK)
		mm_answer_refusal(s->a, s->job, error);
}

/*
 * The same statement from the same request is answered as it was. True where
 * it was answered, or refused.
 */
static bool
answered_before(struct stating *s)
{
	struct mm_authority *a = s->a;
	uint64_t by_payload, by_id;
	enum mm_error stated =
	    mm_index_statement(a->index, s->payload, &by_payload);
	enum mm_error requested = mm_index_request(
	    a->index, s->job->principal.name, s->job->ask.id, &by_id);

	if (stated == MM_E_NOT_FOUND && requested == MM_E_NOT_FOUND)
		return false;
	if (stated == MM_OK && requested == MM_OK && by_payload == by_id)
		answer_again(s, by_payload);
	else if (requested == MM_OK)
		mm_answer_refusal(a, s->job, mm_plain(MM_E_REQUEST_REUSED));
	else if (requested != MM_E_NOT_FOUND)
		mm_answer_error(a, s->job, requested);
	else if (stated == MM_OK)
		mm_answer_refusal(a, s->job, mm_plain(MM_E_STATEMENT_REPLAY));
	else
		mm_answer_error(a, s->job, stated);
	return true;
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
		error = mm_ask_refused(s.ask.refused, s.ask.why);
	if (error == MM_OK)
		error = peek(&s);
	if (error == MM_OK && answered_before(&s))
		return;
	if (error == MM_OK && a->batch.clock != MM_OK)
		error = mm_plain(a->batch.clock);
	if (error == MM_OK)
		error = state(&s);
	if (error != MM_OK)
		mm_answer_refusal(a, job, error);
}
