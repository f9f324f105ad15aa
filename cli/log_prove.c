/*
 * mintmark log prove: a receipt of any entry, against the newest checkpoint
 * or the newest that witnesses have cosigned; asked of an appliance or made
 * from a directory. It is verified before it is written.
 */
#include <string.h>

#include "cli/attested.h"
#include "cli/source.h"
#include "cli/values.h"

enum { ARENA = 4 << 20 };

/* As `receipt verify` will see it. */
static enum mm_error
make_receipt(const struct mm_invocation *invocation, struct mm_source *source,
    uint64_t index, struct mm_arena *arena, struct mm_buffer *receipt,
    struct mm_attested *out)
{
	enum mm_error error = mm_source_receipt(
	    source, index, mm_option(invocation, "cosigned") != NULL, receipt);

	if (error == MM_OK)
		error = mm_attested_read(mm_buffer_span(receipt),
		    mm_source_vkey(source), arena, out);
	if (error == MM_OK && out->receipt.index != index)
		error = mm_fail(MM_E_RECEIPT,
		    "the receipt is of entry %ju, not of %ju",
		    (uintmax_t)out->receipt.index, (uintmax_t)index);
	return error;
}

static enum mm_error
prove(const struct mm_invocation *invocation, struct mm_source *source,
    uint64_t index)
{
	const char *path = mm_option(invocation, "out");
	mm_auto(buffer) receipt = {0};
	mm_auto(arena) arena = {0};
	struct mm_attested attested;
	enum mm_error error;

	mm_buffer_init(&receipt, MM_RECEIPT_MAX);
	mm_arena_init(&arena, ARENA);
	error = make_receipt(
	    invocation, source, index, &arena, &receipt, &attested);
	if (error == MM_OK)
		error = mm_output(invocation, path, mm_buffer_span(&receipt));
	/* stdout is the receipt's alone. */
	if (error == MM_OK && strcmp(path, "-") != 0)
		mm_print(invocation, mm_attested_json(&attested));
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_source *source;
	uint64_t index;
	enum mm_error error = mm_value_index(invocation, 0, &index);

	if (error == MM_OK)
		error =
		    mm_output_check(invocation, mm_option(invocation, "out"));
	if (error == MM_OK)
		error = mm_source_open(invocation, 1, &source);
	if (error != MM_OK)
		return error;
	error = prove(invocation, source, index);
	mm_source_close(source);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_SOURCE_OPTIONS,
    {"cosigned", NULL, "against a checkpoint that witnesses have cosigned",
	false},
    {"out", "FILE", "where the receipt goes", true},
};

const struct mm_command mm_log_prove_command = {
    .noun = "log",
    .verb = "prove",
    .operands = "INDEX " MM_SOURCE_OPERANDS,
    .operand_min = 1,
    .operand_max = 2,
    .summary = "a receipt of an entry, against the newest checkpoint",
    .results = MM_ATTESTED_RESULTS ", and what the entry says",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
