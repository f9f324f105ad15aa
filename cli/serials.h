/*
 * Serial numbers that a command line names: said, in a file, or of the
 * certificate that a device has.
 */
#ifndef MM_SERIALS_H
#define MM_SERIALS_H

#include "cli/command.h"

/* --serial (repeated), --list or --device with --profile: exactly one way.
 * mm_bytes_item in the arena, in their order, none twice. MM_E_USAGE;
 * MM_E_FORMAT names the line. */
enum mm_error mm_serials_read(const struct mm_invocation *invocation,
    struct mm_arena *arena, struct mm_list *out) mm_must_use;

#endif
