/*
 * What the index answers: lookups by what a decision knows.
 */
#include "server/index_parts.h"

#include <sodium.h>
#include <string.h>

enum mm_error
mm_index_reference(struct mm_index *index, uint64_t idx, struct mm_arena *arena,
    struct mm_span *entry)
{
	enum mm_error error =
	    MM_SQL_LOOK(index, MM_SQL_REFERENCE_GET, "u", idx);

	if (error == MM_E_NOT_FOUND)
		return mm_fail(error, "entry %llu is nothing to rest on",
		    (unsigned long long)idx);
	if (error != MM_OK)
		return error;
	*entry = mm_sql_span(index, MM_SQL_REFERENCE_GET, 0, arena);
	mm_sql_done(index, MM_SQL_REFERENCE_GET);
	return entry->data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for an entry");
}

enum mm_error
mm_index_policy(struct mm_index *index, uint64_t *idx)
{
	enum mm_error error = MM_SQL_LOOK(index, MM_SQL_POLICY_NEWEST, "");

	if (error != MM_OK)
		return error;
	*idx = mm_sql_uint(index, MM_SQL_POLICY_NEWEST, 0);
	mm_sql_done(index, MM_SQL_POLICY_NEWEST);
	return MM_OK;
}

enum mm_error
mm_index_principal_of(struct mm_index *index, enum mm_sql which,
    struct mm_arena *arena, struct mm_principal *out)
{
	uint64_t idx = mm_sql_uint(index, which, 0);
	bool disabled = mm_sql_uint(index, which, 1) != 0;
	struct mm_statement_entry body;
	struct mm_principal_claim claim;
	struct mm_entry entry;
	struct mm_span bytes, payload;
	enum mm_error error;

	mm_sql_done(index, which);
	error = mm_index_reference(index, idx, arena, &bytes);
	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_PRINCIPAL, arena, &entry, &body);
	if (error == MM_OK)
		error = mm_index_claim(&body.statements, MM_STATEMENT_PRINCIPAL,
		    arena, &payload, &claim);
	if (error == MM_OK)
		*out = (struct mm_principal){.name = claim.name,
		    .role = claim.role,
		    .profiles = claim.profiles,
		    .daily = claim.daily,
		    .minute = claim.minute,
		    .disabled = disabled,
		    .basis = idx};
	return error;
}

enum mm_error
mm_index_principal(struct mm_index *index, const uint8_t key[32],
    struct mm_arena *arena, struct mm_principal *out)
{
	enum mm_error error =
	    MM_SQL_LOOK(index, MM_SQL_PRINCIPAL_BY_KEY, "b", mm_span(key, 32));

	return error == MM_OK ? mm_index_principal_of(
				    index, MM_SQL_PRINCIPAL_BY_KEY, arena, out)
			      : error;
}

enum mm_error
mm_index_principal_named(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_principal *out)
{
	enum mm_error error =
	    MM_SQL_LOOK(index, MM_SQL_PRINCIPAL_BY_NAME, "t", name);

	return error == MM_OK ? mm_index_principal_of(
				    index, MM_SQL_PRINCIPAL_BY_NAME, arena, out)
			      : error;
}

enum mm_error
mm_index_principal_other(
    struct mm_index *index, const uint8_t key[32], struct mm_span name)
{
	enum mm_error error = MM_SQL_LOOK(
	    index, MM_SQL_PRINCIPAL_OTHER, "bt", mm_span(key, 32), name);

	if (error == MM_OK)
		mm_sql_done(index, MM_SQL_PRINCIPAL_OTHER);
	return error;
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
		error = mm_index_claim(
		    &body.statements, MM_STATEMENT_ORDER, arena, &payload, out);
	return error;
}

enum mm_error
mm_index_order(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_order_row *out)
{
	struct mm_order_row row = {0};
	enum mm_error error = MM_SQL_LOOK(index, MM_SQL_ORDER_GET, "t", name);

	if (error != MM_OK)
		return error;
	row.idx = mm_sql_uint(index, MM_SQL_ORDER_GET, 0);
	row.first = mm_sql_uint(index, MM_SQL_ORDER_GET, 1);
	row.used = mm_sql_uint(index, MM_SQL_ORDER_GET, 2);
	row.reissued = mm_sql_uint(index, MM_SQL_ORDER_GET, 3);
	row.refused = mm_sql_uint(index, MM_SQL_ORDER_GET, 4);
	row.revoked = mm_sql_uint(index, MM_SQL_ORDER_GET, 5);
	row.scrapped = mm_sql_uint(index, MM_SQL_ORDER_GET, 6);
	mm_sql_done(index, MM_SQL_ORDER_GET);
	error = mm_index_order_at(index, row.idx, arena, &row.claim);
	if (error == MM_OK)
		*out = row;
	return error;
}

