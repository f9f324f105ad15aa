/*
 * What an auditor checks of a tlog-tiles directory, offline: checkpoint
 * signature, every tile, the whole tree from its entries, and that the
 * entries make sense (kinds known, time never backwards, one genesis, every
 * signature for an unsigned entry, no TBS twice).
 */
#ifndef MM_VERIFY_H
#define MM_VERIFY_H

#include "log/note.h"

/* Reads entries of a directory one after the other, each bundle once. */
struct mm_log_reader;
enum mm_error mm_log_open(const char *directory, const struct mm_vkey *vkey,
    struct mm_log_reader **out) mm_must_use;
void mm_log_close(struct mm_log_reader *reader);
const struct mm_checkpoint *mm_log_checkpoint(
    const struct mm_log_reader *reader);
/* Valid until the next call; MM_E_NOT_FOUND past the end. */
enum mm_error mm_log_entry(struct mm_log_reader *reader, uint64_t index,
    struct mm_span *out) mm_must_use;

struct mm_log_report {
	uint64_t size, certificates, images, signatures, voids, refusals;
	struct mm_hash root;
};
/* Constant memory, one pass over the entries and one over the tiles. */
enum mm_error mm_log_verify(const char *directory,
    const struct mm_vkey *vkey, struct mm_log_report *out) mm_must_use;

#endif
