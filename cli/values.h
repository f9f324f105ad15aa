/*
 * What stands behind an option, read strictly: numbers, words between
 * commas, hex. MM_E_USAGE names the option.
 */
#ifndef MM_VALUES_H
#define MM_VALUES_H

#include "cli/command.h"

/* A decimal number within bounds; `out` keeps its value where the option was
 * not said. */
enum mm_error mm_value_number(const struct mm_invocation *invocation,
    const char *name, uint64_t min, uint64_t max, uint64_t *out) mm_must_use;

/* The operand at `at`: an entry's number. */
enum mm_error mm_value_index(const struct mm_invocation *invocation, size_t at,
    uint64_t *out) mm_must_use;

/* "a,b,c" as a list of mm_text_item, none empty; the items are the arena's,
 * the text the command line's. */
enum mm_error mm_value_words(const struct mm_invocation *invocation,
    const char *name, struct mm_arena *arena, struct mm_list *out) mm_must_use;

/* Hex of 1 to `max` bytes, colons between them or not. */
enum mm_error
mm_value_hex(const struct mm_invocation *invocation, const char *name,
    size_t max, struct mm_arena *arena, struct mm_span *out) mm_must_use;

/* RFC 3339 ("2024-01-31T12:00:00Z", "...+01:00") or POSIX seconds; `out` keeps
 * its value where the option was not said. */
enum mm_error mm_value_time(const struct mm_invocation *invocation,
    const char *name, uint64_t *out) mm_must_use;

/* The option's text, or what stands in for it; empty where both are NULL. */
struct mm_span mm_value_text(const struct mm_invocation *invocation,
    const char *name, const char *otherwise);

/* What must be a name where it is said: 1 to 64 bytes of printable text. */
enum mm_error mm_values_named(const struct mm_invocation *invocation,
    const char *const *names, size_t count) mm_must_use;

/* How many of these options were said. */
size_t mm_values_said(const struct mm_invocation *invocation,
    const char *const *names, size_t count);

#endif
