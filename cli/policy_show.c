/*
 * mintmark policy show: the policy that was in force at a place of the log,
 * as people wrote it, and who signed it.
 */
#include <inttypes.h>

#include "cli/entry_json.h"
#include "cli/policy_at.h"
#include "cli/proposal.h"
#include "cli/values.h"

enum { ARENA = 4 << 20 };

static enum mm_error
read_text(struct mm_source *source, const struct mm_policy_at *at,
    struct mm_buffer *out)
{
	if (at->blob.size > 0)
		return mm_source_blob(source, &at->blob, out);
	mm_buffer_add(out, at->text.data, at->text.size);
	if (out->error != MM_OK)
		return mm_fail(out->error, "no memory for a text");
	return out->size > 0 ? MM_OK
			     : mm_fail(MM_E_NOT_FOUND,
				   "entry %ju has no text beside its policy: "
				   "say --json, or --document FILE",
				   (uintmax_t)at->index);
}

static enum mm_error
print_entry(const struct mm_invocation *invocation, struct mm_source *source,
    uint64_t index)
{
	struct mm_span bytes;
	json_t *object;
	enum mm_error error = mm_source_entry(source, index, &bytes);

	if (error == MM_OK)
		error = mm_entry_json(index, bytes, &object);
	if (error == MM_OK)
		mm_print(invocation, object);
	return error;
}

/* Nobody but readers compares the text with what officers have signed. */
static enum mm_error
check_text(const struct mm_policy_at *at, struct mm_span text)
{
	bool gives = false;

	if (mm_proposal_gives(text, at->document, &gives) != MM_OK) {
		mm_say("this program cannot compile the text, to see whether "
		       "it is the policy: --document FILE has what was signed");
		return MM_OK;
	}
	return gives ? MM_OK
		     : mm_fail(MM_E_MISMATCH,
			   "the text beside policy %" PRIu64 " gives another "
			   "document than the officers have signed: do not "
			   "rely on it; --document FILE has what is in force",
			   at->policy.number);
}

static enum mm_error
print_text(const struct mm_invocation *invocation, struct mm_source *source,
    const struct mm_policy_at *at)
{
	mm_auto(buffer) text = {0};
	enum mm_error error;

	mm_buffer_init(&text, MM_BLOB_MAX);
	error = read_text(source, at, &text);
	if (error != MM_OK)
		return error;
	mm_say("policy %" PRIu64 ", in force from entry %" PRIu64
	       " on, on the word of %zu officers",
	    at->policy.number, at->index, at->statements.count);
	error = mm_output_lines(invocation, "-", mm_buffer_span(&text));
	return error == MM_OK ? check_text(at, mm_buffer_span(&text)) : error;
}

static enum mm_error
show(const struct mm_invocation *invocation, struct mm_source *source)
{
	const char *document = mm_option(invocation, "document");
	uint64_t index = mm_source_checkpoint(source)->size - 1;
	mm_auto(arena) arena = {0};
	struct mm_policy_at at;
	enum mm_error error =
	    mm_value_number(invocation, "at", 0, INT64_MAX, &index);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_policy_at(source, index, &arena, &at);
	if (error == MM_OK && document != NULL)
		return mm_output(invocation, document, at.document);
	if (error == MM_OK)
		error = invocation->json
			    ? print_entry(invocation, source, at.index)
			    : print_text(invocation, source, &at);
	return error == MM_OK ? mm_source_settle(source) : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *document = mm_option(invocation, "document");
	struct mm_source *source = NULL;
	enum mm_error error =
	    document != NULL ? mm_output_check(invocation, document) : MM_OK;

	if (error == MM_OK)
		error = mm_source_open(invocation, 0, &source);
	if (error == MM_OK)
		error = show(invocation, source);
	mm_source_close(source);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_SOURCE_OPTIONS,
    {"at", "INDEX", "the one that entry was decided under (the newest)", false},
    {"document", "FILE", "write the compiled document, which officers sign",
	false},
};

const struct mm_command mm_policy_show_command = {
    .noun = "policy",
    .verb = "show",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "the policy in force, now or at an entry of the log",
    .results = "index, time, kind, policy, leaf, body: of the entry that "
	       "brought it",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
