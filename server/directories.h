/*
 * Where the state lies: one mintmarkd a state directory, and directories
 * that belong to nobody else.
 */
#ifndef MM_DIRECTORIES_H
#define MM_DIRECTORIES_H

#include "policy/settings.h"

/* The user that a process is to run as ("" where no change), by settings. */
const char *mm_user_of(const struct mm_settings *settings, const char *process,
    char *out, size_t size);

/*
 * Takes the lock of the state directory (MM_E_LOCKED where another has it;
 * it is held as long as the descriptor is open, also through a kill -9 of
 * everybody else) and checks all directories: MM_E_STATE. At genesis the
 * state must be empty and what is missing is made; else only what can be
 * rebuilt is.
 */
enum mm_error mm_directories_open(
    const struct mm_settings *settings, bool genesis, int *lock) mm_must_use;

#endif
