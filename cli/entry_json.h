/*
 * The printers of the log: every kind of entry, to the ground (statements
 * with their officers' key ids, TBS, policy), as one JSON object; and the
 * same for people, a line a member, nested ones indented.
 */
#ifndef MM_ENTRY_JSON_H
#define MM_ENTRY_JSON_H

#include <jansson.h>

#include "log/entry.h"

/*
 * {index, time, kind, policy, leaf, body}: the body's members by kind, under
 * the names of mintmark.cddl; bytes in hex, times as RFC 3339. Statements of
 * one payload are one, with their officers' key ids beside it. What cannot
 * be decoded stands as {"unreadable": hex}; an entry that cannot be read at
 * all is MM_E_ENTRY. The object is the caller's.
 */
enum mm_error
mm_entry_json(uint64_t index, struct mm_span entry, json_t **out) mm_must_use;

/* For people, on stdout. */
void mm_entry_print(const json_t *entry);

#endif
