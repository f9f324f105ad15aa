/*
 * The index's own parts: its database, every statement that is ever run on
 * it, and how one is run. For index*.c alone:
 *
 *   index.c          the tables, opening, batches
 *   index_sql.c      the statements and their rows
 *   index_fold.c     what an entry changes: the table of kinds
 *   index_people.c   what people state: principals, orders, releases, what
 *                    waits for approvals and what is withdrawn
 *   index_keys.c     the mint's keys and what is certified of them
 *   index_issued.c   what is issued, signed, voided
 *   index_partition.c, partitions of devices
 *   index_scrap.c    units that failed for good
 *   index_revoked.c  what is revoked, and the CRLs that say so
 *   index_inherit.c  what a predecessor left
 *   index_find.c     what the tables answer: one thing
 *   index_list.c     and many
 */
#ifndef MM_INDEX_PARTS_H
#define MM_INDEX_PARTS_H

#include <sqlite3.h>

#include "server/index.h"

enum { MM_INDEX_DAY = 86400 };

/* What a row of `issued` is just now, as the indexes over it ask. */
enum mm_index_live {
	MM_LIVE_NOT = 0,      /* void, a principal's, a CRL, a CSR, a
			       * partition */
	MM_LIVE_DEVICE = 1,   /* the one of a device under a profile */
	MM_LIVE_IMAGE = 2,    /* the one of a version under a scheme */
	MM_LIVE_OWN = 3,      /* a certificate of the mint's own */
	MM_LIVE_REPLACED = 4, /* a device's whose successor is unsigned yet */
	MM_LIVE_REVOKED = 5,  /* a device's, revoked for ever */
	MM_LIVE_HELD = 6      /* a device's, on hold */
};

/* RFC 5280 5.3.1. */
enum { MM_CRL_SUPERSEDED = 4, MM_CRL_HOLD = 6, MM_CRL_REMOVE = 8 };

