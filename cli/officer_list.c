/*
 * mintmark officer list: whose word counts, and how many of them it takes.
 */
#include <sodium.h>
#include <stdio.h>

#include "cli/policy_at.h"
#include "cli/table.h"
#include "cli/values.h"

enum { ARENA = 4 << 20 };

static json_t *
officer_json(const struct mm_officer *officer)
{
	char hex[2 * sizeof(officer->key) + 1], kid[2 * MM_KID_SIZE + 1];
	uint8_t id[MM_KID_SIZE];

	mm_kid(officer->key, id);
	sodium_bin2hex(hex, sizeof(hex), officer->key, sizeof(officer->key));
	sodium_bin2hex(kid, sizeof(kid), id, sizeof(id));
	return json_pack("{s:s%, s:s, s:s}", "officer", officer->name.data,
	    officer->name.size, "kid", kid, "key", hex);
}

static json_t *
policy_json(const struct mm_policy *policy)
{
	json_t *officers = json_array(), *thresholds = json_object();

	for (mm_list_each(const struct mm_officer, officer, policy->officers))
		json_array_append_new(officers, officer_json(officer));
	for (mm_list_each(
		 const struct mm_threshold, threshold, policy->thresholds))
		json_object_set_new(thresholds,
		    mm_statement_kind_name(threshold->kind),
		    json_integer((json_int_t)threshold->officers));
	return json_pack("{s:I, s:o, s:o}", "policy",
	    (json_int_t)policy->number, "officers", officers, "thresholds",
	    thresholds);
}

/* For people: a line a kind, and a table of officers. */
static void
print_policy(const struct mm_invocation *invocation, const json_t *policy)
{
	static const char *const columns[] = {"officer", "kid", "key"};
	json_t *officers = json_object_get(policy, "officers");
	const char *kind;
	json_t *wanted;

	json_object_foreach(json_object_get(policy, "thresholds"), kind, wanted)
	    printf("%s: %" JSON_INTEGER_FORMAT " of %zu\n", kind,
		json_integer_value(wanted), json_array_size(officers));
	mm_table_print(invocation, "officers", json_incref(officers), columns,
	    MM_COUNT(columns));
}

static void
print(const struct mm_invocation *invocation, const struct mm_policy *policy)
{
	json_t *object = policy_json(policy);

	if (invocation->json) {
		mm_print(invocation, object);
		return;
	}
	print_policy(invocation, object);
	json_decref(object);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_source *source;
	mm_auto(arena) arena = {0};
	struct mm_policy_at at;
	uint64_t index;
	enum mm_error error = mm_source_open(invocation, 0, &source);

	if (error != MM_OK)
		return error;
	mm_arena_init(&arena, ARENA);
	index = mm_source_checkpoint(source)->size - 1;
	error = mm_value_number(invocation, "at", 0, INT64_MAX, &index);
	if (error == MM_OK)
		error = mm_policy_at(source, index, &arena, &at);
	if (error == MM_OK)
		print(invocation, &at.policy);
	mm_source_close(source);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_SOURCE_OPTIONS,
    {"at", "INDEX", "by the policy of that entry (the newest)", false},
};

const struct mm_command mm_officer_list_command = {
    .noun = "officer",
    .verb = "list",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "the officers, and how many must sign what",
    .results = "policy, officers: {officer, kid, key}, thresholds",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
