/*
 * mintmark witness cosign: one request from a file, its answer to a file. The
 * way of an air gap: the files travel on a stick.
 */
#include <string.h>
#include <time.h>

#include "cli/witness.h"

/* What a status means to whoever runs a command. */
static enum mm_error
verdict(enum mm_witness_status status, struct mm_span body)
{
	static const struct {
		enum mm_witness_status status;
		enum mm_error error;
	} rows[] = {
	    {MM_WITNESS_OK, MM_OK},
	    {MM_WITNESS_MALFORMED, MM_E_FORMAT},
	    {MM_WITNESS_NO_KEY, MM_E_NOTE_SIGNATURE},
	    {MM_WITNESS_NO_LOG, MM_E_NOT_FOUND},
	    {MM_WITNESS_WRONG, MM_E_FORK},
	    {MM_WITNESS_FAILED, MM_E_STORE},
	};

	if (body.size > 0 && body.data[body.size - 1] == '\n')
		body.size--;
	if (status == MM_WITNESS_CONFLICT)
		return mm_fail(MM_E_BEHIND,
		    "the witness has cosigned size %.*s of this log: make the "
		    "request with --older %.*s",
		    MM_SPAN(body), MM_SPAN(body));
	for (size_t i = 0; i < MM_COUNT(rows); i++)
		if (rows[i].status == status)
			return rows[i].error == MM_OK
				   ? MM_OK
				   : mm_fail(
					 rows[i].error, "%.*s", MM_SPAN(body));
	return MM_E_BUG;
}

static enum mm_error
cosign(const struct mm_invocation *invocation, struct mm_span request,
    const char *out)
{
	mm_auto(buffer) answer = {0};
	struct mm_cosigner *cosigner;
	enum mm_witness_status status;
	enum mm_error error =
	    mm_cosigner_open(mm_option(invocation, "dir"), &cosigner);

	if (error != MM_OK)
		return error;
	mm_buffer_init(&answer, MM_NOTE_MAX);
	status =
	    mm_cosigner_add(cosigner, request, (uint64_t)time(NULL), &answer);
	mm_cosigner_close(cosigner);
	error = verdict(status, mm_buffer_span(&answer));
	return error == MM_OK
		   ? mm_output(invocation, out, mm_buffer_span(&answer))
		   : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *out = mm_option(invocation, "out");
	mm_auto(buffer) request = {0};
	enum mm_error error;

	if (out == NULL)
		out = "-";
	mm_buffer_init(&request, MM_COSIGN_REQUEST_MAX);
	error = mm_output_check(invocation, out);
	if (error == MM_OK)
		error = mm_input(
		    invocation->operands[0], MM_COSIGN_REQUEST_MAX, &request);
	return error == MM_OK
		   ? cosign(invocation, mm_buffer_span(&request), out)
		   : error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_WITNESS_DIR,
    {"out", "FILE", "the answer: cosignature lines (stdout)", false},
};

const struct mm_command mm_witness_cosign_command = {
    .noun = "witness",
    .verb = "cosign",
    .operands = "REQUEST",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "answer one request, a file from `witness request` (- is stdin)",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
