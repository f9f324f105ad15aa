/*
 * The statements of the index and their rows.
 */
#include "server/index_parts.h"

#include <stdarg.h>
#include <string.h>

#define ISSUED_ROW \
	"SELECT idx, state, basis, key, signature, profile, subject, scheme" \
	" FROM issued "

static const char *const sql[MM_SQL_COUNT] = {
    [MM_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [MM_SQL_COMMIT] = "COMMIT",
    [MM_SQL_ROLLBACK] = "ROLLBACK",
    [MM_SQL_FOLD_GET] = "SELECT size, last FROM fold",
    [MM_SQL_FOLD_SET] = "UPDATE fold SET size = ?, last = ?",
    [MM_SQL_REFERENCE_PUT] = "INSERT INTO reference VALUES(?, ?, ?)",
    [MM_SQL_REFERENCE_GET] = "SELECT bytes FROM reference WHERE idx = ?",
    [MM_SQL_POLICY_NEWEST] = "SELECT idx FROM reference WHERE kind < 2"
			     " ORDER BY idx DESC LIMIT 1",
    [MM_SQL_POLICY_AFTER] =
	"SELECT idx FROM reference WHERE kind < 2 AND idx >= ?"
	" ORDER BY idx LIMIT 1",
    [MM_SQL_PRINCIPAL_PUT] =
	"INSERT OR REPLACE INTO principal VALUES(?, ?, ?, ?)",
    [MM_SQL_PRINCIPAL_BY_KEY] =
	"SELECT idx, disabled FROM principal WHERE key = ?"
	" ORDER BY disabled DESC LIMIT 1",
    [MM_SQL_PRINCIPAL_BY_NAME] =
	"SELECT idx, disabled FROM principal WHERE name = ?",
    [MM_SQL_PRINCIPAL_OTHER] =
	"SELECT idx FROM principal WHERE key = ? AND name <> ? LIMIT 1",
    [MM_SQL_ORDER_PUT] = "INSERT INTO orders VALUES(?, ?, 0)",
    [MM_SQL_ORDER_GET] = "SELECT idx, used FROM orders WHERE name = ?",
    [MM_SQL_ORDER_USE] = "UPDATE orders SET used = used + ? WHERE idx = ?",
    [MM_SQL_AUTHORITY_PUT] = "INSERT INTO authority VALUES(?, ?, NULL)",
    [MM_SQL_AUTHORITY_CERTIFY] = "UPDATE authority SET idx = ? WHERE key = ?",
    [MM_SQL_AUTHORITY_GET] =
	ISSUED_ROW "WHERE idx = (SELECT idx FROM authority WHERE name = ?)",
    [MM_SQL_ISSUED_PUT] =
	"INSERT INTO issued VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 0,"
	" NULL, ?, ?, CASE WHEN ?6 = 1 THEN 1 WHEN ?2 = 5 THEN 2 ELSE 0 END)",
    [MM_SQL_ISSUED_SIGN] = "UPDATE issued SET state = 1, signature = ?"
			   " WHERE idx = ? AND state = 0",
    [MM_SQL_ISSUED_VOID] =
	"UPDATE issued SET state = 2, live = 0 WHERE idx = ? AND state = 0"
	" RETURNING device, basis, principal, day",
    [MM_SQL_ISSUED_GET] = ISSUED_ROW "WHERE idx = ?",
    [MM_SQL_ISSUED_RESTING] =
	ISSUED_ROW "WHERE kind = 4 AND device = 0 AND basis = ?"
		   " ORDER BY idx DESC LIMIT 1",
    [MM_SQL_ISSUED_DEVICE] =
	ISSUED_ROW "WHERE live = 1 AND profile = ? AND subject = ?",
    [MM_SQL_ISSUED_KEY] = ISSUED_ROW "WHERE live = 1 AND key = ?",
    [MM_SQL_ISSUED_SERIAL] = ISSUED_ROW "WHERE serial = ?",
    [MM_SQL_ISSUED_IMAGE] = ISSUED_ROW "WHERE live = 2 AND profile = ?"
				       " AND subject = ? AND scheme = ?",
    [MM_SQL_UNSIGNED_AFTER] =
	"SELECT idx FROM issued WHERE state = 0 AND idx >= ?"
	" ORDER BY idx LIMIT 1",
    [MM_SQL_UNSIGNED_COUNT] = "SELECT count(*) FROM issued WHERE state = 0",
    [MM_SQL_REQUEST_PUT] = "INSERT OR REPLACE INTO request VALUES(?, ?, ?)",
    [MM_SQL_REQUEST_GET] =
	"SELECT idx FROM request WHERE principal = ? AND id = ?",
    [MM_SQL_STATEMENT_PUT] = "INSERT INTO statement VALUES(?, ?)",
    [MM_SQL_STATEMENT_GET] = "SELECT idx FROM statement WHERE payload = ?",
    [MM_SQL_DAILY_ADD] = "INSERT INTO daily VALUES(?, ?, ?, 1)"
			 " ON CONFLICT DO UPDATE SET count = count + 1",
    [MM_SQL_DAILY_GIVE_BACK] = "UPDATE daily SET count = count - 1"
			       " WHERE principal = ? AND kind = ? AND day = ?",
    [MM_SQL_DAILY_GET] =
	"SELECT count FROM daily WHERE principal = ? AND kind = ?"
	" AND day = ?",
};

enum mm_error
mm_sql_failed(struct mm_index *index)
{
	int code = sqlite3_extended_errcode(index->db) & 0xff;

	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
		index->useless = true;
		return mm_fail(MM_E_STATE, "the index is damaged: %s",
		    sqlite3_errmsg(index->db));
	}
	return mm_fail(code == SQLITE_FULL ? MM_E_DISK_FULL : MM_E_STORE,
	    "the index: %s", sqlite3_errmsg(index->db));
}

