/*
 * mintmark ceremony csr: the CSR of a key of the mint, for a CA outside.
 */
#include <string.h>

#include "ca/certificate.h"
#include "cli/ceremony_source.h"
#include "cli/json_value.h"

enum { PEM_MAX = 65536 };

static enum mm_error
write_out(
    const struct mm_invocation *invocation, const struct mm_ceremony_made *made)
{
	const char *path = mm_option(invocation, "out");
	mm_auto(buffer) pem = {0};
	enum mm_error error;

	mm_buffer_init(&pem, PEM_MAX);
	error = mm_pem_encode("CERTIFICATE REQUEST", made->der, &pem);
	if (error == MM_OK)
		error = mm_output(invocation, path, mm_buffer_span(&pem));
	if (error != MM_OK || strcmp(path, "-") == 0)
		return error;
	mm_print(invocation,
	    json_pack("{s:o, s:o, s:o, s:o}", "key", mm_json_text(made->key),
		"subject", mm_json_text(made->subject), "profile",
		mm_json_text(made->profile), "index",
		mm_json_number(made->index)));
	return MM_OK;
}

static enum mm_error
find(const struct mm_invocation *invocation, struct mm_source *source,
    const struct mm_ceremony_story *story, struct mm_arena *arena)
{
	const char *key = mm_option(invocation, "of");
	const struct mm_ceremony_made *made =
	    mm_ceremony_story_find(story, MM_ENTRY_CSR, mm_span_text(key));

	(void)source, (void)arena;
	if (made == NULL)
		return mm_fail(MM_E_NOT_FOUND,
		    "the ceremony of entry %ju asks for no CSR of \"%s\": say "
		    "--at with the entry of the one that does",
		    (uintmax_t)story->index, key);
	if (made->der.size == 0)
		return mm_fail(
		    MM_E_BUSY, "the CSR of \"%s\" is not signed yet", key);
	return write_out(invocation, made);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	enum mm_error error =
	    mm_output_check(invocation, mm_option(invocation, "out"));

	return error == MM_OK ? mm_ceremony_read(invocation, find) : error;
}

static const struct mm_cli_option options[] = {
    MM_CEREMONY_READ_OPTIONS,
    {"of", "NAME", "whose: the name of a key of the mint", true},
    {"out", "FILE", "where the CSR goes, PEM", true},
};

const struct mm_command mm_ceremony_csr_command = {
    .noun = "ceremony",
    .verb = "csr",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "the CSR of a key of the mint, for a CA outside",
    .results = "key, subject, profile, index",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
