/*
 * CRLs, in time: one is made when something was revoked that the newest does
 * not count, when that is past half of its life, and when there is none and
 * somebody asks.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/journal.h"
#include "server/crl_parts.h"
#include "server/answering.h"
#include "server/issuers.h"

enum {
	MINUTE = 60,     /* between two CRLs because of revocations */
	PAUSE = 60,      /* after one that could not be made, */
	PAUSE_MAX = 3600 /* and twice as long after each further one */
};

/* By its certificate's profile; where a CA outside made that, by the one
 * which is called like the key, or like it with "-ca". */
static const struct mm_profile *
profile_of(const struct mm_authority *a, const struct mm_issuer *issuer)
{
	char name[sizeof(issuer->name) + 3];
	const struct mm_profile *profile;

	if (issuer->profile[0] != '\0')
		return mm_policy_profile(
		    &a->policy, mm_span_text(issuer->profile));
	profile = mm_policy_profile(&a->policy, mm_span_text(issuer->name));
	if (profile != NULL)
		return profile;
	snprintf(name, sizeof(name), "%s-ca", issuer->name);
	return mm_policy_profile(&a->policy, mm_span_text(name));
}

const struct mm_profile *
mm_crl_profile(const struct mm_authority *a, const struct mm_issuer *issuer)
{
	const struct mm_profile *profile = profile_of(a, issuer);

	if (issuer->retired || issuer->tbs.size == 0 || profile == NULL ||
	    profile->purpose != MM_PURPOSE_CA || profile->crl == 0)
		return NULL;
	return profile;
}

/* NULL without memory. */
static struct mm_crls *
crls_of(struct mm_authority *a)
{
	if (a->crls != NULL)
		return a->crls;
	a->crls = calloc(1, sizeof(*a->crls));
	if (a->crls == NULL)
		return NULL;
	a->crls->fd = -1;
	mm_buffer_init(&a->crls->tbs, MM_BLOB_MAX);
	return a->crls;
}

/* Keys are never forgotten, so that there are not more duties than issuers. */
static struct mm_crl_duty *
duty_of(struct mm_crls *crls, const char *issuer)
{
	struct mm_crl_duty *duty = crls->duties;

	for (size_t i = 0; i < crls->count; i++, duty++)
		if (strcmp(duty->issuer, issuer) == 0)
			return duty;
	if (crls->count == MM_ISSUERS_MAX)
		return NULL;
	crls->count++;
	mm_span_string(
	    mm_span_text(issuer), duty->issuer, sizeof(duty->issuer));
	mm_jobs_init(&duty->waiters);
	return duty;
}

static void
refuse_waiters(
    struct mm_authority *a, struct mm_crl_duty *duty, enum mm_error error)
{
	struct mm_job *job;

	while ((job = mm_jobs_pop(&duty->waiters)) != NULL)
		mm_answer_error(a, job, error);
}

/* The one being made is done with, whatever became of it. */
static void
put_down(struct mm_crls *crls)
{
	if (crls->fd >= 0)
		close(crls->fd);
	crls->fd = -1;
	mm_buffer_clear(&crls->tbs);
	crls->blob = (struct mm_blob){.size = 0};
	crls->stage = MM_CRL_IDLE;
	crls->duty = NULL;
}

void
mm_crl_give_up(struct mm_authority *a, enum mm_error error)
{
	struct mm_crls *crls = a->crls;
	struct mm_crl_duty *duty = crls->duty;

	duty->pause = duty->pause == 0 ? PAUSE : 2 * duty->pause;
	if (duty->pause > PAUSE_MAX)
		duty->pause = PAUSE_MAX;
	mm_journal(MM_LEVEL_ERROR, mm_error_name(error),
	    "no CRL of \"%s\" is made; the next attempt is in %u s: %s",
	    duty->issuer, duty->pause, mm_why(error));
	duty->again = ev_now(a->loop) + duty->pause;
	refuse_waiters(a, duty, error);
	put_down(crls);
}

/* --- when --- */

static enum mm_error
is_due(struct mm_authority *a, struct mm_span issuer, bool *out)
{
	uint64_t now = mm_seconds(CLOCK_REALTIME), changes = 0;
	struct mm_crl_row row = {.size = 0};
	enum mm_error error = mm_index_crl(a->index, issuer, &row);
	bool first = error == MM_E_NOT_FOUND;

	*out = false;
	if (!first && (error != MM_OK || !row.is_signed))
		return error;
	/* RFC 5280 5.1.2.5: the next is there well before it is missed. */
	*out = !first &&
	       now >= row.this_update + (row.next_update - row.this_update) / 2;
	if (*out || (!first && now < row.this_update + MINUTE))
		return MM_OK;
	error = mm_index_crl_changes(a->index, issuer, row.size, &changes);
	*out = changes > 0;
	return error;
}

