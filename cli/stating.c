#include "cli/stating.h"

#include <sodium.h>
#include <string.h>

#include "cli/json_value.h"
#include "cli/values.h"

enum { DAY = 86400, EXPIRES = 7, EXPIRES_MAX = 366 };

uint64_t
mm_stated_entry_kind(uint64_t kind)
{
	static const uint64_t kinds[MM_STATEMENT_KINDS] = {
	    [MM_STATEMENT_ORDER] = MM_ENTRY_ORDER,
	    [MM_STATEMENT_RELEASE] = MM_ENTRY_RELEASE,
	    [MM_STATEMENT_REVOKE] = MM_ENTRY_REVOCATION,
	    [MM_STATEMENT_PRINCIPAL] = MM_ENTRY_PRINCIPAL,
	    [MM_STATEMENT_POLICY] = MM_ENTRY_POLICY,
	    [MM_STATEMENT_CEREMONY] = MM_ENTRY_CEREMONY,
	    [MM_STATEMENT_WITHDRAW] = MM_ENTRY_WITHDRAWAL};

	return kind < MM_COUNT(kinds) ? kinds[kind] : MM_ENTRY_KINDS;
}

/* --- what was logged --- */

static enum mm_error
read_statements(
    const struct mm_stated *stated, struct mm_arena *arena, struct mm_list *out)
{
	union {
		struct mm_statement_entry statement;
		struct mm_pending_entry pending;
		struct mm_policy_entry policy;
	} body;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(stated->receipt.entry,
	    (enum mm_entry_kind)stated->entry.kind, arena, &entry, &body);

	if (error == MM_OK && entry.kind == MM_ENTRY_PENDING)
		*out = body.pending.statements;
	else if (error == MM_OK && entry.kind == MM_ENTRY_POLICY)
		*out = body.policy.statements;
	else if (error == MM_OK)
		*out = body.statement.statements;
	return error;
}

static bool
has(const struct mm_list *items, struct mm_span bytes)
{
	for (mm_list_each(const struct mm_bytes_item, item, *items))
		if (mm_span_equal(item->value, bytes))
			return true;
	return false;
}

/* What was logged is what was brought. */
static enum mm_error
check(struct mm_stated *stated, const struct mm_list *statements,
    const struct mm_vkey *vkey, uint64_t entry_kind, struct mm_arena *arena)
{
	uint64_t wanted =
	    stated->answer.missing > 0 ? MM_ENTRY_PENDING : entry_kind;
	struct mm_list logged;
	enum mm_error error =
	    mm_receipt_decode(stated->answer.receipt, arena, &stated->receipt);

	if (error == MM_OK)
		error = mm_receipt_verify(&stated->receipt, vkey,
		    mm_span(NULL, 0), &stated->checkpoint);
	if (error == MM_OK)
		error = mm_entry_decode(
		    stated->receipt.entry, arena, &stated->entry);
	if (error == MM_OK && stated->entry.kind != wanted)
		return mm_fail(MM_E_MISMATCH,
		    "the receipt speaks of an entry of kind %s, not %s",
		    mm_entry_kind_name(stated->entry.kind),
		    mm_entry_kind_name(wanted));
	if (error == MM_OK)
		error = read_statements(stated, arena, &logged);
	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_bytes_item, item, *statements))
		if (!has(&logged, item->value))
			return mm_fail(MM_E_MISMATCH,
			    "the receipt speaks of another statement");
	return MM_OK;
}

/* --- bringing it --- */

static enum mm_error
write_receipt(const struct mm_invocation *invocation, struct mm_span receipt)
{
	const char *path = mm_option(invocation, "receipt");

	return path != NULL ? mm_output(invocation, path, receipt) : MM_OK;
}

static void
tell_missing(uint64_t missing)
{
	if (missing > 0)
		mm_say("it waits for %ju more %s: see `mintmark pending list`",
		    (uintmax_t)missing, missing == 1 ? "officer" : "officers");
}

static enum mm_error
bring(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, const struct mm_list *statements,
    uint64_t entry_kind, const struct mm_stating_carries *carries,
    struct mm_arena *arena, struct mm_stated *out)
{
	struct mm_statement_request request = {.statements = *statements};
	struct mm_stated stated = {.answer = {.index = 0}};
	struct mm_statement apart;
	enum mm_error error = mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value, &apart);

	if (carries != NULL) {
		request.csr = carries->csr;
		request.policy = carries->policy;
		request.text = carries->text;
		request.certificates = carries->certificates;
	}
	if (error == MM_OK)
		error = mm_appliance_ask(appliance, MM_MESSAGE_STATEMENT,
		    &request, arena, &stated.answer);
	if (error == MM_OK)
		error = check(
		    &stated, statements, &appliance->vkey, entry_kind, arena);
	if (error == MM_OK)
		error = write_receipt(invocation, stated.answer.receipt);
	if (error != MM_OK)
		return error;
	crypto_hash_sha256(
	    stated.payload, apart.payload.data, apart.payload.size);
	tell_missing(stated.answer.missing);
	*out = stated;
	return MM_OK;
}

