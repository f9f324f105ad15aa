/*
 * What is signed: every certificate allowed by its order or statement, its
 * station and the policy in force at its place, every image by its officers.
 * The rules are the token process's own and the authority's own; what they
 * ask is answered from what was read so far.
 */
#include <string.h>

#include "audit/state.h"
#include "ca/crl.h"
#include "protocol/message.h"

enum { DAY = 86400 };

/* --- the judge's sources --- */

static const struct mm_genesis_key *
source_key(void *self, struct mm_span name)
{
	const struct mm_audit_key *key = mm_audit_key_named(self, name);

	return key != NULL ? &key->key : NULL;
}

static const struct mm_genesis_key *
source_key_of(void *self, struct mm_span spki)
{
	const struct mm_audit_key *key = mm_audit_key_of(self, spki);

	return key != NULL ? &key->key : NULL;
}

static enum mm_error
source_order(void *self, uint64_t index, const struct mm_order_claim **out)
{
	struct mm_audit_order *order;
	enum mm_error error = mm_audit_find_order(self, index, &order);

	if (error == MM_OK)
		*out = &order->claim;
	return error;
}

static enum mm_error
source_principal(
    void *self, uint64_t index, const struct mm_principal_claim **out)
{
	struct mm_audit_principal *principal;
	enum mm_error error = mm_audit_find_principal(self, index, &principal);

	if (error == MM_OK)
		*out = &principal->claim;
	return error;
}

static enum mm_error
source_ceremony(void *self, uint64_t index,
    const struct mm_ceremony_claim **out, uint64_t *end)
{
	const struct mm_audit *audit = self;

	if (index == 0) {
		*out = &audit->birth.ceremony;
		*end = audit->birth.ceremony_end;
		return MM_OK;
	}
	for (size_t i = 0; i < audit->key_count; i++) {
		if (audit->keys[i].index != index)
			continue;
		*out = &audit->keys[i].ceremony;
		*end = audit->keys[i].ceremony_end;
		return MM_OK;
	}
	return mm_audit_wrong(
	    "its basis, entry %llu, is no ceremony", (unsigned long long)index);
}

/* The newest certificate of the key; the others are tried after it. */
static enum mm_error
source_issuer(void *self, const struct mm_genesis_key *key, unsigned depth,
    struct mm_span *tbs)
{
	const struct mm_audit_key *issuer = mm_audit_key_named(self, key->name);

	(void)depth;
	if (issuer == NULL || issuer->tbs_count == 0)
		return mm_audit_wrong(
		    "its issuer \"%.*s\" has no certificate yet",
		    MM_SPAN(key->name));
	*tbs = issuer->tbs[issuer->tbs_count - 1];
	return MM_OK;
}

static struct mm_judge_sources
sources_of(struct mm_audit *audit)
{
	return (struct mm_judge_sources){.self = audit,
	    .key = source_key,
	    .key_of = source_key_of,
	    .order = source_order,
	    .principal = source_principal,
	    .ceremony = source_ceremony,
	    .issuer = source_issuer};
}

static struct mm_judge
judge_of(const struct mm_audit *audit, const struct mm_judge_sources *sources)
{
	return (struct mm_judge){.sources = sources,
	    .force = &audit->force,
	    .origin = audit->birth.genesis.origin};
}

/* --- certificates --- */

/* A certificate that was judged, and what it will wait as. */
struct issued {
	const struct mm_audit_at *at;
	const struct mm_certificate_entry *entry;
	struct mm_verdict verdict;
	struct mm_waiting waiting;
};

/* Taken now, and given back where it is never signed. */
static enum mm_error
take(struct issued *issued, enum mm_thing thing, struct mm_span first,
    struct mm_span second)
{
	struct mm_waiting *waiting = &issued->waiting;
	size_t at = waiting->thing_count++;

