/*
 * TLS certificates: the appliance's own, which its gates present, and those
 * of principals that ask for the next one themselves.
 */
#include "server/authority.h"
#include "server/answering.h"
#include "server/issuers.h"

#include <sodium.h>
#include <string.h>

#include "ca/certificate.h"
#include "protocol/journal.h"

enum { SUPERSEDED = 4 /* CRLReason, RFC 5280 5.3.1 */ };

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

/* --- renewal --- */

/* A renewal taken apart. */
struct renewal {
	struct mm_authority *a;
	struct mm_job *job;
	struct mm_renew_ask ask;
	uint8_t key[32]; /* SHA-256 of the CSR's SPKI */
};

/* Names and keys come by statements alone. */
static enum mm_error
check_key(const struct renewal *r)
{
	if (memcmp(r->key, r->job->ask.client, sizeof(r->key)) == 0)
		return MM_OK;
	return mm_fail(MM_E_PRINCIPAL,
	    "the CSR's key is not the one that principal %.*s is registered "
	    "with: another one needs a statement",
	    MM_SPAN(r->job->principal.name));
}

/* A key that was given up is not certified again; `former` may be NULL. */
static enum mm_error
check_revoked(const struct mm_issued *former)
{
	if (former == NULL || former->revoked == 0 ||
	    former->revoked == 1 + SUPERSEDED)
		return MM_OK;
	return mm_fail(MM_E_REVOKED,
	    "the newest certificate of this key is revoked: another key needs "
	    "a statement");
}

/*
 * One request id is one request for ever; MM_E_NOT_FOUND where nothing was
 * made by it, or only what was voided.
 */
static enum mm_error
find_request(const struct renewal *r, struct mm_issued *out)
{
	struct mm_job *job = r->job;
	uint64_t index;
	enum mm_error error = mm_index_request(
	    r->a->index, job->principal.name, job->ask.id, &index);

	if (error != MM_OK)
		return error;
	error = mm_index_issued(r->a->index, index, &job->arena, out);
	if (error == MM_E_NOT_FOUND ||
	    (error == MM_OK &&
		(out->kind != MM_ENTRY_CERTIFICATE || out->order != 0 ||
		    memcmp(out->key, r->key, sizeof(r->key)) != 0)))
		return mm_plain(MM_E_REQUEST_REUSED);
	if (error == MM_OK && out->state == MM_ISSUED_VOID)
		return mm_plain(MM_E_NOT_FOUND);
	return error;
}

/* The newest certificate for this key that rests on what the principal is by
 * now; MM_E_NOT_FOUND. */
static enum mm_error
find_newest(const struct renewal *r, struct mm_issued *out)
{
	enum mm_error error = mm_index_resting(
	    r->a->index, r->job->principal.basis, &r->job->arena, out);

	if (error == MM_OK &&
	    (out->kind != MM_ENTRY_CERTIFICATE ||
		out->state == MM_ISSUED_VOID ||
		memcmp(out->key, r->key, sizeof(r->key)) != 0))
		error = mm_plain(MM_E_NOT_FOUND);
	return error;
}

/* Whether a third of its life or less is left. */
static enum mm_error
is_aged(struct mm_span bytes, struct mm_arena *arena, bool *out)
{
	struct mm_certificate_entry body;
	struct mm_entry frame;
	struct mm_tbs tbs;
	uint64_t now = mm_seconds(CLOCK_REALTIME);
	enum mm_error error = mm_entry_decode_as(
	    bytes, MM_ENTRY_CERTIFICATE, arena, &frame, &body);

	if (error == MM_OK)
		error = mm_tbs_read(body.tbs, arena, &tbs);
	if (error != MM_OK)
		return error;
	/* It ends with the second of notAfter (RFC 5280 4.1.2.5). */
	*out =
	    tbs.not_after != UINT64_MAX &&
	    (now >= tbs.not_after ||
		(tbs.not_after - now) <= (tbs.not_after - tbs.not_before) / 3);
	return MM_OK;
}

