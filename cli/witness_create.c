/*
 * mintmark witness create: a witness's directory with a key of its own.
 */
#include "cli/witness.h"

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *directory = mm_option(invocation, "dir");
	struct mm_cosigner *cosigner;
	char vkey[MM_VKEY_MAX];
	enum mm_error error = mm_cosigner_create(
	    directory, mm_span_text(mm_option(invocation, "name")));

	if (error == MM_OK)
		error = mm_cosigner_view(directory, &cosigner);
	if (error != MM_OK)
		return error;
	mm_witness_text(mm_cosigner_identity(cosigner), vkey);
	mm_print(invocation, json_pack("{s:s, s:s}", "vkey", vkey, "name",
				 mm_cosigner_identity(cosigner)->vkey.name));
	mm_cosigner_close(cosigner);
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_WITNESS_DIR,
    {"name", "NAME", "its name: 1 to 100 of a-z 0-9 . / -", true},
};

const struct mm_command mm_witness_create_command = {
    .noun = "witness",
    .verb = "create",
    .operands = "",
    .summary = "a new witness: its key, and the vkey to give away",
    .results = "vkey, name",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
