/*
 * Who may talk to whom, and what each process may say to the supervisor:
 * the one list. The supervisor makes no other channel than these.
 */
#ifndef MM_TOPOLOGY_H
#define MM_TOPOLOGY_H

#include "protocol/service.h"

/* Whether `client` (enum mm_process) may have a channel to `server`. */
bool mm_topology_may_call(uint64_t client, uint64_t server);

/* Whether `process` may send this (enum mm_control) to the supervisor. */
bool mm_topology_may_say(uint64_t process, uint64_t control);

#endif