	waiting->things[at].thing = thing;
	waiting->things[at].name =
	    mm_thing_name(thing, first, second, mm_span(NULL, 0));
	return mm_fact_take(issued->at->audit->ledger, thing,
	    &waiting->things[at].name, waiting->index);
}

/* A serial number is never used again. */
static enum mm_error
take_serial(const struct issued *issued)
{
	struct mm_audit *audit = issued->at->audit;
	const struct mm_audit_key *issuer =
	    mm_audit_key_named(audit, issued->entry->issuer);
	struct mm_span none = mm_span(NULL, 0);
	struct mm_thing_name name = mm_thing_name(MM_THING_SERIAL,
	    mm_span(issued->verdict.tbs.serial, MM_SERIAL_SIZE), none, none);

	return mm_fact_issued(audit->ledger, &name, issued->at->index,
	    (uint32_t)(issuer - audit->keys));
}

/* What the authority decided is decided again, from the same facts. What is
 * there only once is for the ledger to say, in the end. */
static enum mm_error
decide(const struct issued *issued, const struct mm_audit_order *order,
    const struct mm_audit_person *person, uint64_t day)
{
	const struct mm_audit_at *at = issued->at;
	const struct mm_issue_facts facts = {.policy = &at->audit->force.policy,
	    .principal = &person->now,
	    .order = &order->claim,
	    .order_used = order->used,
	    .profile = issued->entry->profile,
	    .device = issued->entry->subject,
	    .key_type = issued->verdict.tbs.key.type,
	    .today = person->day == day ? person->today : 0,
	    .now = at->frame->time};
	enum mm_error error;

	if (mm_decide_issue(&facts, &error) == MM_ISSUE_NEW)
		return MM_OK;
	return error != MM_OK ? error : mm_fail(MM_E_BUG, "nothing is decided");
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
	/* The log's birth may bring such an order; the token refuses it. */
	if (mm_order_sound(&order->claim) != MM_OK)
		at->audit->never = "its order is not sound";
	person = mm_audit_person(at->audit, entry->principal);
	if (person == NULL)
		return mm_audit_wrong("station %.*s was not registered",
		    MM_SPAN(entry->principal));
	error = decide(issued, order, person, day);
	if (error == MM_OK)
		error = take(
		    issued, MM_THING_DEVICE, entry->profile, entry->subject);
	if (error == MM_OK)
		error = take(issued, MM_THING_KEY,
		    mm_span(entry->key, sizeof(entry->key)), mm_span(NULL, 0));
	if (error == MM_OK)
		error = take(
		    issued, MM_THING_REQUEST, entry->principal, entry->request);
	if (error != MM_OK)
		return error;
	order->used++;
	person->today = person->day == day ? person->today + 1 : 1;
	person->day = day;
	issued->waiting.order = order;
	issued->waiting.person = person;
	issued->waiting.day = day;
	return MM_OK;
}

/* The statement that it rests on is the newest about this principal. */
static enum mm_error
check_client(struct issued *issued)
{
	const struct mm_certificate_entry *entry = issued->entry;
	struct mm_audit *audit = issued->at->audit;
	const struct mm_audit_person *person =
	    mm_audit_person(audit, entry->subject);
	const struct mm_audit_person *bringer =
	    mm_audit_person(audit, entry->principal);

	if (person == NULL || person->basis != entry->basis)
		return mm_audit_wrong("its basis is not the newest entry about "
				      "principal %.*s",
		    MM_SPAN(entry->subject));
	if (entry->request.size > 0)
		return mm_audit_wrong("its request is that of entry %llu",
		    (unsigned long long)entry->basis);
	if (entry->principal.size == 0 && !audit->started)
		return MM_OK;
	if (bringer == NULL)
		return mm_audit_wrong("principal \"%.*s\", who asked for it, "
				      "was not registered",
		    MM_SPAN(entry->principal));
	return mm_decide_message(&bringer->now, MM_MESSAGE_STATEMENT);
}

