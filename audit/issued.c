/*
 * Certificates: each allowed by its order or statement, its station and the
 * policy in force at its place. The rules are the token process's own and the
 * authority's own; what they ask is answered from what was read so far.
 */
#include <string.h>

#include "audit/state.h"
#include "protocol/message.h"

enum { DAY = 86400 };

/* --- certificates --- */

/* A certificate that was judged, and what it will wait as. */
struct issued {
	const struct mm_audit_at *at;
	const struct mm_certificate_entry *entry;
	struct mm_verdict verdict;
	struct mm_waiting waiting;
};

/* Of the waiting one: what is given back where it is never signed. */
static const struct mm_thing_name *
note_thing(struct issued *issued, enum mm_thing thing, struct mm_span first,
    struct mm_span second)
{
	struct mm_waiting *waiting = &issued->waiting;
	size_t at = waiting->thing_count++;

	waiting->things[at].thing = thing;
	waiting->things[at].name =
	    mm_thing_name(thing, first, second, mm_span(NULL, 0));
	return &waiting->things[at].name;
}

static enum mm_error
take(struct issued *issued, enum mm_thing thing, struct mm_span first,
    struct mm_span second)
{
	return mm_fact_take(issued->at->audit->ledger, thing,
	    note_thing(issued, thing, first, second), issued->waiting.index);
}

static struct mm_thing_name
serial_name(struct mm_span serial)
{
	struct mm_span none = mm_span(NULL, 0);

	return mm_thing_name(MM_THING_SERIAL, serial, none, none);
}

/* A serial number is never used again. */
static enum mm_error
take_serial(const struct issued *issued)
{
	struct mm_audit *audit = issued->at->audit;
	const struct mm_audit_key *issuer =
	    mm_audit_key_named(audit, issued->entry->issuer);
	struct mm_thing_name name =
	    serial_name(mm_span(issued->verdict.tbs.serial, MM_SERIAL_SIZE));

	return mm_fact_add(audit->ledger, MM_FACT_TAKEN, MM_THING_SERIAL, &name,
	    issued->at->index, mm_audit_key_number(audit, issuer));
}

/* --- devices --- */

static const struct mm_replaced *
replaced_by(const struct issued *issued)
{
	const struct mm_list *replaces = &issued->entry->replaces;

	return replaces->count > 0
		   ? mm_list_at(*replaces, struct mm_replaced, 0)
		   : NULL;
}

/* What the authority decided is decided again, from the same facts. What is
 * there only once is for the ledger to say, in the end. */
static enum mm_error
decide(const struct issued *issued, const struct mm_audit_order *order,
    const struct mm_audit_person *person, uint64_t day)
{
	const struct mm_audit_at *at = issued->at;
	bool reissue = replaced_by(issued) != NULL;
	const struct mm_issue_facts facts = {
	    .policy = &mm_audit_force(at->audit)->policy,
	    .principal = &person->now,
	    .order = &order->claim,
	    .order_used = order->order->used,
	    .order_reissued = order->order->reissued,
	    .profile = issued->entry->profile,
	    .device = issued->entry->subject,
	    .key_type = issued->verdict.tbs.key.type,
	    .today = person->day == day ? person->today : 0,
	    .now = at->frame->time,
	    .device_issued = reissue,
	    .reissue = reissue};
	enum mm_issue_verdict wanted =
	    reissue ? MM_ISSUE_REPLACE : MM_ISSUE_NEW;
	enum mm_error error;

	if (mm_decide_issue(&facts, &error) == wanted)
		return MM_OK;
	return error != MM_OK ? error : mm_fail(MM_E_BUG, "nothing is decided");
}

/* That it is the live one of this device is for the ledger, too. */
static enum mm_error
take_over(struct issued *issued, const struct mm_replaced *former)
{
	const struct mm_audit_at *at = issued->at;
	struct mm_waiting *waiting = &issued->waiting;
	const struct mm_thing_name *device = note_thing(issued, MM_THING_DEVICE,
	    issued->entry->profile, issued->entry->subject);
	enum mm_error error;

	if (former->index >= at->index)
		return mm_audit_wrong(
		    "it replaces entry %llu before that is there",
		    (unsigned long long)former->index);
	if (mm_waiting_has(&at->audit->waiting, former->index))
		return mm_audit_wrong(
		    "it replaces entry %llu, which is not signed",
		    (unsigned long long)former->index);
	waiting->replaces = true;
	waiting->former = serial_name(former->serial);
	error = mm_fact_add(at->audit->ledger, MM_FACT_REPLACED,
	    MM_THING_DEVICE, device, at->index, former->index);
	if (error == MM_OK)
		error = mm_fact_add(at->audit->ledger, MM_FACT_REPLACED,
		    MM_THING_SERIAL, &waiting->former, at->index,
		    former->index);
	return error;
}

