/*
 * What each process may still do once it runs: no new privileges, no core
 * dumps, not dumpable, Landlock where the kernel has it, and a seccomp
 * filter, all from one table of roles.
 */
#ifndef MM_SANDBOX_H
#define MM_SANDBOX_H

#include "server/configure.h"

/*
 * In a role's first lines, before anything is opened: limits, not dumpable,
 * no new privileges, Landlock by the role's paths. MM_E_SYSTEM.
 */
enum mm_error
mm_sandbox_begin(const struct mm_configure *configure) mm_must_use;
/* After everything is open and before the first byte from a peer: the
 * seccomp filter, whose violation kills the process. MM_E_SYSTEM. */
enum mm_error
mm_sandbox_close(const struct mm_configure *configure) mm_must_use;

#endif
