/*
 * The processes that libev drives; the others are services (roles.c).
 * Each runs until the control channel says stop or closes.
 */
#ifndef MM_ROLE_H
#define MM_ROLE_H

#include "server/configure.h"

/* `extra` is the descriptor that came with the configuration, or -1. */
enum mm_error mm_gate_run(
    const struct mm_configure *configure, int control, int extra) mm_must_use;
enum mm_error mm_authority_run(
    const struct mm_configure *configure, int control, int extra) mm_must_use;

#endif
