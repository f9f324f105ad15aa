/*
 * Revocations, as people state them, and the CRLs that have to list them.
 */
#include <string.h>

#include "audit/state.h"
#include "ca/crl.h"

/* --- revocations --- */

static struct mm_thing_name
serial_name(struct mm_span serial)
{
	struct mm_span none = mm_span(NULL, 0);

	return mm_thing_name(MM_THING_SERIAL, serial, none, none);
}

static enum mm_error
revoke_one(const struct mm_audit_at *at, const struct mm_revoked *one)
{
	struct mm_audit *audit = at->audit;
	const struct mm_revocation said = {.index = at->index,
	    .time = at->frame->time,
	    .reason = one->reason,
	    .since = one->since};
	struct mm_thing_name serial = serial_name(one->serial);
	uint32_t act;
	enum mm_error error =
	    mm_revocations_add(audit->revocations, &serial, &said, &act);

	return error == MM_OK ? mm_fact_add(audit->ledger, MM_FACT_REVOKED,
				    MM_THING_SERIAL, &serial, at->index, act)
			      : error;
}

enum mm_error
mm_audit_revocation(const struct mm_audit_at *at)
{
	struct mm_revoke_claim claim;
	enum mm_error error = mm_audit_state(at, MM_STATEMENT_REVOKE, &claim);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_revoked, one, claim.revoked)) {
		error = revoke_one(at, one);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* --- CRLs --- */

/* Each that it lists has been revoked; that none is missing is for the end. */
static enum mm_error
check_revoked(const struct mm_audit_at *at, const struct mm_crl_entry *entry,
    const struct mm_audit_key *key, struct mm_der revoked)
{
	struct mm_revocations *revocations = at->audit->revocations;
	struct mm_crl_said said = {.index = at->index,
	    .size = entry->size,
	    .issuer = mm_audit_key_number(at->audit, key)};

	for (; mm_der_more(&revoked); said.count++) {
		struct mm_crl_revoked one;
		struct mm_thing_name serial;
		enum mm_error error = mm_crl_next(&revoked, &one);

		if (error != MM_OK)
			return error;
		serial = serial_name(one.serial);
		error = mm_revocations_listed(revocations, &said, &serial,
		    one.has_reason ? one.reason : 0, one.date);
		if (error != MM_OK)
			return error;
	}
	if (said.count != entry->count)
		return mm_audit_wrong(
		    "its CRL lists %llu certificates, and it says %llu",
		    (unsigned long long)said.count,
		    (unsigned long long)entry->count);
	return mm_revocations_crl(revocations, &said);
}

static enum mm_error
check_number(const struct mm_audit_at *at, const struct mm_crl_entry *entry,
    const struct mm_audit_key *key)
{
	if (key == NULL || key->followed->key.use == MM_KEY_CODE_SIGNING)
		return mm_audit_wrong(
		    "\"%.*s\" is no key of a CA", MM_SPAN(entry->issuer));
	if (key->crl_known && entry->number != key->crl_number + 1)
		return mm_audit_wrong(
		    "CRL %llu of \"%.*s\" does not follow CRL %llu",
		    (unsigned long long)entry->number, MM_SPAN(entry->issuer),
		    (unsigned long long)key->crl_number);
	if (entry->size > at->index)
		return mm_audit_wrong("its CRL counts entries below %llu",
		    (unsigned long long)entry->size);
	if (key->crl_known && entry->size < key->crl_size)
		return mm_audit_wrong(
		    "its CRL counts entries below %llu, the last below %llu",
		    (unsigned long long)entry->size,
		    (unsigned long long)key->crl_size);
	return MM_OK;
}

/* By one of the CA's certificates, the newest first. */
static enum mm_error
judge_crl(const struct mm_audit_at *at, struct mm_audit_key *key,
    struct mm_span tbs, struct mm_verdict *out)
{
	const struct mm_judge_sources sources = mm_audit_sources(at->audit);
	const struct mm_judge judge = mm_audit_judge(at->audit, &sources);
	size_t there = key->tbs_count;
	enum mm_error error =
	    mm_judge_crl(&judge, at->frame, at->body, tbs, at->arena, out);

	while (error != MM_OK && key->tbs_count > 1) {
		key->tbs_count--;
		error = mm_judge_crl(
		    &judge, at->frame, at->body, tbs, at->arena, out);
	}
	key->tbs_count = there;
	return error;
}

static enum mm_error
check_crl(const struct mm_audit_at *at, struct mm_audit_key *key,
    struct mm_verdict *verdict)
{
	const struct mm_crl_entry *entry = at->body;
	mm_auto(buffer) blob = {0};
	struct mm_span tbs = entry->tbs;
	struct mm_crl crl;
	enum mm_error error = check_number(at, entry, key);

	if (error == MM_OK && tbs.size == 0) {
		error = mm_audit_blob(at, &blob);
		tbs = mm_buffer_span(&blob);
	}
	if (error == MM_OK)
		error = judge_crl(at, key, tbs, verdict);
	if (error == MM_OK)
		error = mm_crl_read(tbs, &crl);
	return error == MM_OK ? check_revoked(at, entry, key, crl.revoked)
			      : error;
}

enum mm_error
mm_audit_crl(const struct mm_audit_at *at)
{
	const struct mm_crl_entry *entry = at->body;
	struct mm_audit_key *key = mm_audit_key_named(at->audit, entry->issuer);
	struct mm_waiting waiting = {.index = at->index, .key = key};
	struct mm_verdict verdict;
	enum mm_error error = check_crl(at, key, &verdict);

	if (error != MM_OK)
		return error;
	key->crl_known = true;
	key->crl_number = entry->number;
	key->crl_size = entry->size;
	memcpy(waiting.digest, verdict.digest, sizeof(waiting.digest));
	return mm_waiting_add(&at->audit->waiting, &waiting);
}
