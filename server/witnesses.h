/*
 * The witnesses that the settings name: whether their keys can be read, so
 * that a start says what is wrong rather than the first cosignature.
 */
#ifndef MM_WITNESSES_H
#define MM_WITNESSES_H

#include "policy/settings.h"

/* MM_E_SETTING, with the file's name in front. */
enum mm_error mm_witnesses_check(
    const char *file, const struct mm_settings *settings) mm_must_use;

#endif