/* An entry that was added has its signature by now, or never gets one. */
static void
settle(struct mm_authority *a)
{
	struct mm_crls *crls = a->crls;
	struct mm_crl_row row;
	enum mm_error error;

	if (crls->stage != MM_CRL_ADDED || mm_item_find(a, crls->index) != NULL)
		return;
	error = mm_index_crl(a->index, mm_span_text(crls->duty->issuer), &row);
	if (error == MM_OK && row.idx == crls->index && row.is_signed) {
		crls->duty->pause = 0;
		put_down(crls);
	} else
		mm_crl_give_up(
		    a, mm_fail(MM_E_TOKEN_UNAVAILABLE, "it was not signed"));
}

/* Nobody waits for a token that is away. */
static void
tell_waiters(struct mm_authority *a)
{
	enum mm_error error =
	    a->stopping ? MM_E_STOPPING : MM_E_TOKEN_UNAVAILABLE;

	if (a->followed && !a->stopping)
		return;
	for (size_t i = 0; i < a->crls->count; i++)
		refuse_waiters(a, &a->crls->duties[i], mm_plain(error));
}

void
mm_crl_tick(struct mm_authority *a)
{
	struct mm_crls *crls = a->ready ? crls_of(a) : NULL;
	enum mm_error error = MM_OK;

	if (crls == NULL)
		return;
	settle(a);
	tell_waiters(a);
	for (size_t i = 0; i < a->issuer_count && error == MM_OK; i++) {
		const struct mm_issuer *issuer = &a->issuers[i];
		struct mm_crl_duty *duty = duty_of(crls, issuer->name);

		if (duty == NULL || mm_crl_profile(a, issuer) == NULL)
			continue;
		error = is_due(a, mm_span_text(issuer->name), &duty->due);
	}
	if (error != MM_OK)
		mm_authority_fail(a, error);
}

struct mm_crl_duty *
mm_crl_first_due(const struct mm_authority *a)
{
	struct mm_crls *crls = a->crls;

	for (size_t i = 0; i < crls->count; i++) {
		struct mm_crl_duty *duty = &crls->duties[i];

		if ((duty->due || duty->waiters.first != NULL) &&
		    ev_now(a->loop) >= duty->again)
			return duty;
	}
	return NULL;
}

bool
mm_crl_due(const struct mm_authority *a)
{
	const struct mm_crls *crls = a->crls;

	if (crls == NULL || !a->followed || a->stopping)
		return false;
	return crls->stage == MM_CRL_READY ||
	       (crls->stage == MM_CRL_IDLE && mm_crl_first_due(a) != NULL);
}

/* --- asked for --- */

/* There is none yet: it is made, and whoever asks waits for it. */
static void
wait_for_first(struct mm_authority *a, struct mm_job *job, struct mm_span name)
{
	const struct mm_issuer *issuer = mm_issuer_find(a, name);
	struct mm_crls *crls;
	struct mm_crl_duty *duty;
	enum mm_error error = MM_OK;

	if (issuer == NULL)
		error = mm_fail(MM_E_NOT_FOUND,
		    "there is no key \"%.*s\" with a certificate in force",
		    MM_SPAN(name));
	else if (mm_crl_profile(a, issuer) == NULL)
		error = mm_fail(MM_E_NOT_FOUND,
		    "the key \"%.*s\" signs no CRLs: it is retired, or its "
		    "profile has no \"crl\"",
		    MM_SPAN(name));
	else if (a->batch.clock != MM_OK)
		error = mm_plain(a->batch.clock);
	else if (!a->followed)
		error = mm_plain(MM_E_TOKEN_UNAVAILABLE);
	crls = error == MM_OK ? crls_of(a) : NULL;
	if (error == MM_OK && crls == NULL)
		error = mm_fail(MM_E_MEMORY, "no memory for CRLs");
	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	duty = duty_of(crls, issuer->name);
	if (duty != NULL && ev_now(a->loop) >= duty->again) {
		mm_jobs_push(&duty->waiters, job);
		return;
	}
	job->wait =
	    duty != NULL ? 1 + (uint64_t)(duty->again - ev_now(a->loop)) : 0;
	mm_answer_error(
	    a, job, mm_fail(MM_E_BUSY, "no CRL could be made a moment ago"));
}

void
mm_crl_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_crl_request request;
	struct mm_issued issued;
	struct mm_crl_row row;
	enum mm_error error = mm_shape_decode(
	    &mm_crl_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK)
		error = mm_index_crl(a->index, request.issuer, &row);
	if (error == MM_E_NOT_FOUND) {
		wait_for_first(a, job, request.issuer);
		return;
	}
	if (error == MM_OK)
		error =
		    mm_index_issued(a->index, row.idx, &job->arena, &issued);
	if (error != MM_OK)
		mm_answer_error(a, job, error);
	else
		mm_read_again(a, job, &issued);
}

void
mm_crl_clear(struct mm_authority *a)
{
	struct mm_crls *crls = a->crls;
	struct mm_job *job;

	if (crls == NULL)
		return;
	for (size_t i = 0; i < crls->count; i++)
		while ((job = mm_jobs_pop(&crls->duties[i].waiters)) != NULL)
			mm_job_free(job);
	put_down(crls);
	free(crls);
	a->crls = NULL;
}