/* Nobody asks for what is the appliance's own. */
static enum mm_error
check_own(struct issued *issued)
{
	if (issued->entry->principal.size == 0 &&
	    issued->entry->request.size == 0)
		return MM_OK;
	return mm_audit_wrong("principal \"%.*s\" cannot have asked for it",
	    MM_SPAN(issued->entry->principal));
}

static enum mm_error
keep_tbs(struct issued *issued)
{
	struct mm_audit *audit = issued->at->audit;
	struct mm_audit_key *key =
	    mm_audit_key_of(audit, issued->verdict.tbs.spki);
	struct mm_span copy;

	if (key == NULL)
		return mm_audit_wrong("its key is not one of the mint's");
	copy = mm_arena_copy(&audit->arena, issued->entry->tbs);
	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	if (key->tbs_count == MM_AUDIT_CERTIFICATES) {
		memmove(&key->tbs[0], &key->tbs[1],
		    (MM_AUDIT_CERTIFICATES - 1) * sizeof(key->tbs[0]));
		key->tbs_count--;
	}
	key->tbs[key->tbs_count++] = copy;
	return MM_OK;
}

static enum mm_error
check_authority(struct issued *issued)
{
	enum mm_error error = check_own(issued);

	return error == MM_OK ? keep_tbs(issued) : error;
}

static const struct {
	uint64_t purpose;
	enum mm_error (*check)(struct issued *issued);
} purposes[] = {{MM_PURPOSE_DEVICE, check_device},
    {MM_PURPOSE_CLIENT, check_client}, {MM_PURPOSE_SERVER, check_own},
    {MM_PURPOSE_CA, check_authority},
    {MM_PURPOSE_CODE_SIGNING, check_authority}};

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
	const struct mm_judge_sources sources = sources_of(audit);
	const struct mm_judge judge = judge_of(audit, &sources);
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

/* --- images --- */

enum mm_error
mm_audit_image(const struct mm_audit_at *at)
{
	const struct mm_image_entry *entry = at->body;
	struct mm_audit *audit = at->audit;
	const struct mm_judge_sources sources = sources_of(audit);
	const struct mm_judge judge = judge_of(audit, &sources);
	struct mm_waiting waiting = {.index = at->index, .thing_count = 2};
	struct mm_verdict verdict;
	enum mm_error error =
	    mm_judge_image(&judge, at->frame, entry, at->arena, &verdict);

	if (error == MM_OK)
		error = mm_audit_asked(
		    at, MM_MESSAGE_RELEASE, entry->principal, entry->request);
	if (error != MM_OK)
		return error;
	waiting.key = mm_audit_key_named(audit, entry->key);
	memcpy(waiting.digest, verdict.digest, sizeof(waiting.digest));
	waiting.things[0].thing = MM_THING_REQUEST;
	waiting.things[0].name = mm_thing_name(MM_THING_REQUEST,
	    entry->principal, entry->request, mm_span(NULL, 0));
	waiting.things[1].thing = MM_THING_RELEASE;
	waiting.things[1].name = mm_thing_name(
	    MM_THING_RELEASE, entry->product, entry->version, entry->scheme);
	error = mm_fact_take(audit->ledger, MM_THING_RELEASE,
	    &waiting.things[1].name, at->index);
	return error == MM_OK ? mm_waiting_add(&audit->waiting, &waiting)
			      : error;
}

/* --- CRLs --- */

static bool
is_subject(const struct mm_audit_at *at, const struct mm_audit_key *key,
    struct mm_span name)
{
	for (size_t i = 0; i < key->tbs_count; i++) {
		struct mm_tbs tbs;

		if (mm_tbs_read(key->tbs[i], at->arena, &tbs) == MM_OK &&
		    mm_span_equal(tbs.subject, name))
			return true;
	}
	return false;
}

/* The bytes of an entry's CRL, which it has or which are a blob. */
static enum mm_error
crl_bytes(const struct mm_audit_at *at, const struct mm_crl_entry *entry,
    struct mm_buffer *buffer, struct mm_span *out)
{
	struct mm_audit *audit = at->audit;
	struct mm_blob blob;
	enum mm_error error;

