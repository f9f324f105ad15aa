/*
 * What waits for officers: pending statements, which are in force by an entry
 * of their own kind alone; withdrawals; and releases that were approved.
 */
#include <sodium.h>
#include <string.h>

#include "audit/state.h"
#include "protocol/message.h"

/* A pending entry, and what its statements say. */
struct gathered {
	const struct mm_pending_entry *entry;
	struct mm_claim claim;
	union {
		struct mm_order_claim order;
		struct mm_release_claim release;
		struct mm_revoke_claim revoke;
		struct mm_principal_claim principal;
		struct mm_policy_claim policy;
		struct mm_ceremony_claim ceremony;
	} body;
};

/* --- what came along --- */

static bool
is_sha256(struct mm_span bytes, const uint8_t wanted[32])
{
	uint8_t sha256[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(sha256, bytes.data, bytes.size);
	return memcmp(sha256, wanted, sizeof(sha256)) == 0;
}

/* A CSR need not come: then no certificate is made. */
static enum mm_error
check_spki(const struct gathered *g)
{
	if (g->entry->spki.size == 0 ||
	    is_sha256(g->entry->spki, g->body.principal.key))
		return MM_OK;
	return mm_audit_wrong(
	    "the key that came along is not that of its statements");
}

static enum mm_error
check_document(const struct gathered *g)
{
	if (g->entry->policy.size > 0 &&
	    is_sha256(g->entry->policy, g->body.policy.sha256))
		return MM_OK;
	return mm_audit_wrong(
	    "the policy that came along is not that of its statements");
}

static bool
is_imported(
    const struct mm_ceremony_claim *ceremony, struct mm_span certificate)
{
	for (mm_list_each(
		 const struct mm_ceremony_import, one, ceremony->imports))
		if (is_sha256(certificate, one->sha256))
			return true;
	return false;
}

static enum mm_error
check_certificates(const struct gathered *g)
{
	const struct mm_list *came = &g->entry->certificates;

	if (came->count != g->body.ceremony.imports.count)
		return mm_audit_wrong("its statements import %zu certificates, "
				      "and %zu came along",
		    g->body.ceremony.imports.count, came->count);
	for (mm_list_each(const struct mm_bytes_item, one, *came))
		if (!is_imported(&g->body.ceremony, one->value))
			return mm_audit_wrong("a certificate that came along "
					      "is not in its statements");
	return MM_OK;
}

/* A proof's certificate is for the key that came. */
static enum mm_error
check_proofs(const struct gathered *g)
{
	for (mm_list_each(
		 const struct mm_ceremony_proof, one, g->body.ceremony.proofs))
		if (!is_sha256(g->entry->spki, one->key))
			return mm_audit_wrong("the key that came along is not "
					      "that of its proofs");
	return MM_OK;
}

static enum mm_error
check_ceremony(const struct gathered *g)
{
	enum mm_error error = check_proofs(g);

	return error == MM_OK ? check_certificates(g) : error;
}

static const struct along {
	uint64_t kind;
	bool spki, policy, certificates; /* what may come */
	enum mm_error (*check)(const struct gathered *g);
} alongs[] = {
    {MM_STATEMENT_ORDER, false, false, false, NULL},
    {MM_STATEMENT_RELEASE, false, false, false, NULL},
    {MM_STATEMENT_REVOKE, false, false, false, NULL},
    {MM_STATEMENT_PRINCIPAL, true, false, false, check_spki},
    {MM_STATEMENT_POLICY, false, true, false, check_document},
    {MM_STATEMENT_CEREMONY, true, false, true, check_ceremony},
};

static const struct along *
along_of(uint64_t kind)
{
	for (size_t i = 0; i < MM_COUNT(alongs); i++)
		if (alongs[i].kind == kind)
			return &alongs[i];
	return NULL;
}

static enum mm_error
check_along(const struct gathered *g, const struct along *along)
{
	const struct mm_pending_entry *entry = g->entry;
	bool text = entry->text.size > 0 || entry->text_size > 0;

	if ((entry->spki.size > 0 && !along->spki) ||
	    ((entry->policy.size > 0 || text) && !along->policy) ||
	    (entry->certificates.count > 0 && !along->certificates))
		return mm_audit_wrong(
		    "what came along does not go with its statements");
	return along->check != NULL ? along->check(g) : MM_OK;
}

/* --- pending --- */

/* All that are there count, and they are not enough. */
static enum mm_error
check_gathered(const struct mm_audit_at *at, uint64_t kind, struct gathered *g)
{
	const struct mm_roster_question question = {
	    .policy = &mm_audit_force(at->audit)->policy,
	    .origin = mm_audit_origin(at->audit),
	    .kind = kind,
	    .time = at->frame->time};
	const struct mm_list *statements = &g->entry->statements;
	struct mm_roster_state state;
	enum mm_error error = mm_roster_gather(
	    &question, statements, at->arena, &g->claim, &g->body, &state);

	if (error != MM_OK)
		return error;
	for (size_t i = 0; i < statements->count; i++)
		if (state.officers[i] == NULL)
			return mm_audit_wrong("a statement in it is by nobody "
					      "of the roster in force, or by "
					      "one who has signed already");
	if (state.missing == 0)
		return mm_audit_wrong("enough officers have signed it: it is "
				      "in force, and does not wait");
	return MM_OK;
}

/* The kind that the first statement says; the roster asks it of all. */
static enum mm_error
stated_kind(const struct mm_audit_at *at, const struct mm_list *statements,
    uint64_t *out)
{
	struct mm_statement statement;
	struct mm_claim claim;
	enum mm_error error = mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value,
	    &statement);

	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_claim_shape, statement.payload, at->arena, &claim);
	if (error == MM_OK)
		*out = claim.kind;
	return error;
}

