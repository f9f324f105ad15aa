/*
 * An order's terms as a command line says them.
 */
#ifndef MM_ORDER_TERMS_H
#define MM_ORDER_TERMS_H

#include "cli/command.h"
#include "protocol/statement.h"

/* --pattern, or --first and --last, or --devices FILE: exactly one. */
enum mm_error mm_order_devices(const struct mm_invocation *invocation,
    struct mm_arena *arena, struct mm_devices *out) mm_must_use;

/* --until: days from now, or a time. `out` keeps its value where it was not
 * said. */
enum mm_error mm_order_until(
    const struct mm_invocation *invocation, uint64_t *out) mm_must_use;

/* --reissue: a number, or a percentage of `units`, rounded down. `out` keeps
 * its value where it was not said. */
enum mm_error mm_order_reissue(const struct mm_invocation *invocation,
    uint64_t units, uint64_t *out) mm_must_use;

enum { MM_ORDER_UNITS_MAX = 10000000 };

#endif
