/*
 * The archive: reads the notary's store (and cannot write it), answers
 * auditors, the authority that catches up and stations that ask again, and
 * writes the tlog-tiles directory: entries, tiles, checkpoint last.
 */
#ifndef MM_ARCHIVE_H
#define MM_ARCHIVE_H

#include "log/notary.h"

enum mm_archive_call {
	MM_ARCHIVE_PUBLISH = 1, /* this checkpoint is the newest */
	MM_ARCHIVE_ENTRIES = 2,
	MM_ARCHIVE_RECEIPT = 3
};

struct mm_archive_options {
	const char *state; /* directory of log.db, read only */
	const char *tiles; /* directory of the tlog-tiles files */
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
 * Where `newest`, against the newest published checkpoint; else against the
 * checkpoint of the batch that the entry came with, so that a receipt asked
 * for again is the same byte for byte.
 */
struct mm_archive_receipt_request {
	uint64_t index;
	bool newest;
};
struct mm_archive_receipt_answer {
	struct mm_span entry, note;
	struct mm_list proof; /* mm_hash_item */
};
extern const struct mm_shape mm_archive_publish_request_shape,
    mm_archive_entries_request_shape, mm_archive_entries_answer_shape,
    mm_archive_receipt_request_shape, mm_archive_receipt_answer_shape;

struct mm_archive;
enum mm_error mm_archive_open(const struct mm_archive_options *options,
    struct mm_archive **out) mm_must_use;
void mm_archive_close(struct mm_archive *archive);
/* `idle` writes tiles that are due, a few at a time. */
struct mm_service mm_archive_service(struct mm_archive *archive);

#endif