enum mm_error
mm_sql_run_(struct mm_index *index, enum mm_sql which, int *step,
    const char *types, ...)
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
		return mm_sql_failed(index);
	*step = sqlite3_step(statement);
	if (*step != SQLITE_ROW && *step != SQLITE_DONE) {
		enum mm_error error = mm_sql_failed(index);

		sqlite3_reset(statement);
		return error;
	}
	if (*step == SQLITE_DONE)
		sqlite3_reset(statement);
	return MM_OK;
}

enum mm_error
mm_sql_nothing_(void)
{
	return mm_fail(MM_E_NOT_FOUND, "%s", mm_error_text(MM_E_NOT_FOUND));
}

uint64_t
mm_sql_uint(struct mm_index *index, enum mm_sql which, int column)
{
	return (uint64_t)sqlite3_column_int64(index->statements[which], column);
}

struct mm_span
mm_sql_span(struct mm_index *index, enum mm_sql which, int column,
    struct mm_arena *arena)
{
	sqlite3_stmt *statement = index->statements[which];
	const void *bytes = sqlite3_column_blob(statement, column);
	int size = sqlite3_column_bytes(statement, column);

	return mm_arena_copy(arena, mm_span(bytes, (size_t)size));
}

void
mm_sql_done(struct mm_index *index, enum mm_sql which)
{
	sqlite3_reset(index->statements[which]);
}

/* What cannot be prepared has other tables than ours. */
enum mm_error
mm_sql_prepare(struct mm_index *index)
{
	for (size_t i = 0; i < MM_SQL_COUNT; i++) {
		if (sqlite3_prepare_v3(index->db, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &index->statements[i],
			NULL) == SQLITE_OK)
			continue;
		if (sqlite3_errcode(index->db) == SQLITE_ERROR)
			index->useless = true;
		return mm_sql_failed(index);
	}
	return MM_OK;
}
