/*
 * mintmark witness show: who the witness is, which logs it follows, and how
 * far it has cosigned them; also beside a witness that serves.
 */
#include <stdio.h>

#include "cli/witness.h"

static json_t *
describe_log(const struct mm_witnessed *log)
{
	char vkey[MM_VKEY_MAX];
	json_t *out;

	mm_vkey_text(&log->vkey, vkey);
	out = json_pack("{s:s, s:s, s:I, s:o}", "log", log->vkey.name, "vkey",
	    vkey, "size", (json_int_t)log->newest.size, "root",
	    mm_json_base64(mm_span(log->newest.root.bytes, MM_HASH_SIZE)));
	if (log->time != 0)
		json_object_set_new(out, "time", mm_json_time(log->time));
	return out;
}

static void
print_log(const struct mm_witnessed *log)
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
	const struct mm_witnessed *log;
	json_t *logs = json_array(), *out;
	char vkey[MM_VKEY_MAX];

	mm_witness_text(witness, vkey);
	for (size_t i = 0; (log = mm_cosigner_log(cosigner, i)) != NULL; i++)
		json_array_append_new(logs, describe_log(log));
	out = json_pack("{s:s, s:s}", "vkey", vkey, "name", witness->vkey.name);
	/* For people it is a few lines each. */
	if (invocation->json)
		json_object_set(out, "logs", logs);
	json_decref(logs);
	mm_print(invocation, out);
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
	       "and\nof a log that it has cosigned: time)",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
