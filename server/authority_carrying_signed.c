/*
 * What a ceremony has signed: its certificates, then its CSRs, one after the
 * other, because one may issue the next.
 */
#include "server/carrying_parts.h"
#include "server/issuers.h"

#include <sodium.h>
#include <string.h>

#include "ca/certificate.h"
#include "ca/request.h"

enum { ATTEMPTS = 3 /* until the next start */ };

static enum mm_error
add_certificate(
    struct mm_act *act, const struct mm_ceremony_certificate *wanted)
{
	struct mm_authority *a = act->a;
	bool itself = mm_span_equal(wanted->key, wanted->issuer);
	const struct mm_issuer *key = mm_issuer_key(a, wanted->key);
	const struct mm_issuer *issuer =
	    itself ? key : mm_issuer_find(a, wanted->issuer);
	struct mm_certificate_plan plan = {
	    .profile = mm_policy_profile(&a->policy, wanted->profile),
	    .subject = wanted->subject,
	    .now = a->batch.now};
	struct mm_certificate_entry body = {.profile = wanted->profile,
	    .subject = wanted->subject,
	    .basis = act->index,
	    .issuer = wanted->issuer};
	mm_auto(buffer) tbs = {0};
	struct mm_item *item;
	enum mm_error error;

	if (plan.profile == NULL || key == NULL || issuer == NULL)
		return mm_fail(MM_E_NO_ISSUER,
		    "the certificate of \"%.*s\" has no profile, key or issuer "
		    "any more",
		    MM_SPAN(wanted->key));
	plan.spki = mm_buffer_span(&key->spki);
	if (!itself)
		plan.issuer = mm_buffer_span(&issuer->tbs);
	error = mm_issuer_tbs(&plan, &tbs);
	if (error != MM_OK)
		return error;
	body.tbs = mm_buffer_span(&tbs);
	crypto_hash_sha256(body.key, plan.spki.data, plan.spki.size);
	error = mm_issue_log(a, &body, &item);
	if (error == MM_OK)
		a->carrying.item = item->index;
	return error;
}

static enum mm_error
add_request(struct mm_act *act, const struct mm_ceremony_request *wanted)
{
	struct mm_authority *a = act->a;
	const struct mm_issuer *key = mm_issuer_key(a, wanted->key);
	const struct mm_profile *profile =
	    mm_policy_profile(&a->policy, wanted->profile);
	struct mm_csr_entry body = {.key = wanted->key,
	    .profile = wanted->profile,
	    .subject = wanted->subject,
	    .basis = act->index};
	mm_auto(buffer) info = {0};
	struct mm_item *item;
	enum mm_error error;

	if (profile == NULL || key == NULL)
		return mm_fail(MM_E_PROFILE,
		    "the CSR of \"%.*s\" has no profile or key any more",
		    MM_SPAN(wanted->key));
	mm_buffer_init(&info, MM_CERTIFICATE_MAX);
	error = mm_request_build(
	    profile, wanted->subject, mm_buffer_span(&key->spki), &info);
	body.info = mm_buffer_span(&info);
	if (error == MM_OK)
		error = mm_item_draft(a, MM_ENTRY_CSR, &body, &item);
	if (error == MM_OK)
		a->carrying.item = item->index;
	return error;
}

/* Whether what was logged is of this key. */
static bool
is_of(const struct mm_authority *a, const struct mm_issued *issued,
    struct mm_span name)
{
	const struct mm_issuer *key = mm_issuer_key(a, name);
	uint8_t own[32];

	if (key == NULL)
		return false;
	crypto_hash_sha256(own, key->spki.data, key->spki.size);
	return memcmp(own, issued->key, sizeof(own)) == 0;
}

/*
 * How many certificates and CSRs are behind it when this one is the newest
 * that rests on it: they come one after the other. A proof came before all.
 */
static size_t
place_of(const struct mm_act *act, const struct mm_issued *issued)
{
	const struct mm_list *certificates = &act->ceremony.certificates;
	const struct mm_list *requests = &act->ceremony.requests;

	for (size_t i = 0; i < certificates->count; i++)
		if (issued->kind == MM_ENTRY_CERTIFICATE &&
		    is_of(act->a, issued,
			mm_list_at(
			    *certificates, struct mm_ceremony_certificate, i)
			    ->key))
			return i + 1;
	for (size_t i = 0; i < requests->count; i++)
		if (issued->kind == MM_ENTRY_CSR &&
		    is_of(act->a, issued,
			mm_list_at(*requests, struct mm_ceremony_request, i)
			    ->key))
			return certificates->count + i + 1;
	return 0;
}

static enum mm_error
sign_one(struct mm_act *act, size_t place)
{
	size_t certificates = act->ceremony.certificates.count;

	if (place < certificates)
		return add_certificate(
		    act, mm_list_at(act->ceremony.certificates,
			     struct mm_ceremony_certificate, place));
	return add_request(
	    act, mm_list_at(act->ceremony.requests, struct mm_ceremony_request,
		     place - certificates));
}

/* What to do about the newest one: `place` is the next. */
static enum mm_error
judge_newest(struct mm_act *act, const struct mm_issued *newest, size_t *place,
    bool *waits)
{
	struct mm_authority *a = act->a;

	*place = place_of(act, newest);
	if (*place == 0)
		return MM_OK;
	if (newest->state == MM_ISSUED_UNSIGNED) {
		a->carrying.item = newest->idx;
		a->carrying.begun = *waits = true;
		return MM_OK;
	}
	if (newest->state == MM_ISSUED_VOID) {
		*place -= 1;
		/* Of this life: it is not tried for ever. */
		if (newest->idx == a->carrying.item &&
		    ++a->carrying.failures >= ATTEMPTS)
			return mm_fail(MM_E_TOKEN_REFUSED,
			    "entry %llu was not signed",
			    (unsigned long long)newest->idx);
		return MM_OK;
	}
	/* It may issue what comes next; those of before are loaded. */
	return newest->idx == a->carrying.item ? mm_issuers_load(a) : MM_OK;
}

enum mm_error
mm_act_sign_next(struct mm_act *act, bool *begun)
{
	size_t all =
	    act->ceremony.certificates.count + act->ceremony.requests.count;
	struct mm_issued newest;
	size_t place = 0;
	enum mm_error error;

	if (all == 0)
		return MM_OK;
	error =
	    mm_index_resting(act->a->index, act->index, &act->arena, &newest);
	if (error == MM_OK)
		error = judge_newest(act, &newest, &place, begun);
	else if (error == MM_E_NOT_FOUND)
		error = MM_OK;
	if (error != MM_OK || *begun || place == all)
		return error;
	error = mm_act_begin(act, begun);
	return error == MM_OK ? sign_one(act, place) : error;
}
