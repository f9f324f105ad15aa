/*
 * Devices' partitions: under the order of the certificate that lies in them,
 * one for each certificate and signing. What lies in them nobody can tell from
 * a log; that the certificate is its device's, and stands, is for the ledger to
 * say in the end.
 */
#include <string.h>

#include "audit/state.h"
#include "protocol/message.h"

/* The newest terms of the order, and a station that may use the profile. */
static enum mm_error
check_terms(
    const struct mm_audit_at *at, const struct mm_partition_entry *entry)
{
	struct mm_audit_order *order;
	const struct mm_audit_person *person;
	enum mm_error error =
	    mm_audit_find_order(at->audit, entry->basis, &order);

	if (error == MM_OK && order->order->newest != order)
		error = mm_audit_wrong("its basis is revision %llu of order "
				       "%.*s, whose newest is entry %llu",
		    (unsigned long long)order->claim.revision,
		    MM_SPAN(order->claim.name),
		    (unsigned long long)order->order->newest->index);
	if (error == MM_OK)
		error = mm_audit_asked(
		    at, MM_MESSAGE_PARTITION, entry->principal, entry->request);
	if (error != MM_OK)
		return error;
	person = mm_audit_person(at->audit, entry->principal);
	if (!mm_texts_hold(&person->now.profiles, entry->profile))
		return mm_audit_wrong("station %.*s may not use profile %.*s",
		    MM_SPAN(entry->principal), MM_SPAN(entry->profile));
	return MM_OK;
}

/* The device's live certificate, which has its signature. */
static enum mm_error
check_certificate(
    const struct mm_audit_at *at, const struct mm_partition_entry *entry)
{
	const struct mm_thing_name device = mm_thing_name(
	    MM_THING_DEVICE, entry->profile, entry->device, mm_span(NULL, 0));

	if (entry->certificate >= at->index)
		return mm_audit_wrong(
		    "its certificate, entry %llu, does not come before it",
		    (unsigned long long)entry->certificate);
	if (mm_waiting_has(&at->audit->waiting, entry->certificate))
		return mm_audit_wrong(
		    "its certificate, entry %llu, is not signed",
		    (unsigned long long)entry->certificate);
	return mm_fact_add(at->audit->ledger, MM_FACT_HAS, MM_THING_DEVICE,
	    &device, at->index, entry->certificate);
}

static enum mm_error
take(const struct mm_audit_at *at, const struct mm_partition_entry *entry,
    struct mm_waiting *waiting)
{
	const struct mm_span none = mm_span(NULL, 0);
	const struct mm_span certificate =
	    mm_span(&entry->certificate, sizeof(entry->certificate));

	waiting->thing_count = 2;
	waiting->things[0].thing = MM_THING_REQUEST;
	waiting->things[0].name = mm_thing_name(
	    MM_THING_REQUEST, entry->principal, entry->request, none);
	waiting->things[1].thing = MM_THING_PARTITION;
	waiting->things[1].name =
	    mm_thing_name(MM_THING_PARTITION, certificate, entry->scheme, none);
	return mm_fact_take(at->audit->ledger, MM_THING_PARTITION,
	    &waiting->things[1].name, at->index);
}

enum mm_error
mm_audit_partition(const struct mm_audit_at *at)
{
	const struct mm_partition_entry *entry = at->body;
	struct mm_audit *audit = at->audit;
	const struct mm_judge_sources sources = mm_audit_sources(audit);
	const struct mm_judge judge = mm_audit_judge(audit, &sources);
	struct mm_waiting waiting = {.index = at->index};
	struct mm_verdict verdict;
	enum mm_error error =
	    mm_judge_partition(&judge, at->frame, entry, &verdict);

	if (error == MM_OK)
		error = check_terms(at, entry);
	if (error == MM_OK)
		error = check_certificate(at, entry);
	if (error == MM_OK)
		error = take(at, entry, &waiting);
	if (error != MM_OK)
		return error;
	waiting.key = mm_audit_key_named(audit, entry->key);
	memcpy(waiting.digest, verdict.digest, sizeof(waiting.digest));
	return mm_waiting_add(&audit->waiting, &waiting);
}
