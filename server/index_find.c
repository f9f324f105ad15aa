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
mm_index_policies(
    struct mm_index *index, struct mm_arena *arena, struct mm_list *out)
{
	mm_auto(buffer) found = {0};
	uint64_t next = 0;

	mm_buffer_init(&found, 1 << 20);
	for (;;) {
		struct mm_uint_item item;
		enum mm_error error =
		    MM_SQL_LOOK(index, MM_SQL_POLICY_AFTER, "u", next);

		if (error == MM_E_NOT_FOUND)
			break;
		if (error != MM_OK)
			return error;
		item.value = mm_sql_uint(index, MM_SQL_POLICY_AFTER, 0);
		mm_sql_done(index, MM_SQL_POLICY_AFTER);
		mm_buffer_add(&found, &item, sizeof(item));
		next = item.value + 1;
	}
	out->count = found.size / sizeof(struct mm_uint_item);
	out->items = mm_arena_copy(arena, mm_buffer_span(&found)).data;
	return out->items != NULL && found.error == MM_OK ? MM_OK : MM_E_MEMORY;
}

/* The principal of the row that a lookup stands on. */
static enum mm_error
principal_of(struct mm_index *index, enum mm_sql which, struct mm_arena *arena,
    struct mm_principal *out)
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

	return error == MM_OK
		   ? principal_of(index, MM_SQL_PRINCIPAL_BY_KEY, arena, out)
		   : error;
}

enum mm_error
mm_index_principal_named(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_principal *out)
{
	enum mm_error error =
	    MM_SQL_LOOK(index, MM_SQL_PRINCIPAL_BY_NAME, "t", name);

	return error == MM_OK
		   ? principal_of(index, MM_SQL_PRINCIPAL_BY_NAME, arena, out)
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
	enum mm_error error = MM_SQL_LOOK(index, MM_SQL_ORDER_GET, "t", name);

	if (error != MM_OK)
		return error;
	out->idx = mm_sql_uint(index, MM_SQL_ORDER_GET, 0);
	out->used = mm_sql_uint(index, MM_SQL_ORDER_GET, 1);
	mm_sql_done(index, MM_SQL_ORDER_GET);
	return mm_index_order_at(index, out->idx, arena, &out->claim);
}

/* The row that a lookup by ISSUED_ROW stands on. */
static enum mm_error
issued_of(struct mm_index *index, enum mm_sql which, struct mm_arena *arena,
    struct mm_issued *out)
{
	struct mm_span key = mm_sql_span(index, which, 3, arena);
	struct mm_issued found = {
	    .idx = mm_sql_uint(index, which, 0),
	    .state = mm_sql_uint(index, which, 1),
	    .basis = mm_sql_uint(index, which, 2),
	    .signature = mm_sql_span(index, which, 4, arena),
	    .profile = mm_sql_span(index, which, 5, arena),
	    .subject = mm_sql_span(index, which, 6, arena),
	    .scheme = mm_sql_span(index, which, 7, arena),
	};

	mm_sql_done(index, which);
	if (key.size != sizeof(found.key) || found.scheme.data == NULL)
		return mm_fail(MM_E_STORE, "the index is damaged; mintmarkd "
					   "--rebuild makes it anew");
	memcpy(found.key, key.data, key.size);
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
mm_index_authority(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_issued *out)
{
	return FIND_ISSUED(MM_SQL_AUTHORITY_GET, "t", name);
}

/* A lookup whose whole answer is one number. */
#define FIND_UINT(out, which, ...) \
	__extension__({ \
		enum mm_error found_ = MM_SQL_LOOK(index, which, __VA_ARGS__); \
		if (found_ == MM_OK) { \
			*(out) = mm_sql_uint(index, which, 0); \
			mm_sql_done(index, which); \
		} \
		found_; \
	})

enum mm_error
mm_index_unsigned(struct mm_index *index, uint64_t from, uint64_t *idx)
{
	return FIND_UINT(idx, MM_SQL_UNSIGNED_AFTER, "u", from);
}

enum mm_error
mm_index_unsigned_count(struct mm_index *index, uint64_t *count)
{
	return FIND_UINT(count, MM_SQL_UNSIGNED_COUNT, "");
}

enum mm_error
mm_index_request(struct mm_index *index, struct mm_span principal,
    const uint8_t *id, uint64_t *idx)
{
	return FIND_UINT(
	    idx, MM_SQL_REQUEST_GET, "tb", principal, mm_span(id, 16));
}

enum mm_error
mm_index_statement(
    struct mm_index *index, struct mm_span payload, uint64_t *idx)
{
	uint8_t digest[32];

	crypto_hash_sha256(digest, payload.data, payload.size);
	return FIND_UINT(
	    idx, MM_SQL_STATEMENT_GET, "b", mm_span(digest, sizeof(digest)));
}

enum mm_error
mm_index_daily(struct mm_index *index, struct mm_span principal, uint64_t kind,
    uint64_t time, uint64_t *count)
{
	enum mm_error error = FIND_UINT(count, MM_SQL_DAILY_GET, "tuu",
	    principal, kind, time / MM_INDEX_DAY);

	if (error != MM_E_NOT_FOUND)
		return error;
	*count = 0;
	return MM_OK;
}
