/*
 * What the birth of a log strikes after its first entry: certificates, CSRs,
 * people and orders, and what it inherits, each an entry that is stored before
 * the token is asked for its signature.
 */
#include "server/genesis_parts.h"
#include "server/issuers.h"

#include <sodium.h>
#include <string.h>

#include "ca/certificate.h"
#include "ca/request.h"
#include "policy/roster.h"

static const struct mm_struck *
struck_named(const struct mm_birth *g, struct mm_span name)
{
	for (size_t i = 0; i < g->struck_count; i++)
		if (mm_span_equal(g->struck[i].name, name))
			return &g->struck[i];
	return NULL;
}

static struct mm_span
spki_named(const struct mm_birth *g, struct mm_span name)
{
	for (mm_list_each(const struct mm_genesis_key, key, g->keys))
		if (mm_span_equal(key->name, name))
			return key->spki;
	return mm_span(NULL, 0);
}

/* The basis, and the issuers up to one that signs itself. */
static size_t
references_of(const struct mm_birth *g, uint64_t basis, struct mm_span issuer,
    bool self_signed, struct mm_uint_item out[MM_STRUCK_MAX + 1])
{
	size_t count = 0;
	const struct mm_struck *up =
	    self_signed ? NULL : struck_named(g, issuer);

	out[count++].value = basis;
	while (up != NULL && count <= MM_STRUCK_MAX) {
		out[count++].value = up->index;
		if (mm_span_equal(up->name, up->issuer))
			break;
		up = struck_named(g, up->issuer);
	}
	return count;
}

/* Has the token sign the entry that was just stored. */
static enum mm_error
sign(struct mm_birth *g, struct mm_span entry,
    const struct mm_notary_append_answer *answer)
{
	struct mm_proven references[MM_STRUCK_MAX + 1];
	struct mm_proven item = mm_birth_proven(
	    mm_list_at(answer->proofs, struct mm_inclusion, 0), entry);
	struct mm_token_sign_request request = {.note = answer->note,
	    .references = {references, 0},
	    .items = {&item, 1}};
	struct mm_token_sign_answer signed_;
	const struct mm_token_result *result;
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_inclusion, one, answer->references)) {
		struct mm_span bytes;

		if (error == MM_OK)
			error = mm_index_reference(
			    g->index, one->index, &g->arena, &bytes);
		if (error == MM_OK)
			references[request.references.count++] =
			    mm_birth_proven(one, bytes);
	}
	if (error == MM_OK)
		error = mm_birth_call(g, g->token, MM_TOKEN_SIGN,
		    &mm_token_sign_request_shape, &request,
		    &mm_token_sign_answer_shape, &signed_);
	if (error != MM_OK)
		return error;
	if (signed_.results.count != 1)
		return mm_fail(MM_E_PEER, "the token gave no signature");
	result = mm_list_at(signed_.results, struct mm_token_result, 0);
	if (result->error != 0)
		return mm_fail(
		    mm_error_from(result->error), "%.*s", MM_SPAN(result->why));
	g->signature = (struct mm_signature){item.index, result->signature};
	return MM_OK;
}

/* One certificate: drafted, logged, signed. */
static enum mm_error
strike_certificate(struct mm_birth *g, struct mm_certificate_entry *body,
    struct mm_span spki, struct mm_span tbs_of_issuer)
{
	const struct mm_profile *profile =
	    mm_policy_profile(&g->policy, body->profile);
	bool self_signed = tbs_of_issuer.size == 0;
	struct mm_certificate_plan plan = {.profile = profile,
	    .subject = body->subject,
	    .spki = spki,
	    .issuer = tbs_of_issuer,
	    .now = g->now};
	struct mm_uint_item references[MM_STRUCK_MAX + 1];
	struct mm_notary_append_answer answer;
	uint8_t serial[MM_SERIAL_SIZE];
	mm_auto(buffer) tbs = {0};
	struct mm_span entry;
	size_t count;
	enum mm_error error;

	if (profile == NULL || spki.size == 0)
		return mm_fail(MM_E_PROFILE,
		    "the ceremony names a profile or key that is not there");
	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	mm_serial_make(serial);
	error = mm_tbs_build(&plan, serial, &tbs);
	if (error != MM_OK)
		return error;
	body->tbs = mm_arena_copy(&g->arena, mm_buffer_span(&tbs));
	crypto_hash_sha256(body->key, spki.data, spki.size);
	count = references_of(
	    g, body->basis, body->issuer, self_signed, references);
	error = mm_birth_append(
	    g, MM_ENTRY_CERTIFICATE, body, references, count, &entry, &answer);
	return error == MM_OK ? sign(g, entry, &answer) : error;
}

enum mm_error
mm_strike_authority(
    struct mm_birth *g, const struct mm_ceremony_certificate *wanted)
{
	bool self_signed = mm_span_equal(wanted->key, wanted->issuer);
	const struct mm_struck *issuer = struck_named(g, wanted->issuer);
	struct mm_certificate_entry body = {.profile = wanted->profile,
	    .subject = wanted->subject,
	    .issuer = wanted->issuer};
	struct mm_struck *made = &g->struck[g->struck_count];
	struct mm_span spki = spki_named(g, wanted->key);
	uint64_t index = g->size;
	enum mm_error error;

