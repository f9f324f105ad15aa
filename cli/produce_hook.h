/*
 * The operator's program for a unit: `sh -c COMMAND` in the unit's directory,
 * a process group of its own, once or again until it succeeds. It finds
 * unit.json on its standard input, in its environment MINTMARK_DEVICE,
 * MINTMARK_ORDER, MINTMARK_INDEX (of the certificate's entry) and
 * MINTMARK_ATTEMPT (1, 2, ...), and keys that were made for the unit's eFuses
 * as files in memory at descriptors 20 to 22, as the plan names them. What it
 * prints goes to hook.log in that directory. No other descriptor is open.
 */
#ifndef MM_PRODUCE_HOOK_H
#define MM_PRODUCE_HOOK_H

#include "cli/produce_stop.h"
#include "factory/unit.h"

enum {
	MM_HOOK_RETRIES = 2, /* after the first attempt */
	MM_HOOK_RETRIES_MAX = 100,
	MM_HOOK_TIMEOUT = 300, /* seconds, of each attempt */
	MM_HOOK_TIMEOUT_MAX = 86400,
	MM_HOOK_WHY = 320 /* bytes, with the NUL */
};

struct mm_hook {
	const char *command, *order;
	uint64_t retries, timeout;
	struct mm_stop *stop;
};

struct mm_hook_unit {
	struct mm_span device;
	uint64_t index;
	int directory; /* a descriptor of the unit's */
	struct mm_unit_key keys[MM_UNIT_KEYS];
	size_t key_count;
};

struct mm_hook_result {
	bool success;
	uint64_t attempts;
	char why[MM_HOOK_WHY]; /* it failed */
};

/*
 * Runs it to its end. An attempt that takes too long is ended with all of its
 * process group; so is one when the run is told to stop a second time, which
 * is MM_E_STOPPED. MM_E_BUSY: a hook of an earlier run is still at it.
 * MM_E_SETTING: it cannot be run (status 126 or 127 of the shell).
 * MM_E_FILE, MM_E_SYSTEM.
 */
enum mm_error mm_unit_hook(const struct mm_hook *hook,
    const struct mm_hook_unit *unit, struct mm_hook_result *out) mm_must_use;

#endif
