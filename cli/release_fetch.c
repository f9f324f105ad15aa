/*
 * mintmark release fetch: the signature of a release, once more.
 */
#include "cli/appliance.h"
#include "cli/release_answer.h"
#include "cli/values.h"

enum { ARENA = 4 << 20 };

static enum mm_error
fetch(const struct mm_invocation *invocation,
    const struct mm_fetch_request *request, struct mm_arena *arena)
{
	const struct mm_release_wanted wanted = {.product = request->product,
	    .version = request->version,
	    .scheme = request->scheme};
	const char *prefix = mm_option(invocation, "out");
	struct mm_release_answer answer;
	struct mm_appliance appliance;
	struct mm_attested attested;
	enum mm_error error = mm_appliance_read(invocation, 0, &appliance);

	if (error == MM_OK)
		error = mm_release_files_check(invocation, prefix);
	if (error == MM_OK)
		error = mm_appliance_ask(
		    &appliance, MM_MESSAGE_FETCH, request, arena, &answer);
	if (error == MM_OK)
		error = mm_release_answer_check(
		    &answer, &wanted, &appliance.vkey, arena, &attested);
	return error == MM_OK
		   ? mm_release_report(invocation, prefix, &answer, &attested)
		   : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static const char *const names[] = {"product", "version", "scheme"};
	const struct mm_fetch_request request = {
	    .product = mm_value_text(invocation, "product", NULL),
	    .version = mm_value_text(invocation, "version", NULL),
	    .scheme = mm_value_text(invocation, "scheme", MM_SCHEME_DEFAULT)};
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    mm_values_named(invocation, names, MM_COUNT(names));

	if (error != MM_OK)
		return error;
	mm_arena_init(&arena, ARENA);
	error = fetch(invocation, &request, &arena);
	return error != MM_E_NOT_FOUND
		   ? error
		   : mm_fail(error, "%.*s %.*s was not signed with %.*s here",
			 MM_SPAN(request.product), MM_SPAN(request.version),
			 MM_SPAN(request.scheme));
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"product", "PRODUCT", "the product whose firmware it is", true},
    {"version", "VERSION", "the version that it was released as", true},
    {"scheme", "SCHEME", "how it was signed (" MM_SCHEME_DEFAULT ")", false},
    {"out", "PREFIX", "where the files go", true},
};

const struct mm_command mm_release_fetch_command = {
    .noun = "release",
    .verb = "fetch",
    .operands = "",
    .summary = "the signature of a release, once more",
    .results = MM_RELEASE_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