/* What the order has issued, by which a report of scrap finds it. */
static enum mm_error
take_unit(struct issued *issued, const struct mm_audit_order *order)
{
	struct mm_waiting *waiting = &issued->waiting;
	size_t at = waiting->thing_count++;

	waiting->things[at].thing = MM_THING_UNIT;
	waiting->things[at].name = mm_thing_name(MM_THING_UNIT,
	    order->claim.name, issued->entry->subject,
	    mm_span(issued->verdict.tbs.serial, MM_SERIAL_SIZE));
	return mm_fact_take(issued->at->audit->ledger, MM_THING_UNIT,
	    &waiting->things[at].name, waiting->index);
}

/* The device, its key and the request. */
static enum mm_error
take_device(struct issued *issued)
{
	const struct mm_certificate_entry *entry = issued->entry;
	const struct mm_replaced *former = replaced_by(issued);
	enum mm_error error =
	    former != NULL
		? take_over(issued, former)
		: take(issued, MM_THING_DEVICE, entry->profile, entry->subject);

	if (error == MM_OK)
		error = take(issued, MM_THING_KEY,
		    mm_span(entry->key, sizeof(entry->key)), mm_span(NULL, 0));
	if (error == MM_OK)
		error = take(
		    issued, MM_THING_REQUEST, entry->principal, entry->request);
	return error;
}

static void
count_device(struct issued *issued, struct mm_audit_order *order, uint64_t day)
{
	struct mm_audit_person *person = issued->waiting.person;
	bool reissue = replaced_by(issued) != NULL;

	issued->waiting.unit =
	    reissue ? &order->order->reissued : &order->order->used;
	++*issued->waiting.unit;
	person->today = person->day == day ? person->today + 1 : 1;
	person->day = day;
	issued->waiting.day = day;
}

static enum mm_error
check_device(struct issued *issued)
{
	const struct mm_audit_at *at = issued->at;
	const struct mm_certificate_entry *entry = issued->entry;
	struct mm_audit_person *person;
	struct mm_audit_order *order;
	uint64_t day = at->frame->time / DAY;
	enum mm_error error =
	    mm_audit_find_order(at->audit, entry->basis, &order);

	if (error == MM_OK && entry->request.size == 0)
		error = mm_audit_wrong("it does not say who asked for it");
	if (error != MM_OK)
		return error;
	if (order->order->newest != order)
		return mm_audit_wrong("its basis is revision %llu of order "
				      "%.*s, whose newest is entry %llu",
		    (unsigned long long)order->claim.revision,
		    MM_SPAN(order->claim.name),
		    (unsigned long long)order->order->newest->index);
	/* The log's birth may bring such an order; the token refuses it. */
	if (mm_order_sound(&order->claim) != MM_OK)
		at->audit->never = "its order is not sound";
	person = mm_audit_person(at->audit, entry->principal);
	if (person == NULL)
		return mm_audit_wrong("station %.*s was not registered",
		    MM_SPAN(entry->principal));
	error = decide(issued, order, person, day);
	if (error == MM_OK)
		error = take_device(issued);
	if (error == MM_OK)
		error = take_unit(issued, order);
	if (error != MM_OK)
		return error;
	issued->waiting.person = person;
	count_device(issued, order, day);
	return MM_OK;
}

/* --- all others --- */

/* A key that a certificate was revoked with is not certified again. */
static enum mm_error
certify(struct issued *issued)
{
	struct mm_span none = mm_span(NULL, 0);
	struct mm_thing_name name = mm_thing_name(MM_THING_KEY,
	    mm_span(issued->entry->key, sizeof(issued->entry->key)), none,
	    none);

	if (replaced_by(issued) != NULL)
		return mm_audit_wrong("only a device's certificate replaces "
				      "another");
	return mm_fact_add(issued->at->audit->ledger, MM_FACT_CERTIFIED,
	    MM_THING_KEY, &name, issued->at->index, 0);
}

/* A principal renews its own certificate, or somebody brought its statement. */
static enum mm_error
check_renewal(struct issued *issued)
{
	const struct mm_certificate_entry *entry = issued->entry;

	if (!mm_span_equal(entry->principal, entry->subject))
		return mm_audit_wrong(
		    "principal \"%.*s\" cannot have renewed it",
		    MM_SPAN(entry->principal));
	note_thing(issued, MM_THING_REQUEST, entry->principal, entry->request);
	return mm_audit_asked(
	    issued->at, MM_MESSAGE_RENEW, entry->principal, entry->request);
}

