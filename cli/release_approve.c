/*
 * mintmark release approve: an officer approves a firmware image by one's own
 * copy of it. Whether another officer has begun or not: what is signed is
 * computed here, from the bytes.
 */
#include <string.h>

#include "cli/approve.h"
#include "cli/release_answer.h"
#include "cli/release_terms.h"
#include "cli/values.h"
#include "signer/scheme.h"

enum { ARENA = 8 << 20, IMAGE_MAX = 256 << 20 };

struct approval {
	const struct mm_invocation *invocation;
	struct mm_arena arena;
	struct mm_scheme_digest digest;
	struct mm_release_claim claim; /* of our own copy */
	struct mm_buffer body;         /* and as it is encoded */
};

static enum mm_error
read_image(struct approval *approval)
{
	const struct mm_invocation *invocation = approval->invocation;
	static const char *const names[] = {"product", "version", "scheme"};
	mm_auto(buffer) image = {0};
	enum mm_error error =
	    mm_values_named(invocation, names, MM_COUNT(names));

	mm_buffer_init(&image, IMAGE_MAX);
	if (error == MM_OK)
		error = mm_input(invocation->operands[0], IMAGE_MAX, &image);
	if (error == MM_OK)
		error = mm_release_terms(mm_buffer_span(&image),
		    mm_value_text(invocation, "product", NULL),
		    mm_value_text(invocation, "version", NULL),
		    mm_value_text(invocation, "scheme", MM_SCHEME_DEFAULT),
		    &approval->digest, &approval->claim);
	return error == MM_OK ? mm_shape_encode(&mm_release_claim_shape,
				    &approval->claim, &approval->body)
			      : error;
}

/* Whether this is about the same product and version. */
static bool
is_same_release(struct approval *approval, const struct mm_waiting_one *one)
{
	struct mm_release_claim claim;

	return mm_shape_decode(&mm_release_claim_shape, one->claim.body,
		   &approval->arena, &claim) == MM_OK &&
	       mm_span_equal(claim.product, approval->claim.product) &&
	       mm_span_equal(claim.version, approval->claim.version);
}

/* The one that waits about this release, if there is one: it must be about
 * this very image. MM_E_NOT_FOUND. */
static enum mm_error
find_waiting(struct approval *approval, struct mm_waiting_one *out)
{
	struct mm_appliance appliance;
	struct mm_list rows;
	enum mm_error error =
	    mm_appliance_read(approval->invocation, MM_WAIT, &appliance);

	if (error == MM_OK)
		error = mm_waiting_list(
		    &appliance, MM_STATEMENT_RELEASE, &approval->arena, &rows);
	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_pending_row, row, rows)) {
		error = mm_waiting_read(&appliance, row, &approval->arena, out);
		if (error != MM_OK)
			return error;
		if (!is_same_release(approval, out))
			continue;
		if (mm_span_equal(
			out->claim.body, mm_buffer_span(&approval->body)))
			return MM_OK;
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "what waits as %.*s %.*s is about another image than "
		    "%s: do not approve it before you know why "
		    "(`mintmark pending show`)",
		    MM_SPAN(approval->claim.product),
		    MM_SPAN(approval->claim.version),
		    approval->invocation->operands[0]);
	}
	return mm_fail(MM_E_NOT_FOUND, "nobody has approved it yet");
}

static enum mm_error
approve(struct approval *approval, struct mm_stated *out)
{
	struct mm_waiting_one one;
	enum mm_error error = find_waiting(approval, &one);

	if (error == MM_E_NOT_FOUND)
		return mm_state(approval->invocation, MM_STATEMENT_RELEASE,
		    MM_ENTRY_RELEASE, &approval->claim, NULL, &approval->arena,
		    out);
	if (error == MM_OK)
		error = mm_waiting_tell(&one);
	if (error == MM_OK)
		error = mm_confirm(approval->invocation, "Sign this?");
	return error == MM_OK
		   ? mm_state_payload(approval->invocation, one.payload,
			 MM_ENTRY_RELEASE, &approval->arena, out)
		   : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct approval approval = {.invocation = invocation};
	struct mm_stated stated;
	enum mm_error error;

	mm_arena_init(&approval.arena, ARENA);
	mm_buffer_init(&approval.body, MM_STATEMENT_MAX);
	error = read_image(&approval);
	if (error == MM_OK)
		error = approve(&approval, &stated);
	if (error == MM_OK)
		mm_print(invocation, mm_stated_json(&stated));
	mm_buffer_clear(&approval.body);
	mm_arena_clear(&approval.arena);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_STATING_OPTIONS,
    {"product", "PRODUCT", "the product whose firmware it is", true},
    {"version", "VERSION", "the version that it is released as", true},
    {"scheme", "SCHEME", "how it is signed (" MM_SCHEME_DEFAULT ")", false},
    {"yes", NULL, "it was looked at: do not ask at the terminal", false},
};

const struct mm_command mm_release_approve_command = {
    .noun = "release",
    .verb = "approve",
    .operands = "IMAGE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer approves a firmware image, by one's own copy",
    .results = MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
