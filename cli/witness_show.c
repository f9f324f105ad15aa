/*
 * mintmark witness show: who the witness is, which logs it follows, and how
 * far it has cosigned them; also beside a witness that serves.
 */
#include <stdio.h>

#include "cli/witness.h"

static json_t *
describe_log(const struct mm_followed *log)
{
	mm_auto(buffer) root = {0};
	char vkey[MM_VKEY_MAX];

	mm_buffer_init(&root, 64);
	mm_base64_write(mm_span(log->newest.root.bytes, MM_HASH_SIZE), &root);
	mm_vkey_text(&log->vkey, vkey);
	return json_pack("{s:s, s:s, s:I, s:s%, s:I}", "log", log->vkey.name,
	    "vkey", vkey, "size", (json_int_t)log->newest.size, "root",
	    root.data, root.size, "time", (json_int_t)log->time);
}

static void
print_log(const struct mm_followed *log)
{
	char time[MM_TIME_TEXT] = "never";

	if (log->time != 0)
		mm_time_text(log->time, time);
	printf("log: %s\nsize: %llu\ncosigned: %s\n", log->vkey.name,
	    (unsigned long long)log->newest.size, time);
}

static void
report(
    const struct mm_invocation *invocation, const struct mm_cosigner *cosigner)
{
	const struct mm_witness *witness = mm_cosigner_identity(cosigner);
	const struct mm_followed *log;
	json_t *logs = json_array();
	char vkey[MM_VKEY_MAX];

	mm_witness_text(witness, vkey);
	for (size_t i = 0; (log = mm_cosigner_log(cosigner, i)) != NULL; i++)
		json_array_append_new(logs, describe_log(log));
	/* For people the list is printed below. */
	mm_print(invocation, json_pack("{s:s, s:s, s:o}", "vkey", vkey, "name",
				 witness->vkey.name, "logs", logs));
	if (invocation->json)
		return;
	for (size_t i = 0; (log = mm_cosigner_log(cosigner, i)) != NULL; i++)
		print_log(log);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_cosigner *cosigner;
	enum mm_error error =
	    mm_cosigner_view(mm_option(invocation, "dir"), &cosigner);

	if (error != MM_OK)
		return error;
	report(invocation, cosigner);
	mm_cosigner_close(cosigner);
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_WITNESS_DIR,
};

const struct mm_command mm_witness_show_command = {
    .noun = "witness",
    .verb = "show",
    .operands = "",
    .summary = "a witness's vkey, its logs, and how far it cosigned them",
    .results = "vkey, name, logs (a list of: log, vkey, size, root (base64), "
	       "time)",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
