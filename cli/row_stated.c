/*
 * The rows of what people state, in force or waiting for more of them.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/row_making.h"
#include "policy/document.h"

enum mm_error
mm_policy_rows(struct mm_row_making *m)
{
	const struct mm_policy_entry *body = m->body;
	struct mm_policy policy;

	mm_row_set(m->row.station, body->principal);
	if (mm_shape_decode(
		&mm_policy_shape, body->policy, m->arena, &policy) == MM_OK)
		snprintf(
		    m->row.what, MM_ROW_TEXT, "policy %" PRIu64, policy.number);
	return mm_row_done(m);
}

enum mm_error
mm_principal_rows(struct mm_row_making *m)
{
	const struct mm_statement_entry *body = m->body;
	struct mm_principal_claim claim;

	mm_row_set(m->row.station, body->principal);
	if (mm_statement_body(
		&body->statements, MM_STATEMENT_PRINCIPAL, m->arena, &claim)) {
		mm_row_set(m->row.what, claim.name);
		snprintf(m->row.reason, sizeof(m->row.reason), "%s",
		    claim.disabled ? "disabled" : "");
	}
	return mm_row_done(m);
}

enum mm_error
mm_order_rows(struct mm_row_making *m)
{
	const struct mm_statement_entry *body = m->body;
	struct mm_order_claim claim;

	mm_row_set(m->row.station, body->principal);
	if (mm_statement_body(
		&body->statements, MM_STATEMENT_ORDER, m->arena, &claim)) {
		mm_row_set(m->row.what, claim.name);
		mm_row_set(m->row.order, claim.name);
		mm_row_set(m->row.profile, claim.profile);
		m->row.count = claim.units;
	}
	return mm_row_done(m);
}

enum mm_error
mm_revocation_rows(struct mm_row_making *m)
{
	const struct mm_statement_entry *body = m->body;
	struct mm_revoke_claim claim;
	enum mm_error error = MM_OK;

	mm_row_set(m->row.station, body->principal);
	if (!mm_statement_body(
		&body->statements, MM_STATEMENT_REVOKE, m->arena, &claim))
		return mm_row_done(m);
	for (mm_list_each(const struct mm_revoked, item, claim.revoked)) {
		mm_row_serial(item->serial, m->row.serial);
		mm_row_set(m->row.reason,
		    mm_span_text(mm_revocation_reason(item->reason)));
		error = mm_row_done(m);
		if (error != MM_OK)
			break;
	}
	return error;
}

enum mm_error
mm_release_rows(struct mm_row_making *m)
{
	const struct mm_statement_entry *body = m->body;
	struct mm_release_claim claim;

	mm_row_set(m->row.station, body->principal);
	if (mm_statement_body(
		&body->statements, MM_STATEMENT_RELEASE, m->arena, &claim)) {
		snprintf(m->row.what, MM_ROW_TEXT, "%.*s %.*s",
		    MM_SPAN(claim.product), MM_SPAN(claim.version));
		mm_row_set(m->row.product, claim.product);
	}
	return mm_row_done(m);
}

static void
add_word(char out[MM_ROW_TEXT], struct mm_span word)
{
	size_t used = strlen(out);

	snprintf(out + used, MM_ROW_TEXT - used, "%s%.*s", used > 0 ? " " : "",
	    MM_SPAN(word));
}

/* The names of the keys that it is about. */
static void
name_keys(const struct mm_ceremony_claim *ceremony, char out[MM_ROW_TEXT])
{
	for (mm_list_each(const struct mm_ceremony_key, key, ceremony->keys))
		add_word(out, key->name);
	for (mm_list_each(const struct mm_text_item, name, ceremony->retired))
		add_word(out, name->value);
	for (mm_list_each(
		 const struct mm_ceremony_import, one, ceremony->imports))
		add_word(out, one->key);
}

enum mm_error
mm_ceremony_rows(struct mm_row_making *m)
{
	const struct mm_statement_entry *body = m->body;
	struct mm_ceremony_claim claim;

	mm_row_set(m->row.station, body->principal);
	if (mm_statement_body(
		&body->statements, MM_STATEMENT_CEREMONY, m->arena, &claim))
		name_keys(&claim, m->row.what);
	return mm_row_done(m);
}

enum mm_error
mm_withdrawal_rows(struct mm_row_making *m)
{
	const struct mm_statement_entry *body = m->body;
	struct mm_withdraw_claim claim;

	mm_row_set(m->row.station, body->principal);
	if (mm_statement_body(
		&body->statements, MM_STATEMENT_WITHDRAW, m->arena, &claim))
		sodium_bin2hex(m->row.what, MM_ROW_TEXT, claim.payload,
		    sizeof(claim.payload));
	return mm_row_done(m);
}

/* --- what waits, by the kind of its statements --- */

union waiting {
	struct mm_order_claim order;
	struct mm_release_claim release;
	struct mm_revoke_claim revoke;
	struct mm_principal_claim principal;
	struct mm_policy_claim policy;
	struct mm_ceremony_claim ceremony;
};

static void
tell_order(struct mm_row_making *m, const union waiting *body)
{
	mm_row_set(m->row.what, body->order.name);
	mm_row_set(m->row.order, body->order.name);
	mm_row_set(m->row.profile, body->order.profile);
}

static void
tell_release(struct mm_row_making *m, const union waiting *body)
{
	snprintf(m->row.what, MM_ROW_TEXT, "%.*s %.*s",
	    MM_SPAN(body->release.product), MM_SPAN(body->release.version));
	mm_row_set(m->row.product, body->release.product);
}

static void
tell_revoke(struct mm_row_making *m, const union waiting *body)
{
	snprintf(m->row.what, MM_ROW_TEXT, "%zu certificates",
	    body->revoke.revoked.count);
}

static void
tell_principal(struct mm_row_making *m, const union waiting *body)
{
	mm_row_set(m->row.what, body->principal.name);
}

static void
tell_policy(struct mm_row_making *m, const union waiting *body)
{
	snprintf(
	    m->row.what, MM_ROW_TEXT, "policy %" PRIu64, body->policy.number);
}

static void
tell_ceremony(struct mm_row_making *m, const union waiting *body)
{
	name_keys(&body->ceremony, m->row.what);
}

/* `count`: how many officers have signed. */
enum mm_error
mm_pending_rows(struct mm_row_making *m)
{
	static void (*const tell[MM_STATEMENT_KINDS])(struct mm_row_making *,
	    const union waiting *) = {[MM_STATEMENT_ORDER] = tell_order,
	    [MM_STATEMENT_RELEASE] = tell_release,
	    [MM_STATEMENT_REVOKE] = tell_revoke,
	    [MM_STATEMENT_PRINCIPAL] = tell_principal,
	    [MM_STATEMENT_POLICY] = tell_policy,
	    [MM_STATEMENT_CEREMONY] = tell_ceremony};
	const struct mm_pending_entry *body = m->body;
	union waiting claim;

	mm_row_set(m->row.station, body->principal);
	m->row.count = body->statements.count;
	for (uint64_t kind = 0; kind < MM_STATEMENT_KINDS; kind++) {
		if (tell[kind] == NULL || !mm_statement_body(&body->statements,
					      kind, m->arena, &claim))
			continue;
		mm_row_set(
		    m->row.reason, mm_span_text(mm_statement_kind_name(kind)));
		tell[kind](m, &claim);
		break;
	}
	return mm_row_done(m);
}
