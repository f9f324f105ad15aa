/*
 * mintmark policy check: whether a policy's text is one, what is wrong with
 * it and what is unwise, with line numbers; and what officers would sign.
 */
#include <sodium.h>

#include "cli/json_value.h"
#include "cli/proposal.h"
#include "policy/advice.h"

/* What is told as it comes, and with --json once more in the end. */
struct told {
	const char *path;
	json_t *advice;
};

static void
tell(void *context, unsigned line, const char *text)
{
	struct told *told = context;

	if (line > 0)
		mm_say("%s:%u: %s", told->path, line, text);
	else
		mm_say("%s: %s", told->path, text);
	json_array_append_new(told->advice,
	    json_pack("{s:i, s:s}", "line", (int)line, "text", text));
}

static enum mm_error
report(const struct mm_invocation *invocation, const struct mm_buffer *document,
    json_t *advice)
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof(digest) + 1];
	mm_auto(arena) arena = {0};
	struct mm_policy policy;
	enum mm_error error;
	json_t *out;

	mm_arena_init(&arena, 1 << 22);
	error = mm_policy_decode(mm_buffer_span(document), &arena, &policy);
	if (error != MM_OK) {
		json_decref(advice);
		return error;
	}
	mm_policy_digest(mm_buffer_span(document), digest);
	sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	out = json_pack("{s:I, s:s, s:I, s:I, s:I}", "number",
	    (json_int_t)policy.number, "sha256", hex, "size",
	    (json_int_t)document->size, "profiles",
	    (json_int_t)policy.profiles.count, "officers",
	    (json_int_t)policy.officers.count);
	/* People have been told. */
	if (invocation->json)
		json_object_set(out, "advice", advice);
	json_decref(advice);
	mm_print(invocation, out);
	return MM_OK;
}

static enum mm_error
check_plain(const char *path)
{
	mm_auto(buffer) text = {0};
	enum mm_error error;

	mm_buffer_init(&text, MM_POLICY_TEXT_MAX);
	error = mm_file_read(path, MM_POLICY_TEXT_MAX, &text);
	return error == MM_OK ? mm_proposal_plain(mm_buffer_span(&text))
			      : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *path = invocation->operands[0];
	const char *out = mm_option(invocation, "document");
	struct told told = {path, json_array()};
	mm_auto(buffer) document = {0};
	enum mm_error error =
	    out != NULL ? mm_output_check(invocation, out) : MM_OK;

	mm_buffer_init(&document, MM_POLICY_MAX);
	if (error == MM_OK)
		error = mm_policy_compile(path, &document);
	if (error == MM_OK)
		error = check_plain(path);
	if (error == MM_OK)
		error = mm_policy_advise(path, tell, &told);
	if (error == MM_OK && out != NULL)
		error = mm_output(invocation, out, mm_buffer_span(&document));
	if (error != MM_OK) {
		json_decref(told.advice);
		return error;
	}
	return report(invocation, &document, told.advice);
}

static const struct mm_cli_option options[] = {
    {"document", "FILE", "write the compiled document, which officers sign",
	false},
};

const struct mm_command mm_policy_check_command = {
    .noun = "policy",
    .verb = "check",
    .operands = "FILE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "compile a policy's text; what is wrong with it, and unwise",
    .results = "number, sha256, size, profiles, officers, advice: {line, text}",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
