#include "server/index.h"

#include <sodium.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ca/serial.h"

enum {
	SCHEMA = 1,
	APPLICATION = 0x6d6d6978, /* "mmix" */
	DAY = 86400
};

/* The tables, each with what it answers. */
static const char schema[] =
    /* size of the fold */
    "CREATE TABLE fold(one INTEGER PRIMARY KEY CHECK(one = 1),"
    " size INTEGER NOT NULL) STRICT;"
    "INSERT INTO fold VALUES(1, 0);"
    /* entries that others rest on */
    "CREATE TABLE reference(idx INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " bytes BLOB NOT NULL) STRICT;"
    /* who holds this TLS key? */
    "CREATE TABLE principal(name TEXT PRIMARY KEY, key BLOB NOT NULL,"
    " idx INTEGER NOT NULL, disabled INTEGER NOT NULL) STRICT;"
    "CREATE INDEX principal_key ON principal(key);"
    /* how much of an order is used? */
    "CREATE TABLE orders(name TEXT PRIMARY KEY, idx INTEGER NOT NULL UNIQUE,"
    " used INTEGER NOT NULL) STRICT;"
    /* whose key in the token is this? */
    "CREATE TABLE authority(name TEXT PRIMARY KEY, key BLOB NOT NULL UNIQUE,"
    " idx INTEGER) STRICT;"
    /* what was issued, and what became of it; order is 1 for devices */
    "CREATE TABLE issued(idx INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " profile TEXT NOT NULL, subject TEXT NOT NULL, scheme TEXT NOT NULL,"
    " device INTEGER NOT NULL, basis INTEGER NOT NULL, key BLOB NOT NULL,"
    " serial BLOB, state INTEGER NOT NULL, signature BLOB,"
    " principal TEXT NOT NULL, day INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX one_device ON issued(profile, subject)"
    " WHERE device = 1 AND state < 2;"
    "CREATE UNIQUE INDEX one_key ON issued(key)"
    " WHERE device = 1 AND state < 2;"
    "CREATE UNIQUE INDEX one_serial ON issued(serial)"
    " WHERE serial IS NOT NULL;"
    "CREATE UNIQUE INDEX one_image ON issued(profile, subject, scheme)"
    " WHERE kind = 5 AND state < 2;"
    "CREATE INDEX resting ON issued(basis, idx)"
    " WHERE kind = 4 AND device = 0;"
    "CREATE INDEX without_signature ON issued(idx) WHERE state = 0;"
    /* what did this request make? */
    "CREATE TABLE request(principal TEXT NOT NULL, id BLOB NOT NULL,"
    " idx INTEGER NOT NULL, PRIMARY KEY(principal, id)) STRICT,"
    " WITHOUT ROWID;"
    /* is this statement in the log already? */
    "CREATE TABLE statement(payload BLOB PRIMARY KEY, idx INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    /* how many today? */
    "CREATE TABLE daily(principal TEXT NOT NULL, day INTEGER NOT NULL,"
    " count INTEGER NOT NULL, PRIMARY KEY(principal, day)) STRICT,"
    " WITHOUT ROWID;";

#define ISSUED_ROW \
	"SELECT idx, state, basis, key, signature, profile, subject, scheme" \
	" FROM issued "

/* Every statement that is ever run: the names below are the calls' names. */
enum sql {
	BEGIN,
	COMMIT,
	ROLLBACK,
	SIZE_GET,
	SIZE_SET,
	REFERENCE_PUT,
	REFERENCE_GET,
	POLICY_NEWEST,
	POLICY_AFTER,
	PRINCIPAL_PUT,
	PRINCIPAL_BY_KEY,
	PRINCIPAL_BY_NAME,
	ORDER_PUT,
	ORDER_GET,
	ORDER_USE,
	AUTHORITY_PUT,
	AUTHORITY_CERTIFY,
	AUTHORITY_GET,
	ISSUED_PUT,
	ISSUED_SIGN,
	ISSUED_VOID,
	ISSUED_GET,
	ISSUED_RESTING,
	ISSUED_DEVICE,
	ISSUED_KEY,
	ISSUED_SERIAL,
	ISSUED_IMAGE,
	UNSIGNED_AFTER,
	UNSIGNED_COUNT,
	REQUEST_PUT,
	REQUEST_GET,
	STATEMENT_PUT,
	STATEMENT_GET,
	DAILY_ADD,
	DAILY_GIVE_BACK,
	DAILY_GET,
	SQL_COUNT
};

