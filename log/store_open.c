#include "log/store_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "log/held.h"

enum {
	APPLICATION = 0x4d4d4c47, /* "MMLG" */
	VERSION_FIRST = 1,        /* had no blobs */
	VERSION = 2,
	BUSY_MS = 5000
};

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
		return mm_store_fault(db, "set up");
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
		error = mm_store_fault(db, "read");
	else
		*out = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return error;
}

static enum mm_error
check_ours(sqlite3 *db, sqlite3_int64 *version)
{
	sqlite3_int64 application;
	enum mm_error error =
	    pragma_number(db, "PRAGMA application_id", &application);

	if (error == MM_OK)
		error = pragma_number(db, "PRAGMA user_version", version);
	if (error != MM_OK)
		return error;
	if (application != APPLICATION)
		return mm_fail(
		    MM_E_STATE, MM_STORE_FILE " is not a log of mintmark");
	if (*version < VERSION_FIRST || *version > VERSION)
		return mm_fail(MM_E_STATE,
		    MM_STORE_FILE " has version %lld, this program knows %d",
		    (long long)*version, VERSION);
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
load_identity(struct mm_store *store)
{
	struct mm_store_identity *identity = &store->identity;
	enum mm_error error = mm_store_first(store, MM_STORE_GET_IDENTITY);
	struct mm_span span;

	if (error == MM_E_NOT_FOUND)
		error = mm_fail(MM_E_STATE, MM_STORE_FILE " is nobody's log");
	if (error != MM_OK)
		return mm_store_done(store, MM_STORE_GET_IDENTITY, error);
	span = mm_store_column(store, MM_STORE_GET_IDENTITY, 0);
	if (span.size > MM_ORIGIN_MAX)
		error = mm_fail(MM_E_STATE, "the log's origin is too long");
	else
		mm_span_string(
		    span, identity->origin, sizeof(identity->origin));
	span = mm_store_column(store, MM_STORE_GET_IDENTITY, 1);
	if (span.size != sizeof(identity->log_key))
		error = mm_fail(MM_E_STATE, "the log's key is damaged");
	else
		memcpy(identity->log_key, span.data, span.size);
	return mm_store_done(store, MM_STORE_GET_IDENTITY, error);
}

static enum mm_error
store_path(const char *directory, char out[PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s/" MM_STORE_FILE, directory) >= PATH_MAX)
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
	for (size_t i = 0; i < MM_STORE_STATEMENTS; i++)
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
		return mm_store_fault(db, "settle");
	return MM_OK;
}

/* Version 1 knew no blobs. */
static enum mm_error
upgrade(sqlite3 *db)
{
	char marks[64];
	enum mm_error error = pragma(db, mm_store_schema_2);

	snprintf(
	    marks, sizeof(marks), "PRAGMA user_version = %d; COMMIT", VERSION);
	return error == MM_OK ? pragma(db, marks) : error;
}

static enum mm_error
open_writer(struct mm_store *store, const char *path)
{
	sqlite3_int64 version = VERSION;
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
		return mm_store_fault(store->db, "open");
	configure(store->db);
	error = check_ours(store->db, &version);
	if (error == MM_OK)
		error = pragma(store->db,
		    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		    "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;"
		    "PRAGMA journal_size_limit = 16777216");
	if (error == MM_OK)
		error = settle(store->db);
	if (error == MM_OK && version == VERSION_FIRST)
		error = upgrade(store->db);
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
	sqlite3_int64 version;
	enum mm_error error;

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
		return mm_store_fault(store->db, "open");
	configure(store->db);
	error = check_ours(store->db, &version);
	if (error == MM_OK && version != VERSION)
		return mm_fail(MM_E_STARTING,
		    MM_STORE_FILE " has version %lld: the notary makes version "
				  "%d of it when it starts",
		    (long long)version, VERSION);
	return error;
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
		error = mm_store_prepare(store);
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
	struct mm_store *store = NULL;
	enum mm_error error = open_with(directory, open_writer, &store);

	if (error == MM_OK)
		error = mm_store_forget_unfinished(store);
	if (error != MM_OK) {
		mm_store_close(store);
		return error;
	}
	*out = store;
	return MM_OK;
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

	if (sqlite3_prepare_v2(db, mm_store_sql(MM_STORE_PUT_IDENTITY), -1,
		&put, NULL) != SQLITE_OK ||
	    sqlite3_bind_text(put, 1, identity->origin, -1, SQLITE_STATIC) !=
		SQLITE_OK ||
	    sqlite3_bind_blob(put, 2, identity->log_key,
		sizeof(identity->log_key), SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_step(put) != SQLITE_DONE)
		error = mm_store_fault(db, "make");
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
		error = pragma(db, mm_store_schema);
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
		error = mm_store_fault(db, "make");
	else
		error = build(db, identity);
	sqlite3_close(db);
	if (error == MM_OK)
		error = sync_directory(directory);
	if (error != MM_OK)
		return error;
	return mm_store_open(directory, out);
}
