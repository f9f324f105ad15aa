#include "server/authority.h"
#include "server/answering.h"
#include "server/stating.h"

#include <sodium.h>
#include <string.h>

#include "ca/key.h"

/* The kind that a statement claims; it is verified as that kind after. */
static enum mm_error
peek(struct mm_stating *s)
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
	if (error != MM_OK)
		return error;
	s->payload = statement.payload;
	crypto_hash_sha256(s->payload_hash, s->payload.data, s->payload.size);
	return MM_OK;
}

static enum mm_error
take_apart(struct mm_authority *a, struct mm_job *job, struct mm_stating *out)
{
	struct mm_stating s = {.a = a, .job = job};
	enum mm_error error = mm_shape_decode(
	    &mm_statement_ask_shape, job->ask.body, &job->arena, &s.ask);

	if (error == MM_OK)
		error = mm_ask_refused(s.ask.refused, s.ask.why);
	if (error == MM_OK)
		error = peek(&s);
	if (error != MM_OK)
		return error;
	s.spki = s.ask.spki;
	s.policy = s.ask.policy;
	s.text = s.ask.text;
	s.certificates = s.ask.certificates;
	*out = s;
	return MM_OK;
}

enum mm_error
mm_statement_enter(struct mm_stating *s, uint64_t kind)
{
	struct mm_statement_entry body = {.statements = s->statements,
	    .principal = s->job->principal.name,
	    .request = mm_span(s->job->ask.id, MM_ID_SIZE)};
	struct mm_line *line;
	enum mm_error error = mm_batch_add(s->a, kind, &body, &line);

	if (error == MM_OK)
		line->job = s->job;
	return error;
}

static const struct mm_statement_kind_row kinds[] = {
    {MM_STATEMENT_ORDER, mm_order_check_stated, mm_order_enter},
    {MM_STATEMENT_RELEASE, mm_release_check, mm_release_enter},
    {MM_STATEMENT_REVOKE, mm_revoke_check, mm_revoke_enter},
    {MM_STATEMENT_PRINCIPAL, mm_principal_check, mm_principal_enter},
    {MM_STATEMENT_POLICY, mm_policy_check_stated, mm_policy_enter},
    {MM_STATEMENT_CEREMONY, mm_ceremony_check, mm_ceremony_enter},
    {MM_STATEMENT_WITHDRAW, mm_withdraw_check, mm_withdraw_enter},
};

static const struct mm_statement_kind_row *
kind_row(uint64_t kind)
{
	for (size_t i = 0; i < MM_COUNT(kinds); i++)
		if (kinds[i].kind == kind)
			return &kinds[i];
	return NULL;
}

/* --- asked again --- */

/* What waits about it: the newest entry, and who is missing now. */
static enum mm_error
answer_pending(struct mm_stating *s)
{
	struct mm_gathered gathered;
	enum mm_error error = mm_pending_gather(s, &gathered);

	if (error == MM_OK && !gathered.waits)
		error = mm_plain(MM_E_REQUEST_REUSED);
	if (error != MM_OK)
		return error;
	/* A policy that wants fewer has come since: by this request it does not
	 * come into force any more. */
	s->job->stated.missing = gathered.missing > 0 ? gathered.missing : 1;
	mm_read_stated(s->a, s->job, gathered.idx);
	return MM_OK;
}

/* A principal's entry is what its certificate rests on. */
static enum mm_error
answer_principal(struct mm_stating *s, uint64_t index)
{
	struct mm_issued issued;
	uint8_t key[32];
	enum mm_error error =
	    mm_index_resting(s->a->index, index, &s->job->arena, &issued);

	if (error != MM_OK && error != MM_E_NOT_FOUND)
		return error;
	crypto_hash_sha256(key, s->spki.data, s->spki.size);
	if (error == MM_OK && s->spki.size > 0 &&
	    memcmp(key, issued.key, sizeof(key)) != 0)
		return mm_plain(MM_E_REQUEST_REUSED);
	if (error == MM_OK && issued.state != MM_ISSUED_VOID)
		mm_read_again(s->a, s->job, &issued);
	else if (error == MM_OK && s->spki.size > 0)
		return mm_principal_certify(s, index);
	else
		mm_read_stated(s->a, s->job, index);
	return MM_OK;
}

/* It is in force: the same answer again. */
static enum mm_error
answer_again(struct mm_stating *s, uint64_t index)
{
	if (s->claim.kind == MM_STATEMENT_PRINCIPAL)
		return answer_principal(s, index);
	mm_read_stated(s->a, s->job, index);
	return MM_OK;
}

/* The statements of an entry that holds some. */
static enum mm_error
statements_of(struct mm_span bytes, struct mm_arena *arena, struct mm_list *out)
{
	struct mm_statement_entry stated;
	struct mm_pending_entry pending;
	struct mm_policy_entry policy;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode(bytes, arena, &entry);

	if (error != MM_OK)
		return error;
	*out = (struct mm_list){NULL, 0};
	if (entry.kind == MM_ENTRY_PENDING) {
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_PENDING, arena, &entry, &pending);
		*out = pending.statements;
	} else if (entry.kind == MM_ENTRY_POLICY) {
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_POLICY, arena, &entry, &policy);
		*out = policy.statements;
	} else if (mm_entry_body_shape(entry.kind) ==
		   &mm_statement_entry_shape) {
		error = mm_shape_decode(
		    &mm_statement_entry_shape, entry.body, arena, &stated);
		*out = stated.statements;
	}
	return error;
}

