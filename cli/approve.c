#include "cli/approve.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/proposal.h"

enum { ARENA = 8 << 20 };

enum mm_error
mm_confirm(const struct mm_invocation *invocation, const char *question)
{
	mm_autoclose int terminal = -1;
	char answer[8] = "";
	ssize_t size;

	if (mm_option(invocation, "yes") != NULL)
		return MM_OK;
	terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (terminal < 0)
		return mm_fail(MM_E_USAGE,
		    "there is no terminal to ask at: look at what it is, then "
		    "say --yes");
	dprintf(terminal, "%s [yes/no] ", question);
	size = read(terminal, answer, sizeof(answer) - 1);
	if (size > 0 && strncmp(answer, "yes\n", 4) == 0)
		return MM_OK;
	return mm_fail(MM_E_NOT_FOUND, "nothing was signed: the answer is no");
}

/* All that is to be signed; a policy is read by its text. */
static enum mm_error
tell(const struct mm_invocation *invocation, const struct mm_waiting_one *one,
    struct mm_arena *arena)
{
	enum mm_error error = one->claim.kind == MM_STATEMENT_POLICY
				  ? mm_proposal_tell(invocation, one, arena)
				  : MM_OK;

	return error == MM_OK ? mm_waiting_tell(one) : error;
}

/* What is signed is what was read and shown, byte for byte. */
static enum mm_error
approve(const struct mm_invocation *invocation,
    const struct mm_waiting_one *one, struct mm_arena *arena)
{
	struct mm_stated stated;
	enum mm_error error = tell(invocation, one, arena);

	if (error == MM_OK)
		error = mm_confirm(invocation, "Sign this?");
	if (error == MM_OK)
		error = mm_state_payload(invocation, one->payload,
		    mm_stated_entry_kind(one->claim.kind), arena, &stated);
	if (error == MM_OK)
		mm_print(invocation, mm_stated_json(&stated));
	return error;
}

enum mm_error
mm_approve(const struct mm_invocation *invocation, uint64_t kind)
{
	struct mm_appliance appliance;
	struct mm_waiting_one one;
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_waiting_find(
		    &appliance, kind, invocation->operands[0], &arena, &one);
	return error == MM_OK ? approve(invocation, &one, &arena) : error;
}