	*out = entry->tbs;
	if (entry->tbs.size > 0)
		return MM_OK;
	error = mm_entry_blob(at->bytes, &blob);
	if (error != MM_OK)
		return error;
	mm_buffer_init(buffer, MM_BLOB_MAX);
	if (audit->options.blob == NULL)
		error = mm_fail(MM_E_BLOB,
		    "entry %llu: its CRL is a blob, and none can be had",
		    (unsigned long long)at->index);
	else
		error = audit->options.blob(audit->options.self, &blob, buffer);
	audit->blob_fault = error != MM_OK;
	*out = mm_buffer_span(buffer);
	return error;
}

/* Each that it lists has been revoked; that none is missing is for the end. */
static enum mm_error
check_revoked(const struct mm_audit_at *at, const struct mm_crl_entry *entry,
    const struct mm_audit_key *key, struct mm_der revoked)
{
	struct mm_revocations *revocations = at->audit->revocations;
	struct mm_span none = mm_span(NULL, 0);
	struct mm_crl_said said = {.index = at->index,
	    .size = entry->size,
	    .issuer = (uint32_t)(key - at->audit->keys)};

	for (; mm_der_more(&revoked); said.count++) {
		struct mm_crl_revoked one;
		struct mm_thing_name serial;
		enum mm_error error = mm_crl_next(&revoked, &one);

		if (error != MM_OK)
			return error;
		serial = mm_thing_name(MM_THING_SERIAL, one.serial, none, none);
		error = mm_revocations_listed(revocations, &said, &serial,
		    one.has_reason ? &one.reason : NULL);
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

/* Else whoever decides could have the CA sign a certificate as a CRL, or a
 * CRL that nobody decided. */
static enum mm_error
check_list(const struct mm_audit_at *at, const struct mm_crl_entry *entry,
    const struct mm_audit_key *key)
{
	mm_auto(buffer) buffer = {0};
	struct mm_span tbs;
	struct mm_crl crl;
	enum mm_error error = crl_bytes(at, entry, &buffer, &tbs);

	if (error == MM_OK)
		error = mm_crl_read(tbs, &crl);
	if (error != MM_OK)
		return error;
	if (!is_subject(at, key, crl.issuer))
		return mm_audit_wrong(
		    "its CRL is not by \"%.*s\"", MM_SPAN(entry->issuer));
	if (crl.this_update != entry->this_update ||
	    crl.next_update != entry->next_update)
		return mm_audit_wrong("its CRL has other times");
	if (crl.number != entry->number)
		return mm_audit_wrong("its CRL has the number %llu",
		    (unsigned long long)crl.number);
	return check_revoked(at, entry, key, crl.revoked);
}

static enum mm_error
check_crl(const struct mm_audit_at *at, const struct mm_crl_entry *entry,
    const struct mm_audit_key *key)
{
	if (key == NULL || key->key.use == MM_KEY_CODE_SIGNING)
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
	if (entry->next_update < entry->this_update)
		return mm_audit_wrong("its CRL ends before it begins");
	return check_list(at, entry, key);
}

enum mm_error
mm_audit_crl(const struct mm_audit_at *at)
{
	const struct mm_crl_entry *entry = at->body;
	struct mm_waiting waiting = {.index = at->index};
	struct mm_audit_key *key = mm_audit_key_named(at->audit, entry->issuer);
	enum mm_error error = check_crl(at, entry, key);

	if (error != MM_OK)
		return error;
	key->crl_known = true;
	key->crl_number = entry->number;
	waiting.key = key;
	if (entry->tbs.size > 0)
		mm_tbs_digest(entry->tbs, waiting.digest);
	else
		memcpy(waiting.digest, entry->tbs_sha256.data,
		    sizeof(waiting.digest));
	return mm_waiting_add(&at->audit->waiting, &waiting);
}
