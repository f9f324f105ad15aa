/*
 * mintmark release show: one release, what its statements say of it and who
 * has signed them, as it is in the log.
 */
#include <string.h>

#include "cli/entry_json.h"
#include "cli/logged_claim.h"
#include "cli/release_rows.h"
#include "cli/release_terms.h"

enum { ARENA = 16 << 20 };

static enum mm_error
print(const struct mm_invocation *invocation, json_t *out)
{
	if (invocation->json) {
		mm_print(invocation, out);
		return MM_OK;
	}
	mm_entry_print(out);
	json_decref(out);
	return MM_OK;
}

/* Its own statements say that it is this release's. */
static enum mm_error
check_own(const struct mm_release_row *row, const struct mm_list *statements,
    struct mm_arena *arena)
{
	struct mm_release_claim claim;
	enum mm_error error;

	if (statements->count == 0)
		return mm_fail(MM_E_MISMATCH, "the entry rests on nothing");
	error = mm_release_claim_read(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value, arena,
	    &claim);
	if (error == MM_OK &&
	    (!mm_span_equal(claim.product, row->product) ||
		!mm_span_equal(claim.version, row->version) ||
		memcmp(claim.sha256, row->sha256, sizeof(claim.sha256)) != 0))
		error = mm_fail(MM_E_MISMATCH,
		    "the appliance shows the entry of another release");
	return error;
}

/* The entry of an index, by its receipt. */
static enum mm_error
prove(const struct mm_appliance *appliance, const struct mm_release_row *row,
    struct mm_arena *arena, json_t **entry)
{
	struct mm_attested attested;
	enum mm_error error = mm_logged_entry(
	    appliance, row->index, MM_ENTRY_RELEASE, arena, &attested);

	if (error == MM_OK)
		error =
		    check_own(row, &attested.body.statement.statements, arena);
	return error == MM_OK
		   ? mm_entry_json(row->index, attested.receipt.entry, entry)
		   : error;
}

/* Who may not is not refused, which would be logged: the appliance says what
 * role one has. */
static bool
may_prove(const struct mm_appliance *appliance, struct mm_arena *arena)
{
	const struct mm_nothing nothing = {0};
	struct mm_status_answer answer;

	return mm_appliance_ask(appliance, MM_MESSAGE_STATUS, &nothing, arena,
		   &answer) != MM_OK ||
	       !mm_span_is(answer.role, mm_role_name(MM_ROLE_RELEASE));
}

/* An engineer may not read the log, but what has been signed. */
static enum mm_error
fetch(const struct mm_appliance *appliance, const struct mm_release_row *row,
    struct mm_arena *arena, json_t **entry)
{
	struct mm_fetch_request request = {
	    .product = row->product, .version = row->version};
	struct mm_release_answer answer;
	struct mm_attested attested;
	enum mm_error error;

	for (mm_list_each(const struct mm_release_signing, one, row->signings))
		if (one->is_signed)
			request.scheme = one->scheme;
	*entry = NULL;
	if (request.scheme.size == 0)
		return MM_OK;
	error = mm_appliance_ask(
	    appliance, MM_MESSAGE_FETCH, &request, arena, &answer);
	/* It is proven by the image before it is given out again. */
	if (error == MM_E_IMAGE_ABSENT)
		return MM_OK;
	if (error == MM_OK)
		error = mm_attested_read(
		    answer.receipt, &appliance->vkey, arena, &attested);
	if (error == MM_OK)
		error = mm_attested_is(&attested, MM_ENTRY_IMAGE);
	if (error == MM_OK)
		error = check_own(row, &attested.body.image.statements, arena);
	return error == MM_OK ? mm_entry_json(attested.receipt.index,
				    attested.receipt.entry, entry)
			      : error;
}

static enum mm_error
show_approved(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, const struct mm_release_row *row,
    struct mm_arena *arena)
{
	json_t *out, *entry;
	enum mm_error error = may_prove(appliance, arena)
				  ? prove(appliance, row, arena, &entry)
				  : fetch(appliance, row, arena, &entry);

	if (error != MM_OK)
		return error;
	out = mm_release_row_json(row);
	if (entry != NULL)
		json_object_set_new(out, "entry", entry);
	return print(invocation, out);
}

/* An engineer may not read the log, and is told what the appliance lists. */
static enum mm_error
list_waiting(const struct mm_appliance *appliance,
    const struct mm_release_id *id, struct mm_arena *arena,
    struct mm_pending_row *out)
{
	struct mm_list rows;
	enum mm_error error =
	    mm_waiting_list(appliance, MM_STATEMENT_RELEASE, arena, &rows);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_pending_row, row, rows))
		if (mm_release_is_called(id, row)) {
			*out = *row;
			return MM_OK;
		}
	return mm_fail(MM_E_NOT_FOUND, "%s waits no more", id->waiting);
}

static enum mm_error
show_waiting(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, const struct mm_release_id *id,
    struct mm_arena *arena)
{
	struct mm_release_claim claim;
	struct mm_waiting_one one;
	json_t *out, *entry = NULL;
	bool proven = may_prove(appliance, arena);
	enum mm_error error =
	    proven ? mm_release_waiting(appliance, id, arena, &one, &claim)
		   : list_waiting(appliance, id, arena, &one.row);

	if (error == MM_OK && proven)
		error = mm_entry_json(one.row.index, one.receipt.entry, &entry);
	if (error == MM_E_NOT_FOUND)
		error = mm_fail(MM_E_NOT_FOUND,
		    "no release is called %s, and none waits: see `mintmark "
		    "release list`; what was only submitted is in no list",
		    id->waiting);
	if (error != MM_OK)
		return error;
	out = mm_waiting_json(&one.row);
	json_object_set(out, "id", json_object_get(out, "payload"));
	json_object_del(out, "payload");
	json_object_set_new(out, "state", json_string("waiting"));
	if (entry != NULL)
		json_object_set_new(out, "entry", entry);
	return print(invocation, out);
}

static enum mm_error
show(const struct mm_invocation *invocation, struct mm_arena *arena)
{
	struct mm_appliance appliance;
	struct mm_release_row row;
	struct mm_release_id id;
	enum mm_error error = mm_release_id_read(invocation->operands[0], &id);

	if (error == MM_OK)
		error = mm_appliance_read(invocation, MM_WAIT, &appliance);
	if (error == MM_OK)
		error = mm_release_find(&appliance, &id, arena, &row);
	if (error == MM_E_NOT_FOUND)
		return show_waiting(invocation, &appliance, &id, arena);
	return error == MM_OK
		   ? show_approved(invocation, &appliance, &row, arena)
		   : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, ARENA);
	return show(invocation, &arena);
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    MM_OPTION_WAIT,
};

const struct mm_command mm_release_show_command = {
    .noun = "release",
    .verb = "show",
    .operands = "PRODUCT@VERSION|ID",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "one release, as it is in the log",
    .results = MM_RELEASE_ROW_RESULTS
    ", entry;\nof one that waits: id, state, kind, subject, index, time, "
    "expires, officers,\nmissing, entry (not for engineers, who may not read "
    "the log)",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
