/*
 * mintmark witness follow: one more log that the witness cosigns.
 */
#include "cli/witness.h"

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_cosigner *cosigner;
	struct mm_vkey vkey;
	enum mm_error error = mm_vkey_read(invocation->operands[0], &vkey);

	if (error == MM_OK)
		error =
		    mm_cosigner_open(mm_option(invocation, "dir"), &cosigner);
	if (error != MM_OK)
		return error;
	error = mm_cosigner_follow(cosigner, &vkey);
	mm_cosigner_close(cosigner);
	if (error == MM_OK)
		mm_print(invocation, json_pack("{s:s}", "log", vkey.name));
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_WITNESS_DIR,
};

const struct mm_command mm_witness_follow_command = {
    .noun = "witness",
    .verb = "follow",
    .operands = "VKEY",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "cosign one more log from now on; VKEY: its log.vkey, a file",
    .results = "log",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
