#include "server/topology.h"

/*
 * Everything meets in the authority, and nothing goes past it: no gate
 * reaches the log, a key or another gate. The inspector's channel is made by
 * the authority and carried by the supervisor (MM_CONTROL_INSPECT).
 */
static const struct {
	enum mm_process client, server;
} links[] = {
    {MM_GATE, MM_AUTHORITY},
    {MM_AUTHORITY, MM_NOTARY},
    {MM_AUTHORITY, MM_TOKEN},
    {MM_AUTHORITY, MM_ARCHIVE},
};

#define SAYS(control) (1u << (control))

/* READY also carries a child's last words, as an error. */
static const unsigned sayings[MM_PROCESSES] = {
    [MM_GATE] = SAYS(MM_CONTROL_READY),
    [MM_AUTHORITY] = SAYS(MM_CONTROL_READY) | SAYS(MM_CONTROL_KILL) |
		     SAYS(MM_CONTROL_INSPECT) | SAYS(MM_CONTROL_DONE),
    [MM_NOTARY] = SAYS(MM_CONTROL_READY),
    [MM_TOKEN] = SAYS(MM_CONTROL_READY),
    [MM_ARCHIVE] = SAYS(MM_CONTROL_READY),
    [MM_INSPECTOR] = SAYS(MM_CONTROL_READY),
};

bool
mm_topology_may_call(uint64_t client, uint64_t server)
{
	for (size_t i = 0; i < MM_COUNT(links); i++)
		if (links[i].client == client && links[i].server == server)
			return true;
	return false;
}

bool
mm_topology_may_say(uint64_t process, uint64_t control)
{
	return process < MM_PROCESSES && control < 32 &&
	       (sayings[process] & SAYS(control)) != 0;
}