static enum mm_error
check_bringer(struct issued *issued)
{
	const struct mm_certificate_entry *entry = issued->entry;
	struct mm_audit *audit = issued->at->audit;
	const struct mm_audit_person *bringer =
	    mm_audit_person(audit, entry->principal);
	enum mm_error error;

	if (entry->request.size > 0)
		return check_renewal(issued);
	if (entry->principal.size == 0 && !audit->started)
		return MM_OK;
	if (bringer == NULL)
		return mm_audit_wrong("principal \"%.*s\", who asked for it, "
				      "was not registered",
		    MM_SPAN(entry->principal));
	error = mm_decide_message(&bringer->now, MM_MESSAGE_STATEMENT);
	return error == MM_OK ? mm_audit_may_bring(issued->at,
				    MM_STATEMENT_PRINCIPAL, entry->principal)
			      : error;
}

/* The statement that it rests on is the newest about this principal. */
static enum mm_error
check_client(struct issued *issued)
{
	const struct mm_certificate_entry *entry = issued->entry;
	const struct mm_audit_person *person =
	    mm_audit_person(issued->at->audit, entry->subject);
	enum mm_error error;

	if (person == NULL || person->basis != entry->basis)
		return mm_audit_wrong("its basis is not the newest entry about "
				      "principal %.*s",
		    MM_SPAN(entry->subject));
	error = check_bringer(issued);
	return error == MM_OK ? certify(issued) : error;
}

/* Nobody asks for what is the appliance's own. */
static enum mm_error
check_own(struct issued *issued)
{
	if (issued->entry->principal.size == 0 &&
	    issued->entry->request.size == 0)
		return certify(issued);
	return mm_audit_wrong("principal \"%.*s\" cannot have asked for it",
	    MM_SPAN(issued->entry->principal));
}

static enum mm_error
check_authority(struct issued *issued)
{
	struct mm_audit *audit = issued->at->audit;
	struct mm_audit_key *key =
	    mm_audit_key_of(audit, issued->verdict.tbs.spki);
	enum mm_error error = check_own(issued);

	if (error == MM_OK && key == NULL)
		error = mm_audit_wrong("its key is not one of the mint's");
	return error == MM_OK
		   ? mm_audit_key_certified(audit, key, issued->entry->tbs)
		   : error;
}

static const struct {
	uint64_t purpose;
	enum mm_error (*check)(struct issued *issued);
} purposes[] = {{MM_PURPOSE_DEVICE, check_device},
    {MM_PURPOSE_CLIENT, check_client}, {MM_PURPOSE_SERVER, check_own},
    {MM_PURPOSE_CA, check_authority},
    {MM_PURPOSE_CODE_SIGNING, check_authority}, {MM_PURPOSE_PROOF, check_own}};

static enum mm_error
check_purpose(struct issued *issued)
{
	for (size_t i = 0; i < MM_COUNT(purposes); i++)
		if (purposes[i].purpose == issued->verdict.profile->purpose)
			return purposes[i].check(issued);
	return mm_audit_wrong("its profile's purpose is unknown");
}

/* By one of the issuer's certificates, the newest first. */
static enum mm_error
judge_certificate(struct issued *issued)
{
	const struct mm_audit_at *at = issued->at;
	struct mm_audit *audit = at->audit;
	const struct mm_judge_sources sources = mm_audit_sources(audit);
	const struct mm_judge judge = mm_audit_judge(audit, &sources);
	struct mm_audit_key *issuer =
	    mm_audit_key_named(audit, issued->entry->issuer);
	size_t tried = issuer != NULL ? issuer->tbs_count : 0;
	enum mm_error error = mm_judge_certificate(
	    &judge, at->frame, issued->entry, 0, at->arena, &issued->verdict);

	while (error == MM_E_CERTIFICATE && issuer != NULL &&
	       issuer->tbs_count > 1) {
		issuer->tbs_count--;
		error = mm_judge_certificate(&judge, at->frame, issued->entry,
		    0, at->arena, &issued->verdict);
	}
	if (issuer != NULL)
		issuer->tbs_count = tried;
	return error;
}

enum mm_error
mm_audit_certificate(const struct mm_audit_at *at)
{
	struct mm_audit *audit = at->audit;
	struct issued issued = {
	    .at = at, .entry = at->body, .waiting = {.index = at->index}};
	enum mm_error error;

	audit->never = NULL;
	error = judge_certificate(&issued);
	if (error == MM_OK)
		error = take_serial(&issued);
	if (error == MM_OK)
		error = check_purpose(&issued);
	if (error != MM_OK)
		return error;
	issued.waiting.key = mm_audit_key_named(audit, issued.entry->issuer);
	issued.waiting.never = audit->never;
	memcpy(issued.waiting.digest, issued.verdict.digest,
	    sizeof(issued.waiting.digest));
	return mm_waiting_add(&audit->waiting, &issued.waiting);
}
