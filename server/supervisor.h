/*
 * The supervisor: it starts the processes of DESIGN.md section 2, gives each
 * its channels (topology.h), its descriptors and its settings, starts again
 * what ended, and stops them in order. It reads its children's control
 * messages and nothing that came from a client.
 */
#ifndef MM_SUPERVISOR_H
#define MM_SUPERVISOR_H

#include "policy/settings.h"

struct mm_supervisor_options {
	int genesis; /* descriptor of the genesis file; -1: serve */
	int blobs;   /* of its directory of blobs; -1: there is none */
	bool accept_time, rebuild;
};

/*
 * Runs until it is told to stop (SIGTERM, SIGINT), genesis is complete, or
 * it cannot go on, which it has told in one line. Returns the exit status.
 */
int mm_supervisor_run(const struct mm_settings *settings,
    const struct mm_supervisor_options *options);

#endif
