/*
 * Certificates are made: the TBS, the entry with it and what that rests on;
 * and what a crash left unsigned is judged again.
 */
#include "server/authority.h"
#include "server/issuers.h"

#include <sodium.h>
#include <string.h>

#include "ca/certificate.h"

static enum mm_error
rest_on(struct mm_rest *rest, uint64_t index)
{
	if (rest->count == MM_REFERENCES_MAX)
		return mm_fail(MM_E_BUG, "an entry rests on too many");
	rest->indexes[rest->count++] = index;
	return MM_OK;
}

static enum mm_error
issuer_named(const struct mm_authority *a, struct mm_span name,
    const struct mm_issuer **out)
{
	*out = mm_issuer_find(a, name);
	return *out != NULL ? MM_OK
			    : mm_fail(MM_E_NO_ISSUER,
				  "the key \"%.*s\" has no certificate, or is "
				  "retired",
				  MM_SPAN(name));
}

/* A root before it has a certificate: its own key signs it. */
static enum mm_error
signs_itself(const struct mm_authority *a,
    const struct mm_certificate_entry *body, bool *out)
{
	struct mm_authority_row row;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, 4096);
	error = mm_index_authority(a->index, body->issuer, &arena, &row);
	*out = error == MM_OK && memcmp(row.key, body->key, 32) == 0;
	return error == MM_E_NOT_FOUND ? MM_OK : error;
}

enum mm_error
mm_issue_rest_chain(
    const struct mm_authority *a, struct mm_span name, struct mm_rest *rest)
{
	enum mm_error error = MM_OK;

	for (int depth = 0; depth < MM_CHAIN_MAX && error == MM_OK; depth++) {
		const struct mm_issuer *issuer;

		error = issuer_named(a, name, &issuer);
		if (error == MM_OK)
			error = rest_on(rest, issuer->index);
		/* A root, or one whose issuer is a CA outside. */
		if (error != MM_OK || issuer->issuer[0] == '\0' ||
		    strcmp(issuer->name, issuer->issuer) == 0)
			break;
		name = mm_span_text(issuer->issuer);
	}
	return error;
}

/*
 * The token wants the basis (which it knows where it is genesis or a policy,
 * but a proof more does no harm) and the issuers' certificates up to the
 * root.
 */
enum mm_error
mm_issue_rest(const struct mm_authority *a,
    const struct mm_certificate_entry *body, struct mm_rest *out)
{
	bool itself = false;
	enum mm_error error;

	*out = (struct mm_rest){.count = 0};
	error = rest_on(out, body->basis);
	if (error == MM_OK)
		error = signs_itself(a, body, &itself);
	if (error != MM_OK || itself)
		return error;
	return mm_issue_rest_chain(a, body->issuer, out);
}

enum mm_error
mm_issue_draft(struct mm_authority *a, const struct mm_profile *profile,
    struct mm_certificate_entry *body, struct mm_span spki,
    struct mm_buffer *tbs)
{
	const struct mm_issuer *issuer;
	struct mm_certificate_plan plan = {.profile = profile,
	    .subject = body->subject,
	    .spki = spki,
	    .now = a->batch.now};
	uint8_t serial[MM_SERIAL_SIZE];
	enum mm_error error = issuer_named(a, profile->issuer, &issuer);

	if (error == MM_OK && issuer->retired)
		error = mm_fail(MM_E_NO_ISSUER, "the key \"%.*s\" is retired",
		    MM_SPAN(profile->issuer));
	if (error != MM_OK)
		return error;
	mm_buffer_init(tbs, MM_CERTIFICATE_MAX);
	plan.issuer = mm_buffer_span(&issuer->tbs);
	if (profile->purpose == MM_PURPOSE_SERVER)
		plan.names = a->policy.names;
	mm_serial_make(serial);
	error = mm_tbs_build(&plan, serial, tbs);
	if (error == MM_OK)
		error = mm_tbs_check(mm_buffer_span(tbs), &plan);
	if (error != MM_OK)
		return error;
	body->profile = profile->name;
	body->issuer = profile->issuer;
	body->tbs = mm_buffer_span(tbs);
	crypto_hash_sha256(body->key, spki.data, spki.size);
	return MM_OK;
}

enum mm_error
mm_issue_log(struct mm_authority *a, const struct mm_certificate_entry *body,
    struct mm_item **out)
{
	struct mm_rest rest;
	enum mm_error error = mm_issue_rest(a, body, &rest);

	for (size_t i = 0; i < rest.count && error == MM_OK; i++)
		error = mm_batch_refer(a, rest.indexes[i]);
	if (error == MM_OK)
		error = mm_item_draft(a, MM_ENTRY_CERTIFICATE, body, out);
	if (error == MM_OK)
		(*out)->rest = rest;
	return error;
}

/* Its station may be disabled since, the order closed or over. */
static enum mm_error
device_again(struct mm_authority *a, const struct mm_certificate_entry *body,
    struct mm_arena *arena)
{
	struct mm_principal principal;
	struct mm_order_claim then;
	struct mm_order_row now;
	enum mm_error error = mm_index_principal_named(
	    a->index, body->principal, arena, &principal);

	if (error == MM_OK && principal.disabled)
		error = mm_fail(MM_E_PRINCIPAL, "its station is disabled");
	if (error == MM_OK)
		error = mm_index_order_at(a->index, body->basis, arena, &then);
	/* By the terms of today: a later revision may have closed it. */
	if (error == MM_OK)
		error = mm_index_order(a->index, then.name, arena, &now);
	if (error == MM_OK)
		error = mm_order_check(&now.claim, body->profile, body->subject,
		    body->principal, mm_seconds(CLOCK_REALTIME));
	return error;
}

/* Its principal may have another key since, or be disabled. */
static enum mm_error
client_again(struct mm_authority *a, const struct mm_certificate_entry *body,
    struct mm_arena *arena)
{
	struct mm_principal principal;
	enum mm_error error = mm_index_principal_named(
	    a->index, body->subject, arena, &principal);

	if (error == MM_OK &&
	    (principal.disabled || principal.basis != body->basis))
		error =
		    mm_fail(MM_E_PRINCIPAL, "its principal was changed since");
	return error;
}

/* This start has a TLS key of its own. */
static enum mm_error
server_again(struct mm_authority *a, const struct mm_certificate_entry *body,
    struct mm_arena *arena)
{
	(void)a;
	(void)body;
	(void)arena;
	return mm_fail(
	    MM_E_STARTING, "it was for the TLS key of a former start");
}

enum mm_error
mm_issue_again(struct mm_authority *a, const struct mm_certificate_entry *body)
{
	static const struct {
		enum mm_purpose purpose;
		enum mm_error (*again)(struct mm_authority *,
		    const struct mm_certificate_entry *, struct mm_arena *);
	} purposes[] = {{MM_PURPOSE_DEVICE, device_again},
	    {MM_PURPOSE_CLIENT, client_again},
	    {MM_PURPOSE_SERVER, server_again}};
	const struct mm_profile *profile =
	    mm_policy_profile(&a->policy, body->profile);
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, 1 << 20);
	if (profile == NULL)
		return mm_fail(MM_E_PROFILE, "its profile is gone");
	for (size_t i = 0; i < MM_COUNT(purposes); i++)
		if (purposes[i].purpose == profile->purpose)
			return purposes[i].again(a, body, &arena);
	return MM_OK;
}
