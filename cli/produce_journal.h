/*
 * The journal of a run: how far it is, and the units that are begun and not
 * finished, sealed, so that whatever crashes each of them goes on with the
 * same key.
 *
 *	0	the header, in two copies of MM_JOURNAL_HEAD bytes that are
 *		written in turns: a torn one leaves the other
 *	...	MM_JOURNAL_SLOTS slots of MM_JOURNAL_SLOT bytes; all zero: free
 *
 * A header has, little-endian: magic (16), sequence (8), the run's id (16),
 * how the key is made (1 + 16 + 8 + 8), a nonce and a constant that the key
 * seals (24 + 32), the template's SHA-256 (32), order, profile and what the
 * registration is (1 + 64 each), the next ordinal, of each file of
 *cli/produce_rows.h its committed size and the SHA-256 of the last MM_ROWS_TAIL
 *bytes before that (8 + 32), units made, units scrapped (8 each), whether there
 *is a hook (1), zeros, and the SHA-256 of all that.
 *
 * A slot has a nonce (24), the length of what is sealed (4), that by
 * XChaCha20-Poly1305 with the run's id and the slot's number as associated
 * data, its tag (16).
 *
 * Order of writing, whose every point may be the last: slots, sync; requests;
 * files; rows, sync; header, sync (the commit); slots cleared. A slot that
 * does not open was torn in a crash: the sync after it never returned, so that
 * nothing of it has left; or it was damaged later, and its key is lost. Which
 * of the two nobody can tell, so that its bytes are kept aside.
 *
 *   produce_journal.c   the header, and what a journal is at all
 *   produce_slots.c     slots
 *   produce_seal.h      the key
 */
#ifndef MM_PRODUCE_JOURNAL_H
#define MM_PRODUCE_JOURNAL_H

#include "cli/produce_seal.h"

enum {
	MM_JOURNAL_WINDOW = 64,
	MM_JOURNAL_SLOTS = 2 * MM_JOURNAL_WINDOW,
	MM_JOURNAL_HEAD = 4096,
	MM_JOURNAL_SLOT = 16384,
	MM_JOURNAL_UNIT_MAX = MM_JOURNAL_SLOT - MM_SEAL_NONCE - 4 - MM_SEAL_TAG,
	MM_JOURNAL_NAME = 64,
	MM_RUN_FILES = 3,   /* see cli/produce_rows.h */
	MM_ROWS_TAIL = 4096 /* bytes */
};

/* What is committed of a file that grows. */
struct mm_rows_mark {
	uint64_t size;
	uint8_t tail[32]; /* SHA-256 of its end; of nothing where size is 0 */
};

struct mm_journal_head {
	uint64_t sequence;
	uint8_t run[16];
	struct mm_seal_terms seal;
	uint8_t template[32];
	char order[MM_JOURNAL_NAME + 1], profile[MM_JOURNAL_NAME + 1];
	char registers[MM_JOURNAL_NAME + 1]; /* "": there is none */
	uint64_t ordinal;                    /* of the next unit */
	struct mm_rows_mark marks[MM_RUN_FILES];
	uint64_t made, scrapped;
	bool hooked; /* each of its units had a hook, or none had one */
};

struct mm_run_journal {
	int fd;
	char path[PATH_MAX];
	struct mm_journal_head head;
	uint8_t sealed[MM_SEAL_NONCE + MM_SEAL_KEY]; /* the constant */
	uint8_t *key;  /* sodium memory; NULL until it is known */
	bool failed;   /* a write or sync: nothing is written after it */
	uint8_t *slot; /* room for one, sodium memory */
	size_t used[MM_JOURNAL_SLOTS]; /* bytes from its front on; 0: free */
	bool torn[MM_JOURNAL_SLOTS];   /* used, and does not open */
};

/*
 * The journal in a directory, which the caller has locked. `head.sequence` is
 * 0 where there is none yet: mm_run_journal_begin() makes it. MM_E_FILE;
 * MM_E_FORMAT where neither copy of the header is whole.
 */
enum mm_error mm_run_journal_open(
    const char *directory, struct mm_run_journal *out) mm_must_use;
/* Makes it, by a head that has order, profile, template and seal; takes the
 * key. The file is there whole or not at all. */
enum mm_error mm_run_journal_begin(struct mm_run_journal *journal,
    const struct mm_journal_head *head, uint8_t *key) mm_must_use;
/* Takes the key of a journal that was there. MM_E_PASSPHRASE: the key is
 * another one. */
enum mm_error
mm_run_journal_unlock(struct mm_run_journal *journal, uint8_t *key) mm_must_use;
/* The commit: `head` is durable when it returns. */
enum mm_error mm_run_journal_commit(struct mm_run_journal *journal,
    const struct mm_journal_head *head) mm_must_use;
void mm_run_journal_clear(struct mm_run_journal *journal);

/* --- slots --- */

/* Seals it into a free slot; durable after mm_slots_sync(). MM_E_RANGE: no slot
 * is free, or it is too long. */
enum mm_error mm_slot_put(struct mm_run_journal *journal, struct mm_span unit,
    size_t *slot) mm_must_use;
enum mm_error mm_slots_sync(struct mm_run_journal *journal) mm_must_use;
/* Overwrites it with zeros; durable with the next sync. */
enum mm_error
mm_slot_clear(struct mm_run_journal *journal, size_t slot) mm_must_use;
/* Opens each slot that is not free; `unit` lives during the call. Torn ones
 * are counted. Nothing is written. Stops at an error of the callback. */
typedef enum mm_error
mm_slot_found(void *self, size_t slot, struct mm_span unit);
enum mm_error mm_slots_open(struct mm_run_journal *journal,
    mm_slot_found *found, void *self, size_t *torn) mm_must_use;
/* Opens one of them again, in the same way. MM_E_FORMAT: it does not open any
 * more. */
enum mm_error mm_slot_open(struct mm_run_journal *journal, size_t slot,
    mm_slot_found *found, void *self) mm_must_use;
/* Appends the torn ones as they are to the file MM_JOURNAL_TORN in the
 * directory `run`, and then clears them; durable with the next sync. MM_E_FILE,
 * MM_E_DISK_FULL: they are as they were. */
#define MM_JOURNAL_TORN "torn"
enum mm_error
mm_slots_drop_torn(struct mm_run_journal *journal, int run) mm_must_use;
size_t mm_slots_free(const struct mm_run_journal *journal);

/* For both files: all bytes, at their place. */
enum mm_error mm_run_journal_write(struct mm_run_journal *journal,
    const void *bytes, size_t size, off_t place) mm_must_use;
enum mm_error mm_run_journal_sync(struct mm_run_journal *journal) mm_must_use;

#endif
