/*
 * mintmark release show: one release, what its statements say of it and who
 * has signed them, as it is in the log.
 */
#include "cli/attested.h"
#include "cli/entry_json.h"
#include "cli/release_rows.h"

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

/* The entry of an index, by its receipt. */
static enum mm_error
prove(const struct mm_appliance *appliance, uint64_t index,
    struct mm_arena *arena, json_t **entry)
{
	const struct mm_prove_request request = {.index = index};
	struct mm_prove_answer answer;
	struct mm_attested attested;
	enum mm_error error = mm_appliance_ask(
	    appliance, MM_MESSAGE_PROVE, &request, arena, &answer);

	if (error == MM_OK)
		error = mm_attested_read(
		    answer.receipt, &appliance->vkey, arena, &attested);
	if (error == MM_OK && attested.receipt.index != index)
		error =
		    mm_fail(MM_E_MISMATCH, "the receipt is of another entry");
	return error == MM_OK
		   ? mm_entry_json(index, attested.receipt.entry, entry)
		   : error;
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
	if (error == MM_OK)
		error = mm_attested_read(
		    answer.receipt, &appliance->vkey, arena, &attested);
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
	enum mm_error error = prove(appliance, row->index, arena, &entry);

	if (error == MM_E_ROLE)
		error = fetch(appliance, row, arena, &entry);
	if (error != MM_OK)
		return error;
	out = mm_release_row_json(row);
	if (entry != NULL)
		json_object_set_new(out, "entry", entry);
	return print(invocation, out);
}

static enum mm_error
show_waiting(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, const struct mm_release_id *id,
    struct mm_arena *arena)
{
	struct mm_release_claim claim;
	struct mm_waiting_one one;
	json_t *out, *entry;
	enum mm_error error =
	    mm_release_waiting(appliance, id, arena, &one, &claim);

	if (error == MM_OK)
		error = mm_entry_json(one.row.index, one.receipt.entry, &entry);
	if (error != MM_OK)
		return error;
	out = mm_waiting_json(&one.row);
	json_object_set(out, "id", json_object_get(out, "payload"));
	json_object_del(out, "payload");
	json_object_set_new(out, "state", json_string("waiting"));
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
    "expires, officers,\nmissing, entry",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
