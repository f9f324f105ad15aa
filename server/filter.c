#include "server/filter.h"

#include <errno.h>
#include <string.h>

static int
add(scmp_filter_ctx filter, const struct mm_filter_call *call)
{
	int number = seccomp_syscall_resolve_name(call->name);
	uint32_t action = call->refuse != 0
			      ? SCMP_ACT_ERRNO((uint32_t)call->refuse)
			      : SCMP_ACT_ALLOW;

	if (number < 0) /* no such call on this architecture */
		return 0;
	return seccomp_rule_add_array(
	    filter, action, number, call->conditional ? 1 : 0, &call->when);
}

static int
fill(scmp_filter_ctx filter, const struct mm_filter_list *const lists[],
    size_t count)
{
	int status = seccomp_attr_set(
	    filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < lists[i]->count && status == 0; k++)
			status = add(filter, &lists[i]->calls[k]);
	return status;
}

enum mm_error
mm_filter_close(const struct mm_filter_list *const lists[], size_t count)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int status;

	if (filter == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the filter");
	status = fill(filter, lists, count);
	if (status == 0)
		status = seccomp_load(filter);
	seccomp_release(filter);
	if (status != 0)
		return mm_fail(
		    MM_E_SYSTEM, "sandbox: seccomp: %s", strerror(-status));
	return MM_OK;
}
