/*
 * A child's life, from its exec to its end: it is configured over its
 * control channel, sandboxed, opens what it holds, closes the sandbox and
 * serves.
 */
#ifndef MM_ROLES_H
#define MM_ROLES_H

/*
 * Runs the role of this name. Why it ends is told over the control channel
 * (MM_CONTROL_READY with an error) and is the exit status. It ends by
 * _exit: PKCS#11 modules crash in their exit handlers.
 */
_Noreturn void mm_role_main(const char *name);

#endif