/* An order's id, as far as there is one: an inherited certificate has none. */
static uint64_t
order_of(struct mm_index *index, enum mm_sql which)
{
	uint64_t order = mm_sql_uint(index, which, 9);

	return order > INT64_MAX ? 0 : order;
}

/* The row that a lookup by ISSUED_ROW stands on, which is done then. */
static enum mm_error
issued_of(struct mm_index *index, enum mm_sql which, struct mm_arena *arena,
    struct mm_issued *out)
{
	struct mm_span key = mm_sql_lent(index, which, 3);
	struct mm_issued found = {
	    .idx = mm_sql_uint(index, which, 0),
	    .state = mm_sql_uint(index, which, 1),
	    .basis = mm_sql_uint(index, which, 2),
	    .signature = mm_sql_span(index, which, 4, arena),
	    .profile = mm_sql_span(index, which, 5, arena),
	    .subject = mm_sql_span(index, which, 6, arena),
	    .scheme = mm_sql_span(index, which, 7, arena),
	    .kind = mm_sql_uint(index, which, 8),
	    .order = order_of(index, which),
	    .serial = mm_sql_span(index, which, 10, arena),
	    .issuer = mm_sql_span(index, which, 11, arena),
	    .revoked = mm_sql_uint(index, which, 12),
	    .revoked_at = mm_sql_uint(index, which, 13),
	};
	bool whole = key.size == sizeof(found.key) && found.issuer.data != NULL;

	if (whole)
		memcpy(found.key, key.data, key.size);
	mm_sql_done(index, which);
	if (!whole)
		return mm_fail(MM_E_STORE, "the index is damaged; mintmarkd "
					   "--rebuild makes it anew");
	found.inherited = found.idx > INT64_MAX;
	*out = found;
	return MM_OK;
}

#define FIND_ISSUED(which, ...) \
	__extension__({ \
		enum mm_error found_ = MM_SQL_LOOK(index, which, __VA_ARGS__); \
		found_ == MM_OK ? issued_of(index, which, arena, out) \
				: found_; \
	})

enum mm_error
mm_index_device(struct mm_index *index, struct mm_span profile,
    struct mm_span device, struct mm_arena *arena, struct mm_issued *out)
{
	return FIND_ISSUED(MM_SQL_ISSUED_DEVICE, "tt", profile, device);
}

enum mm_error
mm_index_key(struct mm_index *index, const uint8_t key[32],
    struct mm_arena *arena, struct mm_issued *out)
{
	return FIND_ISSUED(MM_SQL_ISSUED_KEY, "b", mm_span(key, 32));
}

enum mm_error
mm_index_serial(struct mm_index *index, struct mm_span serial,
    struct mm_arena *arena, struct mm_issued *out)
{
	return FIND_ISSUED(MM_SQL_ISSUED_SERIAL, "b", serial);
}

enum mm_error
mm_index_image(struct mm_index *index, struct mm_span product,
    struct mm_span version, struct mm_span scheme, struct mm_arena *arena,
    struct mm_issued *out)
{
	return FIND_ISSUED(
	    MM_SQL_ISSUED_IMAGE, "ttt", product, version, scheme);
}

enum mm_error
mm_index_version(struct mm_index *index, struct mm_span product,
    struct mm_span version, struct mm_arena *arena, struct mm_issued *out)
{
	return FIND_ISSUED(MM_SQL_ISSUED_VERSION, "tt", product, version);
}

enum mm_error
mm_index_issued(struct mm_index *index, uint64_t idx, struct mm_arena *arena,
    struct mm_issued *out)
{
	return FIND_ISSUED(MM_SQL_ISSUED_GET, "u", idx);
}

enum mm_error
mm_index_resting(struct mm_index *index, uint64_t basis, struct mm_arena *arena,
    struct mm_issued *out)
{
	return FIND_ISSUED(MM_SQL_ISSUED_RESTING, "u", basis);
}

enum mm_error
mm_index_authority_of(struct mm_index *index, enum mm_sql which,
    struct mm_arena *arena, struct mm_authority_row *out)
{
	sqlite3_stmt *statement = index->statements[which];
	struct mm_span key = mm_sql_lent(index, which, 2);
	struct mm_authority_row row = {
	    .name = mm_sql_span(index, which, 0, arena),
	    .use = mm_sql_uint(index, which, 1),
	    .retired = mm_sql_uint(index, which, 3) != 0,
	    .idx = mm_sql_uint(index, which, 4),
	    .imported = mm_sql_uint(index, which, 5) != 0};
	bool whole = key.size == sizeof(row.key) && row.name.data != NULL;

