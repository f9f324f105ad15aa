#include "log/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "log/held.h"

#define FILE_NAME "log.db"

enum {
	APPLICATION = 0x4d4d4c47, /* "MMLG" */
	VERSION = 1,
	BUSY_MS = 5000,
	/* Pages in the write-ahead log: moved when idle, or at the latest. */
	TIDY_PAGES = 1000,
	TIDY_PAGES_MAX = 4000,
	CACHE_NODES = 1024
};

/* Every statement that this program ever gives to SQLite, but for PRAGMAs. */
static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1),"
    " origin TEXT NOT NULL, log_key BLOB NOT NULL CHECK "
    "(length(log_key) = 32)) STRICT;"
    "CREATE TABLE entry (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL CHECK "
    "(length(bytes) BETWEEN 1 AND 65535)) STRICT;"
    "CREATE TABLE node (n INTEGER PRIMARY KEY, hash BLOB NOT NULL CHECK "
    "(length(hash) = 32)) STRICT;"
    "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY CHECK (size > 0),"
    " root BLOB NOT NULL CHECK (length(root) = 32), note TEXT) STRICT;";

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	PUT_IDENTITY,
	PUT_ENTRY,
	PUT_NODE,
	PUT_CHECKPOINT,
	PUT_NOTE,
	GET_IDENTITY,
	GET_ENTRY,
	GET_LAST,
	GET_NODE,
	GET_NEWEST,
	GET_NOTED,
	GET_COVERING,
	STATEMENTS
};
static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [PUT_IDENTITY] = "INSERT INTO identity VALUES (1, ?1, ?2)",
    [PUT_ENTRY] = "INSERT INTO entry VALUES (?1, ?2)",
    [PUT_NODE] = "INSERT INTO node VALUES (?1, ?2)",
    [PUT_CHECKPOINT] = "INSERT INTO checkpoint VALUES (?1, ?2, NULL)",
    [PUT_NOTE] = "UPDATE checkpoint SET note = ?2 WHERE size = ?1 AND "
		 "(note IS NULL OR note = ?2)",
    [GET_IDENTITY] = "SELECT origin, log_key FROM identity",
    [GET_ENTRY] = "SELECT bytes FROM entry WHERE idx = ?1",
    [GET_LAST] = "SELECT max(idx) FROM entry",
    [GET_NODE] = "SELECT hash FROM node WHERE n = ?1",
    [GET_NEWEST] = "SELECT size, root, note FROM checkpoint "
		   "ORDER BY size DESC LIMIT 1",
    [GET_NOTED] = "SELECT size, root, note FROM checkpoint "
		  "WHERE note IS NOT NULL ORDER BY size DESC LIMIT 1",
    [GET_COVERING] = "SELECT size, root, note FROM checkpoint "
		     "WHERE size > ?1 ORDER BY size LIMIT 1",
};

/* Direct-mapped: a node's only place is its number modulo the size. */
struct cached {
	uint64_t number;
	bool filled;
	struct mm_hash hash;
};

struct mm_store {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	int lock;    /* on log.db itself; -1 in a reader */
	bool broken; /* nobody knows what is on the disk */
	int wal_pages;
	struct mm_store_identity identity;
	struct mm_buffer row; /* what the last read gave */
	struct cached cache[CACHE_NODES];
};

/* A flush that failed says nothing about what is on the disk. */
static bool
is_full(sqlite3 *db)
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

static enum mm_error
fault(sqlite3 *db, const char *what)
{
	int code = sqlite3_extended_errcode(db);
	enum mm_error error = MM_E_STORE;

	if (is_full(db))
		return mm_fail(MM_E_DISK_FULL,
		    "cannot %s: the disk of the log is full", what);
	if (code == SQLITE_NOTADB || (code & 0xff) == SQLITE_CORRUPT)
		error = MM_E_STATE;
	else if ((code & 0xff) == SQLITE_NOMEM)
		error = MM_E_MEMORY;
	return mm_fail(error, "cannot %s " FILE_NAME ": %s (SQLite %d, %s)",
	    what, sqlite3_errmsg(db), code, strerror(sqlite3_system_errno(db)));
}