static enum mm_error
bring_one(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, const struct mm_buffer *statement,
    uint64_t entry_kind, const struct mm_stating_carries *carries,
    struct mm_arena *arena, struct mm_stated *out)
{
	struct mm_bytes_item item = {mm_buffer_span(statement)};
	const struct mm_list statements = {&item, 1};

	return bring(invocation, appliance, &statements, entry_kind, carries,
	    arena, out);
}

enum mm_error
mm_state_made(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, const struct mm_list *statements,
    uint64_t entry_kind, struct mm_arena *arena, struct mm_stated *out)
{
	const char *path = mm_option(invocation, "receipt");
	enum mm_error error =
	    path != NULL ? mm_output_check(invocation, path) : MM_OK;

	return error == MM_OK ? bring(invocation, appliance, statements,
				    entry_kind, NULL, arena, out)
			      : error;
}

/* Before a key is opened and anything is said: what can be looked at. */
static enum mm_error
prepare(const struct mm_invocation *invocation, struct mm_appliance *appliance,
    struct mm_officer_key **officer)
{
	const char *path = mm_option(invocation, "receipt");
	enum mm_error error = mm_appliance_read(invocation, MM_WAIT, appliance);

	if (error == MM_OK && path != NULL)
		error = mm_output_check(invocation, path);
	return error == MM_OK ? mm_officer_open(invocation, officer) : error;
}

enum mm_error
mm_stating_open(const struct mm_invocation *invocation, struct mm_stating *out)
{
	struct mm_stating stating;
	uint64_t days = EXPIRES;
	enum mm_error error =
	    mm_value_number(invocation, "expires", 1, EXPIRES_MAX, &days);

	stating.seconds = days * DAY;
	if (error == MM_OK)
		error =
		    prepare(invocation, &stating.appliance, &stating.officer);
	if (error == MM_OK)
		*out = stating;
	return error;
}

void
mm_stating_close(struct mm_stating *stating)
{
	mm_officer_free(stating->officer);
}

enum mm_error
mm_stating_state(const struct mm_stating *stating,
    const struct mm_invocation *invocation, uint64_t kind, uint64_t entry_kind,
    const void *body, const struct mm_stating_carries *carries,
    struct mm_arena *arena, struct mm_stated *out)
{
	mm_auto(buffer) statement = {0};
	enum mm_error error;

	mm_buffer_init(&statement, MM_STATEMENT_MAX);
	error = mm_officer_state(stating->officer,
	    mm_span_text(stating->appliance.vkey.name), kind, body,
	    stating->seconds, &statement);
	return error == MM_OK ? bring_one(invocation, &stating->appliance,
				    &statement, entry_kind, carries, arena, out)
			      : error;
}

enum mm_error
mm_state(const struct mm_invocation *invocation, uint64_t kind,
    uint64_t entry_kind, const void *body,
    const struct mm_stating_carries *carries, struct mm_arena *arena,
    struct mm_stated *out)
{
	struct mm_stating stating;
	enum mm_error error = mm_stating_open(invocation, &stating);

	if (error != MM_OK)
		return error;
	error = mm_stating_state(
	    &stating, invocation, kind, entry_kind, body, carries, arena, out);
	mm_stating_close(&stating);
	return error;
}

enum mm_error
mm_state_payload(const struct mm_invocation *invocation, struct mm_span payload,
    uint64_t entry_kind, struct mm_arena *arena, struct mm_stated *out)
{
	mm_auto(buffer) statement = {0};
	struct mm_officer_key *officer;
	struct mm_appliance appliance;
	enum mm_error error = prepare(invocation, &appliance, &officer);

	if (error != MM_OK)
		return error;
	mm_buffer_init(&statement, MM_STATEMENT_MAX);
	error = mm_statement_sign(payload, officer->secret_key, &statement);
	mm_officer_free(officer);
	return error == MM_OK ? bring_one(invocation, &appliance, &statement,
				    entry_kind, NULL, arena, out)
			      : error;
}

json_t *
mm_stated_json(const struct mm_stated *stated)
{
	char payload[2 * sizeof(stated->payload) + 1];
	json_t *out;

	sodium_bin2hex(
	    payload, sizeof(payload), stated->payload, sizeof(stated->payload));
	out = json_pack("{s:s, s:I, s:s, s:s, s:I, s:I}", "state",
	    stated->answer.missing > 0 ? "pending" : "in-force", "missing",
	    (json_int_t)stated->answer.missing, "payload", payload, "log",
	    stated->checkpoint.origin, "size",
	    (json_int_t)stated->checkpoint.size, "index",
	    (json_int_t)stated->receipt.index);
	json_object_set_new(out, "time", mm_json_time(stated->entry.time));
	return out;
}
