/*
 * A policy comes into force: officers of the one before it have signed its
 * number and SHA-256, the document came along, and the entry that holds it is
 * the last one decided under the former.
 */
#include "server/authority.h"
#include "server/issuers.h"
#include "server/releasing.h"
#include "server/stating.h"

#include <string.h>

#include "ca/certificate.h"
#include "protocol/journal.h"

enum { PAGE = 64 /* principals looked at together */ };

/* The keys of the mint that can issue TLS certificates: mm_text_item in the
 * arena. The token signs these by no other key. */
static enum mm_error
list_issuers(
    const struct mm_authority *a, struct mm_arena *arena, struct mm_list *out)
{
	struct mm_text_item *names =
	    mm_arena_alloc(arena, MM_ISSUERS_MAX * sizeof(*names));

	if (names == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a list of keys");
	*out = (struct mm_list){names, 0};
	for (size_t i = 0; i < a->issuer_count; i++)
		if (!a->issuers[i].retired &&
		    a->issuers[i].use == MM_KEY_ACCESS_CA &&
		    a->issuers[i].certificate.size > 0)
			names[out->count++].value =
			    mm_span_text(a->issuers[i].name);
	return MM_OK;
}

/* Registered principals who may bring statements. */
static enum mm_error
count_officers(struct mm_authority *a, uint64_t *out)
{
	char after[MM_NAME_MAX + 1] = "";
	struct mm_list rows;

	*out = 0;
	do {
		mm_auto(arena) arena = {0};
		enum mm_error error;

		mm_arena_init(&arena, 1 << 20);
		error = mm_index_principals(
		    a->index, mm_span_text(after), PAGE, &arena, &rows);
		if (error != MM_OK)
			return error;
		for (mm_list_each(const struct mm_principal_row, row, rows)) {
			const struct mm_principal *one = &row->principal;

			*out += one->role == MM_ROLE_OFFICER && !one->disabled;
			mm_span_string(one->name, after, sizeof(after));
		}
	} while (rows.count == PAGE);
	return MM_OK;
}

static enum mm_error
read_next(struct mm_stating *s, struct mm_policy *next)
{
	const struct mm_policy_claim *claim = &s->body.policy;
	uint8_t digest[32];
	enum mm_error error;

	if (s->policy.size == 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the policy that the statement is about did not come "
		    "along: bring its compiled document too");
	mm_policy_digest(s->policy, digest);
	if (memcmp(digest, claim->sha256, sizeof(digest)) != 0)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the officers signed another policy than the one that "
		    "came along");
	error = mm_policy_decode(s->policy, &s->job->arena, next);
	if (error == MM_OK && next->number != claim->number)
		error = mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the statement says policy %llu, the document %llu",
		    (unsigned long long)claim->number,
		    (unsigned long long)next->number);
	return error;
}

/* Without a TLS certificate of its own nobody would reach the appliance any
 * more, and without theirs nobody either; who could mend the policy? They have
 * keys of other kinds than the appliance, whose key stands for theirs. */
static enum mm_error
try_identity(struct mm_stating *s, const struct mm_policy *next,
    enum mm_purpose purpose, const char *whose)
{
	struct mm_profile profile = *mm_profile_for(next, purpose);
	const struct mm_issuer *issuer = mm_issuer_find(s->a, profile.issuer);
	struct mm_certificate_plan plan = {.profile = &profile,
	    .subject = s->job->principal.name,
	    .spki = mm_buffer_span(&s->a->tls_spki),
	    .issuer = mm_buffer_span(&issuer->tbs),
	    .now = s->a->batch.now};
	mm_auto(buffer) tbs = {0};
	enum mm_error error;

	if (purpose == MM_PURPOSE_SERVER) {
		plan.subject =
		    mm_list_at(next->names, struct mm_text_item, 0)->value;
		plan.names = next->names;
	} else {
		profile.keys |= 1 << MM_KEY_P256;
	}
	error = mm_issuer_tbs(&plan, &tbs);
	if (error == MM_OK || error == MM_E_MEMORY)
		return error;
	return mm_fail(MM_E_LOCK_OUT,
	    "no TLS certificate could be made for %s by profile %.*s: %s",
	    whose, MM_SPAN(profile.name), mm_why(error));
}

