/*
 * mintmark log show: one entry, to the ground, proven to be in the log.
 */
#include <string.h>

#include "cli/entry_json.h"
#include "cli/source.h"
#include "cli/values.h"

static enum mm_error
write_blob(const struct mm_invocation *invocation, struct mm_source *source,
    struct mm_span entry, uint64_t index)
{
	const char *path = mm_option(invocation, "blob");
	mm_auto(buffer) bytes = {0};
	struct mm_blob blob;
	enum mm_error error = mm_entry_blob(entry, &blob);

	mm_buffer_init(&bytes, MM_BLOB_MAX);
	if (error == MM_OK && blob.size == 0)
		error = mm_fail(MM_E_NOT_FOUND,
		    "entry %llu names no blob: what it says is all in it",
		    (unsigned long long)index);
	if (error == MM_OK)
		error = mm_source_blob(source, &blob, &bytes);
	return error == MM_OK
		   ? mm_output(invocation, path, mm_buffer_span(&bytes))
		   : error;
}

static enum mm_error
print(const struct mm_invocation *invocation, uint64_t index,
    struct mm_span entry)
{
	json_t *object;
	enum mm_error error = mm_entry_json(index, entry, &object);

	if (error != MM_OK)
		return error;
	if (invocation->json) {
		mm_print(invocation, object);
		return MM_OK;
	}
	mm_entry_print(object);
	json_decref(object);
	return MM_OK;
}

static enum mm_error
show(const struct mm_invocation *invocation, struct mm_source *source,
    uint64_t index)
{
	const char *blob = mm_option(invocation, "blob");
	mm_auto(buffer) text = {0};
	mm_auto(arena) arena = {0};
	struct mm_receipt receipt;
	enum mm_error error;

	mm_buffer_init(&text, MM_RECEIPT_MAX);
	mm_arena_init(&arena, MM_RECEIPT_MAX);
	error = mm_source_receipt(source, index, false, &text);
	if (error == MM_OK)
		error =
		    mm_receipt_decode(mm_buffer_span(&text), &arena, &receipt);
	if (error != MM_OK)
		return error;
	if (blob != NULL)
		error = write_blob(invocation, source, receipt.entry, index);
	/* stdout is the blob's alone. */
	if (error != MM_OK || (blob != NULL && strcmp(blob, "-") == 0))
		return error;
	return mm_option(invocation, "raw") != NULL
		   ? mm_output(invocation, "-", receipt.entry)
		   : print(invocation, index, receipt.entry);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *blob = mm_option(invocation, "blob");
	struct mm_source *source = NULL;
	uint64_t index;
	enum mm_error error = mm_value_index(invocation, 0, &index);

	if (error == MM_OK && invocation->json &&
	    mm_option(invocation, "raw") != NULL)
		error =
		    mm_fail(MM_E_USAGE, "--raw and --json exclude each other");
	if (error == MM_OK && blob != NULL && strcmp(blob, "-") == 0 &&
	    mm_option(invocation, "raw") != NULL)
		error =
		    mm_fail(MM_E_USAGE, "--raw and --blob - both want stdout");
	if (error == MM_OK && blob != NULL)
		error = mm_output_check(invocation, blob);
	if (error == MM_OK)
		error = mm_source_open(invocation, 1, &source);
	if (error == MM_OK)
		error = show(invocation, source, index);
	mm_source_close(source);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_SOURCE_OPTIONS,
    {"raw", NULL, "the entry's bytes, deterministic CBOR", false},
    {"blob", "FILE", "write the blob that the entry names (- is stdout)",
	false},
};

const struct mm_command mm_log_show_command = {
    .noun = "log",
    .verb = "show",
    .operands = "INDEX " MM_SOURCE_OPERANDS,
    .operand_min = 1,
    .operand_max = 2,
    .summary = "one entry, all of it, by an inclusion proof that is verified",
    .results = "index, time, kind, policy (SHA-256 in force), leaf, body: "
	       "the members\nof its kind as protocol/mintmark.cddl names "
	       "them; bytes in hex, times\nas RFC 3339; a statement has "
	       "beside its members the key ids of its officers",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