/* Runs a statement that gives no row. */
static enum mm_error
run(struct mm_store *store, enum statement id)
{
	sqlite3_stmt *statement = store->statements[id];
	int code = sqlite3_step(statement);
	enum mm_error error = MM_OK;

	if (code != SQLITE_DONE)
		error = fault(store->db, "write");
	sqlite3_reset(statement);
	return error;
}

static void
bind_number(struct mm_store *store, enum statement id, uint64_t number)
{
	sqlite3_bind_int64(store->statements[id], 1, (sqlite3_int64)number);
}

static enum mm_error
put_blob(struct mm_store *store, enum statement id, uint64_t number,
    struct mm_span bytes)
{
	bind_number(store, id, number);
	sqlite3_bind_blob64(
	    store->statements[id], 2, bytes.data, bytes.size, SQLITE_STATIC);
	return run(store, id);
}

/* The first row's column as bytes in store->row, behind what is there. */
static struct mm_span
copy_column(struct mm_store *store, sqlite3_stmt *statement, int column)
{
	const void *data = sqlite3_column_blob(statement, column);
	size_t size = (size_t)sqlite3_column_bytes(statement, column);

	mm_buffer_reset(&store->row);
	mm_buffer_add(&store->row, data, size);
	return mm_buffer_span(&store->row);
}

/* Steps to the first row: MM_E_NOT_FOUND where there is none. */
static enum mm_error
first_row(struct mm_store *store, enum statement id)
{
	int code = sqlite3_step(store->statements[id]);

	if (code == SQLITE_ROW)
		return MM_OK;
	if (code == SQLITE_DONE)
		return mm_fail(MM_E_NOT_FOUND, "the log has no such row");
	return fault(store->db, "read");
}

/* Ends the statement's read transaction, so that the log can be tidied. */
static enum mm_error
done(struct mm_store *store, enum statement id, enum mm_error error)
{
	sqlite3_reset(store->statements[id]);
	if (error == MM_OK && store->row.error != MM_OK)
		return mm_fail(MM_E_LOG_WRONG, "a row of the log is too long");
	return error;
}

static enum mm_error
get_blob(struct mm_store *store, enum statement id, uint64_t number,
    struct mm_span *out)
{
	enum mm_error error;

	bind_number(store, id, number);
	error = first_row(store, id);
	if (error == MM_OK)
		*out = copy_column(store, store->statements[id], 0);
	return done(store, id, error);
}

static enum mm_error
read_checkpoint(
    struct mm_store *store, sqlite3_stmt *row, struct mm_store_checkpoint *out)
{
	sqlite3_int64 size = sqlite3_column_int64(row, 0);
	struct mm_span root = copy_column(store, row, 1);

	if (size <= 0 || root.size != sizeof(out->root.bytes))
		return mm_fail(MM_E_LOG_WRONG, "a checkpoint is damaged");
	out->size = (uint64_t)size;
	memcpy(out->root.bytes, root.data, root.size);
	out->note = copy_column(store, row, 2);
	return MM_OK;
}

static enum mm_error
get_checkpoint(
    struct mm_store *store, enum statement id, struct mm_store_checkpoint *out)
{
	struct mm_store_checkpoint found = {.size = 0};
	enum mm_error error = first_row(store, id);

	if (error == MM_OK)
		error = read_checkpoint(store, store->statements[id], &found);
	error = done(store, id, error);
	if (error == MM_OK)
		*out = found;
	return error;
}

/* As above, but an empty log has the empty checkpoint. */
static enum mm_error
get_last_checkpoint(
    struct mm_store *store, enum statement id, struct mm_store_checkpoint *out)
{
	enum mm_error error = get_checkpoint(store, id, out);

	if (error != MM_E_NOT_FOUND)
		return error;
	*out = (struct mm_store_checkpoint){.size = 0};
	return MM_OK;
}

static int
count_wal(void *self, sqlite3 *db, const char *name, int pages)
{
	(void)db;
	(void)name;
	((struct mm_store *)self)->wal_pages = pages;
	return SQLITE_OK;
}

static enum mm_error
pragma(sqlite3 *db, const char *text)
{
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		return fault(db, "set up");
	return MM_OK;
}

/* A pragma's answer, which must be a number; -1 where it has none. */
static enum mm_error
pragma_number(sqlite3 *db, const char *text, sqlite3_int64 *out)
{
	sqlite3_stmt *statement = NULL;
	enum mm_error error = MM_OK;

	if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK ||
	    sqlite3_step(statement) != SQLITE_ROW)
		error = fault(db, "read");
	else
		*out = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return error;
}

