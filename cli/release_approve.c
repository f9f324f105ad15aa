/*
 * mintmark release approve: an officer approves a release by one's own build
 * of it. Every digest that is signed is computed here, from those bytes;
 * whether the image was submitted, or another officer has begun, or not.
 */
#include <stdio.h>
#include <string.h>

#include "cli/approve.h"
#include "cli/json_value.h"
#include "cli/release_rows.h"
#include "cli/release_terms.h"

enum { ARENA = 16 << 20 };

struct approval {
	const struct mm_invocation *invocation;
	struct mm_appliance appliance;
	struct mm_release_id id;
	struct mm_arena arena;
	struct mm_own_image image;
	struct mm_release_claim claim;
};

/* What the officer's own copy is, and what would be signed of it. */
static enum mm_error
tell(const struct approval *approval)
{
	json_t *told = mm_own_image_json(&approval->image);

	json_object_set_new(
	    told, "digests", mm_release_digests(&approval->claim));
	json_dumpf(told, stderr, JSON_INDENT(2));
	fputc('\n', stderr);
	json_decref(told);
	return MM_OK;
}

/* By which devices would know it. */
static enum mm_error
check_version(const struct approval *approval, struct mm_span version)
{
	struct mm_span own = approval->image.facts.version;

	if (own.size == 0 || mm_span_equal(own, version))
		return MM_OK;
	return mm_fail(MM_E_STATEMENT_DIFFERS,
	    "%s says that it is version %.*s, and would be released as %.*s",
	    mm_option(approval->invocation, "image"), MM_SPAN(own),
	    MM_SPAN(version));
}

/* ---- one that waits */

static enum mm_error
approve_waiting(struct approval *approval, const struct mm_waiting_one *one,
    struct mm_stated *out)
{
	const struct mm_invocation *invocation = approval->invocation;
	enum mm_error error = mm_release_holds(
	    &approval->claim, &approval->image, mm_option(invocation, "image"));

	if (error == MM_OK)
		error = check_version(approval, approval->claim.version);
	if (error == MM_OK)
		error = mm_waiting_tell(one);
	if (error == MM_OK)
		error = tell(approval);
	if (error == MM_OK)
		error = mm_confirm(invocation,
		    "All digests are those of your own image. Sign this?");
	return error == MM_OK ? mm_state_payload(invocation, one->payload,
				    MM_ENTRY_RELEASE, &approval->arena, out)
			      : error;
}

/* ---- the first word */

/* Whether it was approved before, and whether that still counts, is for the
 * appliance to tell: an approval expires, and a policy may want more. */
static enum mm_error
begin(struct approval *approval, struct mm_stated *out)
{
	const struct mm_invocation *invocation = approval->invocation;
	struct mm_list schemes;
	enum mm_error error = check_version(approval, approval->id.version);

	if (error == MM_OK)
		error = mm_release_schemes(invocation, approval->id.product,
		    &approval->arena, &schemes);
	if (error == MM_OK)
		error = mm_release_terms(&approval->image, approval->id.product,
		    approval->id.version, &schemes, &approval->arena,
		    &approval->claim);
	if (error == MM_OK)
		error = tell(approval);
	return error == MM_OK ? mm_state(invocation, MM_STATEMENT_RELEASE,
				    MM_ENTRY_RELEASE, &approval->claim, NULL,
				    &approval->arena, out)
			      : error;
}

static enum mm_error
approve(struct approval *approval, struct mm_stated *out)
{
	struct mm_waiting_one one;
	enum mm_error error = mm_release_waiting(&approval->appliance,
	    &approval->id, &approval->arena, &one, &approval->claim);

	if (error == MM_E_NOT_FOUND && approval->id.hex == NULL)
		return begin(approval, out);
	return error == MM_OK ? approve_waiting(approval, &one, out) : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct approval approval = {.invocation = invocation};
	struct mm_stated stated;
	enum mm_error error;

	mm_arena_init(&approval.arena, ARENA);
	error = mm_release_id_read(invocation->operands[0], &approval.id);
	if (error == MM_OK)
		error =
		    mm_appliance_read(invocation, MM_WAIT, &approval.appliance);
	if (error == MM_OK)
		error = mm_own_image_open(
		    mm_option(invocation, "image"), &approval.image);
	if (error == MM_OK)
		error = approve(&approval, &stated);
	if (error == MM_OK)
		mm_print(invocation, mm_stated_json(&stated));
	mm_own_image_clear(&approval.image);
	mm_arena_clear(&approval.arena);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_STATING_OPTIONS,
    {"image", "FILE", "your own build of it; - is stdin", true},
    MM_OPTION_SCHEME,
    {"yes", NULL, "it was looked at: do not ask at the terminal", false},
};

const struct mm_command mm_release_approve_command = {
    .noun = "release",
    .verb = "approve",
    .operands = "PRODUCT@VERSION|ID",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer approves a release, by one's own build",
    .about = "Every digest of the statement that waits must be the one that "
	     "your image gives\nhere. Where nothing waits as PRODUCT@VERSION, "
	     "the statement begins with you;\nso does a new one, where an "
	     "earlier approval has expired or counts no more.",
    .results = MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
