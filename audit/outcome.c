/*
 * What becomes of an entry that can be signed: one signature, by the key
 * that it names, or none for ever.
 */
#include <string.h>

#include "audit/state.h"

static enum mm_error
take(const struct mm_audit_at *at, uint64_t index, uint64_t *next,
    struct mm_waiting *out)
{
	if (index < *next)
		return mm_audit_wrong("its rows do not ascend");
	*next = index + 1;
	if (index >= at->index)
		return mm_audit_wrong(
		    "it speaks of entry %llu before that is there",
		    (unsigned long long)index);
	if (!mm_waiting_take(&at->audit->waiting, index, out))
		return mm_audit_wrong(
		    "it speaks of entry %llu, which does not wait for a "
		    "signature",
		    (unsigned long long)index);
	return MM_OK;
}

/* Its device's former certificate is void from now on. */
static enum mm_error
supersede(const struct mm_audit_at *at, const struct mm_waiting *waiting)
{
	struct mm_audit *audit = at->audit;
	uint32_t act;
	bool made;
	enum mm_error error = mm_revocations_supersede(audit->revocations,
	    &waiting->former, at->index, at->frame->time, &act, &made);

	if (error != MM_OK || !made)
		return error;
	return mm_fact_add(audit->ledger, MM_FACT_REVOKED, MM_THING_SERIAL,
	    &waiting->former, at->index, act);
}

static enum mm_error
add_signature(const struct mm_audit_at *at, const struct mm_signature *one,
    const struct mm_waiting *waiting)
{
	struct mm_verifiable pair = {.index = one->index,
	    .at = at->index,
	    .spki = waiting->key->followed->key.spki,
	    .signature = one->signature};
	enum mm_error error;

	if (waiting->never != NULL)
		return mm_audit_wrong("it signs entry %llu, though %s",
		    (unsigned long long)one->index, waiting->never);
	if (waiting->key->followed->retired != 0)
		return mm_audit_wrong(
		    "it signs entry %llu by the key \"%.*s\", which is retired",
		    (unsigned long long)one->index,
		    MM_SPAN(waiting->key->followed->key.name));
	memcpy(pair.digest, waiting->digest, sizeof(pair.digest));
	at->audit->report.signatures++;
	if (waiting->unit != NULL && !waiting->replaces)
		at->audit->report.devices++;
	mm_audit_version_signed(waiting->version);
	error = mm_verifier_add(at->audit->verifier, &pair);
	return error == MM_OK && waiting->replaces ? supersede(at, waiting)
						   : error;
}

enum mm_error
mm_audit_signatures(const struct mm_audit_at *at)
{
	const struct mm_signatures_entry *body = at->body;
	uint64_t next = 0;

	for (mm_list_each(const struct mm_signature, one, body->signatures)) {
		struct mm_waiting waiting;
		enum mm_error error = take(at, one->index, &next, &waiting);

		if (error == MM_OK)
			error = add_signature(at, one, &waiting);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* What was never signed gives back what it took. */
static enum mm_error
give_back(const struct mm_audit_at *at, const struct mm_waiting *waiting)
{
	if (waiting->unit != NULL)
		--*waiting->unit;
	if (waiting->person != NULL && waiting->person->day == waiting->day)
		waiting->person->today--;
	mm_audit_version_drop(waiting->version);
	for (size_t i = 0; i < waiting->thing_count; i++) {
		enum mm_error error = mm_fact_add(at->audit->ledger,
		    MM_FACT_GIVEN_BACK, waiting->things[i].thing,
		    &waiting->things[i].name, at->index, 0);

		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

enum mm_error
mm_audit_voids(const struct mm_audit_at *at)
{
	const struct mm_void_entry *body = at->body;
	uint64_t next = 0;

	for (mm_list_each(const struct mm_void, one, body->voids)) {
		struct mm_waiting waiting;
		enum mm_error error;

		if (!mm_audit_is_error(one->reason))
			return mm_audit_wrong(
			    "\"%.*s\" is no reason", MM_SPAN(one->reason));
		error = take(at, one->index, &next, &waiting);
		if (error == MM_OK)
			error = give_back(at, &waiting);
		if (error != MM_OK)
			return error;
		at->audit->report.voids++;
	}
	return MM_OK;
}
