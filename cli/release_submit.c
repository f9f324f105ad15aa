/*
 * mintmark release submit: an image goes to the appliance and is held against
 * the rules of its product, all of which are told. An engineer who is an
 * officer states the release at once (--officer), or brings what officers have
 * stated elsewhere (--statement); where that is enough, the signed release can
 * be had at once (--out).
 */
#include <limits.h>
#include <sodium.h>
#include <string.h>

#include "cli/json_value.h"
#include "cli/release_files.h"
#include "cli/release_ota.h"
#include "cli/release_terms.h"
#include "cli/release_upload.h"
#include "cli/stating.h"
#include "cli/values.h"

enum { ARENA = 16 << 20 };

struct submission {
	const struct mm_invocation *invocation;
	struct mm_appliance appliance;
	struct mm_arena arena;
	struct mm_own_image image;
	struct mm_span product, version;
	bool submitted; /* `answer` is there */
	struct mm_submit_answer answer;
	struct mm_release_claim claim;
	json_t *report;
};

static bool
said(const struct submission *s, const char *option)
{
	return mm_option(s->invocation, option) != NULL;
}

/* ---- the image */

static enum mm_error
submit(struct submission *s)
{
	enum mm_error error;

	if (said(s, "unread"))
		return MM_OK;
	error = mm_release_upload(&s->appliance, &s->image, s->product,
	    s->version, &s->arena, &s->answer);
	if (error != MM_OK)
		return error;
	s->submitted = true;
	json_object_set_new(s->report, "state",
	    json_string(mm_release_state_name(s->answer.state)));
	json_object_set_new(s->report, "rules", mm_release_rules(&s->answer));
	if (s->answer.state == MM_RELEASE_REFUSED)
		return MM_OK;
	/* The digests are of what the rules were held against. */
	return mm_own_image_as(&s->image, s->answer.format);
}

/* ---- the statement */

/* As the appliance has just said, else as anybody else learns it. */
static enum mm_error
read_schemes(struct submission *s, struct mm_list *out)
{
	if (mm_option_nth(s->invocation, "scheme", 0) == NULL &&
	    s->answer.schemes.count > 0) {
		*out = s->answer.schemes;
		return MM_OK;
	}
	return mm_release_schemes(s->invocation, s->product, &s->arena, out);
}

static enum mm_error
make_claim(struct submission *s)
{
	struct mm_list schemes;
	enum mm_error error = read_schemes(s, &schemes);

	if (error == MM_OK)
		error = mm_release_terms(&s->image, s->product, s->version,
		    &schemes, &s->arena, &s->claim);
	if (error == MM_OK)
		json_object_set_new(
		    s->report, "digests", mm_release_digests(&s->claim));
	return error;
}

/* One product and version is stated once: what waits is approved. */
static enum mm_error
check_waiting(struct submission *s)
{
	char subject[2 * MM_NAME_MAX + 2], payload[2 * 32 + 1];
	struct mm_list rows;
	enum mm_error error = mm_waiting_list(
	    &s->appliance, MM_STATEMENT_RELEASE, &s->arena, &rows);

	if (error != MM_OK)
		return error;
	snprintf(subject, sizeof(subject), "%.*s %.*s", MM_SPAN(s->product),
	    MM_SPAN(s->version));
	for (mm_list_each(const struct mm_pending_row, row, rows)) {
		if (!mm_span_is(row->subject, subject))
			continue;
		sodium_bin2hex(payload, sizeof(payload), row->payload,
		    sizeof(row->payload));
		return mm_fail(MM_E_STATEMENT_REPLAY,
		    "%s waits already, for %ju more officers: approve it "
		    "(`mintmark release approve %.16s --image FILE`) or "
		    "withdraw it",
		    subject, (uintmax_t)row->missing, payload);
	}
	return MM_OK;
}

/* In `out`: how far the statements are. */
static enum mm_error
state_claim(struct submission *s, struct mm_stated *out)
{
	enum mm_error error = check_waiting(s);

	return error == MM_OK
		   ? mm_state(s->invocation, MM_STATEMENT_RELEASE,
			 MM_ENTRY_RELEASE, &s->claim, NULL, &s->arena, out)
		   : error;
}

static enum mm_error
read_statement(
    struct submission *s, struct mm_span path_text, struct mm_bytes_item *out)
{
	mm_auto(buffer) file = {0};
	char path[PATH_MAX];
	enum mm_error error;

