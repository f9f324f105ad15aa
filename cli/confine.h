/*
 * A process that serves strangers gives away what it does not need: from here
 * on no privileges come with a program, no program starts, no connection goes
 * out, no core is written, and (where the kernel has Landlock) no file but
 * those of one directory is reached.
 */
#ifndef MM_CONFINE_H
#define MM_CONFINE_H

#include "protocol/error.h"

/* MM_E_SYSTEM. Sockets that are to be listened on are open already. */
enum mm_error mm_confine(const char *directory) mm_must_use;

#endif
