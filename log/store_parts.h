/*
 * The store's own parts: the one list of statements and the few ways in which
 * they are run. For the files log/store*.c alone.
 */
#ifndef MM_STORE_PARTS_H
#define MM_STORE_PARTS_H

#include <sqlite3.h>

#include "log/store.h"

#define MM_STORE_FILE "log.db"

enum {
	/* Pages in the write-ahead log: moved when idle, or at the latest. */
	MM_STORE_TIDY_PAGES = 1000,
	MM_STORE_TIDY_PAGES_MAX = 4000,
	/* Nodes that are remembered: of the lower levels those that were read
	 * last, of the upper ones, which every proof wants, as many
	 * as two million entries have. */
	MM_STORE_UPPER_LEVEL = 8,
	MM_STORE_LOWER_NODES = 1024,
	MM_STORE_UPPER_BITS = 14,
	MM_STORE_UPPER_NODES = 1 << MM_STORE_UPPER_BITS
};

enum mm_store_statement {
	MM_STORE_BEGIN,
	MM_STORE_BEGIN_READ,
	MM_STORE_COMMIT,
	MM_STORE_ROLLBACK,
	MM_STORE_PUT_IDENTITY,
	MM_STORE_PUT_ENTRY,
	MM_STORE_PUT_NODE,
	MM_STORE_PUT_CHECKPOINT,
	MM_STORE_PUT_NOTE,
	MM_STORE_GET_IDENTITY,
	MM_STORE_GET_ENTRY,
	MM_STORE_GET_LAST,
	MM_STORE_GET_NODE,
	MM_STORE_GET_NEWEST,
	MM_STORE_GET_NOTED,
	MM_STORE_GET_COVERING,
	MM_STORE_PUT_BLOB,
	MM_STORE_PUT_PIECE,
	MM_STORE_SET_WHOLE,
	MM_STORE_SET_NAMED,
	MM_STORE_DROP_PIECES,
	MM_STORE_DROP_BLOB,
	MM_STORE_GET_BLOB,
	MM_STORE_GET_STORED,
	MM_STORE_GET_PIECE,
	MM_STORE_GET_PIECES,
	MM_STORE_GET_UNFINISHED,
	MM_STORE_GET_NAMED,
	MM_STORE_STATEMENTS
};

/* Direct-mapped: a node's only place is its number modulo the size. */
struct mm_store_cached {
	uint64_t number;
	bool filled;
	struct mm_hash hash;
};

struct mm_store {
	sqlite3 *db;
	sqlite3_stmt *statements[MM_STORE_STATEMENTS];
	int lock;    /* on log.db itself; -1 in a reader */
	bool broken; /* nobody knows what is on the disk */
	int wal_pages;
	unsigned held; /* mm_store_hold() without its release */
	struct mm_store_identity identity;
	struct mm_buffer row; /* what the last read gave */
	struct mm_store_cached lower[MM_STORE_LOWER_NODES];
	struct mm_store_cached upper[MM_STORE_UPPER_NODES];
};

/* A flush that failed says nothing about what is on the disk. */
bool mm_store_is_full(sqlite3 *db);
/* What the connection's last error means to us. */
enum mm_error mm_store_fault(sqlite3 *db, const char *what) mm_must_use;

/* Makes all tables of the present version; what version 1 lacks. */
extern const char mm_store_schema[], mm_store_schema_2[];
/* A statement's text; all of them are prepared once. */
const char *mm_store_sql(enum mm_store_statement id);
enum mm_error mm_store_prepare(struct mm_store *store) mm_must_use;

void mm_store_bind(struct mm_store *store, enum mm_store_statement id,
    int parameter, uint64_t number);
/* The bytes must stay until the statement has run. */
void mm_store_bind_bytes(struct mm_store *store, enum mm_store_statement id,
    int parameter, struct mm_span bytes);
/* Runs a statement that gives no row. */
enum mm_error
mm_store_run(struct mm_store *store, enum mm_store_statement id) mm_must_use;
/* Steps to the first row: MM_E_NOT_FOUND where there is none. */
enum mm_error
mm_store_first(struct mm_store *store, enum mm_store_statement id) mm_must_use;
/* The row's column as bytes in store->row. */
struct mm_span
mm_store_column(struct mm_store *store, enum mm_store_statement id, int column);
/* Ends the statement's read transaction, so that the log can be tidied. */
enum mm_error mm_store_done(struct mm_store *store, enum mm_store_statement id,
    enum mm_error error) mm_must_use;

/* A transaction, whole or not at all. */
enum mm_error mm_store_begin(struct mm_store *store) mm_must_use;
enum mm_error
mm_store_finish(struct mm_store *store, enum mm_error error) mm_must_use;

/* Blobs that were begun and not finished. */
enum mm_error mm_store_forget_unfinished(struct mm_store *store) mm_must_use;
/* Inside of a batch: entry `named->index` names a blob. */
enum mm_error mm_store_put_named(
    struct mm_store *store, const struct mm_store_named *named) mm_must_use;

#endif
