/*
 * The tables of the index, its file, and its batches.
 */
#include "server/index_parts.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/journal.h"
#include "protocol/message.h"

enum {
	SCHEMA = 6,
	APPLICATION = 0x6d6d6978 /* "mmix" */
};

/* The tables, each with what it answers. */
static const char schema[] =
    /* how many entries are folded, and which was the last? */
    "CREATE TABLE fold(one INTEGER PRIMARY KEY CHECK(one = 1),"
    " size INTEGER NOT NULL, last BLOB) STRICT;"
    "INSERT INTO fold VALUES(1, 0, NULL);"
    /* entries that others rest on; which of them does the token follow? */
    "CREATE TABLE reference(idx INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " bytes BLOB NOT NULL) STRICT;"
    "CREATE INDEX policies ON reference(idx) WHERE kind < 2;"
    "CREATE INDEX followed ON reference(idx)"
    " WHERE kind IN (0, 1, 10, 17, 19);"
    /* who holds this TLS key? */
    "CREATE TABLE principal(name TEXT PRIMARY KEY, key BLOB NOT NULL,"
    " idx INTEGER NOT NULL, disabled INTEGER NOT NULL,"
    " seen INTEGER NOT NULL, until INTEGER NOT NULL) STRICT;"
    "CREATE INDEX principal_key ON principal(key);"
    /* which terms does an order have, and what became of it? */
    "CREATE TABLE orders(name TEXT PRIMARY KEY, idx INTEGER NOT NULL UNIQUE,"
    " first INTEGER NOT NULL UNIQUE, revision INTEGER NOT NULL,"
    " profile TEXT NOT NULL, used INTEGER NOT NULL,"
    " reissued INTEGER NOT NULL, refused INTEGER NOT NULL,"
    " revoked INTEGER NOT NULL, scrapped INTEGER NOT NULL) STRICT;"
    /* whose key in the token is this, and which certificate has it? */
    "CREATE TABLE authority(name TEXT PRIMARY KEY, use INTEGER NOT NULL,"
    " key BLOB NOT NULL UNIQUE, retired INTEGER NOT NULL, idx INTEGER,"
    " imported INTEGER NOT NULL) STRICT;"
    /* what was issued, and what became of it. ord: `first` of a device's
     * order, -1 for an inherited one, 0 for all others; live: enum
     * mm_index_live. A signature leaves all that is in the indexes over
     * random keys, so that it does not cost them a second change. */
    "CREATE TABLE issued(idx INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " profile TEXT NOT NULL, subject TEXT NOT NULL, scheme TEXT NOT NULL,"
    " ord INTEGER NOT NULL, basis INTEGER NOT NULL, key BLOB NOT NULL,"
    " serial BLOB, issuer TEXT NOT NULL, state INTEGER NOT NULL,"
    " signature BLOB, principal TEXT NOT NULL, day INTEGER NOT NULL,"
    " until INTEGER NOT NULL, replaces INTEGER NOT NULL,"
    " live INTEGER NOT NULL, revoked INTEGER NOT NULL,"
    " revoked_at INTEGER NOT NULL, secure INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX one_device ON issued(profile, subject)"
    " WHERE live IN (1, 6);"
    "CREATE INDEX of_key ON issued(key) WHERE kind = 4 AND live > 0;"
    "CREATE UNIQUE INDEX one_serial ON issued(serial)"
    " WHERE serial IS NOT NULL;"
    "CREATE UNIQUE INDEX one_image ON issued(profile, subject, scheme)"
    " WHERE live = 2;"
    "CREATE INDEX resting ON issued(basis, idx)"
    " WHERE kind IN (4, 18) AND ord = 0;"
    "CREATE INDEX without_signature ON issued(idx) WHERE state = 0;"
    /* what is revoked, and what was taken back (reason 8); by which entry? */
    "CREATE TABLE revoked(issuer TEXT NOT NULL, serial BLOB NOT NULL,"
    " reason INTEGER NOT NULL, at INTEGER NOT NULL, since INTEGER NOT NULL,"
    " entry INTEGER NOT NULL, PRIMARY KEY(issuer, serial)) STRICT,"
    " WITHOUT ROWID;"
    "CREATE INDEX revoked_entry ON revoked(issuer, entry);"
    /* which CRL is an issuer's newest? */
    "CREATE TABLE crl(issuer TEXT NOT NULL, idx INTEGER NOT NULL,"
    " number INTEGER NOT NULL, this_update INTEGER NOT NULL,"
    " next_update INTEGER NOT NULL, size INTEGER NOT NULL,"
    " PRIMARY KEY(issuer, idx)) STRICT, WITHOUT ROWID;"
    /* what did this request make? */
    "CREATE TABLE request(principal TEXT NOT NULL, id BLOB NOT NULL,"
    " idx INTEGER NOT NULL, PRIMARY KEY(principal, id)) STRICT,"
    " WITHOUT ROWID;"
    /* is this statement in force already? */
    "CREATE TABLE statement(payload BLOB PRIMARY KEY, idx INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    /* does it wait for signatures, or was it withdrawn? */
    "CREATE TABLE pending(payload BLOB PRIMARY KEY, idx INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, time INTEGER NOT NULL, expiry INTEGER NOT NULL,"
    " withdrawn INTEGER NOT NULL, image BLOB) STRICT, WITHOUT ROWID;"
    "CREATE INDEX waiting ON pending(expiry) WHERE withdrawn = 0;"
    "CREATE INDEX waiting_image ON pending(image) WHERE image IS NOT NULL;"
    /* which entry says what may be released? */
    "CREATE TABLE release(product TEXT NOT NULL, version TEXT NOT NULL,"
    " idx INTEGER NOT NULL UNIQUE, image BLOB NOT NULL,"
    " PRIMARY KEY(product, version)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX release_image ON release(image);"
    /* which partition of a device was signed, with this certificate in it? */
    "CREATE TABLE partition(certificate INTEGER NOT NULL,"
    " scheme TEXT NOT NULL, idx INTEGER NOT NULL,"
    " PRIMARY KEY(certificate, scheme)) STRICT, WITHOUT ROWID;"
    /* which unit was reported as scrap, by its certificate? */
    "CREATE TABLE scrap(certificate INTEGER PRIMARY KEY,"
    " idx INTEGER NOT NULL) STRICT;"
    /* how much of an inheritance is taken in? */
    "CREATE TABLE inheritance(idx INTEGER PRIMARY KEY,"
    " size INTEGER NOT NULL, offset INTEGER NOT NULL) STRICT;"
    /* how many today, of a kind of entry? */
    "CREATE TABLE daily(principal TEXT NOT NULL, kind INTEGER NOT NULL,"
    " day INTEGER NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY(principal, kind, day)) STRICT, WITHOUT ROWID;";

