/*
 * mintmark release submit: an image goes to the appliance and comes back as a
 * signature with its receipt, on the word of the officers who approved it
 * (`release approve`), or whose statements are brought along. An officer who
 * is alone says it here, with --officer.
 */
#include <limits.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "cli/appliance.h"
#include "cli/officer.h"
#include "cli/release_answer.h"
#include "cli/release_terms.h"
#include "cli/values.h"
#include "signer/scheme.h"

enum { ARENA = 4 << 20, IMAGE_MAX = 256 << 20 };

struct submission {
	const struct mm_invocation *invocation;
	struct mm_appliance appliance;
	struct mm_arena arena;
	struct mm_buffer image;
	struct mm_release_request request;
	uint8_t id[MM_ID_SIZE];
	struct mm_release_answer answer;
};

/* --- what officers said --- */

static enum mm_error
read_statements(struct submission *s)
{
	struct mm_bytes_item *items;
	struct mm_list paths;
	enum mm_error error =
	    mm_value_words(s->invocation, "statement", &s->arena, &paths);

	if (error != MM_OK || paths.count == 0)
		return error;
	items = mm_arena_alloc(&s->arena, paths.count * sizeof(*items));
	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for statements");
	for (size_t i = 0; i < paths.count; i++) {
		char path[PATH_MAX];
		mm_auto(buffer) file = {0};

		mm_span_string(mm_list_at(paths, struct mm_text_item, i)->value,
		    path, sizeof(path));
		mm_buffer_init(&file, MM_STATEMENT_MAX);
		error = mm_file_read(path, MM_STATEMENT_MAX, &file);
		if (error != MM_OK)
			return error;
		items[i].value =
		    mm_arena_copy(&s->arena, mm_buffer_span(&file));
		if (items[i].value.data == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for statements");
	}
	s->request.statements = (struct mm_list){items, paths.count};
	return MM_OK;
}

static enum mm_error
sign_statement(struct submission *s, const struct mm_officer_key *officer)
{
	struct mm_bytes_item *item = mm_arena_alloc(&s->arena, sizeof(*item));
	mm_auto(buffer) statement = {0};
	struct mm_scheme_digest digest;
	struct mm_release_claim claim;
	enum mm_error error =
	    mm_release_terms(mm_buffer_span(&s->image), s->request.product,
		s->request.version, s->request.scheme, &digest, &claim);

	mm_buffer_init(&statement, MM_STATEMENT_MAX);
	if (item == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a statement");
	if (error == MM_OK)
		error = mm_officer_state(officer,
		    mm_span_text(s->appliance.vkey.name), MM_STATEMENT_RELEASE,
		    &claim, 0, &statement);
	if (error != MM_OK)
		return error;
	item->value = mm_arena_copy(&s->arena, mm_buffer_span(&statement));
	if (item->value.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a statement");
	s->request.statements = (struct mm_list){item, 1};
	return MM_OK;
}

static enum mm_error
state(struct submission *s)
{
	const char *path = mm_option(s->invocation, "officer");
	struct mm_officer_key *officer;
	enum mm_error error;

	if (path == NULL)
		return read_statements(s);
	error = mm_officer_open(s->invocation, &officer);
	if (error != MM_OK)
		return error;
	error = sign_statement(s, officer);
	mm_officer_free(officer);
	return error;
}

/* --- the way there and back --- */

static void
tell_progress(const char *what)
{
	if (isatty(STDERR_FILENO))
		mm_say("%s", what);
}

/* An upload belongs to its connection, so each attempt begins with one. */
static enum mm_error
attempt(struct mm_client *client, void *self)
{
	struct submission *s = self;
	enum mm_error error;

	tell_progress("uploading the image...");
	error = mm_client_upload(
	    client, mm_buffer_span(&s->image), &s->request.upload);
	if (error != MM_OK)
		return error;
	tell_progress("signing...");
	return mm_client_ask(client, MM_MESSAGE_RELEASE, &s->request, s->id,
	    &s->arena, &s->answer);
}

static enum mm_error
submit(struct submission *s)
{
	const char *prefix = mm_option(s->invocation, "out");
	const struct mm_release_wanted wanted = {.product = s->request.product,
	    .version = s->request.version,
	    .scheme = s->request.scheme,
	    .image = mm_buffer_span(&s->image)};
	struct mm_attested attested;
	enum mm_error error = mm_appliance_try(&s->appliance, attempt, s);

	if (error == MM_OK)
		error = mm_release_answer_check(&s->answer, &wanted,
		    &s->appliance.vkey, &s->arena, &attested);
	if (error != MM_OK)
		return error;
	return mm_release_report(s->invocation, prefix, &s->answer, &attested);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static const char *const either[] = {"officer", "statement"},
				 *const names[] = {
				     "product", "version", "scheme"};
	struct submission s = {.invocation = invocation,
	    .request = {.product = mm_value_text(invocation, "product", NULL),
		.version = mm_value_text(invocation, "version", NULL),
		.scheme =
		    mm_value_text(invocation, "scheme", MM_SCHEME_DEFAULT)}};
	enum mm_error error;

	if (mm_values_said(invocation, either, MM_COUNT(either)) > 1)
		return mm_fail(
		    MM_E_USAGE, "--officer and --statement exclude each other");
	error = mm_values_named(invocation, names, MM_COUNT(names));
	if (error != MM_OK)
		return error;
	mm_arena_init(&s.arena, ARENA);
	mm_buffer_init(&s.image, IMAGE_MAX);
	randombytes_buf(s.id, sizeof(s.id));
	error = mm_appliance_read(invocation, MM_WAIT, &s.appliance);
	if (error == MM_OK)
		error = mm_input(invocation->operands[0], IMAGE_MAX, &s.image);
	if (error == MM_OK)
		error = mm_release_files_check(
		    invocation, mm_option(invocation, "out"));
	if (error == MM_OK)
		error = state(&s);
	if (error == MM_OK)
		error = submit(&s);
	mm_buffer_clear(&s.image);
	mm_arena_clear(&s.arena);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"product", "PRODUCT", "the product whose firmware it is", true},
    {"version", "VERSION", "the version that it is released as", true},
    {"scheme", "SCHEME", "how it is signed (" MM_SCHEME_DEFAULT ")", false},
    {"officer", "KEY", "an officer's key: approve it here", false},
    MM_OPTION_PASSPHRASE,
    {"statement", "FILE,...", "what officers have signed elsewhere", false},
    {"out", "PREFIX", "where the files go", true},
    MM_OPTION_WAIT,
};

const struct mm_command mm_release_submit_command = {
    .noun = "release",
    .verb = "submit",
    .operands = "IMAGE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "a signature for a firmware image",
    .results = MM_RELEASE_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
