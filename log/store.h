/*
 * The store of the log, log.db: entries, blobs, the hashes of the complete
 * subtrees over the entries and the checkpoints, in SQLite. Rows are only
 * ever added, a batch in one transaction with one fsync; the one later
 * change is that a checkpoint gets its signed note with the batch after it. The
 * notary holds it open for writing, the archive reads it meanwhile.
 *
 * Nodes are numbered in the order in which they become complete (a leaf, then
 * each subtree that it fills), so that every table grows at its end.
 */
#ifndef MM_STORE_H
#define MM_STORE_H

#include "log/entry.h"
#include "log/note.h"

/* Whose log it is; written once. */
struct mm_store_identity {
	char origin[MM_ORIGIN_MAX + 1];
	uint8_t log_key[32];
};

/* A checkpoint as stored. `note` is empty while no batch came after it. */
struct mm_store_checkpoint {
	uint64_t size; /* 0: there is none */
	struct mm_hash root;
	struct mm_span note;
};

/* A blob and the first entry that names it. */
struct mm_store_named {
	uint64_t index;
	struct mm_blob blob;
};

struct mm_store_batch {
	uint64_t first;              /* index of the first entry */
	struct mm_list entries;      /* mm_bytes_item; at least 1 */
	const struct mm_hash *nodes; /* from mm_store_number(0, first) on */
	size_t node_count;
	struct mm_hash root;  /* with this batch */
	struct mm_span note;  /* of the checkpoint at `first`, or empty */
	struct mm_list blobs; /* mm_store_named: whole, MM_E_BLOB otherwise */
	/* There is no checkpoint here: of a log that is being restored, only
	 * the last one is known. */
	bool inner;
};

struct mm_store;

/*
 * Makes log.db in a directory that has none: MM_E_STATE where it has one.
 * The directory is durable when this returns.
 */
enum mm_error
mm_store_create(const char *directory, const struct mm_store_identity *identity,
    struct mm_store **out) mm_must_use;
/*
 * Opens for writing, and makes sure that all that is seen is on the disk. A
 * store of version 1 becomes one of version 2; blobs that were begun and not
 * finished are forgotten. MM_E_NOT_FOUND where there is none, MM_E_STATE
 * where it is damaged, not ours or of another version, MM_E_LOCKED,
 * MM_E_DISK_FULL, MM_E_STORE.
 */
enum mm_error
mm_store_open(const char *directory, struct mm_store **out) mm_must_use;
/*
 * Opens for reading; no write permission is needed. Errors as above, and
 * MM_E_STARTING where the writer has yet to make version 2 of it.
 */
enum mm_error
mm_store_open_reader(const char *directory, struct mm_store **out) mm_must_use;
void mm_store_close(struct mm_store *store);
/* MM_E_STATE where the writer's file has been removed under it: what would
 * be stored in it now could never be found again. */
enum mm_error mm_store_check_linked(const struct mm_store *store) mm_must_use;

const struct mm_store_identity *mm_store_identity(const struct mm_store *store);

/*
 * Stores a batch durably, whole or not at all. MM_E_DISK_FULL: nothing has
 * changed and it may be tried again. MM_E_STORE: nobody knows what is on the
 * disk; close the store and end. Every later call says MM_E_STORE too.
 */
enum mm_error mm_store_append(
    struct mm_store *store, const struct mm_store_batch *batch) mm_must_use;
/*
 * Stores a piece of a blob (its bytes from `offset` on), durably, before the
 * entry that names it; pieces come in order and may come again, and a whole
 * blob stays as it is. MM_E_RANGE for a gap, MM_E_BLOB where the last piece
 * does not make the SHA-256: then all pieces are forgotten. Else as
 * mm_store_append().
 */
enum mm_error
mm_store_put_blob(struct mm_store *store, const struct mm_blob *blob,
    uint64_t offset, struct mm_span piece) mm_must_use;
/* Gives the checkpoint at `size` its note, durably; errors as above. */
enum mm_error mm_store_note(
    struct mm_store *store, uint64_t size, struct mm_span note) mm_must_use;
/*
 * Moves what the write-ahead log holds into the database once it has grown;
 * for moments in which nobody waits. A failure shows at the next append.
 */
void mm_store_tidy(struct mm_store *store);

/*
 * Between the two, which may be nested, all reads see one state of the log.
 * Many small reads, as a proof's are, cost a third that way. Not around
 * anything that writes.
 */
enum mm_error mm_store_hold(struct mm_store *store) mm_must_use;
void mm_store_release(struct mm_store *store);

/*
 * Reads. MM_E_NOT_FOUND where there is no such row, MM_E_LOG_WRONG where it
 * cannot be as it is, MM_E_STATE where the file is damaged, MM_E_STORE.
 * Spans live until the next call on `store`.
 */
enum mm_error mm_store_entry(
    struct mm_store *store, uint64_t index, struct mm_span *out) mm_must_use;
/*
 * The entry if its leaf hash is the stored one: a damaged entry is
 * MM_E_LOG_WRONG and never given.
 */
enum mm_error mm_store_entry_checked(
    struct mm_store *store, uint64_t index, struct mm_span *out) mm_must_use;
/*
 * At most 64 KiB of a whole blob, from `offset` on: MM_E_NOT_FOUND without
 * the blob, MM_E_RANGE behind its end. The pieces are as they are stored: who
 * has them all compares the SHA-256.
 */
enum mm_error mm_store_blob(struct mm_store *store, const uint8_t sha256[32],
    uint64_t offset, uint64_t *size, struct mm_span *out) mm_must_use;
/* The first blob that is named first by an entry from `from` on. */
enum mm_error mm_store_next_blob(struct mm_store *store, uint64_t from,
    struct mm_store_named *out) mm_must_use;
/* The last checkpoint; `out->size` is 0 in an empty log. */
enum mm_error mm_store_newest(
    struct mm_store *store, struct mm_store_checkpoint *out) mm_must_use;
/* The last one that has its note; `out->size` is 0 where none has. */
enum mm_error mm_store_newest_noted(
    struct mm_store *store, struct mm_store_checkpoint *out) mm_must_use;
/* That of the batch which entry `index` came with. */
enum mm_error mm_store_covering(struct mm_store *store, uint64_t index,
    struct mm_store_checkpoint *out) mm_must_use;
/* How many entries there are, by the entries themselves. */
enum mm_error mm_store_count(struct mm_store *store, uint64_t *out) mm_must_use;

/* The stored subtrees, through a small cache; as long as the store. */
struct mm_tree mm_store_tree(struct mm_store *store);
uint64_t mm_store_number(unsigned level, uint64_t n);

#endif
