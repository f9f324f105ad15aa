/*
 * The archive: reads the notary's store (and cannot write it), answers
 * auditors, the authority that catches up and stations that ask again, writes
 * the tlog-tiles directory: entries, tiles, checkpoint last, and keeps what
 * witnesses have cosigned.
 */
#ifndef MM_ARCHIVE_H
#define MM_ARCHIVE_H

#include "log/notary.h"

enum mm_archive_call {
	MM_ARCHIVE_PUBLISH = 1, /* this checkpoint is the newest */
	MM_ARCHIVE_ENTRIES = 2,
	MM_ARCHIVE_RECEIPT = 3,
	MM_ARCHIVE_CONSISTENCY = 4,
	MM_ARCHIVE_COSIGN = 5,
	MM_ARCHIVE_BLOB = 6
};

struct mm_archive_options {
	const char *state;        /* directory of log.db, read only */
	const char *tiles;        /* directory of the tlog-tiles files */
	struct mm_list witnesses; /* mm_text_item: verifier keys of those whose
				   * cosignatures are taken; outlives it */
};

struct mm_archive_publish_request {
	struct mm_span note;
};
struct mm_archive_entries_request {
	uint64_t from, count;
};
struct mm_archive_entries_answer {
	uint64_t from;
	struct mm_list entries; /* mm_bytes_item; as many as fit */
};
/*
 * Against the checkpoint of the batch that the entry came with, so that a
 * receipt asked for again is the same byte for byte; or the newest published
 * one; or the newest cosigned one; or, so that several receipts can speak of
 * one root, the one of a given size, if it was published: MM_E_NOT_FOUND where
 * it is not stored.
 */
enum mm_archive_against {
	MM_AGAINST_BATCH = 0,
	MM_AGAINST_NEWEST = 1,
	MM_AGAINST_COSIGNED = 2,
	MM_AGAINST_SIZE = 3
};
struct mm_archive_receipt_request {
	uint64_t index;
	uint64_t against; /* enum mm_archive_against */
	uint64_t size;    /* with MM_AGAINST_SIZE */
};
struct mm_archive_receipt_answer {
	struct mm_span entry, note;
	struct mm_list proof; /* mm_hash_item */
};
/*
 * The other calls have the wire's own bodies (protocol/message.h).
 *
 * CONSISTENCY leads to the newest checkpoint that PUBLISH gave. MM_E_BEHIND
 * where the asker knows a larger one.
 *
 * COSIGN: the newest checkpoint that a known witness has cosigned is kept in
 * the tiles' directory as `cosigned`, with all known witnesses' lines
 * (log/cosigned.h), never ahead of the directory's `checkpoint`.
 * MM_E_CHECKPOINT_ORIGIN and the like, MM_E_COSIGNATURE; MM_E_NOT_FOUND for a
 * size that was never published; MM_E_FORK where the log's key signed
 * another root; MM_E_BUSY.
 *
 * BLOB gives at most 64 KiB: MM_E_NOT_FOUND, MM_E_RANGE behind its end.
 *
 * Once the store was found to contradict itself, here or by the review of
 * the directory (log/review.h), PUBLISH does its work and says
 * MM_E_LOG_WRONG every time: nothing more should be signed.
 */
extern const struct mm_shape mm_archive_publish_request_shape,
    mm_archive_entries_request_shape, mm_archive_entries_answer_shape,
    mm_archive_receipt_request_shape, mm_archive_receipt_answer_shape;

struct mm_archive;
enum mm_error mm_archive_open(const struct mm_archive_options *options,
    struct mm_archive **out) mm_must_use;
void mm_archive_close(struct mm_archive *archive);
/* `idle` writes tiles that are due and reviews those that are there. */
struct mm_service mm_archive_service(struct mm_archive *archive);

#endif
