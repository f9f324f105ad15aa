/*
 * mintmark release fetch: a signed release, ready to flash, with everything
 * that proves it. It may be fetched as often as it is wanted; the appliance
 * forgets the image once it was.
 */
#include "cli/release_files.h"
#include "cli/release_ota.h"

enum { ARENA = 8 << 20 };

static enum mm_error
fetch(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, const struct mm_release_id *id,
    json_t **report)
{
	const char *directory = mm_option(invocation, "out");
	struct mm_release_row row;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_release_find(appliance, id, &arena, &row);
	return error == MM_OK ? mm_release_fetch(invocation, appliance, &row,
				    NULL, directory, report)
			      : error;
}

/* What people read; release.json has the rest. */
static void
shorten(json_t *report)
{
	const json_t *one;
	json_t *names = json_array();
	size_t i;

	json_array_foreach(json_object_get(report, "signings"), i, one)
	    json_array_append(names, json_object_get(one, "scheme"));
	json_object_set_new(report, "signings", names);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_appliance appliance;
	struct mm_release_id id;
	json_t *report;
	enum mm_error error = mm_release_directory_check(
	    invocation, mm_option(invocation, "out"));

	if (error == MM_OK)
		error = mm_release_id_read(invocation->operands[0], &id);
	if (error == MM_OK)
		error = mm_appliance_read(invocation, MM_WAIT, &appliance);
	if (error == MM_OK)
		error = fetch(invocation, &appliance, &id, &report);
	if (error != MM_OK)
		return error;
	if (!invocation->json)
		shorten(report);
	mm_print(invocation, report);
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"out", "DIR", "the directory that the files go into; it is made", true},
    {"image", "FILE", "your own copy, where the appliance keeps none", false},
    MM_OTA_OPTIONS,
    MM_OPTION_WAIT,
};

const struct mm_command mm_release_fetch_command = {
    .noun = "release",
    .verb = "fetch",
    .operands = "PRODUCT@VERSION|ID",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "the signed image, its signatures, receipts and OTA documents",
    .about = "All of it is checked here before a file is written: receipts "
	     "by the log's key,\ndigests by the image, signatures by the keys "
	     "that the log names. Into DIR go\nfirmware.bin (ready to flash), "
	     "SIGNING.sig and .receipt for each signing,\nSIGNING.crt and "
	     ".chain.pem where its key has a certificate, and release.json,\n"
	     "which says what is what; with sha256-ecdsa also ota-job.json "
	     "and\ncreate-ota-update.json: AWS IoT's custom code signing, "
	     "for AWS Certificate\nManager (ACM) cannot import a key that "
	     "never leaves its token.",
    .results = MM_RELEASE_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
