#include "log/store_parts.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { RECOVERY_TRIES = 20, RECOVERY_PAUSE_MS = 1 };

/*
 * Every statement that this program ever gives to SQLite, but for PRAGMAs.
 * `named` is the first entry that names a blob; a blob that is not whole yet
 * has none.
 */
#define BLOBS \
	"CREATE TABLE blob (id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL " \
	"UNIQUE CHECK (length(sha256) = 32), size INTEGER NOT NULL " \
	"CHECK (size > 0), whole INTEGER NOT NULL CHECK (whole IN (0, 1))," \
	" named INTEGER UNIQUE CHECK (named IS NULL OR whole)) STRICT;" \
	"CREATE TABLE piece (blob INTEGER NOT NULL, at INTEGER NOT NULL," \
	" bytes BLOB NOT NULL CHECK (length(bytes) BETWEEN 1 AND 65536)," \
	" UNIQUE (blob, at)) STRICT;" \
	"CREATE INDEX unfinished ON blob (id) WHERE whole = 0;"

const char mm_store_schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1),"
    " origin TEXT NOT NULL, log_key BLOB NOT NULL CHECK "
    "(length(log_key) = 32)) STRICT;"
    "CREATE TABLE entry (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL CHECK "
    "(length(bytes) BETWEEN 1 AND 65535)) STRICT;"
    "CREATE TABLE node (n INTEGER PRIMARY KEY, hash BLOB NOT NULL CHECK "
    "(length(hash) = 32)) STRICT;"
    "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY CHECK (size > 0),"
    " root BLOB NOT NULL CHECK (length(root) = 32), note TEXT) STRICT;" BLOBS;

const char mm_store_schema_2[] = "BEGIN IMMEDIATE;" BLOBS;

static const char *const sql[MM_STORE_STATEMENTS] = {
    [MM_STORE_BEGIN] = "BEGIN IMMEDIATE",
    [MM_STORE_BEGIN_READ] = "BEGIN",
    [MM_STORE_COMMIT] = "COMMIT",
    [MM_STORE_ROLLBACK] = "ROLLBACK",
    [MM_STORE_PUT_IDENTITY] = "INSERT INTO identity VALUES (1, ?1, ?2)",
    [MM_STORE_PUT_ENTRY] = "INSERT INTO entry VALUES (?1, ?2)",
    [MM_STORE_PUT_NODE] = "INSERT INTO node VALUES (?1, ?2)",
    [MM_STORE_PUT_CHECKPOINT] = "INSERT INTO checkpoint VALUES (?1, ?2, NULL)",
    [MM_STORE_PUT_NOTE] = "UPDATE checkpoint SET note = ?2 WHERE size = ?1 AND "
			  "(note IS NULL OR note = ?2)",
    [MM_STORE_GET_IDENTITY] = "SELECT origin, log_key FROM identity",
    [MM_STORE_GET_ENTRY] = "SELECT bytes FROM entry WHERE idx = ?1",
    [MM_STORE_GET_LAST] = "SELECT max(idx) FROM entry",
    [MM_STORE_GET_NODE] = "SELECT hash FROM node WHERE n = ?1",
    [MM_STORE_GET_NEWEST] = "SELECT size, root, note FROM checkpoint "
			    "ORDER BY size DESC LIMIT 1",
    [MM_STORE_GET_NOTED] = "SELECT size, root, note FROM checkpoint "
			   "WHERE note IS NOT NULL ORDER BY size DESC LIMIT 1",
    [MM_STORE_GET_COVERING] = "SELECT size, root, note FROM checkpoint "
			      "WHERE size > ?1 ORDER BY size LIMIT 1",
    [MM_STORE_PUT_BLOB] = "INSERT INTO blob (sha256, size, whole) "
			  "VALUES (?1, ?2, 0)",
    [MM_STORE_PUT_PIECE] = "INSERT INTO piece VALUES (?1, ?2, ?3)",
    [MM_STORE_SET_WHOLE] = "UPDATE blob SET whole = 1 WHERE id = ?1",
    [MM_STORE_SET_NAMED] = "UPDATE blob SET named = ?2 WHERE id = ?1 AND "
			   "named IS NULL",
    [MM_STORE_DROP_PIECES] = "DELETE FROM piece WHERE blob = ?1",
    [MM_STORE_DROP_BLOB] = "DELETE FROM blob WHERE id = ?1 AND whole = 0",
    [MM_STORE_GET_BLOB] = "SELECT id, size, whole FROM blob "
			  "WHERE sha256 = ?1",
    [MM_STORE_GET_STORED] = "SELECT at + length(bytes) FROM piece "
			    "WHERE blob = ?1 ORDER BY at DESC LIMIT 1",
    [MM_STORE_GET_PIECE] = "SELECT at, bytes FROM piece WHERE blob = ?1 "
			   "AND at <= ?2 ORDER BY at DESC LIMIT 1",
    [MM_STORE_GET_PIECES] = "SELECT bytes FROM piece WHERE blob = ?1 "
			    "ORDER BY at",
    [MM_STORE_GET_UNFINISHED] = "SELECT id FROM blob WHERE whole = 0 "
				"LIMIT 1",
    [MM_STORE_GET_NAMED] = "SELECT named, size, sha256 FROM blob "
			   "WHERE named >= ?1 ORDER BY named LIMIT 1",
};

