/*
 * What an auditor checks of a tlog-tiles directory, offline: checkpoint
 * signature, every tile, the whole tree from its entries, and that the
 * entries make sense (log/meaning.h).
 */
#ifndef MM_VERIFY_H
#define MM_VERIFY_H

#include "log/note.h"

/*
 * Reads entries of a directory one after the other, each bundle once. The
 * checkpoint is verified (the errors of mm_checkpoint_open); the entries are
 * as the files have them, until mm_log_verify has compared them with it.
 */
struct mm_log_reader;
enum mm_error mm_log_open(const char *directory, const struct mm_vkey *vkey,
    struct mm_log_reader **out) mm_must_use;
void mm_log_close(struct mm_log_reader *reader);
const struct mm_checkpoint *
mm_log_checkpoint(const struct mm_log_reader *reader);
/* Valid until the next call; MM_E_NOT_FOUND past the end, MM_E_BUNDLE. */
enum mm_error mm_log_entry(struct mm_log_reader *reader, uint64_t index,
    struct mm_span *out) mm_must_use;

struct mm_log_report {
	/* Signatures and voids each, refusals with their counts. */
	uint64_t size, certificates, images, signatures, voids, refusals;
	struct mm_hash root;
};
/*
 * One pass over entries and tiles: MM_E_TILE where a tile does not fit the
 * entries, MM_E_LOG_WRONG where the root or an entry's meaning is wrong,
 * MM_E_ENTRY, MM_E_FILE. Memory does not grow with what entries hold, only
 * with their number: a byte an entry, 20 to 40 bytes a certificate.
 */
enum mm_error mm_log_verify(const char *directory, const struct mm_vkey *vkey,
    struct mm_log_report *out) mm_must_use;
/* The half of it that holds for any log: tree and tiles, constant memory. */
enum mm_error mm_log_verify_tree(struct mm_log_reader *reader) mm_must_use;

#endif