	mm_span_string(path_text, path, sizeof(path));
	mm_buffer_init(&file, MM_STATEMENT_MAX);
	error = mm_file_read(path, MM_STATEMENT_MAX, &file);
	if (error != MM_OK)
		return error;
	out->value = mm_arena_copy(&s->arena, mm_buffer_span(&file));
	return out->value.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for statements");
}

/* What was stated elsewhere is about this image, and in this version. */
static enum mm_error
check_statement(struct submission *s, struct mm_span bytes)
{
	struct mm_release_claim claim;
	enum mm_error error = mm_release_claim_read(bytes, &s->arena, &claim);

	if (error != MM_OK)
		return error;
	if (!mm_span_equal(claim.product, s->product) ||
	    !mm_span_equal(claim.version, s->version))
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "a statement is about %.*s@%.*s", MM_SPAN(claim.product),
		    MM_SPAN(claim.version));
	return mm_release_holds(&claim, &s->image, s->invocation->operands[0]);
}

static enum mm_error
read_statements(struct submission *s, struct mm_list *out)
{
	struct mm_bytes_item *items;
	struct mm_list paths;
	enum mm_error error =
	    mm_value_words(s->invocation, "statement", &s->arena, &paths);

	if (error != MM_OK)
		return error;
	items = mm_arena_alloc(&s->arena, paths.count * sizeof(*items));
	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for statements");
	for (size_t i = 0; i < paths.count && error == MM_OK; i++) {
		error = read_statement(s,
		    mm_list_at(paths, struct mm_text_item, i)->value,
		    &items[i]);
		if (error == MM_OK)
			error = check_statement(s, items[i].value);
	}
	if (error == MM_OK)
		*out = (struct mm_list){items, paths.count};
	return error;
}

/* Statements that were made elsewhere, with an answer as those made here. */
static enum mm_error
bring_statements(struct submission *s, struct mm_stated *out)
{
	struct mm_list statements;
	enum mm_error error = read_statements(s, &statements);

	return error == MM_OK
		   ? mm_state_made(s->invocation, &s->appliance, &statements,
			 MM_ENTRY_RELEASE, &s->arena, out)
		   : error;
}

static enum mm_error
state(struct submission *s, bool *in_force)
{
	struct mm_stated stated;
	json_t *told;
	enum mm_error error;

	*in_force = s->submitted && s->answer.state >= MM_RELEASE_APPROVED;
	if (*in_force || (!said(s, "officer") && !said(s, "statement")))
		return MM_OK;
	if (said(s, "officer")) {
		error = make_claim(s);
		if (error == MM_OK)
			error = state_claim(s, &stated);
	} else
		error = bring_statements(s, &stated);
	if (error != MM_OK)
		return error;
	*in_force = stated.answer.missing == 0;
	told = mm_stated_json(&stated);
	json_object_set(s->report, "id", json_object_get(told, "payload"));
	json_object_del(told, "payload");
	json_object_set_new(s->report, "statement", told);
	json_object_set_new(s->report, "state",
	    json_string(*in_force ? "approved" : "waiting"));
	return MM_OK;
}

/* ---- the signed release */

static enum mm_error
fetch(struct submission *s)
{
	const struct mm_release_id id = {
	    .product = s->product, .version = s->version};
	struct mm_release_row row;
	json_t *files;
	enum mm_error error =
	    mm_release_find(&s->appliance, &id, &s->arena, &row);

	if (error == MM_OK)
		error = mm_release_fetch(s->invocation, &s->appliance, &row,
		    &s->image, mm_option(s->invocation, "out"), &files);
	if (error != MM_OK)
		return error;
	json_object_set_new(s->report, "state", json_string("signed"));
	json_object_set_new(s->report, "release", files);
	return MM_OK;
}

static void
report(struct submission *s)
{
	const struct mm_invocation *invocation = s->invocation;
	json_t *one;

	if (!invocation->json) {
		if (s->submitted)
			mm_release_print_rules(&s->answer);
		json_object_del(s->report, "rules");
		one = json_object_get(s->report, "release");
		json_object_set(s->report, "directory",
		    one != NULL ? json_object_get(one, "directory") : NULL);
	}
	mm_print(invocation, s->report);
	s->report = NULL;
}

