/*
 * The statements of the index and their rows.
 */
#include "server/index_parts.h"

#include <stdarg.h>
#include <string.h>

#define ISSUED_ROW \
	"SELECT idx, state, basis, key, signature, profile, subject, scheme," \
	" kind, ord, serial, issuer, revoked, revoked_at FROM issued "
#define AUTHORITY_ROW \
	"SELECT name, use, key, retired, idx, imported FROM authority "
#define PENDING_ROW \
	"SELECT payload, idx, kind, time, expiry, withdrawn FROM pending "
#define CRL_ROW \
	"SELECT crl.idx, number, this_update, next_update, size, state = 1" \
	" FROM crl JOIN issued ON issued.idx = crl.idx "

static const char *const sql[MM_SQL_COUNT] = {
    [MM_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [MM_SQL_COMMIT] = "COMMIT",
    [MM_SQL_ROLLBACK] = "ROLLBACK",
    [MM_SQL_FOLD_GET] = "SELECT size, last FROM fold",
    [MM_SQL_FOLD_SET] = "UPDATE fold SET size = ?, last = ?",
    [MM_SQL_REFERENCE_PUT] = "INSERT INTO reference VALUES(?, ?, ?)",
    [MM_SQL_REFERENCE_GET] = "SELECT bytes FROM reference WHERE idx = ?",
    [MM_SQL_REFERENCE_KIND] = "SELECT kind FROM reference WHERE idx = ?",
    [MM_SQL_REFERENCE_DROP] = "DELETE FROM reference WHERE idx = ?",
    [MM_SQL_POLICY_NEWEST] = "SELECT idx FROM reference WHERE kind < 2"
			     " ORDER BY idx DESC LIMIT 1",
    [MM_SQL_POLICY_AFTER] =
	"SELECT idx FROM reference WHERE kind < 2 AND idx >= ?"
	" ORDER BY idx LIMIT 1",
    [MM_SQL_FOLLOWED_AFTER] =
	"SELECT idx FROM reference WHERE kind IN (0, 1, 10, 17, 19)"
	" AND idx >= ? ORDER BY idx LIMIT 1",
    /* A certificate is one key's: another key has none yet. */
    [MM_SQL_PRINCIPAL_PUT] =
	"INSERT INTO principal VALUES(?, ?, ?, ?, 0, 0) ON CONFLICT(name)"
	" DO UPDATE SET until = CASE key WHEN excluded.key THEN until"
	" ELSE 0 END, key = excluded.key, idx = excluded.idx,"
	" disabled = excluded.disabled",
    [MM_SQL_PRINCIPAL_SEEN] =
	"UPDATE principal SET seen = ?1 WHERE name = ?2 AND seen < ?1",
    [MM_SQL_PRINCIPAL_CERTIFY] =
	"UPDATE principal SET until = ? WHERE name = ? AND key = ?",
    [MM_SQL_PRINCIPAL_BY_KEY] =
	"SELECT idx, disabled FROM principal WHERE key = ?"
	" ORDER BY disabled DESC LIMIT 1",
    [MM_SQL_PRINCIPAL_BY_NAME] =
	"SELECT idx, disabled FROM principal WHERE name = ?",
    [MM_SQL_PRINCIPAL_OTHER] =
	"SELECT idx FROM principal WHERE key = ? AND name <> ? LIMIT 1",
    [MM_SQL_PRINCIPAL_AFTER] =
	"SELECT idx, disabled, key, seen, until FROM principal"
	" WHERE name > ? ORDER BY name LIMIT 1",
    [MM_SQL_ORDER_PUT] =
	"INSERT INTO orders VALUES(?1, ?2, ?2, 0, ?3, 0, 0, 0, 0, 0)",
    [MM_SQL_ORDER_REVISE] =
	"UPDATE orders SET idx = ?2, revision = ?3"
	" WHERE name = ?1 AND revision = ?3 - 1 AND profile = ?4",
    [MM_SQL_ORDER_GET] = "SELECT idx, first, used, reissued, refused, revoked,"
			 " scrapped FROM orders WHERE name = ?",
    [MM_SQL_ORDER_AFTER] =
	"SELECT name FROM orders WHERE name > ? ORDER BY name LIMIT 1",
    [MM_SQL_ORDER_USE] =
	"UPDATE orders SET used = used + ?, reissued = reissued + ?"
	" WHERE idx = ? RETURNING first",
    [MM_SQL_ORDER_GIVE_BACK] =
	"UPDATE orders SET used = used - ?, reissued = reissued - ?"
	" WHERE first = ?",
    [MM_SQL_ORDER_FIRST] = "SELECT first FROM orders WHERE idx = ?",
    [MM_SQL_ORDER_REFUSE] =
	"UPDATE orders SET refused = refused + ? WHERE name = ?",
    [MM_SQL_ORDER_REVOKE] =
	"UPDATE orders SET revoked = revoked + ? WHERE first = ?",
    [MM_SQL_ORDER_SCRAP] =
	"UPDATE orders SET scrapped = scrapped + 1 WHERE first = ?",
    [MM_SQL_AUTHORITY_PUT] =
	"INSERT INTO authority VALUES(?, ?, ?, 0, NULL, 0)",
    [MM_SQL_AUTHORITY_RETIRE] =
	"UPDATE authority SET retired = 1"
	" WHERE name = ? AND use = ? AND key = ? AND retired = 0",
    [MM_SQL_AUTHORITY_CERTIFY] =
	"UPDATE authority SET idx = ?, imported = 0 WHERE key = ?",
    [MM_SQL_AUTHORITY_IMPORT] =
	"UPDATE authority SET idx = ?, imported = 1 WHERE name = ?",
    [MM_SQL_AUTHORITY_GET] = AUTHORITY_ROW "WHERE name = ?",
    [MM_SQL_AUTHORITY_BY_KEY] = "SELECT 1 FROM authority WHERE key = ?",
    [MM_SQL_AUTHORITY_AFTER] =
	AUTHORITY_ROW "WHERE name > ? ORDER BY name LIMIT 1",
    [MM_SQL_ISSUED_PUT] =
	"INSERT INTO issued VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, NULL, ?,"
	" ?, ?, ?, ?, 0, 0, ?)",
    [MM_SQL_ISSUED_INHERIT] =
	"INSERT INTO issued VALUES((SELECT min(0, ifnull(min(idx), 0)) - 1 "
	"FROM issued),"
	" ?, ?, ?, ?, -1, ?, ?, ?, ?, 1, NULL, '', 0, 0, 0, ?, ?, ?, 0)",
    [MM_SQL_ISSUED_SIGN] = "UPDATE issued SET state = 1, signature = ?"
			   " WHERE idx = ? AND state = 0"
			   " RETURNING live, until, replaces, subject, key",
    [MM_SQL_ISSUED_VOID] =
	"UPDATE issued SET state = 2, live = 0 WHERE idx = ? AND state = 0"
	" RETURNING ord, principal, day, replaces",
    /* 4 is 1 or 6 whose successor waits, as `revoked` says which. */
    [MM_SQL_ISSUED_STEP_BACK] =
	"UPDATE issued SET live = 4 WHERE idx = ? AND live IN (1, 6)",
    [MM_SQL_ISSUED_STEP_FORTH] =
	"UPDATE issued SET live = CASE revoked WHEN 0 THEN 1 ELSE 6 END"
	" WHERE idx = ? AND live = 4",
    [MM_SQL_ISSUED_REVOKE] =
	"UPDATE issued SET revoked = ?1, revoked_at = ?2, live = CASE"
	" WHEN ?1 <> 7 AND live IN (1, 4, 6) THEN 5"
	" WHEN ?1 = 7 AND live = 1 THEN 6 ELSE live END WHERE idx = ?3",
    [MM_SQL_ISSUED_RESTORE] =
	"UPDATE issued SET revoked = 0, revoked_at = 0,"
	" live = CASE live WHEN 6 THEN 1 ELSE live END WHERE idx = ?",
    [MM_SQL_ISSUED_GET] = ISSUED_ROW "WHERE idx = ?",
    [MM_SQL_ISSUED_RESTING] =
	ISSUED_ROW "WHERE kind IN (4, 18) AND ord = 0 AND basis = ?"
		   " ORDER BY idx DESC LIMIT 1",
    [MM_SQL_ISSUED_DEVICE] =
	ISSUED_ROW "WHERE live IN (1, 6) AND profile = ? AND subject = ?",
    [MM_SQL_ISSUED_KEY] = ISSUED_ROW "WHERE kind = 4 AND live > 0 AND key = ?"
				     " ORDER BY idx DESC LIMIT 1",
    [MM_SQL_ISSUED_SERIAL] = ISSUED_ROW "WHERE serial = ?",
    [MM_SQL_ISSUED_IMAGE] = ISSUED_ROW "WHERE live = 2 AND profile = ?"
				       " AND subject = ? AND scheme = ?",
    [MM_SQL_ISSUED_VERSION] = ISSUED_ROW "WHERE live = 2 AND profile = ?"
					 " AND subject = ? LIMIT 1",
    [MM_SQL_VERSION_AFTER] =
	"SELECT subject FROM issued WHERE live = 2 AND profile = ?"
	" AND subject > ? ORDER BY subject LIMIT 1",
    [MM_SQL_VERSION_SECURE] =
	"SELECT ifnull(max(secure), 0) FROM issued WHERE live = 2"
	" AND profile = ? AND subject <> ?",
    [MM_SQL_UNSIGNED_AFTER] =
	"SELECT idx FROM issued WHERE state = 0 AND idx >= ?"
	" ORDER BY idx LIMIT 1",
    [MM_SQL_UNSIGNED_COUNT] = "SELECT count(*) FROM issued WHERE state = 0",
    [MM_SQL_REVOKED_PUT] =
	"INSERT OR REPLACE INTO revoked VALUES(?, ?, ?, ?, ?, ?)",
    [MM_SQL_REVOKED_LIST] = "SELECT serial, reason, at, since FROM revoked"
			    " WHERE issuer = ? AND reason <> 8 ORDER BY serial",
    [MM_SQL_REVOKED_SINCE] =
	"SELECT count(*) FROM revoked WHERE issuer = ? AND entry >= ?",
    [MM_SQL_CRL_PUT] = "INSERT INTO crl VALUES(?, ?, ?, ?, ?, ?)",
    [MM_SQL_CRL_GET] = CRL_ROW "WHERE crl.issuer = ? AND state <> 2"
			       " ORDER BY crl.idx DESC LIMIT 1",
    [MM_SQL_CRL_ENTERED] =
	CRL_ROW "WHERE crl.issuer = ? ORDER BY crl.idx DESC LIMIT 1",
    [MM_SQL_REQUEST_PUT] = "INSERT OR REPLACE INTO request VALUES(?, ?, ?)",
    [MM_SQL_REQUEST_GET] =
	"SELECT idx FROM request WHERE principal = ? AND id = ?",
    [MM_SQL_STATEMENT_PUT] = "INSERT INTO statement VALUES(?, ?)",
    [MM_SQL_STATEMENT_GET] = "SELECT idx FROM statement WHERE payload = ?",
    [MM_SQL_PENDING_PUT] =
	"INSERT OR REPLACE INTO pending VALUES(?, ?, ?, ?, ?, 0, ?)",
    [MM_SQL_PENDING_GET] = PENDING_ROW "WHERE payload = ?",
    [MM_SQL_PENDING_AFTER] =
	PENDING_ROW "WHERE payload > ? AND withdrawn = 0 AND expiry >= ?"
		    " ORDER BY payload LIMIT 1",
    [MM_SQL_PENDING_COUNT] =
	"SELECT count(*) FROM pending WHERE withdrawn = 0 AND expiry >= ?",
    [MM_SQL_PENDING_EXPIRED] =
	"DELETE FROM pending WHERE payload = (SELECT payload FROM pending"
	" WHERE withdrawn = 0 AND expiry < ? LIMIT 1) RETURNING idx",
    [MM_SQL_PENDING_WITHDRAW] =
	"UPDATE pending SET withdrawn = 1 WHERE payload = ?",
    [MM_SQL_PENDING_DROP] = "DELETE FROM pending WHERE payload = ?",
    [MM_SQL_RELEASE_PUT] = "INSERT OR REPLACE INTO release VALUES(?, ?, ?, ?)",
    [MM_SQL_RELEASE_GET] =
	"SELECT idx FROM release WHERE product = ? AND version = ?",
    [MM_SQL_RELEASE_AFTER] =
	"SELECT idx FROM release WHERE idx > ?1 AND (?2 = '' OR product = ?2)"
	" ORDER BY idx LIMIT 1",
    [MM_SQL_RELEASE_IMAGE] =
	"SELECT 1 FROM release WHERE image = ?1 UNION ALL"
	" SELECT 1 FROM pending WHERE image = ?1 AND withdrawn = 0"
	" AND expiry >= ?2 LIMIT 1",
    [MM_SQL_RELEASE_OF_IMAGE] =
	"SELECT idx FROM release WHERE idx > ? AND image = ?"
	" ORDER BY idx LIMIT 1",
    /* What is void makes room. */
    [MM_SQL_PARTITION_PUT] = "INSERT OR REPLACE INTO partition VALUES(?, ?, ?)",
    [MM_SQL_SCRAP_PUT] = "INSERT INTO scrap VALUES(?, ?)",
    [MM_SQL_SCRAP_GET] = "SELECT idx FROM scrap WHERE certificate = ?",
    [MM_SQL_PARTITION_GET] =
	"SELECT partition.idx FROM partition JOIN issued"
	" ON issued.idx = partition.idx WHERE certificate = ?"
	" AND partition.scheme = ? AND state <> 2",
    [MM_SQL_INHERITANCE_PUT] = "INSERT INTO inheritance VALUES(?, ?, 0)",
    [MM_SQL_INHERITANCE_ADD] = "UPDATE inheritance SET offset = offset + ?2"
			       " WHERE idx = ?1 AND offset + ?2 <= size",
    [MM_SQL_INHERITANCE_GET] = "SELECT idx, offset FROM inheritance"
			       " WHERE offset < size ORDER BY idx LIMIT 1",
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
	/* What is there once is in the log a second time. */
	if (code == SQLITE_CONSTRAINT)
		return mm_fail(MM_E_LOG_WRONG,
		    "an entry contradicts the entries before it: %s",
		    sqlite3_errmsg(index->db));
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
mm_sql_next(struct mm_index *index, enum mm_sql which)
{
	int step = sqlite3_step(index->statements[which]);
	enum mm_error error;

	if (step == SQLITE_ROW)
		return MM_OK;
	error = step == SQLITE_DONE ? mm_sql_nothing_() : mm_sql_failed(index);
	sqlite3_reset(index->statements[which]);
	return error;
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
mm_sql_lent(struct mm_index *index, enum mm_sql which, int column)
{
	sqlite3_stmt *statement = index->statements[which];
	const void *bytes = sqlite3_column_blob(statement, column);
	int size = sqlite3_column_bytes(statement, column);

	return mm_span(bytes, (size_t)size);
}

struct mm_span
mm_sql_span(struct mm_index *index, enum mm_sql which, int column,
    struct mm_arena *arena)
{
	return mm_arena_copy(arena, mm_sql_lent(index, which, column));
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
