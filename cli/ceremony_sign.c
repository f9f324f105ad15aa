/*
 * mintmark ceremony sign: on an officer's own computer, what a ceremony will
 * do is looked at and signed, with the principals that it registers.
 */
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "cli/approve.h"
#include "cli/ceremony_papers.h"
#include "cli/ceremony_report.h"
#include "cli/officer.h"

enum { ARENA = 32 << 20 };

/* A signature that nobody would count is better not made. */
static enum mm_error
check_officer(const struct mm_ceremony_papers *papers,
    const struct mm_officer_key *officer)
{
	uint64_t now = (uint64_t)time(NULL);

	if (now > papers->said[0].claim.expiry)
		return mm_fail(MM_E_STATEMENT_TIME,
		    "the payloads have expired: prepare the ceremony again");
	for (mm_list_each(
		 const struct mm_officer, one, papers->policy.officers))
		if (memcmp(one->key, officer->public_key, 32) == 0)
			return MM_OK;
	return mm_fail(MM_E_STATEMENT_OFFICER,
	    "this key is of no officer of the ceremony's policy");
}

static enum mm_error
sign_payload(const struct mm_officer_key *officer, struct mm_span payload,
    struct mm_arena *arena, struct mm_bytes_item *out)
{
	mm_auto(buffer) statement = {0};
	enum mm_error error;

	mm_buffer_init(&statement, 2 * MM_STATEMENT_MAX);
	error = mm_statement_sign(payload, officer->secret_key, &statement);
	if (error == MM_OK && statement.size > MM_STATEMENT_MAX)
		error = mm_fail(MM_E_RANGE,
		    "the ceremony says too much for one statement: %d bytes "
		    "are the most",
		    MM_STATEMENT_MAX);
	if (error != MM_OK)
		return error;
	out->value = mm_arena_copy(arena, mm_buffer_span(&statement));
	return out->value.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a statement");
}

static enum mm_error
sign_all(const struct mm_invocation *invocation,
    const struct mm_ceremony_papers *papers,
    const struct mm_officer_key *officer, struct mm_arena *arena)
{
	size_t count = papers->file.payloads.count;
	struct mm_bytes_item *items =
	    mm_arena_alloc(arena, count * sizeof(*items));
	struct mm_ceremony_statements file = {.statements = {items, count}};
	enum mm_error error = MM_OK;

	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for statements");
	for (size_t i = 0; i < count && error == MM_OK; i++)
		error = sign_payload(
		    officer, papers->said[i].payload, arena, &items[i]);
	return error == MM_OK ? mm_ceremony_statements_write(invocation,
				    mm_option(invocation, "out"), &file)
			      : error;
}

static enum mm_error
sign(const struct mm_invocation *invocation,
    const struct mm_ceremony_papers *papers, struct mm_arena *arena)
{
	struct mm_officer_key *officer;
	enum mm_error error = mm_officer_open(invocation, &officer);

	if (error != MM_OK)
		return error;
	error = check_officer(papers, officer);
	if (error == MM_OK)
		error = mm_ceremony_papers_tell(papers);
	if (error == MM_OK)
		error = mm_confirm(invocation, "Sign this ceremony?");
	if (error == MM_OK)
		error = sign_all(invocation, papers, officer, arena);
	mm_officer_free(officer);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_ceremony_papers papers;
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    mm_output_check(invocation, mm_option(invocation, "out"));

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_ceremony_papers_read(
		    invocation->operands[0], &arena, &papers);
	if (error == MM_OK)
		error = sign(invocation, &papers, &arena);
	if (error == MM_OK && strcmp(mm_option(invocation, "out"), "-") != 0)
		mm_print(invocation, mm_ceremony_report_json(&papers));
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_OFFICER,
    MM_OPTION_PASSPHRASE,
    {"out", "STATEMENTS", "where the signatures go", true},
    {"yes", NULL, "it was looked at: do not ask at the terminal", false},
};

const struct mm_command mm_ceremony_sign_command = {
    .noun = "ceremony",
    .verb = "sign",
    .operands = "PAYLOADS",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer signs a ceremony, on a computer of its own",
    .about = "All that the payloads say is shown first. Compare the SHA-256 "
	     "at the end with what\nthe others see.",
    .results = MM_CEREMONY_REPORT_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
