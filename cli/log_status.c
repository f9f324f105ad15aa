/*
 * mintmark log status: how far the log is, by a checkpoint that its key has
 * signed.
 */
#include "cli/appliance.h"

enum { ARENA = 1 << 20 };

static enum mm_error
check(const struct mm_status_answer *answer, const struct mm_vkey *vkey,
    struct mm_checkpoint *out)
{
	char known[MM_VKEY_MAX];

	mm_vkey_text(vkey, known);
	if (!mm_span_is(answer->vkey, known))
		return mm_fail(MM_E_NOTE_KEY,
		    "the appliance keeps the log of %.*s, not of %s",
		    MM_SPAN(answer->vkey), known);
	return mm_checkpoint_open(answer->checkpoint, vkey, out);
}

static json_t *
describe(const struct mm_status_answer *answer,
    const struct mm_checkpoint *checkpoint)
{
	mm_auto(buffer) root = {0};

	mm_buffer_init(&root, 64);
	mm_base64_write(mm_span(checkpoint->root.bytes, MM_HASH_SIZE), &root);
	return json_pack("{s:s, s:I, s:s%, s:I, s:s%, s:s%}", "log",
	    checkpoint->origin, "size", (json_int_t)checkpoint->size, "root",
	    root.data, root.size, "policy", (json_int_t)answer->policy, "name",
	    answer->name.data, answer->name.size, "role", answer->role.data,
	    answer->role.size);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const struct mm_nothing nothing = {0};
	struct mm_checkpoint checkpoint;
	struct mm_appliance appliance;
	struct mm_status_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error = mm_appliance_read(invocation, 0, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_appliance_ask(
		    &appliance, MM_MESSAGE_STATUS, &nothing, &arena, &answer);
	if (error == MM_OK)
		error = check(&answer, &appliance.vkey, &checkpoint);
	if (error == MM_OK)
		mm_print(invocation, describe(&answer, &checkpoint));
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
};

const struct mm_command mm_log_status_command = {
    .noun = "log",
    .verb = "status",
    .operands = "",
    .summary = "how far the log is, and who the appliance thinks you are",
    .results = "log, size, root (base64), policy (number), name, role",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