/* Named after what they do; index_sql.c has the text of each. */
enum mm_sql {
	MM_SQL_BEGIN,
	MM_SQL_COMMIT,
	MM_SQL_ROLLBACK,
	MM_SQL_FOLD_GET,
	MM_SQL_FOLD_SET,
	MM_SQL_REFERENCE_PUT,
	MM_SQL_REFERENCE_GET,
	MM_SQL_REFERENCE_KIND,
	MM_SQL_REFERENCE_DROP,
	MM_SQL_POLICY_NEWEST,
	MM_SQL_POLICY_AFTER,
	MM_SQL_FOLLOWED_AFTER,
	MM_SQL_PRINCIPAL_PUT,
	MM_SQL_PRINCIPAL_SEEN,
	MM_SQL_PRINCIPAL_CERTIFY,
	MM_SQL_PRINCIPAL_BY_KEY,
	MM_SQL_PRINCIPAL_BY_NAME,
	MM_SQL_PRINCIPAL_OTHER,
	MM_SQL_PRINCIPAL_AFTER,
	MM_SQL_ORDER_PUT,
	MM_SQL_ORDER_REVISE,
	MM_SQL_ORDER_GET,
	MM_SQL_ORDER_AFTER,
	MM_SQL_ORDER_USE,
	MM_SQL_ORDER_GIVE_BACK,
	MM_SQL_ORDER_FIRST,
	MM_SQL_ORDER_REFUSE,
	MM_SQL_ORDER_REVOKE,
	MM_SQL_ORDER_SCRAP,
	MM_SQL_AUTHORITY_PUT,
	MM_SQL_AUTHORITY_RETIRE,
	MM_SQL_AUTHORITY_CERTIFY,
	MM_SQL_AUTHORITY_IMPORT,
	MM_SQL_AUTHORITY_GET,
	MM_SQL_AUTHORITY_BY_KEY,
	MM_SQL_AUTHORITY_AFTER,
	MM_SQL_ISSUED_PUT,
	MM_SQL_ISSUED_INHERIT,
	MM_SQL_ISSUED_SIGN,
	MM_SQL_ISSUED_VOID,
	MM_SQL_ISSUED_STEP_BACK,
	MM_SQL_ISSUED_STEP_FORTH,
	MM_SQL_ISSUED_REVOKE,
	MM_SQL_ISSUED_RESTORE,
	MM_SQL_ISSUED_GET,
	MM_SQL_ISSUED_RESTING,
	MM_SQL_ISSUED_DEVICE,
	MM_SQL_ISSUED_KEY,
	MM_SQL_ISSUED_SERIAL,
	MM_SQL_ISSUED_IMAGE,
	MM_SQL_ISSUED_VERSION,
	MM_SQL_VERSION_AFTER,
	MM_SQL_VERSION_SECURE,
	MM_SQL_UNSIGNED_AFTER,
	MM_SQL_UNSIGNED_COUNT,
	MM_SQL_REVOKED_PUT,
	MM_SQL_REVOKED_LIST,
	MM_SQL_REVOKED_SINCE,
	MM_SQL_CRL_PUT,
	MM_SQL_CRL_GET,
	MM_SQL_CRL_ENTERED,
	MM_SQL_REQUEST_PUT,
	MM_SQL_REQUEST_GET,
	MM_SQL_STATEMENT_PUT,
	MM_SQL_STATEMENT_GET,
	MM_SQL_PENDING_PUT,
	MM_SQL_PENDING_GET,
	MM_SQL_PENDING_AFTER,
	MM_SQL_PENDING_COUNT,
	MM_SQL_PENDING_EXPIRED,
	MM_SQL_PENDING_WITHDRAW,
	MM_SQL_PENDING_DROP,
	MM_SQL_RELEASE_PUT,
	MM_SQL_RELEASE_GET,
	MM_SQL_RELEASE_AFTER,
	MM_SQL_RELEASE_IMAGE,
	MM_SQL_RELEASE_OF_IMAGE,
	MM_SQL_PARTITION_PUT,
	MM_SQL_PARTITION_GET,
	MM_SQL_SCRAP_PUT,
	MM_SQL_SCRAP_GET,
	MM_SQL_INHERITANCE_PUT,
	MM_SQL_INHERITANCE_ADD,
	MM_SQL_INHERITANCE_GET,
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

/* From the row that a lookup stands on to the next; MM_E_NOT_FOUND behind the
 * last one. */
enum mm_error
mm_sql_next(struct mm_index *index, enum mm_sql which) mm_must_use;

/* A column of the row that a statement stands on; `lent` until it goes on. */
struct mm_span
mm_sql_lent(struct mm_index *index, enum mm_sql which, int column);
uint64_t mm_sql_uint(struct mm_index *index, enum mm_sql which, int column);
struct mm_span mm_sql_span(struct mm_index *index, enum mm_sql which,
    int column, struct mm_arena *arena);
void mm_sql_done(struct mm_index *index, enum mm_sql which);

/* The claim and body of an entry's statements, which were checked when they
 * were logged: MM_E_LOG_WRONG. */
enum mm_error mm_index_claim(const struct mm_list *statements, uint64_t kind,
    struct mm_arena *arena, struct mm_span *payload, void *body) mm_must_use;

/* --- the fold: what one entry changes --- */

/* An entry being applied. */
struct mm_fold {
	struct mm_index *index;
	struct mm_arena *arena;
	uint64_t idx;
	struct mm_span bytes;
	const struct mm_entry *entry;
	const void *body; /* of the entry's kind */
};

/* Others may rest on this entry. */
enum mm_error mm_fold_reference(const struct mm_fold *f) mm_must_use;
/* Notes who asked for the entry, so that the request finds it again; nothing
 * where nobody did. */
enum mm_error mm_fold_request(const struct mm_fold *f, struct mm_span principal,
    struct mm_span request) mm_must_use;
/* A statement is in force: it waits no longer, and never comes again. */
enum mm_error
mm_fold_in_force(const struct mm_fold *f, struct mm_span payload) mm_must_use;
/* All three, and the claim, of an entry that is its statements: `rests` where
 * others may rest on it. */
enum mm_error mm_fold_stated(const struct mm_fold *f, uint64_t kind, bool rests,
    void *claim) mm_must_use;
/* MM_E_LOG_WRONG: the entry, and what is wrong with it. */
enum mm_error
mm_fold_wrong(const struct mm_fold *f, const char *what) mm_must_use;
/* One change of exactly one row: MM_E_LOG_WRONG with `what` otherwise. */
enum mm_error mm_fold_changed(
    const struct mm_fold *f, enum mm_error error, const char *what) mm_must_use;
/* A lookup that should find nothing: MM_E_LOG_WRONG with `what` otherwise. */
enum mm_error mm_fold_absent(
    const struct mm_fold *f, enum mm_error error, const char *what) mm_must_use;

enum mm_error mm_fold_principal(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_order(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_release(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_pending(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_withdrawal(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_ceremony(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_key(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_csr(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_import(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_certificate(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_image(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_partition(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_signatures(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_void(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_revocation(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_crl(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_inherited(const struct mm_fold *f) mm_must_use;
enum mm_error mm_fold_scrap(const struct mm_fold *f) mm_must_use;

/* A key of the mint by its name and SubjectPublicKeyInfo. */
enum mm_error mm_fold_add_key(const struct mm_fold *f, struct mm_span name,
    uint64_t use, struct mm_span spki) mm_must_use;
/* A row of `issued` that waits for its signature. */
struct mm_fold_issue {
	struct mm_span profile, subject, scheme, serial, issuer, principal;
	const uint8_t *key; /* 32 bytes */
	uint64_t order, basis, until, replaces, live;
	uint64_t secure; /* secure_version of an image */
};
enum mm_error mm_fold_issue(
    const struct mm_fold *f, const struct mm_fold_issue *issue) mm_must_use;
/* What an entry about a device's certificate names: the first entry of the
 * order whose terms in force it rests on, and the certificate as this log
 * issued it; MM_E_LOG_WRONG where either is not there. Whether they belong
 * together is the caller's to check. */
enum mm_error mm_fold_unit(const struct mm_fold *f, uint64_t basis,
    uint64_t certificate, uint64_t *order, struct mm_issued *out) mm_must_use;
/* The certificate at `idx` is superseded by one that is signed now. */
enum mm_error
mm_fold_supersede(const struct mm_fold *f, uint64_t idx) mm_must_use;

/* The row that a lookup stands on, which is done then: idx and `disabled` are
 * its columns 0 and 1. */
enum mm_error mm_index_principal_of(struct mm_index *index, enum mm_sql which,
    struct mm_arena *arena, struct mm_principal *out) mm_must_use;
enum mm_error mm_index_authority_of(struct mm_index *index, enum mm_sql which,
    struct mm_arena *arena, struct mm_authority_row *out) mm_must_use;
enum mm_error mm_index_pending_of(struct mm_index *index, enum mm_sql which,
    struct mm_pending_index *out) mm_must_use;

/* A lookup whose whole answer is one number. */
#define MM_SQL_FIND_UINT(index, out, which, ...) \
	__extension__({ \
		enum mm_error found_ = MM_SQL_LOOK(index, which, __VA_ARGS__); \
		if (found_ == MM_OK) { \
			*(out) = mm_sql_uint(index, which, 0); \
			mm_sql_done(index, which); \
		} \
		found_; \
	})

#endif