static enum mm_error
make_schema(struct mm_index *index)
{
	char ours[96];

	snprintf(ours, sizeof(ours),
	    "PRAGMA application_id = %d; PRAGMA user_version = %d;",
	    APPLICATION, SCHEMA);
	if (sqlite3_exec(index->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(index->db, schema, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(index->db, ours, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(index->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		return mm_sql_failed(index);
	return MM_OK;
}

static int
pragma(struct mm_index *index, const char *text)
{
	sqlite3_stmt *statement;
	int value = -1;

	if (sqlite3_prepare_v2(index->db, text, -1, &statement, NULL) !=
	    SQLITE_OK)
		return -1;
	if (sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

/*
 * synchronous NORMAL: a power cut may lose the newest transactions, which
 * come back from the log; it cannot mix them up. Keys, serials and request
 * ids are random, so each entry changes pages all over the file: a cache of
 * 16 MiB and a write-ahead log of 32 MiB before it is moved into the file
 * take most of what that would cost.
 */
static const char pragmas[] =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;"
    "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16384;"
    "PRAGMA wal_autocheckpoint = 8192;";

static enum mm_error
open_database(struct mm_index *index)
{
	int version;

	if (sqlite3_open_v2(index->path, &index->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
		NULL) != SQLITE_OK)
		return mm_sql_failed(index);
	sqlite3_extended_result_codes(index->db, 1);
	if (sqlite3_exec(index->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
		return mm_sql_failed(index);
	version = pragma(index, "PRAGMA user_version");
	if (version == 0 &&
	    pragma(index, "SELECT count(*) FROM sqlite_schema") == 0)
		return make_schema(index);
	if (version == SCHEMA &&
	    pragma(index, "PRAGMA application_id") == APPLICATION)
		return MM_OK;
	index->useless = true;
	return mm_fail(
	    MM_E_STATE, "%s is not an index of this version", index->path);
}

/* How far the fold had come when it was committed last. */
static enum mm_error
load_fold(struct mm_index *index)
{
	mm_auto(arena) arena = {0};
	struct mm_span last;
	enum mm_error error = MM_SQL_LOOK(index, MM_SQL_FOLD_GET, "");

	if (error == MM_E_NOT_FOUND) {
		index->useless = true;
		return mm_fail(MM_E_STATE, "%s is half an index", index->path);
	}
	if (error != MM_OK)
		return error;
	mm_arena_init(&arena, 4096);
	index->size = mm_sql_uint(index, MM_SQL_FOLD_GET, 0);
	last = mm_sql_span(index, MM_SQL_FOLD_GET, 1, &arena);
	memset(index->last, 0, sizeof(index->last));
	if (last.size == sizeof(index->last))
		memcpy(index->last, last.data, last.size);
	mm_sql_done(index, MM_SQL_FOLD_GET);
	return MM_OK;
}

static enum mm_error
open_whole(struct mm_index *index)
{
	enum mm_error error = open_database(index);

	if (error == MM_OK)
		error = mm_sql_prepare(index);
	return error == MM_OK ? load_fold(index) : error;
}

static void
close_database(struct mm_index *index)
{
	for (size_t i = 0; i < MM_SQL_COUNT; i++)
		sqlite3_finalize(mm_take(index->statements[i]));
	sqlite3_close(mm_take(index->db));
}

static enum mm_error
remove_files(struct mm_index *index)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < MM_COUNT(suffixes); i++) {
		char name[sizeof(index->path) + 8];

		snprintf(name, sizeof(name), "%s%s", index->path, suffixes[i]);
		if (unlink(name) < 0 && errno != ENOENT)
			return mm_fail(MM_E_STATE, "cannot remove %s: %s", name,
			    strerror(errno));
	}
	index->useless = false;
	return MM_OK;
}

enum mm_error
mm_index_anew(struct mm_index *index)
{
	enum mm_error error;

	close_database(index);
	error = remove_files(index);
	return error == MM_OK ? open_whole(index) : error;
}

/* What cannot be used is no loss: all of it is in the log. */
static enum mm_error
open_or_anew(struct mm_index *index)
{
	enum mm_error error = open_whole(index);

	if (error == MM_OK || !index->useless)
		return error;
	mm_journal(MM_LEVEL_WARNING, "index-rebuilt",
	    "%s: it is made anew from the log", mm_why(error));
	return mm_index_anew(index);
}

enum mm_error
mm_index_open(const char *directory, bool rebuild, struct mm_index **out)
{
	struct mm_index *index = calloc(1, sizeof(*index));
	enum mm_error error;

	if (index == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the index");
	mm_buffer_init(&index->newest, MM_ENTRY_MAX);
	snprintf(index->path, sizeof(index->path), "%s/index.db", directory);
	error = rebuild ? mm_index_anew(index) : open_or_anew(index);
	if (error != MM_OK) {
		mm_index_close(index);
		return error;
	}
	*out = index;
	return MM_OK;
}

/* Where it stays, the next start finds it as useless. */
static void
drop_useless(struct mm_index *index)
{
	if (remove_files(index) == MM_OK)
		mm_journal(MM_LEVEL_WARNING, "index-removed",
		    "%s is removed: the next start makes it anew from the log",
		    index->path);
	else
		mm_journal(
		    MM_LEVEL_WARNING, "index-stays", "%s", mm_why(MM_E_STATE));
}

void
mm_index_close(struct mm_index *index)
{
	if (index == NULL)
		return;
	close_database(index);
	if (index->useless)
		drop_useless(index);
	mm_buffer_clear(&index->newest);
	free(index);
}

uint64_t
mm_index_size(const struct mm_index *index)
{
	return index->size;
}

bool
mm_index_follows(const struct mm_index *index, struct mm_span entry)
{
	uint8_t digest[32];

	crypto_hash_sha256(digest, entry.data, entry.size);
	return memcmp(digest, index->last, sizeof(digest)) == 0;
}

enum mm_error
mm_index_begin(struct mm_index *index)
{
	index->before = index->size;
	index->torn = false;
	return MM_SQL_CHANGE(index, MM_SQL_BEGIN, "");
}

bool
mm_index_torn(const struct mm_index *index)
{
	return index->torn;
}

/* Of the batch's last entry: of all that are folded, it is looked at when
 * the next start asks whether index and log belong together. */
static void
hash_newest(const struct mm_index *index, uint8_t out[32])
{
	if (index->size == index->before)
		memcpy(out, index->last, 32);
	else
		crypto_hash_sha256(out, index->newest.data, index->newest.size);
}

enum mm_error
mm_index_commit(struct mm_index *index)
{
	uint8_t last[32];
	enum mm_error error;

	if (index->torn)
		return mm_fail(
		    MM_E_STORE, "the index: an entry was applied by half");
	hash_newest(index, last);
	error = MM_SQL_CHANGE(index, MM_SQL_FOLD_SET, "ub", index->size,
	    mm_span(last, sizeof(last)));
	if (error == MM_OK)
		error = MM_SQL_CHANGE(index, MM_SQL_COMMIT, "");
	if (error == MM_OK)
		memcpy(index->last, last, sizeof(last));
	return error;
}

void
mm_index_rollback(struct mm_index *index)
{
	enum mm_error error = MM_SQL_CHANGE(index, MM_SQL_ROLLBACK, "");

	/* SQLite may have rolled back by itself. */
	(void)error;
	index->size = index->before;
	index->torn = false;
}
