/*
 * A file that one process holds: opened without following links, regular, and
 * locked as long as it is open, also through a kill -9 of everybody else.
 */
#ifndef MM_HELD_H
#define MM_HELD_H

#include "protocol/error.h"

/*
 * `flags` for open(2), where O_CREAT makes it with mode 0600. MM_E_NOT_FOUND,
 * MM_E_STATE where it is no regular file or cannot be opened, MM_E_LOCKED
 * where another process holds it.
 */
enum mm_error mm_held_open(const char *path, int flags, int *out) mm_must_use;

#endif
