/*
 * A ledger: facts about named things, written down as they come and read in
 * the end thing by thing, each thing's facts in the order of their entries.
 * What does not fit into its memory is sorted into a file without a name, so
 * that ten million facts take no more memory than ten.
 */
#ifndef MM_LEDGER_H
#define MM_LEDGER_H

#include "protocol/bytes.h"

enum { MM_LEDGER_NAME = 16 };

struct mm_fact {
	uint8_t name[MM_LEDGER_NAME]; /* first bytes of a SHA-256 */
	uint64_t index;               /* of the entry that says it */
	uint32_t kind, value;         /* as the ledger's owner means them */
};

struct mm_ledger;

/* `memory`: bytes that it may take; `work`: a directory for the rest. */
enum mm_error mm_ledger_new(
    const char *work, size_t memory, struct mm_ledger **out) mm_must_use;
void mm_ledger_free(struct mm_ledger *ledger);

/* MM_E_FILE, MM_E_DISK_FULL. */
enum mm_error
mm_ledger_add(struct mm_ledger *ledger, const struct mm_fact *fact) mm_must_use;

/* Told of each fact, by name, then by index; the first error ends it. */
typedef enum mm_error (*mm_ledger_reader)(
    void *self, const struct mm_fact *fact);
enum mm_error mm_ledger_read(
    struct mm_ledger *ledger, mm_ledger_reader reader, void *self) mm_must_use;

#endif