/* The newest one is read: it is the answer, or is due to be followed. */
static void
newest_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_receipt_answer answer;
	struct mm_issued issued;
	struct mm_proof proof;
	enum mm_error error =
	    mm_reading_receipt(job, received, &answer, &proof);

	if (error == MM_OK)
		error = is_aged(answer.entry, &job->arena, &job->aged);
	if (error == MM_OK && job->aged) {
		/* With the next batch; `index` says which one was judged. */
		mm_jobs_push(&a->queue, job);
		mm_batch_step(a);
		return;
	}
	if (error == MM_OK)
		error =
		    mm_index_issued(a->index, job->index, &job->arena, &issued);
	if (error != MM_OK)
		mm_answer_error(a, job, error);
	else
		mm_answer_issued(a, job, answer.entry, job->index, &proof,
		    answer.note, issued.signature);
}

static void
renew_new(struct renewal *r, const struct mm_issued *former)
{
	struct mm_authority *a = r->a;
	struct mm_job *job = r->job;
	const struct mm_profile *profile =
	    mm_profile_for(&a->policy, MM_PURPOSE_CLIENT);
	struct mm_certificate_entry body = {.subject = job->principal.name,
	    .basis = job->principal.basis,
	    .principal = job->principal.name,
	    .request = mm_span(job->ask.id, MM_ID_SIZE)};
	mm_auto(buffer) tbs = {0};
	struct mm_item *item;
	enum mm_error error = check_revoked(former);

	if (error == MM_OK && a->batch.clock != MM_OK)
		error = mm_plain(a->batch.clock);
	else if (error == MM_OK && !a->followed)
		error = mm_plain(MM_E_TOKEN_UNAVAILABLE);
	if (error == MM_OK && profile == NULL)
		error = mm_fail(MM_E_PROFILE,
		    "the policy in force has no profile for TLS clients");
	if (error == MM_OK)
		error = mm_issue_draft(a, profile, &body, r->ask.spki, &tbs);
	if (error == MM_OK)
		error = mm_issue_log(a, &body, &item);
	if (error != MM_OK)
		mm_answer_refusal(a, job, error);
	else
		mm_item_wait(a, item, job);
}

/*
 * The newest certificate again while there is much of its life left, so that
 * a station which asks every minute fills no log; else the next one.
 */
static void
renew(struct renewal *r)
{
	struct mm_job *job = r->job;
	struct mm_issued issued;
	enum mm_error error = find_request(r, &issued);
	bool made = error == MM_OK;

	if (error == MM_E_NOT_FOUND)
		error = find_newest(r, &issued);
	if (error == MM_E_NOT_FOUND)
		renew_new(r, NULL);
	else if (error != MM_OK)
		mm_answer_refusal(r->a, job, error);
	else if (made || issued.state != MM_ISSUED_SIGNED ||
		 mm_item_find(r->a, issued.idx) != NULL)
		mm_read_again(r->a, job, &issued);
	else if (issued.revoked != 0 || (job->aged && job->index == issued.idx))
		renew_new(r, &issued);
	else
		mm_reading_ask_receipt(
		    r->a, job, issued.idx, MM_AGAINST_BATCH, newest_read);
}

void
mm_renew_decide(struct mm_authority *a, struct mm_job *job)
{
	struct renewal r = {.a = a, .job = job};
	enum mm_error error = mm_shape_decode(
	    &mm_renew_ask_shape, job->ask.body, &job->arena, &r.ask);

	if (error == MM_OK)
		error = mm_ask_refused(r.ask.refused, r.ask.why);
	if (error == MM_OK) {
		crypto_hash_sha256(r.key, r.ask.spki.data, r.ask.spki.size);
		error = check_key(&r);
	}
	if (error != MM_OK)
		mm_answer_refusal(a, job, error);
	else
		renew(&r);
}