static const char *const sql[SQL_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [SIZE_GET] = "SELECT size FROM fold",
    [SIZE_SET] = "UPDATE fold SET size = ?",
    [REFERENCE_PUT] = "INSERT INTO reference VALUES(?, ?, ?)",
    [REFERENCE_GET] = "SELECT bytes FROM reference WHERE idx = ?",
    [POLICY_NEWEST] = "SELECT idx FROM reference WHERE kind < 2"
		      " ORDER BY idx DESC LIMIT 1",
    [POLICY_AFTER] = "SELECT idx FROM reference WHERE kind < 2 AND idx >= ?"
		     " ORDER BY idx LIMIT 1",
    [PRINCIPAL_PUT] = "INSERT OR REPLACE INTO principal VALUES(?, ?, ?, ?)",
    [PRINCIPAL_BY_KEY] = "SELECT idx, disabled FROM principal WHERE key = ?"
			 " ORDER BY disabled DESC LIMIT 1",
    [PRINCIPAL_BY_NAME] = "SELECT idx, disabled FROM principal WHERE name = ?",
    [ORDER_PUT] = "INSERT INTO orders VALUES(?, ?, 0)",
    [ORDER_GET] = "SELECT idx, used FROM orders WHERE name = ?",
    [ORDER_USE] = "UPDATE orders SET used = used + ? WHERE idx = ?",
    [AUTHORITY_PUT] = "INSERT INTO authority VALUES(?, ?, NULL)",
    [AUTHORITY_CERTIFY] = "UPDATE authority SET idx = ? WHERE key = ?",
    [AUTHORITY_GET] =
	ISSUED_ROW "WHERE idx = (SELECT idx FROM authority WHERE name = ?)",
    [ISSUED_PUT] = "INSERT INTO issued VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 0,"
		   " NULL, ?, ?)",
    [ISSUED_SIGN] = "UPDATE issued SET state = 1, signature = ?"
		    " WHERE idx = ? AND state = 0",
    [ISSUED_VOID] = "UPDATE issued SET state = 2 WHERE idx = ? AND state = 0"
		    " RETURNING device, basis, principal, day",
    [ISSUED_GET] = ISSUED_ROW "WHERE idx = ?",
    [ISSUED_RESTING] = ISSUED_ROW "WHERE kind = 4 AND device = 0 AND basis = ?"
				  " ORDER BY idx DESC LIMIT 1",
    [ISSUED_DEVICE] = ISSUED_ROW
    "WHERE device = 1 AND state < 2 AND profile = ? AND subject = ?",
    [ISSUED_KEY] = ISSUED_ROW "WHERE device = 1 AND state < 2 AND key = ?",
    [ISSUED_SERIAL] = ISSUED_ROW "WHERE serial = ?",
    [ISSUED_IMAGE] = ISSUED_ROW "WHERE kind = 5 AND state < 2 AND profile = ?"
				" AND subject = ? AND scheme = ?",
    [UNSIGNED_AFTER] = "SELECT idx FROM issued WHERE state = 0 AND idx >= ?"
		       " ORDER BY idx LIMIT 1",
    [UNSIGNED_COUNT] = "SELECT count(*) FROM issued WHERE state = 0",
    [REQUEST_PUT] = "INSERT OR REPLACE INTO request VALUES(?, ?, ?)",
    [REQUEST_GET] = "SELECT idx FROM request WHERE principal = ? AND id = ?",
    [STATEMENT_PUT] = "INSERT INTO statement VALUES(?, ?)",
    [STATEMENT_GET] = "SELECT idx FROM statement WHERE payload = ?",
    [DAILY_ADD] = "INSERT INTO daily VALUES(?, ?, 1)"
		  " ON CONFLICT DO UPDATE SET count = count + 1",
    [DAILY_GIVE_BACK] = "UPDATE daily SET count = count - 1"
			" WHERE principal = ? AND day = ?",
    [DAILY_GET] = "SELECT count FROM daily WHERE principal = ? AND day = ?",
};

struct mm_index {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_COUNT];
	uint64_t size, before; /* now, and when the transaction began */
	bool torn; /* an entry was applied by half: only rollback is left */
};

static enum mm_error
failed(struct mm_index *index)
{
	int code = sqlite3_extended_errcode(index->db) & 0xff;

	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		return mm_fail(MM_E_STATE,
		    "the index is damaged (%s); mintmarkd --rebuild makes it "
		    "anew from the log",
		    sqlite3_errmsg(index->db));
	return mm_fail(code == SQLITE_FULL ? MM_E_DISK_FULL : MM_E_STORE,
	    "the index: %s", sqlite3_errmsg(index->db));
}