enum mm_error
mm_audit_pending(const struct mm_audit_at *at)
{
	struct gathered gathered = {.entry = at->body};
	const struct mm_pending_entry *entry = gathered.entry;
	const struct along *along = NULL;
	struct mm_thing_name name;
	uint64_t kind = 0;
	enum mm_error error = mm_audit_asked(
	    at, MM_MESSAGE_STATEMENT, entry->principal, entry->request);

	if (error == MM_OK)
		error = stated_kind(at, &entry->statements, &kind);
	if (error == MM_OK)
		error = mm_audit_may_bring(at, kind, entry->principal);
	if (error == MM_OK)
		along = along_of(kind);
	if (error == MM_OK && along == NULL)
		error =
		    mm_audit_wrong("statements of this kind wait for nobody");
	if (error == MM_OK)
		error = check_gathered(at, kind, &gathered);
	if (error == MM_OK)
		error = check_along(&gathered, along);
	if (error == MM_OK)
		error = mm_audit_payload(&entry->statements, &name);
	return error == MM_OK ? mm_fact_add(at->audit->ledger, MM_FACT_PENDING,
				    MM_THING_STATEMENT, &name, at->index, 0)
			      : error;
}

/* That it waits is for the ledger to say, in the end. */
enum mm_error
mm_audit_withdrawal(const struct mm_audit_at *at)
{
	struct mm_withdraw_claim claim;
	struct mm_thing_name name;
	enum mm_error error = mm_audit_state(at, MM_STATEMENT_WITHDRAW, &claim);

	if (error != MM_OK)
		return error;
	name = mm_audit_payload_of(claim.payload);
	return mm_fact_add(at->audit->ledger, MM_FACT_WITHDRAWN,
	    MM_THING_STATEMENT, &name, at->index, 0);
}

/* --- releases --- */

/* Each signing of it could be made. */
enum mm_error
mm_audit_release(const struct mm_audit_at *at)
{
	struct mm_release_claim claim;
	enum mm_error error = mm_audit_state(at, MM_STATEMENT_RELEASE, &claim);

	if (error != MM_OK)
		return error;
	for (mm_list_each(
		 const struct mm_scheme_digest, digest, claim.schemes)) {
		const struct mm_release_facts facts = {
		    .policy = &mm_audit_force(at->audit)->policy,
		    .product = claim.product,
		    .version = claim.version,
		    .scheme = digest->scheme,
		    .size = claim.size,
		    .sha256 = claim.sha256,
		    .digest = digest->digest,
		    .claim = &claim};

		error = mm_decide_release(&facts);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}
