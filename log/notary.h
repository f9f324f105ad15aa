/*
 * The notary: it stores whole batches durably, then signs the checkpoint
 * over what it stored, then moves its anchor; only then does it answer. It
 * never sees a root from outside, so no entry can be withheld from it.
 */
#ifndef MM_NOTARY_H
#define MM_NOTARY_H

#include "log/merkle.h"
#include "log/note.h"
#include "protocol/service.h"

/* So many that the answer with all proofs fits into one message. */
enum {
	MM_BATCH_ENTRIES = 112,
	MM_BATCH_BYTES = 98304, /* of entries; a single one may be 65,535 */
	MM_BATCH_REFERENCES = 64
};

enum mm_notary_call {
	MM_NOTARY_OPEN = 1,    /* what is stored? */
	MM_NOTARY_APPEND = 2,  /* store a batch */
	MM_NOTARY_GENESIS = 3, /* make the log key; genesis only */
	MM_NOTARY_BLOB = 4     /* store a piece of a blob */
};

struct mm_notary_options {
	const char *state;  /* directory of log.db */
	const char *anchor; /* directory of the anchor, elsewhere */
	const char *key;    /* directory of the log key */
	uint64_t reserve;   /* bytes to keep free; see log/admit.h */
	bool genesis;       /* an empty state may be begun */
};

struct mm_notary_open_answer {
	uint64_t size;
	struct mm_span note; /* checkpoint of that size; empty at size 0 */
	uint8_t policy[32];  /* newest policy stored */
	uint64_t time;       /* of the last entry */
};

struct mm_notary_genesis_request {
	struct mm_span origin;
};
struct mm_notary_genesis_answer {
	uint8_t log_key[32];
};

/*
 * Before the batch that names the blob, which is refused (MM_E_BLOB) unless
 * all of it is stored. Pieces come in order and may come again (log/store.h):
 * MM_E_RANGE for a gap, MM_E_BLOB where the whole does not make the SHA-256,
 * MM_E_DISK_FULL; then it is sent again from the start.
 */
struct mm_notary_blob_request {
	uint8_t sha256[32];
	uint64_t size, offset;
	struct mm_span data; /* 1 to 65,536 bytes */
};

struct mm_notary_append_request {
	uint64_t size;             /* of the log as the caller knows it */
	struct mm_list entries;    /* mm_bytes_item */
	struct mm_list references; /* mm_uint_item: entries to prove as well */
};
struct mm_inclusion {
	uint64_t index;
	struct mm_list proof; /* mm_hash_item */
};
struct mm_notary_append_answer {
	uint64_t first; /* index of the batch's first entry */
	struct mm_span note;
	struct mm_list proofs;     /* mm_inclusion, one an entry, in order */
	struct mm_list references; /* mm_inclusion, as asked for */
};
extern const struct mm_shape mm_notary_open_answer_shape,
    mm_notary_genesis_request_shape, mm_notary_genesis_answer_shape,
    mm_notary_blob_request_shape, mm_notary_append_request_shape,
    mm_notary_append_answer_shape, mm_inclusion_shape;

struct mm_notary; /* the open store, key and anchor */

/*
 * Opens store, key and anchor and checks that they belong together:
 * MM_E_STATE, MM_E_ROLLBACK, MM_E_LOCKED, MM_E_STORE, MM_E_LOG_WRONG.
 */
enum mm_error mm_notary_open(const struct mm_notary_options *options,
    struct mm_notary **out) mm_must_use;
void mm_notary_close(struct mm_notary *notary);
/*
 * The calls above on `notary`. Fatal are MM_E_STORE, MM_E_STATE and
 * MM_E_LOG_WRONG; after any other error nothing has changed.
 */
struct mm_service mm_notary_service(struct mm_notary *notary);

#endif