/*
 * Binds and steps one statement: `types` has a letter an argument, u for
 * uint64_t, b and t for spans as bytes and text. SQLITE_ROW or SQLITE_DONE is
 * in `*step`; a row stays until the statement is run again.
 */
static enum mm_error
run(struct mm_index *index, enum sql which, int *step, const char *types, ...)
{
	sqlite3_stmt *statement = index->statements[which];
	va_list arguments;
	int ok = SQLITE_OK;

	sqlite3_reset(statement);
	va_start(arguments, types);
	for (int i = 1; types[i - 1] != '\0' && ok == SQLITE_OK; i++) {
		struct mm_span span;

		if (types[i - 1] == 'u') {
			ok = sqlite3_bind_int64(statement, i,
			    (sqlite3_int64)va_arg(arguments, uint64_t));
			continue;
		}
		span = va_arg(arguments, struct mm_span);
		if (types[i - 1] == 't')
			ok = sqlite3_bind_text(statement, i,
			    span.size > 0 ? (const char *)span.data : "",
			    (int)span.size, SQLITE_TRANSIENT);
		else if (span.data == NULL)
			ok = sqlite3_bind_null(statement, i);
		else
			ok = sqlite3_bind_blob(statement, i, span.data,
			    (int)span.size, SQLITE_TRANSIENT);
	}
	va_end(arguments);
	if (ok != SQLITE_OK)
		return failed(index);
	*step = sqlite3_step(statement);
	if (*step != SQLITE_ROW && *step != SQLITE_DONE) {
		enum mm_error error = failed(index);

		sqlite3_reset(statement);
		return error;
	}
	if (*step == SQLITE_DONE)
		sqlite3_reset(statement);
	return MM_OK;
}

/* Runs what gives no row. */
#define CHANGE(index, which, ...) run(index, which, &(int){0}, __VA_ARGS__)

/* In the table's words: no former particulars are told with it. */
static enum mm_error
nothing(void)
{
	return mm_fail(MM_E_NOT_FOUND, "%s", mm_error_text(MM_E_NOT_FOUND));
}

/* Runs what should give a row; MM_E_NOT_FOUND where it gives none. */
#define LOOK(index, which, ...) \
	__extension__({ \
		int step_ = SQLITE_DONE; \
		enum mm_error error_ = run(index, which, &step_, __VA_ARGS__); \
		error_ == MM_OK &&step_ == SQLITE_DONE ? nothing() : error_; \
	})

static uint64_t
column_uint(struct mm_index *index, enum sql which, int column)
{
	return (uint64_t)sqlite3_column_int64(index->statements[which], column);
}

static struct mm_span
column_span(
    struct mm_index *index, enum sql which, int column, struct mm_arena *arena)
{
	sqlite3_stmt *statement = index->statements[which];
	const void *bytes = sqlite3_column_blob(statement, column);
	int size = sqlite3_column_bytes(statement, column);

	return mm_arena_copy(arena, mm_span(bytes, (size_t)size));
}

static void
done(struct mm_index *index, enum sql which)
{
	sqlite3_reset(index->statements[which]);
}

static enum mm_error
prepare(struct mm_index *index)
{
	for (size_t i = 0; i < SQL_COUNT; i++)
		if (sqlite3_prepare_v3(index->db, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &index->statements[i],
			NULL) != SQLITE_OK)
			return failed(index);
	return MM_OK;
}