const char *
mm_store_sql(enum mm_store_statement id)
{
	return sql[id];
}

bool
mm_store_is_full(sqlite3 *db)
{
	int code = sqlite3_extended_errcode(db);
	int cause = sqlite3_system_errno(db);

	if (code == SQLITE_FULL)
		return true;
	if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC ||
	    ((code & 0xff) != SQLITE_IOERR && (code & 0xff) != SQLITE_CANTOPEN))
		return false;
	return cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
}

enum mm_error
mm_store_fault(sqlite3 *db, const char *what)
{
	int code = sqlite3_extended_errcode(db);
	enum mm_error error = MM_E_STORE;

	if (mm_store_is_full(db))
		return mm_fail(MM_E_DISK_FULL,
		    "cannot %s: the disk of the log is full", what);
	if (code == SQLITE_NOTADB || (code & 0xff) == SQLITE_CORRUPT)
		error = MM_E_STATE;
	else if ((code & 0xff) == SQLITE_NOMEM)
		error = MM_E_MEMORY;
	return mm_fail(error, "cannot %s " MM_STORE_FILE ": %s (SQLite %d, %s)",
	    what, sqlite3_errmsg(db), code, strerror(sqlite3_system_errno(db)));
}

enum mm_error
mm_store_prepare(struct mm_store *store)
{
	for (size_t i = 0; i < MM_STORE_STATEMENTS; i++)
		if (sqlite3_prepare_v3(store->db, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &store->statements[i],
			NULL) != SQLITE_OK)
			return mm_store_fault(store->db, "use");
	return MM_OK;
}

void
mm_store_bind(struct mm_store *store, enum mm_store_statement id, int parameter,
    uint64_t number)
{
	sqlite3_bind_int64(
	    store->statements[id], parameter, (sqlite3_int64)number);
}

void
mm_store_bind_bytes(struct mm_store *store, enum mm_store_statement id,
    int parameter, struct mm_span bytes)
{
	sqlite3_bind_blob64(store->statements[id], parameter, bytes.data,
	    bytes.size, SQLITE_STATIC);
}

enum mm_error
mm_store_run(struct mm_store *store, enum mm_store_statement id)
{
	sqlite3_stmt *statement = store->statements[id];
	int code = sqlite3_step(statement);
	enum mm_error error = MM_OK;

	if (code != SQLITE_DONE)
		error = mm_store_fault(store->db, "write");
	sqlite3_reset(statement);
	return error;
}

/*
 * A reader that looks while the writer ends a commit may find the index of
 * the write-ahead log half written, and then nobody who writes: SQLite says
 * that somebody must recover, which a reader cannot. The next look is good,
 * unless the writer has really gone.
 */
static int
step_in_peace(sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	for (int i = 0; i < RECOVERY_TRIES && code == SQLITE_READONLY_RECOVERY;
	     i++) {
		sqlite3_reset(statement);
		poll(NULL, 0, RECOVERY_PAUSE_MS);
		code = sqlite3_step(statement);
	}
	return code;
}

enum mm_error
mm_store_first(struct mm_store *store, enum mm_store_statement id)
{
	int code = step_in_peace(store->statements[id]);

	if (code == SQLITE_ROW)
		return MM_OK;
	if (code == SQLITE_DONE)
		return mm_fail(MM_E_NOT_FOUND, "the log has no such row");
	return mm_store_fault(store->db, "read");
}

struct mm_span
mm_store_column(struct mm_store *store, enum mm_store_statement id, int column)
{
	sqlite3_stmt *statement = store->statements[id];
	const void *data = sqlite3_column_blob(statement, column);
	size_t size = (size_t)sqlite3_column_bytes(statement, column);

	mm_buffer_reset(&store->row);
	mm_buffer_add(&store->row, data, size);
	return mm_buffer_span(&store->row);
}

enum mm_error
mm_store_done(
    struct mm_store *store, enum mm_store_statement id, enum mm_error error)
{
	sqlite3_reset(store->statements[id]);
	if (error == MM_OK && store->row.error != MM_OK)
		return mm_fail(MM_E_LOG_WRONG, "a row of the log is too long");
	return error;
}

enum mm_error
mm_store_begin(struct mm_store *store)
{
	if (store->broken)
		return mm_fail(MM_E_STORE,
		    "the store has failed before; it must be opened anew");
	return mm_store_run(store, MM_STORE_BEGIN);
}

enum mm_error
mm_store_finish(struct mm_store *store, enum mm_error error)
{
	if (error == MM_OK)
		error = mm_store_run(store, MM_STORE_COMMIT);
	if (error != MM_OK && sqlite3_get_autocommit(store->db) == 0) {
		sqlite3_step(store->statements[MM_STORE_ROLLBACK]);
		sqlite3_reset(store->statements[MM_STORE_ROLLBACK]);
	}
	if (error == MM_E_STORE || sqlite3_get_autocommit(store->db) == 0)
		store->broken = true;
	return error;
}