/* Whether an entry's statements are over the payload of this request. */
static enum mm_error
check_payload(struct mm_stating *s, struct mm_span bytes)
{
	struct mm_statement statement;
	struct mm_list statements;
	enum mm_error error = statements_of(bytes, &s->job->arena, &statements);

	if (error == MM_OK && statements.count == 0)
		return mm_plain(MM_E_REQUEST_REUSED);
	if (error == MM_OK)
		error = mm_statement_decode(
		    mm_list_at(statements, struct mm_bytes_item, 0)->value,
		    &statement);
	if (error == MM_OK && !mm_span_equal(statement.payload, s->payload))
		error = mm_plain(MM_E_REQUEST_REUSED);
	return error;
}

/*
 * The entry that the request made has come: is it the same statement's? Then
 * it is decided what the answer is, in a batch as everything else: that may be
 * another certificate.
 */
static void
former_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_receipt_answer answer;
	struct mm_stating s;
	struct mm_proof proof;
	enum mm_error error =
	    mm_reading_receipt(job, received, &answer, &proof);

	if (error == MM_OK)
		error = take_apart(a, job, &s);
	if (error == MM_OK)
		error = check_payload(&s, answer.entry);
	if (error != MM_OK) {
		mm_answer_refusal(a, job, error);
		return;
	}
	job->known = true;
	mm_jobs_push(&a->queue, job);
	mm_batch_step(a);
}

/* The newest about the statement that its request is known to have made. */
static enum mm_error
answer_newest(struct mm_stating *s)
{
	uint64_t index;
	enum mm_error error =
	    mm_index_statement(s->a->index, s->payload, &index);

	if (error == MM_OK)
		return answer_again(s, index);
	return error == MM_E_NOT_FOUND ? answer_pending(s) : error;
}

/* True where the request was made before, and it or its refusal is answered.
 */
static bool
requested_before(struct mm_stating *s)
{
	struct mm_authority *a = s->a;
	uint64_t former, stated;
	enum mm_error error = mm_index_request(
	    a->index, s->job->principal.name, s->job->ask.id, &former);

	if (error == MM_E_NOT_FOUND)
		return false;
	if (error == MM_OK && s->job->known)
		error = answer_newest(s);
	else if (error == MM_OK &&
		 mm_index_statement(a->index, s->payload, &stated) == MM_OK &&
		 stated == former)
		error = answer_again(s, stated);
	else if (error == MM_OK)
		error = mm_read_former(a, s->job, former, former_read);
	if (error != MM_OK)
		mm_answer_refusal(a, s->job, error);
	return true;
}

/* A statement is in force once. */
static enum mm_error
check_replay(const struct mm_stating *s)
{
	uint64_t index;
	enum mm_error error =
	    mm_index_statement(s->a->index, s->payload, &index);

	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error == MM_OK)
		error = mm_fail(MM_E_STATEMENT_REPLAY,
		    "this statement is in the log already, by entry %llu",
		    (unsigned long long)index);
	return error;
}

/* --- decided --- */

static enum mm_error
state(struct mm_stating *s)
{
	const struct mm_statement_kind_row *row = kind_row(s->claim.kind);
	struct mm_gathered gathered;
	enum mm_error error;

	if (s->job->principal.role == MM_ROLE_RELEASE &&
	    s->claim.kind != MM_STATEMENT_RELEASE)
		return mm_fail(MM_E_ROLE,
		    "a principal of the role release brings statements about "
		    "releases, and no others");
	if (row == NULL)
		return mm_fail(MM_E_STATEMENT_KIND,
		    "statements of kind %llu are not taken here",
		    (unsigned long long)s->claim.kind);
	error = mm_pending_gather(s, &gathered);
	if (error != MM_OK)
		return error;
	/* The same approval once more changes nothing. */
	if (gathered.missing > 0 && !gathered.adds) {
		s->job->stated.missing = gathered.missing;
		mm_read_stated(s->a, s->job, gathered.idx);
		return MM_OK;
	}
	error = row->check(s);
	if (error != MM_OK)
		return error;
	return gathered.missing == 0 ? row->enter(s)
				     : mm_pending_enter(s, &gathered);
}

void
mm_statement_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_stating s;
	enum mm_error error = take_apart(a, job, &s);

	if (error == MM_OK && requested_before(&s))
		return;
	if (error == MM_OK)
		error = check_replay(&s);
	if (error == MM_OK && a->batch.clock != MM_OK)
		error = mm_plain(a->batch.clock);
	if (error == MM_OK)
		error = state(&s);
	if (error != MM_OK)
		mm_answer_refusal(a, job, error);
}
