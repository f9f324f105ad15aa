/*
 * The index's own parts: its database, every statement that is ever run on
 * it, and how one is run. For index*.c alone:
 *
 *   index.c       the tables, opening, batches
 *   index_sql.c   the statements and their rows
 *   index_fold.c  what an entry changes
 *   index_find.c  what the tables answer
 */
#ifndef MM_INDEX_PARTS_H
#define MM_INDEX_PARTS_H

#include <sqlite3.h>

#include "server/index.h"

enum { MM_INDEX_DAY = 86400 };

/* Named after what they do; index_sql.c has the text of each. */
enum mm_sql {
	MM_SQL_BEGIN,
	MM_SQL_COMMIT,
	MM_SQL_ROLLBACK,
	MM_SQL_FOLD_GET,
	MM_SQL_FOLD_SET,
	MM_SQL_REFERENCE_PUT,
	MM_SQL_REFERENCE_GET,
	MM_SQL_POLICY_NEWEST,
	MM_SQL_POLICY_AFTER,
	MM_SQL_PRINCIPAL_PUT,
	MM_SQL_PRINCIPAL_BY_KEY,
	MM_SQL_PRINCIPAL_BY_NAME,
	MM_SQL_PRINCIPAL_OTHER,
	MM_SQL_ORDER_PUT,
	MM_SQL_ORDER_GET,
	MM_SQL_ORDER_USE,
	MM_SQL_AUTHORITY_PUT,
	MM_SQL_AUTHORITY_CERTIFY,
	MM_SQL_AUTHORITY_GET,
	MM_SQL_ISSUED_PUT,
	MM_SQL_ISSUED_SIGN,
	MM_SQL_ISSUED_VOID,
	MM_SQL_ISSUED_GET,
	MM_SQL_ISSUED_RESTING,
	MM_SQL_ISSUED_DEVICE,
	MM_SQL_ISSUED_KEY,
	MM_SQL_ISSUED_SERIAL,
	MM_SQL_ISSUED_IMAGE,
	MM_SQL_UNSIGNED_AFTER,
	MM_SQL_UNSIGNED_COUNT,
	MM_SQL_REQUEST_PUT,
	MM_SQL_REQUEST_GET,
	MM_SQL_STATEMENT_PUT,
	MM_SQL_STATEMENT_GET,
	MM_SQL_DAILY_ADD,
	MM_SQL_DAILY_GIVE_BACK,
	MM_SQL_DAILY_GET,
	MM_SQL_COUNT
};

struct mm_index {
	sqlite3 *db;
	sqlite3_stmt *statements[MM_SQL_COUNT];
	char path[4096];
	uint64_t size, before;   /* now, and when the transaction began */
	struct mm_buffer newest; /* the entry that was applied last */
	uint8_t last[32];        /* SHA-256 of the last one committed */
	bool torn;    /* an entry was applied by half: only rollback is left */
	bool useless; /* it goes when it is closed: the log brings it back */
};

/* What SQLite's last failure means. */
enum mm_error mm_sql_failed(struct mm_index *index) mm_must_use;
enum mm_error mm_sql_prepare(struct mm_index *index) mm_must_use;
/*
 * Binds and steps one statement: `types` has a letter an argument, u for
 * uint64_t, b and t for spans as bytes and text. SQLITE_ROW or SQLITE_DONE is
 * in `*step`; a row stays until the statement is run again, or done.
 */
enum mm_error mm_sql_run_(struct mm_index *index, enum mm_sql which, int *step,
    const char *types, ...) mm_must_use;
/* MM_E_NOT_FOUND in the table's words: no former particulars go with it. */
enum mm_error mm_sql_nothing_(void) mm_must_use;

/* Runs what gives no row. */
#define MM_SQL_CHANGE(index, which, ...) \
	mm_sql_run_(index, which, &(int){0}, __VA_ARGS__)

/* Runs what should give a row; MM_E_NOT_FOUND where it gives none. */
#define MM_SQL_LOOK(index, which, ...) \
	__extension__({ \
		int step_ = SQLITE_DONE; \
		enum mm_error error_ = \
		    mm_sql_run_(index, which, &step_, __VA_ARGS__); \
		error_ == MM_OK &&step_ == SQLITE_DONE ? mm_sql_nothing_() \
						       : error_; \
	})

/* A column of the row that a statement stands on. */
uint64_t mm_sql_uint(struct mm_index *index, enum mm_sql which, int column);
struct mm_span mm_sql_span(struct mm_index *index, enum mm_sql which,
    int column, struct mm_arena *arena);
void mm_sql_done(struct mm_index *index, enum mm_sql which);

/* The claim and body of an entry's statements, which were checked when they
 * were logged: MM_E_LOG_WRONG. */
enum mm_error mm_index_claim(const struct mm_list *statements, uint64_t kind,
    struct mm_arena *arena, struct mm_span *payload, void *body) mm_must_use;

#endif
