/*
 * mintmark witness request: what a witness behind an air gap is to cosign, as
 * a file: the appliance's newest checkpoint, and the proof that it extends
 * what the witness has.
 */
#include <string.h>

#include "cli/values.h"
#include "cli/witness.h"

enum { ARENA = 1 << 20 };

static enum mm_error
fetch(const struct mm_invocation *invocation, uint64_t older,
    struct mm_arena *arena, struct mm_extension *out)
{
	struct mm_appliance appliance;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	if (error == MM_OK)
		error = mm_extension_fetch(&appliance, older, arena, out);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *out = mm_option(invocation, "out");
	struct mm_extension extension;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) request = {0};
	uint64_t older = 0;
	enum mm_error error =
	    mm_value_number(invocation, "older", 0, INT64_MAX, &older);

	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&request, MM_COSIGN_REQUEST_MAX);
	if (error == MM_OK)
		error = mm_output_check(invocation, out);
	if (error == MM_OK)
		error = fetch(invocation, older, &arena, &extension);
	if (error == MM_OK)
		error = mm_cosign_request_write(
		    older, &extension.proof, extension.note, &request);
	if (error == MM_OK)
		error = mm_output(invocation, out, mm_buffer_span(&request));
	/* stdout is the request's alone. */
	if (error == MM_OK && strcmp(out, "-") != 0)
		mm_print(invocation,
		    json_pack("{s:s, s:I, s:I}", "log",
			extension.checkpoint.origin, "older", (json_int_t)older,
			"size", (json_int_t)extension.checkpoint.size));
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"out", "FILE", "the request (- is stdout)", true},
    {"older", "SIZE", "what the witness has cosigned so far (0)", false},
    MM_OPTION_WAIT,
};

const struct mm_command mm_witness_request_command = {
    .noun = "witness",
    .verb = "request",
    .operands = "",
    .summary = "write what a witness behind an air gap is to cosign",
    .results = "log, older, size (to cosign); nothing with --out -",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
