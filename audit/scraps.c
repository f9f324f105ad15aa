/*
 * Units that failed for good: said by a station of the order, of a certificate
 * that the order has issued and that has its signature. That it did, to this
 * device and with this serial number, and that nobody said so before, is for
 * the ledger to say in the end.
 */
#include "audit/state.h"
#include "protocol/message.h"

/* Its order's newest terms. */
static enum mm_error
find_terms(const struct mm_audit_at *at, const struct mm_scrap_entry *entry,
    struct mm_audit_order **out)
{
	struct mm_audit_order *order;
	enum mm_error error =
	    mm_audit_find_order(at->audit, entry->basis, &order);

	if (error == MM_OK && order->order->newest != order)
		error = mm_audit_wrong("its basis is revision %llu of order "
				       "%.*s, whose newest is entry %llu",
		    (unsigned long long)order->claim.revision,
		    MM_SPAN(order->claim.name),
		    (unsigned long long)order->order->newest->index);
	if (error == MM_OK)
		*out = order;
	return error;
}

/* What the authority decided is decided again. */
static enum mm_error
decide(const struct mm_audit_at *at, const struct mm_scrap_entry *entry,
    const struct mm_audit_order *order)
{
	const struct mm_audit_person *person =
	    mm_audit_person(at->audit, entry->principal);
	const struct mm_scrap_facts facts = {
	    .principal = person != NULL ? &person->now : NULL,
	    .order = &order->claim,
	    .issued = true,
	    .is_signed = true};

	return mm_decide_scrap(&facts);
}

static enum mm_error
check_certificate(
    const struct mm_audit_at *at, const struct mm_scrap_entry *entry)
{
	if (entry->certificate >= at->index)
		return mm_audit_wrong(
		    "its certificate, entry %llu, does not come before it",
		    (unsigned long long)entry->certificate);
	if (mm_waiting_has(&at->audit->waiting, entry->certificate))
		return mm_audit_wrong(
		    "its certificate, entry %llu, is not signed",
		    (unsigned long long)entry->certificate);
	return MM_OK;
}

enum mm_error
mm_audit_scrap(const struct mm_audit_at *at)
{
	const struct mm_scrap_entry *entry = at->body;
	struct mm_audit_order *order = NULL;
	struct mm_thing_name unit;
	enum mm_error error = find_terms(at, entry, &order);

	if (error == MM_OK)
		error = mm_audit_asked(
		    at, MM_MESSAGE_SCRAP, entry->principal, entry->request);
	if (error == MM_OK)
		error = decide(at, entry, order);
	if (error == MM_OK)
		error = check_certificate(at, entry);
	if (error != MM_OK)
		return error;
	unit = mm_thing_name(
	    MM_THING_UNIT, order->claim.name, entry->device, entry->serial);
	return mm_fact_add(at->audit->ledger, MM_FACT_SCRAPPED, MM_THING_UNIT,
	    &unit, at->index, entry->certificate);
}
