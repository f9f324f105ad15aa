/*
 * A list of things as a table for people, and as one JSON object for scripts.
 */
#ifndef MM_TABLE_H
#define MM_TABLE_H

#include "cli/command.h"

/*
 * Prints `rows` (an array of objects, taken): with --json as {key: rows}, else
 * a line each, the members that `columns` names under their names. Members
 * that are lists stand with commas between, absent ones as "-".
 */
void mm_table_print(const struct mm_invocation *invocation, const char *key,
    json_t *rows, const char *const *columns, size_t count);

#endif