	if ((!self_signed && issuer == NULL) ||
	    g->struck_count == MM_STRUCK_MAX)
		return mm_fail(MM_E_POLICY,
		    "the ceremony's certificates are too many, or one comes "
		    "before its issuer");
	error = strike_certificate(
	    g, &body, spki, self_signed ? mm_span(NULL, 0) : issuer->tbs);
	if (error != MM_OK)
		return error;
	*made = (struct mm_struck){
	    wanted->key, wanted->issuer, spki, body.tbs, index};
	g->struck_count++;
	return MM_OK;
}

/* A CSR for a CA outside: the key has no certificate until it answers. */
enum mm_error
mm_strike_request(struct mm_birth *g, const struct mm_ceremony_request *wanted)
{
	const struct mm_profile *profile =
	    mm_policy_profile(&g->policy, wanted->profile);
	struct mm_span spki = spki_named(g, wanted->key);
	struct mm_csr_entry body = {.key = wanted->key,
	    .profile = wanted->profile,
	    .subject = wanted->subject};
	struct mm_notary_append_answer answer;
	mm_auto(buffer) info = {0};
	struct mm_span entry;
	enum mm_error error;

	if (profile == NULL || spki.size == 0)
		return mm_fail(MM_E_PROFILE,
		    "the ceremony names a profile or key that is not there");
	mm_buffer_init(&info, MM_CERTIFICATE_MAX);
	error = mm_request_build(profile, wanted->subject, spki, &info);
	body.info = mm_buffer_span(&info);
	if (error == MM_OK)
		error = mm_birth_append(
		    g, MM_ENTRY_CSR, &body, NULL, 0, &entry, &answer);
	return error == MM_OK ? sign(g, entry, &answer) : error;
}

/* Logs statements of a kind after checking them. */
static enum mm_error
strike_statements(struct mm_birth *g, uint64_t statement_kind,
    uint64_t entry_kind, const struct mm_list *statements, void *claim_body)
{
	struct mm_roster_question question = {.policy = &g->policy,
	    .origin = g->file.origin,
	    .kind = statement_kind,
	    .time = g->now};
	struct mm_statement_entry body = {.statements = *statements};
	struct mm_notary_append_answer answer;
	struct mm_claim claim;
	enum mm_error error = mm_roster_check(
	    &question, statements, &g->arena, &claim, claim_body);

	if (error == MM_OK)
		error = mm_birth_append(
		    g, entry_kind, &body, NULL, 0, NULL, &answer);
	return error;
}

enum mm_error
mm_strike_principal(
    struct mm_birth *g, const struct mm_genesis_principal *wanted)
{
	const struct mm_profile *profile =
	    mm_profile_for(&g->policy, MM_PURPOSE_CLIENT);
	struct mm_principal_claim claim;
	struct mm_certificate_entry body = {.basis = g->size};
	const struct mm_struck *issuer;
	enum mm_error error = strike_statements(g, MM_STATEMENT_PRINCIPAL,
	    MM_ENTRY_PRINCIPAL, &wanted->statements, &claim);

	if (error != MM_OK || wanted->spki.size == 0)
		return error;
	issuer = profile != NULL ? struck_named(g, profile->issuer) : NULL;
	if (issuer == NULL)
		return mm_fail(MM_E_PROFILE,
		    "the policy has no profile for TLS clients, or the "
		    "ceremony no certificate of its issuer");
	body.profile = profile->name;
	body.issuer = profile->issuer;
	body.subject = claim.name;
	return strike_certificate(g, &body, wanted->spki, issuer->tbs);
}

enum mm_error
mm_strike_order(struct mm_birth *g, const struct mm_genesis_order *wanted)
{
	struct mm_order_claim claim;

	return strike_statements(
	    g, MM_STATEMENT_ORDER, MM_ENTRY_ORDER, &wanted->statements, &claim);
}

/* The notary has the bytes, then the log names them; the index takes them in
 * at the first start, as after the loss of an index. */
static enum mm_error
inherit(struct mm_birth *g, const struct mm_inherited_blob *blob)
{
	const struct mm_inherited_entry body = {.count = blob->count,
	    .things_sha256 = mm_span(blob->sha256, sizeof(blob->sha256)),
	    .things_size = blob->size};
	struct mm_notary_append_answer answer;
	enum mm_error error =
	    mm_heritage_store(g->notary, g->blobs, g->blob_count, blob);

	return error == MM_OK ? mm_birth_append(g, MM_ENTRY_INHERITED, &body,
				    NULL, 0, NULL, &answer)
			      : error;
}

enum mm_error
mm_strike_inheritance(struct mm_birth *g)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(
		 const struct mm_predecessor, former, g->ceremony.succeeds))
		for (mm_list_each(const struct mm_inherited_blob, blob,
			 former->inherited))
			if (error == MM_OK)
				error = inherit(g, blob);
	return error;
}
