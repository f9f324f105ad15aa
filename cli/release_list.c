/*
 * mintmark release list: what was released, and what waits for approvals.
 */
#include <string.h>

#include "cli/json_value.h"
#include "cli/release_rows.h"
#include "cli/table.h"
#include "cli/values.h"

enum { ARENA = 16 << 20 };

static const char *const columns[] = {
    "product", "version", "state", "time", "kept", "missing", "id"};

/* Product and version of a subject; a version has no blanks. */
static void
split(struct mm_span subject, struct mm_span *product, struct mm_span *version)
{
	size_t at = subject.size;

	while (at > 0 && subject.data[at - 1] != ' ')
		at--;
	*product = mm_span(subject.data, at > 0 ? at - 1 : 0);
	*version = mm_span(subject.data + at, subject.size - at);
}

static bool
is_wanted(const struct mm_invocation *invocation, struct mm_span product,
    const char *state)
{
	const char *of = mm_option(invocation, "product");
	const char *in = mm_option(invocation, "state");

	return (of == NULL || mm_span_is(product, of)) &&
	       (in == NULL || (state != NULL && strcmp(in, state) == 0));
}

static void
add_waiting(const struct mm_invocation *invocation,
    const struct mm_pending_row *row, json_t *list)
{
	struct mm_span product, version;
	json_t *one;

	split(row->subject, &product, &version);
	if (!is_wanted(invocation, product, "waiting"))
		return;
	one = mm_waiting_json(row);
	json_object_set(one, "id", json_object_get(one, "payload"));
	json_object_del(one, "payload");
	json_object_del(one, "kind");
	json_object_del(one, "subject");
	json_object_set_new(one, "product", mm_json_text(product));
	json_object_set_new(one, "version", mm_json_text(version));
	json_object_set_new(one, "state", json_string("waiting"));
	json_array_append_new(list, one);
}

static enum mm_error
gather(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, struct mm_arena *arena, json_t *list)
{
	struct mm_list waiting, rows;
	enum mm_error error =
	    mm_waiting_list(appliance, MM_STATEMENT_RELEASE, arena, &waiting);

	if (error == MM_OK)
		error = mm_releases_read(appliance,
		    mm_value_text(invocation, "product", NULL),
		    mm_span(NULL, 0), arena, &rows);
	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_release_row, row, rows))
		if (is_wanted(invocation, row->product,
			mm_release_state_name(row->state)))
			json_array_append_new(list, mm_release_row_json(row));
	for (mm_list_each(const struct mm_pending_row, row, waiting))
		add_waiting(invocation, row, list);
	return MM_OK;
}

static enum mm_error
check_state(const struct mm_invocation *invocation)
{
	static const char *const states[] = {"waiting", "approved", "signed"};
	const char *state = mm_option(invocation, "state");

	for (size_t i = 0; state != NULL && i < MM_COUNT(states); i++)
		if (strcmp(state, states[i]) == 0)
			return MM_OK;
	return state == NULL ? MM_OK
			     : mm_fail(MM_E_USAGE,
				   "--state is waiting, approved or signed");
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static const char *const names[] = {"product"};
	struct mm_appliance appliance;
	mm_auto(arena) arena = {0};
	json_t *list = json_array();
	enum mm_error error = check_state(invocation);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_values_named(invocation, names, MM_COUNT(names));
	if (error == MM_OK)
		error = mm_appliance_read(invocation, MM_WAIT, &appliance);
	if (error == MM_OK)
		error = gather(invocation, &appliance, &arena, list);
	if (error != MM_OK) {
		json_decref(list);
		return error;
	}
	if (json_array_size(list) == 0)
		mm_say("there are no such releases");
	mm_table_print(
	    invocation, "releases", list, columns, MM_COUNT(columns));
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"product", "PRODUCT", "of this one alone", false},
    {"state", "STATE", "waiting, approved or signed", false},
    MM_OPTION_WAIT,
};

const struct mm_command mm_release_list_command = {
    .noun = "release",
    .verb = "list",
    .operands = "",
    .summary = "what was released, and what waits for approvals",
    .results = "releases: {" MM_RELEASE_ROW_RESULTS "};\nof those that wait: "
	       "id, product, version, state, index, time, expires, officers,\n"
	       "missing",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