static enum mm_error
check_ours(sqlite3 *db)
{
	sqlite3_int64 application, version;
	enum mm_error error =
	    pragma_number(db, "PRAGMA application_id", &application);

	if (error == MM_OK)
		error = pragma_number(db, "PRAGMA user_version", &version);
	if (error != MM_OK)
		return error;
	if (application != APPLICATION)
		return mm_fail(
		    MM_E_STATE, FILE_NAME " is not a log of mintmark");
	if (version != VERSION)
		return mm_fail(MM_E_STATE,
		    FILE_NAME " has version %lld, this program knows %d",
		    (long long)version, VERSION);
	return MM_OK;
}

/* Nothing in a damaged or foreign schema may run. */
static const int configuration[][2] = {
    {SQLITE_DBCONFIG_DEFENSIVE, 1},
    {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
    {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
    {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
    /* After a failed flush nothing more may be written. */
    {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
};

static void
configure(sqlite3 *db)
{
	int keep = 1;

	sqlite3_busy_timeout(db, BUSY_MS);
	for (size_t i = 0; i < MM_COUNT(configuration); i++)
		sqlite3_db_config(
		    db, configuration[i][0], configuration[i][1], NULL);
	/* The archive cannot make -wal and -shm where the notary is away. */
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
}

static enum mm_error
prepare(struct mm_store *store)
{
	for (size_t i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(store->db, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &store->statements[i],
			NULL) != SQLITE_OK)
			return fault(store->db, "use");
	return MM_OK;
}

static enum mm_error
load_identity(struct mm_store *store)
{
	sqlite3_stmt *row = store->statements[GET_IDENTITY];
	struct mm_store_identity *identity = &store->identity;
	enum mm_error error = first_row(store, GET_IDENTITY);
	struct mm_span span;

	if (error == MM_E_NOT_FOUND)
		error = mm_fail(MM_E_STATE, FILE_NAME " is nobody's log");
	if (error != MM_OK)
		return done(store, GET_IDENTITY, error);
	span = copy_column(store, row, 0);
	if (span.size > MM_ORIGIN_MAX)
		error = mm_fail(MM_E_STATE, "the log's origin is too long");
	else
		mm_span_string(
		    span, identity->origin, sizeof(identity->origin));
	span = copy_column(store, row, 1);
	if (span.size != sizeof(identity->log_key))
		error = mm_fail(MM_E_STATE, "the log's key is damaged");
	else
		memcpy(identity->log_key, span.data, span.size);
	return done(store, GET_IDENTITY, error);
}

static enum mm_error
store_path(const char *directory, char out[PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s/" FILE_NAME, directory) >= PATH_MAX)
		return mm_fail(
		    MM_E_STATE, "the path is too long: %s", directory);
	return MM_OK;
}

static struct mm_store *
store_new(void)
{
	struct mm_store *store = calloc(1, sizeof(*store));

	if (store == NULL) {
		mm_fail(MM_E_MEMORY, "no memory for the store");
		return NULL;
	}
	store->lock = -1;
	mm_buffer_init(&store->row, MM_NOTE_MAX);
	return store;
}

enum mm_error
mm_store_check_linked(const struct mm_store *store)
{
	struct stat info;

	if (fstat(store->lock, &info) < 0 || info.st_nlink == 0)
		return mm_fail(MM_E_STATE,
		    "log.db has been removed while it was in use: put the "
		    "state directory back where it was");
	return MM_OK;
}

void
mm_store_close(struct mm_store *store)
{
	if (store == NULL)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->db);
	if (store->lock >= 0)
		close(store->lock);
	mm_buffer_clear(&store->row);
	free(store);
}

/*
 * A commit whose flush failed may be seen in the page cache and not be on
 * the disk: moving it into the database and flushing that settles it.
 */
static enum mm_error
settle(sqlite3 *db)
{
	if (sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE,
		NULL, NULL) != SQLITE_OK)
		return fault(db, "settle");
	return MM_OK;
}

static enum mm_error
open_writer(struct mm_store *store, const char *path)
{
	/*
	 * A lock on log.db itself: SQLite's own let readers and writers in.
	 * This descriptor must be closed after SQLite's, since closing any of
	 * a file's descriptors drops the process's POSIX locks.
	 */
	enum mm_error error = mm_held_open(path, O_RDONLY, &store->lock);

	if (error != MM_OK)
		return error;
	if (sqlite3_open_v2(path, &store->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_EXRESCODE,
		NULL) != SQLITE_OK)
		return fault(store->db, "open");
	configure(store->db);
	error = check_ours(store->db);
	if (error == MM_OK)
		error = pragma(store->db,
		    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		    "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;"
		    "PRAGMA journal_size_limit = 16777216");
	if (error == MM_OK)
		error = settle(store->db);
	sqlite3_wal_hook(store->db, count_wal, store);
	return error;
}

/* RFC 3986: what has a meaning in SQLite's URIs is written as %XX. */
static void
uri_of(const char *path, struct mm_buffer *out)
{
	mm_buffer_add_text(out, "file:");
	for (const char *c = path; *c != '\0'; c++) {
		if (strchr("%?#", *c) != NULL)
			mm_buffer_printf(out, "%%%02X", (unsigned)*c);
		else
			mm_buffer_add(out, c, 1);
	}
	mm_buffer_add(out, "?mode=ro&readonly_shm=1", 24);
}

static enum mm_error
open_reader(struct mm_store *store, const char *path)
{
	mm_auto(buffer) uri = {0};

	mm_buffer_init(&uri, 4 * PATH_MAX);
	if (access(path, F_OK) < 0)
		return mm_fail(MM_E_NOT_FOUND, "there is no %s", path);
	uri_of(path, &uri);
	if (uri.error != MM_OK)
		return mm_fail(uri.error, "the path is too long: %s", path);
	if (sqlite3_open_v2((const char *)uri.data, &store->db,
		SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_EXRESCODE,
		NULL) != SQLITE_OK)
		return fault(store->db, "open");
	configure(store->db);
	return check_ours(store->db);
}

static enum mm_error
open_with(const char *directory,
    enum mm_error (*open_file)(struct mm_store *store, const char *path),
    struct mm_store **out)
{
	char path[PATH_MAX];
	struct mm_store *store;
	enum mm_error error = store_path(directory, path);

	if (error != MM_OK)
		return error;
	store = store_new();
	if (store == NULL)
		return MM_E_MEMORY;
	error = open_file(store, path);
	if (error == MM_OK)
		error = prepare(store);
	if (error == MM_OK)
		error = load_identity(store);
	if (error != MM_OK) {
		mm_store_close(store);
		return error;
	}
	*out = store;
	return MM_OK;
}

enum mm_error
mm_store_open(const char *directory, struct mm_store **out)
{
	return open_with(directory, open_writer, out);
}

enum mm_error
mm_store_open_reader(const char *directory, struct mm_store **out)
{
	return open_with(directory, open_reader, out);
}

static enum mm_error
sync_directory(const char *directory)
{
	mm_autoclose int fd =
	    open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return mm_fail(MM_E_STORE, "cannot flush %s: %s", directory,
		    strerror(errno));
	return MM_OK;
}

static enum mm_error
put_identity(sqlite3 *db, const struct mm_store_identity *identity)
{
	sqlite3_stmt *put = NULL;
	enum mm_error error = MM_OK;

	if (sqlite3_prepare_v2(db, sql[PUT_IDENTITY], -1, &put, NULL) !=
		SQLITE_OK ||
	    sqlite3_bind_text(put, 1, identity->origin, -1, SQLITE_STATIC) !=
		SQLITE_OK ||
	    sqlite3_bind_blob(put, 2, identity->log_key,
		sizeof(identity->log_key), SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_step(put) != SQLITE_DONE)
		error = fault(db, "make");
	sqlite3_finalize(put);
	return error;
}

/* The application's number comes last: half a store is not ours. */
static enum mm_error
build(sqlite3 *db, const struct mm_store_identity *identity)
{
	char marks[128];
	enum mm_error error;

	snprintf(marks, sizeof(marks),
	    "PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT",
	    VERSION, APPLICATION);
	configure(db);
	error =
	    pragma(db, "PRAGMA auto_vacuum = NONE; PRAGMA journal_mode = WAL;"
		       "PRAGMA synchronous = FULL");
	if (error == MM_OK)
		error = pragma(db, schema);
	if (error == MM_OK)
		error = put_identity(db, identity);
	if (error == MM_OK)
		error = pragma(db, marks);
	return error;
}

static enum mm_error
create_file(const char *path)
{
	mm_autoclose int fd = open(
	    path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);

	if (fd < 0 && errno == ENOSPC)
		return mm_fail(MM_E_DISK_FULL, "cannot make %s: %s", path,
		    strerror(errno));
	if (fd < 0)
		return mm_fail(
		    MM_E_STATE, "cannot make %s: %s", path, strerror(errno));
	return MM_OK;
}

enum mm_error
mm_store_create(const char *directory, const struct mm_store_identity *identity,
    struct mm_store **out)
{
	char path[PATH_MAX];
	sqlite3 *db = NULL;
	enum mm_error error = store_path(directory, path);

	if (error == MM_OK)
		error = create_file(path);
	if (error != MM_OK)
		return error;
	if (sqlite3_open_v2(path, &db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_EXRESCODE,
		NULL) != SQLITE_OK)
		error = fault(db, "make");
	else
		error = build(db, identity);
	sqlite3_close(db);
	if (error == MM_OK)
		error = sync_directory(directory);
	if (error != MM_OK)
		return error;
	return mm_store_open(directory, out);
}

const struct mm_store_identity *
mm_store_identity(const struct mm_store *store)
{
	return &store->identity;
}

static enum mm_error
put_note(struct mm_store *store, uint64_t size, struct mm_span note)
{
	enum mm_error error;

	bind_number(store, PUT_NOTE, size);
	sqlite3_bind_text64(store->statements[PUT_NOTE], 2,
	    (const char *)note.data, note.size, SQLITE_STATIC, SQLITE_UTF8);
	error = run(store, PUT_NOTE);
	if (error == MM_OK && sqlite3_changes(store->db) != 1)
		return mm_fail(MM_E_LOG_WRONG,
		    "checkpoint %llu is not there or has another note",
		    (unsigned long long)size);
	return error;
}

static enum mm_error
put_batch(struct mm_store *store, const struct mm_store_batch *batch)
{
	uint64_t number = mm_store_number(0, batch->first);
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < batch->entries.count && error == MM_OK; i++)
		error = put_blob(store, PUT_ENTRY, batch->first + i,
		    mm_list_at(batch->entries, struct mm_bytes_item, i)->value);
	for (size_t i = 0; i < batch->node_count && error == MM_OK; i++)
		error = put_blob(store, PUT_NODE, number + i,
		    mm_span(batch->nodes[i].bytes, MM_HASH_SIZE));
	if (error == MM_OK)
		error = put_blob(store, PUT_CHECKPOINT,
		    batch->first + batch->entries.count,
		    mm_span(batch->root.bytes, MM_HASH_SIZE));
	if (error == MM_OK && batch->note.size > 0)
		error = put_note(store, batch->first, batch->note);
	return error;
}

static enum mm_error
begin(struct mm_store *store)
{
	if (store->broken)
		return mm_fail(MM_E_STORE,
		    "the store has failed before; it must be opened anew");
	return run(store, BEGIN);
}

/* Ends a transaction, whole or not at all. */
static enum mm_error
finish(struct mm_store *store, enum mm_error error)
{
	if (error == MM_OK)
		error = run(store, COMMIT);
	if (error != MM_OK && sqlite3_get_autocommit(store->db) == 0) {
		sqlite3_step(store->statements[ROLLBACK]);
		sqlite3_reset(store->statements[ROLLBACK]);
	}
	if (error == MM_E_STORE || sqlite3_get_autocommit(store->db) == 0)
		store->broken = true;
	return error;
}

enum mm_error
mm_store_append(struct mm_store *store, const struct mm_store_batch *batch)
{
	enum mm_error error = begin(store);

	if (error == MM_OK)
		error = put_batch(store, batch);
	error = finish(store, error);
	if (store->wal_pages >= TIDY_PAGES_MAX)
		mm_store_tidy(store);
	return error;
}

enum mm_error
mm_store_note(struct mm_store *store, uint64_t size, struct mm_span note)
{
	enum mm_error error = begin(store);

	if (error == MM_OK)
		error = put_note(store, size, note);
	return finish(store, error);
}

void
mm_store_tidy(struct mm_store *store)
{
	int code, pages = 0, moved = 0;

	if (store->broken || store->wal_pages < TIDY_PAGES)
		return;
	code = sqlite3_wal_checkpoint_v2(
	    store->db, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &moved);
	/* Without room, or beside a reader, it stays where it is safe. */
	if (code == SQLITE_BUSY || (code != SQLITE_OK && is_full(store->db)))
		return;
	if (code != SQLITE_OK)
		store->broken = true;
	else if (pages == moved)
		store->wal_pages = 0;
}

enum mm_error
mm_store_entry(struct mm_store *store, uint64_t index, struct mm_span *out)
{
	return get_blob(store, GET_ENTRY, index, out);
}

enum mm_error
mm_store_entry_checked(
    struct mm_store *store, uint64_t index, struct mm_span *out)
{
	struct mm_tree tree = mm_store_tree(store);
	struct mm_hash stored, leaf;
	struct mm_span entry;
	enum mm_error error = mm_store_entry(store, index, &entry);

	if (error == MM_OK)
		error = tree.node(tree.self, 0, index, &stored);
	if (error != MM_OK)
		return error;
	leaf = mm_leaf_hash(entry);
	if (!mm_hash_equal(&leaf, &stored))
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu is damaged: it does not hash to its leaf",
		    (unsigned long long)index);
	*out = entry;
	return MM_OK;
}

enum mm_error
mm_store_newest(struct mm_store *store, struct mm_store_checkpoint *out)
{
	return get_last_checkpoint(store, GET_NEWEST, out);
}

enum mm_error
mm_store_newest_noted(struct mm_store *store, struct mm_store_checkpoint *out)
{
	return get_last_checkpoint(store, GET_NOTED, out);
}

enum mm_error
mm_store_covering(
    struct mm_store *store, uint64_t index, struct mm_store_checkpoint *out)
{
	bind_number(store, GET_COVERING, index);
	return get_checkpoint(store, GET_COVERING, out);
}

enum mm_error
mm_store_count(struct mm_store *store, uint64_t *out)
{
	sqlite3_stmt *row = store->statements[GET_LAST];
	enum mm_error error = first_row(store, GET_LAST);

	if (error == MM_OK && sqlite3_column_type(row, 0) == SQLITE_NULL)
		*out = 0;
	else if (error == MM_OK)
		*out = (uint64_t)sqlite3_column_int64(row, 0) + 1;
	return done(store, GET_LAST, error);
}

/*
 * Post-order, as golang.org/x/mod/sumdb/tlog StoredHashIndex: the last leaf
 * of the subtree, the nodes before that leaf, and the subtrees it completes.
 */
uint64_t
mm_store_number(unsigned level, uint64_t n)
{
	uint64_t leaf = ((n + 1) << level) - 1, number = level;

	for (; leaf > 0; leaf >>= 1)
		number += leaf;
	return number;
}

/* Leaves store->row alone. */
static enum mm_error
fetch_node(struct mm_store *store, uint64_t number, struct mm_hash *out)
{
	sqlite3_stmt *row = store->statements[GET_NODE];
	enum mm_error error;

	bind_number(store, GET_NODE, number);
	error = first_row(store, GET_NODE);
	if (error == MM_E_NOT_FOUND ||
	    (error == MM_OK && sqlite3_column_bytes(row, 0) != MM_HASH_SIZE))
		error = mm_fail(MM_E_LOG_WRONG,
		    "node %llu of the tree is missing or damaged",
		    (unsigned long long)number);
	if (error == MM_OK)
		memcpy(out->bytes, sqlite3_column_blob(row, 0), MM_HASH_SIZE);
	sqlite3_reset(row);
	return error;
}

static enum mm_error
read_node(void *self, unsigned level, uint64_t n, struct mm_hash *out)
{
	struct mm_store *store = self;
	uint64_t number = mm_store_number(level, n);
	struct cached *cached = &store->cache[number % CACHE_NODES];
	enum mm_error error = MM_OK;

	if (!cached->filled || cached->number != number) {
		cached->filled = false;
		error = fetch_node(store, number, &cached->hash);
	}
	if (error != MM_OK)
		return error;
	cached->number = number;
	cached->filled = true;
	*out = cached->hash;
	return MM_OK;
}

struct mm_tree
mm_store_tree(struct mm_store *store)
{
	return (struct mm_tree){read_node, store};
}