static enum mm_error
make_schema(struct mm_index *index)
{
	char pragmas[96];

	snprintf(pragmas, sizeof(pragmas),
	    "PRAGMA application_id = %d; PRAGMA user_version = %d;",
	    APPLICATION, SCHEMA);
	if (sqlite3_exec(index->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(index->db, schema, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(index->db, pragmas, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(index->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		return failed(index);
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
 * come back from the log; it cannot mix them up.
 */
static enum mm_error
open_database(struct mm_index *index, const char *path)
{
	int version;

	if (sqlite3_open_v2(path, &index->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
		NULL) != SQLITE_OK)
		return failed(index);
	sqlite3_extended_result_codes(index->db, 1);
	if (sqlite3_exec(index->db,
		"PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
		"PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;"
		"PRAGMA trusted_schema = OFF;",
		NULL, NULL, NULL) != SQLITE_OK)
		return failed(index);
	version = pragma(index, "PRAGMA user_version");
	if (version == 0 &&
	    pragma(index, "SELECT count(*) FROM sqlite_schema") == 0)
		return make_schema(index);
	if (version != SCHEMA ||
	    pragma(index, "PRAGMA application_id") != APPLICATION)
		return mm_fail(MM_E_STATE,
		    "%s is not an index of this version; mintmarkd --rebuild "
		    "makes it anew from the log",
		    path);
	return MM_OK;
}

static enum mm_error
remove_old(const char *path)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < MM_COUNT(suffixes); i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		if (unlink(name) < 0 && access(name, F_OK) == 0)
			return mm_fail(MM_E_STATE, "cannot remove %s", name);
	}
	return MM_OK;
}

enum mm_error
mm_index_open(const char *directory, bool rebuild, struct mm_index **out)
{
	struct mm_index *index = calloc(1, sizeof(*index));
	char path[4096];
	enum mm_error error;

	if (index == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the index");
	snprintf(path, sizeof(path), "%s/index.db", directory);
	error = rebuild ? remove_old(path) : MM_OK;
	if (error == MM_OK)
		error = open_database(index, path);
	if (error == MM_OK)
		error = prepare(index);
	if (error == MM_OK)
		error = LOOK(index, SIZE_GET, "");
	if (error != MM_OK) {
		mm_index_close(index);
		return error;
	}
	index->size = column_uint(index, SIZE_GET, 0);
	done(index, SIZE_GET);
	*out = index;
	return MM_OK;
}

void
mm_index_close(struct mm_index *index)
{
	if (index == NULL)
		return;
	for (size_t i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(index->statements[i]);
	sqlite3_close(index->db);
	free(index);
}

uint64_t
mm_index_size(const struct mm_index *index)
{
	return index->size;
}

enum mm_error
mm_index_begin(struct mm_index *index)
{
	index->before = index->size;
	index->torn = false;
	return CHANGE(index, BEGIN, "");
}

enum mm_error
mm_index_commit(struct mm_index *index)
{
	enum mm_error error;

	if (index->torn)
		return mm_fail(
		    MM_E_STORE, "the index: an entry was applied by half");
	error = CHANGE(index, SIZE_SET, "u", index->size);
	return error == MM_OK ? CHANGE(index, COMMIT, "") : error;
}

void
mm_index_rollback(struct mm_index *index)
{
	enum mm_error error = CHANGE(index, ROLLBACK, "");

	/* SQLite may have rolled back by itself. */
	(void)error;
	index->size = index->before;
	index->torn = false;
}

/* An entry being applied. */
struct fold {
	struct mm_index *index;
	struct mm_arena *arena;
	uint64_t idx;
	struct mm_span bytes;
	const struct mm_entry *entry;
	const void *body;
};

static enum mm_error
keep_reference(const struct fold *f)
{
	return CHANGE(
	    f->index, REFERENCE_PUT, "uub", f->idx, f->entry->kind, f->bytes);
}

static enum mm_error
apply_genesis(const struct fold *f)
{
	const struct mm_genesis *genesis = f->body;
	enum mm_error error = keep_reference(f);

	for (size_t i = 0; i < genesis->keys.count && error == MM_OK; i++) {
		const struct mm_genesis_key *key =
		    mm_list_at(genesis->keys, struct mm_genesis_key, i);
		uint8_t digest[32];

		crypto_hash_sha256(digest, key->spki.data, key->spki.size);
		error = CHANGE(f->index, AUTHORITY_PUT, "tb", key->name,
		    mm_span(digest, sizeof(digest)));
	}
	return error;
}

static enum mm_error
apply_policy(const struct fold *f)
{
	return keep_reference(f);
}

/* Notes who asked for the entry, so that the request finds it again. */
static enum mm_error
keep_request(
    const struct fold *f, struct mm_span principal, struct mm_span request)
{
	if (request.size == 0)
		return MM_OK;
	return CHANGE(f->index, REQUEST_PUT, "tbu", principal, request, f->idx);
}

/* The statements' common claim and body; they were checked when logged. */
static enum mm_error
read_claim(const struct mm_list *statements, uint64_t kind,
    struct mm_arena *arena, struct mm_span *payload, void *body)
{
	struct mm_statement statement;
	struct mm_claim claim;
	enum mm_error error;

	if (statements->count == 0)
		return mm_fail(MM_E_LOG_WRONG, "an entry has no statement");
	error = mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value,
	    &statement);
	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_claim_shape, statement.payload, arena, &claim);
	if (error == MM_OK && claim.kind != kind)
		error = mm_fail(MM_E_LOG_WRONG, "a statement's kind is wrong");
	if (error == MM_OK)
		error = mm_shape_decode(
		    mm_claim_body_shape(kind), claim.body, arena, body);
	if (error == MM_OK)
		*payload = statement.payload;
	return error;
}

static enum mm_error
keep_statement(const struct fold *f, struct mm_span payload)
{
	uint8_t digest[32];

	crypto_hash_sha256(digest, payload.data, payload.size);
	return CHANGE(f->index, STATEMENT_PUT, "bu",
	    mm_span(digest, sizeof(digest)), f->idx);
}

static enum mm_error
apply_principal(const struct fold *f)
{
	const struct mm_statement_entry *body = f->body;
	struct mm_principal_claim claim;
	struct mm_span payload;
	enum mm_error error = read_claim(&body->statements,
	    MM_STATEMENT_PRINCIPAL, f->arena, &payload, &claim);

	if (error == MM_OK)
		error = keep_reference(f);
	if (error == MM_OK)
		error = keep_statement(f, payload);
	if (error == MM_OK)
		error = keep_request(f, body->principal, body->request);
	if (error == MM_OK)
		error = CHANGE(f->index, PRINCIPAL_PUT, "tbuu", claim.name,
		    mm_span(claim.key, sizeof(claim.key)), f->idx,
		    (uint64_t)claim.disabled);
	return error;
}

static enum mm_error
apply_order(const struct fold *f)
{
	const struct mm_statement_entry *body = f->body;
	struct mm_order_claim claim;
	struct mm_span payload;
	enum mm_error error = read_claim(
	    &body->statements, MM_STATEMENT_ORDER, f->arena, &payload, &claim);

	if (error == MM_OK)
		error = keep_reference(f);
	if (error == MM_OK)
		error = keep_statement(f, payload);
	if (error == MM_OK)
		error = keep_request(f, body->principal, body->request);
	if (error == MM_OK)
		error = CHANGE(f->index, ORDER_PUT, "tu", claim.name, f->idx);
	return error;
}

/* A device's certificate uses a unit of its order and of the day. */
static enum mm_error
count_device(const struct fold *f, const struct mm_certificate_entry *body)
{
	enum mm_error error =
	    CHANGE(f->index, ORDER_USE, "uu", (uint64_t)1, body->basis);

	if (error == MM_OK)
		error = CHANGE(f->index, DAILY_ADD, "tu", body->principal,
		    f->entry->time / DAY);
	return error;
}

/* Devices rest on orders, and only they. */
static enum mm_error
is_order(
    struct mm_index *index, uint64_t idx, struct mm_arena *arena, bool *out)
{
	struct mm_span bytes;
	struct mm_entry entry;
	enum mm_error error = mm_index_reference(index, idx, arena, &bytes);

	if (error == MM_OK)
		error = mm_entry_decode(bytes, arena, &entry);
	if (error == MM_OK)
		*out = entry.kind == MM_ENTRY_ORDER;
	return error;
}

/* A certificate for a key of the token: others will rest on it. */
static enum mm_error
keep_authority(const struct fold *f, const struct mm_certificate_entry *body)
{
	enum mm_error error = CHANGE(f->index, AUTHORITY_CERTIFY, "ub", f->idx,
	    mm_span(body->key, sizeof(body->key)));

	if (error == MM_OK && sqlite3_changes(f->index->db) > 0)
		error = keep_reference(f);
	return error;
}

static enum mm_error
apply_certificate(const struct fold *f)
{
	const struct mm_certificate_entry *body = f->body;
	uint8_t serial[MM_SERIAL_SIZE];
	bool device = false;
	enum mm_error error =
	    is_order(f->index, body->basis, f->arena, &device);

	if (error == MM_OK)
		error = mm_serial_of_tbs(body->tbs, serial);
	if (error == MM_OK)
		error = CHANGE(f->index, ISSUED_PUT, "uutttuubbtu", f->idx,
		    f->entry->kind, body->profile, body->subject,
		    mm_span(NULL, 0), (uint64_t)device, body->basis,
		    mm_span(body->key, sizeof(body->key)),
		    mm_span(serial, sizeof(serial)), body->principal,
		    f->entry->time / DAY);
	if (error == MM_OK)
		error = keep_request(f, body->principal, body->request);
	if (error == MM_OK)
		error =
		    device ? count_device(f, body) : keep_authority(f, body);
	return error;
}

static enum mm_error
apply_image(const struct fold *f)
{
	const struct mm_image_entry *body = f->body;
	enum mm_error error =
	    CHANGE(f->index, ISSUED_PUT, "uutttuubbtu", f->idx, f->entry->kind,
		body->product, body->version, body->scheme, (uint64_t)0,
		(uint64_t)0, mm_span(body->sha256, sizeof(body->sha256)),
		mm_span(NULL, 0), body->principal, f->entry->time / DAY);

	if (error == MM_OK)
		error = keep_request(f, body->principal, body->request);
	return error;
}

static enum mm_error
apply_signatures(const struct fold *f)
{
	const struct mm_signatures_entry *body = f->body;

	for (size_t i = 0; i < body->signatures.count; i++) {
		const struct mm_signature *one =
		    mm_list_at(body->signatures, struct mm_signature, i);
		enum mm_error error = CHANGE(
		    f->index, ISSUED_SIGN, "bu", one->signature, one->index);

		if (error != MM_OK)
			return error;
		if (sqlite3_changes(f->index->db) != 1)
			return mm_fail(MM_E_LOG_WRONG,
			    "entry %llu is signed but waits for no signature",
			    (unsigned long long)one->index);
	}
	return MM_OK;
}

/* What was never signed gives its unit back. */
static enum mm_error
apply_one_void(const struct fold *f, uint64_t idx)
{
	struct mm_index *index = f->index;
	uint64_t device, basis, day;
	struct mm_span principal;
	enum mm_error error = LOOK(index, ISSUED_VOID, "u", idx);

	if (error == MM_E_NOT_FOUND)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu is voided but waits for no signature",
		    (unsigned long long)idx);
	if (error != MM_OK)
		return error;
	device = column_uint(index, ISSUED_VOID, 0);
	basis = column_uint(index, ISSUED_VOID, 1);
	principal = column_span(index, ISSUED_VOID, 2, f->arena);
	day = column_uint(index, ISSUED_VOID, 3);
	done(index, ISSUED_VOID);
	if (device == 0)
		return MM_OK;
	error = CHANGE(index, ORDER_USE, "uu", UINT64_MAX, basis);
	if (error == MM_OK)
		error = CHANGE(index, DAILY_GIVE_BACK, "tu", principal, day);
	return error;
}

static enum mm_error
apply_void(const struct fold *f)
{
	const struct mm_void_entry *body = f->body;
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < body->voids.count && error == MM_OK; i++)
		error = apply_one_void(
		    f, mm_list_at(body->voids, struct mm_void, i)->index);
	return error;
}

static enum mm_error
apply_nothing(const struct fold *f)
{
	(void)f;
	return MM_OK;
}

static enum mm_error (*const apply[MM_ENTRY_KINDS])(const struct fold *) = {
    [MM_ENTRY_GENESIS] = apply_genesis,
    [MM_ENTRY_POLICY] = apply_policy,
    [MM_ENTRY_PRINCIPAL] = apply_principal,
    [MM_ENTRY_ORDER] = apply_order,
    [MM_ENTRY_CERTIFICATE] = apply_certificate,
    [MM_ENTRY_IMAGE] = apply_image,
    [MM_ENTRY_SIGNATURES] = apply_signatures,
    [MM_ENTRY_VOID] = apply_void,
    [MM_ENTRY_REFUSAL] = apply_nothing,
    [MM_ENTRY_START] = apply_nothing,
};

enum mm_error
mm_index_apply(struct mm_index *index, struct mm_span bytes)
{
	mm_auto(arena) arena = {0};
	struct mm_entry entry;
	const struct mm_shape *shape;
	struct fold f = {index, &arena, index->size, bytes, &entry, NULL};
	enum mm_error error;
	int changes;
	void *body;

	mm_arena_init(&arena, 1 << 20);
	error = mm_entry_decode(bytes, &arena, &entry);
	if (error != MM_OK)
		return error;
	shape = mm_entry_body_shape(entry.kind);
	body = mm_arena_alloc(&arena, shape->size);
	if (body == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	error = mm_shape_decode(shape, entry.body, &arena, body);
	if (error != MM_OK)
		return error;
	f.body = body;
	changes = sqlite3_total_changes(index->db);
	error = apply[entry.kind](&f);
	if (error == MM_OK)
		index->size++;
	else if (sqlite3_total_changes(index->db) != changes)
		index->torn = true;
	return error;
}

enum mm_error
mm_index_reference(struct mm_index *index, uint64_t idx, struct mm_arena *arena,
    struct mm_span *entry)
{
	enum mm_error error = LOOK(index, REFERENCE_GET, "u", idx);

	if (error == MM_E_NOT_FOUND)
		return mm_fail(error, "entry %llu is nothing to rest on",
		    (unsigned long long)idx);
	if (error != MM_OK)
		return error;
	*entry = column_span(index, REFERENCE_GET, 0, arena);
	done(index, REFERENCE_GET);
	return entry->data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for an entry");
}

enum mm_error
mm_index_policy(struct mm_index *index, uint64_t *idx)
{
	enum mm_error error = LOOK(index, POLICY_NEWEST, "");

	if (error != MM_OK)
		return error;
	*idx = column_uint(index, POLICY_NEWEST, 0);
	done(index, POLICY_NEWEST);
	return MM_OK;
}

enum mm_error
mm_index_policies(
    struct mm_index *index, struct mm_arena *arena, struct mm_list *out)
{
	mm_auto(buffer) found = {0};
	uint64_t next = 0;

	mm_buffer_init(&found, 1 << 20);
	for (;;) {
		struct mm_uint_item item;
		enum mm_error error = LOOK(index, POLICY_AFTER, "u", next);

		if (error == MM_E_NOT_FOUND)
			break;
		if (error != MM_OK)
			return error;
		item.value = column_uint(index, POLICY_AFTER, 0);
		done(index, POLICY_AFTER);
		mm_buffer_add(&found, &item, sizeof(item));
		next = item.value + 1;
	}
	out->count = found.size / sizeof(struct mm_uint_item);
	out->items = mm_arena_copy(arena, mm_buffer_span(&found)).data;
	return out->items != NULL && found.error == MM_OK ? MM_OK : MM_E_MEMORY;
}

/* The principal of the row that a lookup stands on. */
static enum mm_error
principal_of(struct mm_index *index, enum sql which, struct mm_arena *arena,
    struct mm_principal *out)
{
	uint64_t idx = column_uint(index, which, 0);
	bool disabled = column_uint(index, which, 1) != 0;
	struct mm_statement_entry body;
	struct mm_principal_claim claim;
	struct mm_entry entry;
	struct mm_span bytes, payload;
	enum mm_error error;

	done(index, which);
	error = mm_index_reference(index, idx, arena, &bytes);
	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_PRINCIPAL, arena, &entry, &body);
	if (error == MM_OK)
		error = read_claim(&body.statements, MM_STATEMENT_PRINCIPAL,
		    arena, &payload, &claim);
	if (error == MM_OK)
		*out = (struct mm_principal){.name = claim.name,
		    .role = claim.role,
		    .profiles = claim.profiles,
		    .daily = claim.daily,
		    .disabled = disabled,
		    .basis = idx};
	return error;
}

enum mm_error
mm_index_principal(struct mm_index *index, const uint8_t key[32],
    struct mm_arena *arena, struct mm_principal *out)
{
	enum mm_error error =
	    LOOK(index, PRINCIPAL_BY_KEY, "b", mm_span(key, 32));

	return error == MM_OK
		   ? principal_of(index, PRINCIPAL_BY_KEY, arena, out)
		   : error;
}

enum mm_error
mm_index_principal_named(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_principal *out)
{
	enum mm_error error = LOOK(index, PRINCIPAL_BY_NAME, "t", name);

	return error == MM_OK
		   ? principal_of(index, PRINCIPAL_BY_NAME, arena, out)
		   : error;
}

enum mm_error
mm_index_order_at(struct mm_index *index, uint64_t idx, struct mm_arena *arena,
    struct mm_order_claim *out)
{
	struct mm_statement_entry body;
	struct mm_entry entry;
	struct mm_span bytes, payload;
	enum mm_error error = mm_index_reference(index, idx, arena, &bytes);

	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_ORDER, arena, &entry, &body);
	if (error == MM_OK)
		error = read_claim(
		    &body.statements, MM_STATEMENT_ORDER, arena, &payload, out);
	return error;
}

enum mm_error
mm_index_order(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_order_row *out)
{
	enum mm_error error = LOOK(index, ORDER_GET, "t", name);

	if (error != MM_OK)
		return error;
	out->idx = column_uint(index, ORDER_GET, 0);
	out->used = column_uint(index, ORDER_GET, 1);
	done(index, ORDER_GET);
	return mm_index_order_at(index, out->idx, arena, &out->claim);
}

/* The row that a lookup by ISSUED_ROW stands on. */
static enum mm_error
issued_of(struct mm_index *index, enum sql which, struct mm_arena *arena,
    struct mm_issued *out)
{
	struct mm_span key = column_span(index, which, 3, arena);
	struct mm_issued found = {
	    .idx = column_uint(index, which, 0),
	    .state = column_uint(index, which, 1),
	    .basis = column_uint(index, which, 2),
	    .signature = column_span(index, which, 4, arena),
	    .profile = column_span(index, which, 5, arena),
	    .subject = column_span(index, which, 6, arena),
	    .scheme = column_span(index, which, 7, arena),
	};

	done(index, which);
	if (key.size != sizeof(found.key) || found.scheme.data == NULL)
		return mm_fail(MM_E_STORE, "the index is damaged; mintmarkd "
					   "--rebuild makes it anew");
	memcpy(found.key, key.data, key.size);
	*out = found;
	return MM_OK;
}

#define FIND_ISSUED(which, ...) \
	__extension__({ \
		enum mm_error found_ = LOOK(index, which, __VA_ARGS__); \
		found_ == MM_OK ? issued_of(index, which, arena, out) \
				: found_; \
	})

enum mm_error
mm_index_device(struct mm_index *index, struct mm_span profile,
    struct mm_span device, struct mm_arena *arena, struct mm_issued *out)
{
	return FIND_ISSUED(ISSUED_DEVICE, "tt", profile, device);
}

enum mm_error
mm_index_key(struct mm_index *index, const uint8_t key[32],
    struct mm_arena *arena, struct mm_issued *out)
{
	return FIND_ISSUED(ISSUED_KEY, "b", mm_span(key, 32));
}

enum mm_error
mm_index_serial(struct mm_index *index, struct mm_span serial,
    struct mm_arena *arena, struct mm_issued *out)
{
	return FIND_ISSUED(ISSUED_SERIAL, "b", serial);
}

enum mm_error
mm_index_image(struct mm_index *index, struct mm_span product,
    struct mm_span version, struct mm_span scheme, struct mm_arena *arena,
    struct mm_issued *out)
{
	return FIND_ISSUED(ISSUED_IMAGE, "ttt", product, version, scheme);
}

enum mm_error
mm_index_issued(struct mm_index *index, uint64_t idx, struct mm_arena *arena,
    struct mm_issued *out)
{
	return FIND_ISSUED(ISSUED_GET, "u", idx);
}

enum mm_error
mm_index_resting(struct mm_index *index, uint64_t basis, struct mm_arena *arena,
    struct mm_issued *out)
{
	return FIND_ISSUED(ISSUED_RESTING, "u", basis);
}

enum mm_error
mm_index_authority(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_issued *out)
{
	return FIND_ISSUED(AUTHORITY_GET, "t", name);
}

/* A lookup whose whole answer is one number. */
#define FIND_UINT(out, which, ...) \
	__extension__({ \
		enum mm_error found_ = LOOK(index, which, __VA_ARGS__); \
		if (found_ == MM_OK) { \
			*(out) = column_uint(index, which, 0); \
			done(index, which); \
		} \
		found_; \
	})

enum mm_error
mm_index_unsigned(struct mm_index *index, uint64_t from, uint64_t *idx)
{
	return FIND_UINT(idx, UNSIGNED_AFTER, "u", from);
}

uint64_t
mm_index_unsigned_count(struct mm_index *index)
{
	uint64_t count = 0;

	return FIND_UINT(&count, UNSIGNED_COUNT, "") == MM_OK ? count : 0;
}

enum mm_error
mm_index_request(struct mm_index *index, struct mm_span principal,
    const uint8_t *id, uint64_t *idx)
{
	return FIND_UINT(idx, REQUEST_GET, "tb", principal, mm_span(id, 16));
}

enum mm_error
mm_index_statement(
    struct mm_index *index, struct mm_span payload, uint64_t *idx)
{
	uint8_t digest[32];

	crypto_hash_sha256(digest, payload.data, payload.size);
	return FIND_UINT(
	    idx, STATEMENT_GET, "b", mm_span(digest, sizeof(digest)));
}

uint64_t
mm_index_daily(struct mm_index *index, struct mm_span principal, uint64_t time)
{
	uint64_t count = 0;

	return FIND_UINT(&count, DAILY_GET, "tu", principal, time / DAY) ==
		       MM_OK
		   ? count
		   : 0;
}