/* Where approvals are missing: what officers say, and who waits for them. */
static void
tell_next(const struct submission *s)
{
	const char *out = mm_option(s->invocation, "out");

	mm_say("approvals are missing: `mintmark release approve %.*s@%.*s "
	       "--image FILE --officer KEY`, then `mintmark release fetch "
	       "%.*s@%.*s --out %s`",
	    MM_SPAN(s->product), MM_SPAN(s->version), MM_SPAN(s->product),
	    MM_SPAN(s->version), out != NULL ? out : "DIR");
}

static enum mm_error
go(struct submission *s)
{
	const char *out = mm_option(s->invocation, "out");
	bool in_force = false;
	enum mm_error error = submit(s), verdict;

	if (error != MM_OK)
		return error;
	verdict = s->submitted ? mm_release_verdict(&s->answer) : MM_OK;
	if (verdict == MM_OK)
		error = state(s, &in_force);
	if (error == MM_OK && verdict == MM_OK && in_force && out != NULL)
		error = fetch(s);
	if (error != MM_OK && s->submitted)
		mm_say("the image was submitted and breaks no rule");
	if (error != MM_OK)
		return error;
	report(s);
	if (verdict == MM_OK && !in_force)
		tell_next(s);
	return verdict;
}

static enum mm_error
check_usage(const struct mm_invocation *invocation)
{
	static const char *const either[] = {"officer", "statement"},
				 *const names[] = {"product", "version"};
	const char *out = mm_option(invocation, "out");
	size_t stated = mm_values_said(invocation, either, MM_COUNT(either));

	if (stated > 1)
		return mm_fail(
		    MM_E_USAGE, "--officer and --statement exclude each other");
	if (mm_option(invocation, "unread") != NULL && stated == 0)
		return mm_fail(MM_E_USAGE,
		    "--unread uploads nothing: say --officer or --statement, "
		    "or there is nothing to do");
	if (out != NULL && mm_release_directory_check(invocation, out) != MM_OK)
		return mm_release_directory_check(invocation, out);
	return mm_values_named(invocation, names, MM_COUNT(names));
}

static enum mm_error
begin(struct submission *s)
{
	const struct mm_invocation *invocation = s->invocation;
	json_t *facts;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &s->appliance);

	if (error == MM_OK)
		error = mm_own_image_open(invocation->operands[0], &s->image);
	if (error == MM_OK)
		error = mm_release_version(invocation, &s->image, &s->version);
	if (error != MM_OK)
		return error;
	s->product = mm_value_text(invocation, "product", NULL);
	s->report = json_pack("{s:o, s:o}", "product", mm_json_text(s->product),
	    "version", mm_json_text(s->version));
	facts = mm_own_image_json(&s->image);
	json_object_update(s->report, facts);
	json_decref(facts);
	return MM_OK;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct submission s = {.invocation = invocation};
	enum mm_error error = check_usage(invocation);

	mm_arena_init(&s.arena, ARENA);
	if (error == MM_OK)
		error = begin(&s);
	if (error == MM_OK)
		error = go(&s);
	json_decref(s.report);
	mm_own_image_clear(&s.image);
	mm_arena_clear(&s.arena);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"product", "PRODUCT", "the product whose firmware it is", true},
    {"version", "VERSION", "what it is released as, where it does not say so",
	false},
    {"officer", "KEY", "an officer's key: state the release at once", false},
    MM_OPTION_PASSPHRASE,
    {"statement", "FILE,...", "what officers have signed elsewhere", false},
    {"expires", "DAYS", "until when enough officers must have signed (7)",
	false},
    {"receipt", "FILE", "where the statement's receipt goes", false},
    {"unread", NULL, "upload nothing: the product must allow it", false},
    MM_OPTION_SCHEME,
    {"out", "DIR", "fetch the signed release, where nobody is missing", false},
    MM_OPTION_WAIT,
};

const struct mm_command mm_release_submit_command = {
    .noun = "release",
    .verb = "submit",
    .operands = "IMAGE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an image is held against its product's rules, and released",
    .about = "Every rule is told, whether it passed, failed, or the product "
	     "says nothing (-).\nWhere one failed, nothing is kept and the "
	     "exit status is 77. A statement names,\nfor each signing of the "
	     "product, the digest that is computed here.",
    .results = "product, version, state: refused, kept, waiting, approved, "
	       "signed,\n" MM_OWN_IMAGE_RESULTS
	       "\nrules: {rule, verdict, why}\nwith --officer: digests: "
	       "{scheme, digest}\nwhere something was stated: id, statement: "
	       "{state, missing, log, size,\nindex, time}\nwith --out: "
	       "release: as `release "
	       "fetch` has it",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
