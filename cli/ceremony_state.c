#include "cli/ceremony_state.h"

#include <stdio.h>
#include <string.h>

#include "cli/ceremony_text.h"

enum mm_error
mm_ceremony_policy(const struct mm_invocation *invocation,
    struct mm_arena *arena, struct mm_policy_at *out)
{
	struct mm_source *source;
	enum mm_error error =
	    mm_source_open(invocation, MM_OPERANDS_MAX, &source);

	if (error != MM_OK)
		return error;
	error = mm_policy_at(
	    source, mm_source_checkpoint(source)->size - 1, arena, out);
	mm_source_close(source);
	return error;
}

static enum mm_error
tell(const struct mm_ceremony_claim *claim)
{
	mm_auto(buffer) text = {0};

	mm_buffer_init(&text, MM_CEREMONY_TEXT_MAX);
	mm_ceremony_text_claim(&text, claim);
	if (text.error == MM_OK)
		fwrite(text.data, 1, text.size, stderr);
	return text.error;
}

enum mm_error
mm_ceremony_state(const struct mm_invocation *invocation,
    struct mm_ceremony_claim *claim, const struct mm_stating_carries *carries,
    struct mm_arena *arena, struct mm_stated *stated,
    struct mm_ceremony_story *story)
{
	struct mm_appliance appliance;
	struct mm_policy_at at;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	*story = (struct mm_ceremony_story){.index = 0};
	if (error == MM_OK)
		error = mm_ceremony_policy(invocation, arena, &at);
	if (error != MM_OK)
		return error;
	memcpy(claim->policy, at.sha256, sizeof(claim->policy));
	error = tell(claim);
	if (error == MM_OK)
		error = mm_state(invocation, MM_STATEMENT_CEREMONY,
		    MM_ENTRY_CEREMONY, claim, carries, arena, stated);
	if (error != MM_OK || stated->answer.missing > 0)
		return error;
	return mm_ceremony_await(
	    invocation, &appliance, stated->receipt.index, arena, story);
}

void
mm_ceremony_state_report(const struct mm_invocation *invocation,
    const struct mm_stated *stated, json_t *more)
{
	json_t *out = mm_stated_json(stated);

	if (more != NULL)
		json_object_update_new(out, more);
	mm_print(invocation, out);
	if (stated->answer.missing > 0)
		mm_say("another officer: mintmark ceremony approve; then "
		       "mintmark ceremony fetch --at INDEX has what it made");
	else
		mm_say("mintmark ceremony fetch --at %ju has what it made",
		    (uintmax_t)stated->receipt.index);
}
