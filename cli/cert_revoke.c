/*
 * mintmark cert revoke: an officer revokes certificates, by serial number or
 * by device. Many are stated in several statements, one after the other.
 */
#include <string.h>

#include "ca/serial.h"
#include "cli/json_value.h"
#include "cli/revocation_reason.h"
#include "cli/serials.h"
#include "cli/stating.h"
#include "cli/values.h"

enum { ARENA = 256 << 20, STATEMENT_ARENA = 1 << 20, EACH = 256 };

/* What came of all statements so far. */
struct revoking {
	const struct mm_invocation *invocation;
	struct mm_stating stating;
	uint64_t reason, since;
	uint64_t revoked, pending; /* certificates */
	json_t *statements;
};

static enum mm_error
state_some(
    struct revoking *r, const struct mm_bytes_item *serials, size_t count)
{
	struct mm_revoked items[EACH];
	struct mm_revoke_claim claim = {.revoked = {items, count}};
	struct mm_stated stated;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, STATEMENT_ARENA);
	for (size_t i = 0; i < count; i++)
		items[i] = (struct mm_revoked){.serial = serials[i].value,
		    .reason = r->reason,
		    .since = r->since};
	error =
	    mm_stating_state(&r->stating, r->invocation, MM_STATEMENT_REVOKE,
		MM_ENTRY_REVOCATION, &claim, NULL, &arena, &stated);
	if (error != MM_OK)
		return error;
	if (stated.answer.missing > 0)
		r->pending += count;
	else
		r->revoked += count;
	json_array_append_new(r->statements, mm_stated_json(&stated));
	return MM_OK;
}

static void
report(const struct revoking *r)
{
	mm_print(r->invocation,
	    json_pack("{s:I, s:I, s:s, s:O}", "revoked", (json_int_t)r->revoked,
		"pending", (json_int_t)r->pending, "reason",
		mm_revocation_reason(r->reason), "statements", r->statements));
}

/* The statements before a refused one stand: they are told. */
static enum mm_error
state_all(struct revoking *r, const struct mm_list *serials)
{
	const struct mm_bytes_item *items = serials->items;
	size_t done = 0;
	enum mm_error error = MM_OK;

	while (error == MM_OK && done < serials->count) {
		size_t count = serials->count - done;

		if (count > EACH)
			count = EACH;
		error = state_some(r, items + done, count);
		if (error == MM_OK)
			done += count;
	}
	if (done > 0)
		report(r);
	if (error == MM_OK || done == 0)
		return error;
	return mm_fail(error, "%s; the first %zu are stated, these %zu are not",
	    mm_why(error), done, serials->count - done);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct revoking r = {.invocation = invocation};
	struct mm_list serials;
	mm_auto(arena) arena = {0};
	enum mm_error error = mm_value_reason(invocation, &r.reason);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_value_time(invocation, "since", &r.since);
	if (error == MM_OK)
		error = mm_serials_read(invocation, &arena, &serials);
	if (error == MM_OK && serials.count > EACH &&
	    mm_option(invocation, "receipt") != NULL)
		error = mm_fail(MM_E_USAGE,
		    "more than %d certificates are several statements, with a "
		    "receipt each: leave --receipt, and use `log prove`",
		    EACH);
	if (error == MM_OK)
		error = mm_stating_open(invocation, &r.stating);
	if (error != MM_OK)
		return error;
	r.statements = json_array();
	error = state_all(&r, &serials);
	json_decref(r.statements);
	mm_stating_close(&r.stating);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_STATING_OPTIONS,
    {"serial", "HEX", "a serial number", MM_OPTION_REPEATED},
    {"list", "FILE", "or serial numbers, one a line", false},
    {"device", "ID", "or the certificate that this device has now", false},
    {"profile", "PROFILE", "with --device: the profile (device)", false},
    {"reason", "WORD", "as RFC 5280 5.3.1 has it", true},
    {"since", "TIME", "when the key was lost, if that is known", false},
};

const struct mm_command mm_cert_revoke_command = {
    .noun = "cert",
    .verb = "revoke",
    .operands = "",
    .summary = "an officer revokes certificates",
    .about = "certificateHold may be taken back by removeFromCRL; every other "
	     "reason is\nfor ever.",
    .results = "revoked, pending, reason, statements: {" MM_STATED_RESULTS "}",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