enum mm_error
mm_policy_check_stated(struct mm_stating *s)
{
	struct mm_policy next;
	struct mm_policy_facts facts = {.former = &s->a->policy, .next = &next};
	enum mm_error error = read_next(s, &next);

	if (error == MM_OK)
		error = list_issuers(s->a, &s->job->arena, &facts.issuers);
	if (error == MM_OK)
		error = count_officers(s->a, &facts.officers);
	if (error == MM_OK)
		error = mm_decide_policy(&facts);
	if (error == MM_OK)
		error =
		    try_identity(s, &next, MM_PURPOSE_SERVER, "the appliance");
	if (error == MM_OK)
		error = try_identity(s, &next, MM_PURPOSE_CLIENT, "anybody");
	return error;
}

static bool
fits(const struct mm_policy_entry *body)
{
	struct mm_entry frame = {.kind = MM_ENTRY_POLICY, .time = INT64_MAX};
	mm_auto(buffer) entry = {0};

	mm_buffer_init(&entry, MM_ENTRY_MAX);
	return mm_entry_encode(&frame, body, &entry) == MM_OK;
}

/* The text stands in the entry, or beside the log where it is too long. False
 * in `ready`: the job waits until it is stored. */
static enum mm_error
place_text(struct mm_stating *s, struct mm_policy_entry *body, bool *ready)
{
	const struct mm_blob *blob = &s->text_blob;
	enum mm_error error;

	*ready = true;
	body->text = s->text;
	if (blob->size == 0 && fits(body))
		return MM_OK;
	if (blob->size == 0) {
		error = mm_blob_store_for(s->a, s->job, s->text, ready);
		if (error != MM_OK || !*ready)
			return error;
		blob = &s->job->blob;
	}
	body->text = mm_span(NULL, 0);
	body->text_sha256 = mm_span(blob->sha256, sizeof(blob->sha256));
	body->text_size = blob->size;
	return MM_OK;
}

enum mm_error
mm_policy_enter(struct mm_stating *s)
{
	struct mm_policy_entry body = {.policy = s->policy,
	    .statements = s->statements,
	    .principal = s->job->principal.name,
	    .request = mm_span(s->job->ask.id, MM_ID_SIZE)};
	uint8_t digest[32];
	struct mm_line *line;
	bool ready;
	enum mm_error error = place_text(s, &body, &ready);

	if (error != MM_OK || !ready)
		return error;
	mm_policy_digest(s->policy, digest);
	error = mm_batch_add_policy(s->a, digest, &body, &line);
	if (error == MM_OK)
		line->job = s->job;
	return error;
}

/*
 * The token got what was decided before in front of this policy. Where there
 * was none, nothing of that can be signed any more.
 */
enum mm_error
mm_policy_stored(struct mm_authority *a)
{
	uint8_t former[32];
	mm_auto(arena) arena = {0};
	struct mm_entry entry;
	struct mm_span bytes;
	uint64_t index;
	enum mm_error error;

	memcpy(former, a->policy_digest, sizeof(former));
	mm_arena_init(&arena, MM_POLICY_ARENA);
	error = mm_index_policy(a->index, &index);
	if (error == MM_OK)
		error = mm_index_reference(a->index, index, &arena, &bytes);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &entry);
	if (error != MM_OK)
		return error;
	memcpy(a->policy_digest, entry.policy, sizeof(a->policy_digest));
	error = mm_start_load_policy(a);
	if (error != MM_OK) {
		memcpy(a->policy_digest, former, sizeof(former));
		return error;
	}
	mm_journal(MM_LEVEL_NOTICE, "policy", "policy %llu is in force",
	    (unsigned long long)a->policy.number);
	mm_signing_pass_by(a);
	mm_release_anew(a);
	/* The names that we are called by may be others now. */
	if (!a->stopping)
		a->server_due = ev_now(a->loop);
	return MM_OK;
}
