/*
 * Where an auditor's command reads the log: an appliance (--identity) or a
 * directory of tiles (an operand, with --key). Both give the same: a verified
 * checkpoint, entries, and proofs, and neither is believed.
 *
 * Entries are held against the checkpoint run by run. The inclusion proof of
 * the entry that a run begins with has, on its left, the hashes of all that
 * comes before; the entries of the run are added to these, and at its end the
 * sum must be what the proof of the entry after it has on its left, or the
 * checkpoint's root. So a run of any length costs two proofs, and the whole
 * log none.
 */
#ifndef MM_SOURCE_H
#define MM_SOURCE_H

#include "cli/appliance.h"
#include "log/entry.h"
#include "log/note.h"
#include "log/receipt.h"

struct mm_source;

/* The rows of options that every such command has. */
#define MM_SOURCE_OPTIONS \
	{"identity", "DIR", "ask an appliance: an identity directory", false}, \
	{ \
		"key", "VKEY", "with DIR: the log's verifier key, a file", \
		    false \
	}
#define MM_SOURCE_OPERANDS "[DIR]"

/*
 * By the command line: `at` is the number of the operand that would be the
 * directory. MM_E_USAGE where neither or both are said; the errors of
 * mm_checkpoint_open(), mm_client_open().
 */
enum mm_error mm_source_open(const struct mm_invocation *invocation, size_t at,
    struct mm_source **out) mm_must_use;
void mm_source_close(struct mm_source *source);

const struct mm_vkey *mm_source_vkey(const struct mm_source *source);
/* As of opening, or newer where mm_source_consistency() found it. */
const struct mm_checkpoint *
mm_source_checkpoint(const struct mm_source *source);
struct mm_span mm_source_note(const struct mm_source *source);

/*
 * An entry below the checkpoint's size; it lives until the next call.
 * MM_E_NOT_FOUND past the end. Entries that are asked for one after the other
 * are a run: nothing of it is proven before mm_source_settle(), which a jump
 * calls by itself.
 */
enum mm_error mm_source_entry(
    struct mm_source *source, uint64_t index, struct mm_span *out) mm_must_use;
/* Ends the run: MM_E_LOG_WRONG where its entries are not the checkpoint's. */
enum mm_error mm_source_settle(struct mm_source *source) mm_must_use;
/* Whether this is the right edge of the log's first entries, as many as it
 * has: MM_E_LOG_WRONG; MM_E_BEHIND where the log has fewer. */
enum mm_error mm_source_check(
    struct mm_source *source, const struct mm_frontier *edge) mm_must_use;
/* The right edge of the first `size` entries, fewer than the log has, by an
 * inclusion proof. */
enum mm_error mm_source_edge(struct mm_source *source, uint64_t size,
    struct mm_frontier *out) mm_must_use;
/* Whole, with its hash checked. MM_E_BLOB. */
enum mm_error mm_source_blob(struct mm_source *source,
    const struct mm_blob *blob, struct mm_buffer *out) mm_must_use;
/* A receipt against the checkpoint or a newer one, verified. `cosigned`:
 * against the newest cosigned one; MM_E_NOT_FOUND where none covers it. */
enum mm_error mm_source_receipt(struct mm_source *source, uint64_t index,
    bool cosigned, struct mm_buffer *out) mm_must_use;
/*
 * A receipt against the very checkpoint of this note, or another note of the
 * same size and root, verified. MM_E_NOT_FOUND where the appliance has not
 * kept that checkpoint, or the index is not in it; MM_E_FORK.
 */
enum mm_error mm_source_receipt_under(struct mm_source *source, uint64_t index,
    struct mm_span note, struct mm_buffer *out) mm_must_use;
/* Whether a checkpoint is of this log's history: MM_E_BEHIND where the log is
 * not that far, MM_E_FORK where its first entries have another root. */
enum mm_error mm_source_has(
    struct mm_source *source, const struct mm_checkpoint *seen) mm_must_use;
/* The newest cosigned checkpoint, its note appended; MM_E_NOT_FOUND where
 * there is none. */
enum mm_error mm_source_cosigned(struct mm_source *source,
    struct mm_buffer *note, struct mm_checkpoint *out) mm_must_use;
/* From an older size to a checkpoint, the present one or a newer, which
 * becomes the source's. MM_E_BEHIND where the log is not that far. */
enum mm_error mm_source_consistency(struct mm_source *source, uint64_t older,
    struct mm_proof *proof) mm_must_use;

#endif
