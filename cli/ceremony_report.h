/*
 * What `ceremony prepare` and its like say at their end: all that the
 * payloads say for people, and in short for scripts.
 */
#ifndef MM_CEREMONY_REPORT_H
#define MM_CEREMONY_REPORT_H

#include "cli/ceremony_papers.h"

/* Reads the file of payloads again, as an officer will, and tells it. */
enum mm_error mm_ceremony_report(const struct mm_invocation *invocation,
    const char *path, struct mm_arena *arena) mm_must_use;

/* {origin, payload, policy, expires, officers, principals} */
json_t *mm_ceremony_report_json(const struct mm_ceremony_papers *papers);
#define MM_CEREMONY_REPORT_RESULTS \
	"origin, payload (SHA-256), policy (SHA-256), expires,\n" \
	"officers (how many must sign), principals"

#endif