	if (sqlite3_column_type(statement, 4) == SQLITE_NULL)
		row.idx = UINT64_MAX;
	if (whole)
		memcpy(row.key, key.data, key.size);
	mm_sql_done(index, which);
	if (!whole)
		return mm_fail(MM_E_STORE, "the index is damaged; mintmarkd "
					   "--rebuild makes it anew");
	*out = row;
	return MM_OK;
}

enum mm_error
mm_index_authority(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_authority_row *out)
{
	enum mm_error error =
	    MM_SQL_LOOK(index, MM_SQL_AUTHORITY_GET, "t", name);

	return error == MM_OK ? mm_index_authority_of(
				    index, MM_SQL_AUTHORITY_GET, arena, out)
			      : error;
}

enum mm_error
mm_index_pending_of(
    struct mm_index *index, enum mm_sql which, struct mm_pending_index *out)
{
	struct mm_span payload = mm_sql_lent(index, which, 0);
	struct mm_pending_index row = {.idx = mm_sql_uint(index, which, 1),
	    .kind = mm_sql_uint(index, which, 2),
	    .time = mm_sql_uint(index, which, 3),
	    .expiry = mm_sql_uint(index, which, 4),
	    .withdrawn = mm_sql_uint(index, which, 5) != 0};
	bool whole = payload.size == sizeof(row.payload);

	if (whole)
		memcpy(row.payload, payload.data, payload.size);
	mm_sql_done(index, which);
	if (!whole)
		return mm_fail(MM_E_STORE, "the index is damaged; mintmarkd "
					   "--rebuild makes it anew");
	*out = row;
	return MM_OK;
}

enum mm_error
mm_index_pending(struct mm_index *index, const uint8_t payload[32],
    struct mm_pending_index *out)
{
	enum mm_error error =
	    MM_SQL_LOOK(index, MM_SQL_PENDING_GET, "b", mm_span(payload, 32));

	return error == MM_OK
		   ? mm_index_pending_of(index, MM_SQL_PENDING_GET, out)
		   : error;
}

enum mm_error
mm_index_pending_count(struct mm_index *index, uint64_t now, uint64_t *count)
{
	return MM_SQL_FIND_UINT(index, count, MM_SQL_PENDING_COUNT, "u", now);
}

enum mm_error
mm_index_release(struct mm_index *index, struct mm_span product,
    struct mm_span version, uint64_t *idx)
{
	return MM_SQL_FIND_UINT(
	    index, idx, MM_SQL_RELEASE_GET, "tt", product, version);
}

enum mm_error
mm_index_image_wanted(
    struct mm_index *index, const uint8_t sha256[32], uint64_t now, bool *out)
{
	uint64_t one = 0;
	enum mm_error error = MM_SQL_FIND_UINT(
	    index, &one, MM_SQL_RELEASE_IMAGE, "bu", mm_span(sha256, 32), now);

	if (error != MM_OK && error != MM_E_NOT_FOUND)
		return error;
	*out = error == MM_OK;
	return MM_OK;
}

enum mm_error
mm_index_unsigned(struct mm_index *index, uint64_t from, uint64_t *idx)
{
	return MM_SQL_FIND_UINT(index, idx, MM_SQL_UNSIGNED_AFTER, "u", from);
}

enum mm_error
mm_index_unsigned_count(struct mm_index *index, uint64_t *count)
{
	return MM_SQL_FIND_UINT(index, count, MM_SQL_UNSIGNED_COUNT, "");
}

enum mm_error
mm_index_request(struct mm_index *index, struct mm_span principal,
    const uint8_t *id, uint64_t *idx)
{
	return MM_SQL_FIND_UINT(
	    index, idx, MM_SQL_REQUEST_GET, "tb", principal, mm_span(id, 16));
}

enum mm_error
mm_index_statement(
    struct mm_index *index, struct mm_span payload, uint64_t *idx)
{
	uint8_t digest[32];

	crypto_hash_sha256(digest, payload.data, payload.size);
	return MM_SQL_FIND_UINT(index, idx, MM_SQL_STATEMENT_GET, "b",
	    mm_span(digest, sizeof(digest)));
}

enum mm_error
mm_index_daily(struct mm_index *index, struct mm_span principal, uint64_t kind,
    uint64_t time, uint64_t *count)
{
	enum mm_error error = MM_SQL_FIND_UINT(index, count, MM_SQL_DAILY_GET,
	    "tuu", principal, kind, time / MM_INDEX_DAY);

	if (error != MM_E_NOT_FOUND)
		return error;
	*count = 0;
	return MM_OK;
}
