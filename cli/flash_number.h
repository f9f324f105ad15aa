/*
 * Numbers as people write them about flash: decimal, or hexadecimal behind
 * 0x.
 */
#ifndef MM_FLASH_NUMBER_H
#define MM_FLASH_NUMBER_H

#include "cli/command.h"

/* The whole text is one such number. */
bool mm_flash_number(const char *text, uint64_t *out);

/* An option's number within bounds; `out` keeps its value where the option was
 * not said. MM_E_USAGE. */
enum mm_error mm_flash_number_option(const struct mm_invocation *invocation,
    const char *name, uint64_t min, uint64_t max, uint64_t *out) mm_must_use;

#endif
