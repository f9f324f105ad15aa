/*
 * What the index answers by lists: row after row, each looked for behind the
 * one before, so that a list may be gone on with at any time.
 */
#include "server/index_parts.h"

#include <string.h>

enum { LIST_MAX = 4 << 20 /* bytes of a list's rows */ };

/* The rows that were found, moved into the arena. */
static enum mm_error
end_list(enum mm_error error, const struct mm_buffer *found, size_t size,
    struct mm_arena *arena, struct mm_list *out)
{
	struct mm_span rows;

	if (error != MM_OK && error != MM_E_NOT_FOUND)
		return error;
	rows = mm_arena_copy(arena, mm_buffer_span(found));
	if (rows.data == NULL || found->error != MM_OK)
		return mm_fail(MM_E_MEMORY, "no memory for a list");
	*out = (struct mm_list){rows.data, found->size / size};
	return MM_OK;
}

/* Entries from `from` on, by a lookup of the next one. */
static enum mm_error
list_entries(struct mm_index *index, enum mm_sql which, uint64_t from,
    size_t max, struct mm_arena *arena, struct mm_list *out)
{
	mm_auto(buffer) found = {0};
	enum mm_error error = MM_OK;

	mm_buffer_init(&found, LIST_MAX);
	for (size_t i = 0; i < max && error == MM_OK; i++) {
		struct mm_uint_item item;

		error = MM_SQL_FIND_UINT(index, &item.value, which, "u", from);
		if (error != MM_OK)
			break;
		mm_buffer_add(&found, &item, sizeof(item));
		from = item.value + 1;
	}
	return end_list(error, &found, sizeof(struct mm_uint_item), arena, out);
}

enum mm_error
mm_index_policies(
    struct mm_index *index, struct mm_arena *arena, struct mm_list *out)
{
	return list_entries(
	    index, MM_SQL_POLICY_AFTER, 0, SIZE_MAX, arena, out);
}

enum mm_error
mm_index_followed(struct mm_index *index, uint64_t from, size_t max,
    struct mm_arena *arena, struct mm_list *out)
{
	return list_entries(
	    index, MM_SQL_FOLLOWED_AFTER, from, max, arena, out);
}

static enum mm_error
next_principal(struct mm_index *index, struct mm_span after,
    struct mm_arena *arena, struct mm_principal_row *out)
{
	enum mm_sql which = MM_SQL_PRINCIPAL_AFTER;
	enum mm_error error = MM_SQL_LOOK(index, which, "t", after);
	struct mm_span key;

	if (error != MM_OK)
		return error;
	key = mm_sql_lent(index, which, 2);
	memset(out, 0, sizeof(*out));
	if (key.size == sizeof(out->key))
		memcpy(out->key, key.data, key.size);
	out->seen = mm_sql_uint(index, which, 3);
	out->until = mm_sql_uint(index, which, 4);
	return mm_index_principal_of(index, which, arena, &out->principal);
}

enum mm_error
mm_index_principals(struct mm_index *index, struct mm_span after, size_t max,
    struct mm_arena *arena, struct mm_list *out)
{
	mm_auto(buffer) found = {0};
	enum mm_error error = MM_OK;

	mm_buffer_init(&found, LIST_MAX);
	for (size_t i = 0; i < max && error == MM_OK; i++) {
		struct mm_principal_row row;

		error = next_principal(index, after, arena, &row);
		if (error != MM_OK)
			break;
		mm_buffer_add(&found, &row, sizeof(row));
		after = row.principal.name;
	}
	return end_list(
	    error, &found, sizeof(struct mm_principal_row), arena, out);
}

static enum mm_error
next_order(struct mm_index *index, struct mm_span after, struct mm_arena *arena,
    struct mm_order_row *out)
{
	enum mm_sql which = MM_SQL_ORDER_AFTER;
	enum mm_error error = MM_SQL_LOOK(index, which, "t", after);
	struct mm_span name;

	if (error != MM_OK)
		return error;
	name = mm_sql_span(index, which, 0, arena);
	mm_sql_done(index, which);
	return mm_index_order(index, name, arena, out);
}

enum mm_error
mm_index_orders(struct mm_index *index, struct mm_span after, size_t max,
    struct mm_arena *arena, struct mm_list *out)
{
	mm_auto(buffer) found = {0};
	enum mm_error error = MM_OK;

	mm_buffer_init(&found, LIST_MAX);
	for (size_t i = 0; i < max && error == MM_OK; i++) {
		struct mm_order_row row;

		error = next_order(index, after, arena, &row);
		if (error != MM_OK)
			break;
		mm_buffer_add(&found, &row, sizeof(row));
		after = row.claim.name;
	}
	return end_list(error, &found, sizeof(struct mm_order_row), arena, out);
}

enum mm_error
mm_index_authorities(
    struct mm_index *index, struct mm_arena *arena, struct mm_list *out)
{
	enum mm_sql which = MM_SQL_AUTHORITY_AFTER;
	mm_auto(buffer) found = {0};
	struct mm_span after = mm_span(NULL, 0);
	enum mm_error error;

	mm_buffer_init(&found, LIST_MAX);
	for (;;) {
		struct mm_authority_row row;

		error = MM_SQL_LOOK(index, which, "t", after);
		if (error == MM_OK)
			error =
			    mm_index_authority_of(index, which, arena, &row);
		if (error != MM_OK)
			break;
		mm_buffer_add(&found, &row, sizeof(row));
		after = row.name;
	}
	return end_list(
	    error, &found, sizeof(struct mm_authority_row), arena, out);
}

enum mm_error
mm_index_pendings(struct mm_index *index, struct mm_span after, uint64_t now,
    size_t max, struct mm_arena *arena, struct mm_list *out)
{
	enum mm_sql which = MM_SQL_PENDING_AFTER;
	mm_auto(buffer) found = {0};
	struct mm_pending_index row;
	enum mm_error error = MM_OK;

	mm_buffer_init(&found, LIST_MAX);
	if (after.size == 0)
		after = mm_span("", 0);
	for (size_t i = 0; i < max && error == MM_OK; i++) {
		error = MM_SQL_LOOK(index, which, "bu", after, now);
		if (error == MM_OK)
			error = mm_index_pending_of(index, which, &row);
		if (error != MM_OK)
			break;
		mm_buffer_add(&found, &row, sizeof(row));
		after = mm_span(row.payload, sizeof(row.payload));
	}
	return end_list(
	    error, &found, sizeof(struct mm_pending_index), arena, out);
}

/* Entries of releases: `types` says as what `what` is bound. */
static enum mm_error
list_releases(struct mm_index *index, enum mm_sql which, const char *types,
    struct mm_span what, uint64_t after, size_t max, struct mm_arena *arena,
    struct mm_list *out)
{
	mm_auto(buffer) found = {0};
	enum mm_error error = MM_OK;

	mm_buffer_init(&found, LIST_MAX);
	for (size_t i = 0; i < max && error == MM_OK; i++) {
		struct mm_uint_item item;

		error = MM_SQL_FIND_UINT(
		    index, &item.value, which, types, after, what);
		if (error != MM_OK)
			break;
		mm_buffer_add(&found, &item, sizeof(item));
		after = item.value;
	}
	return end_list(error, &found, sizeof(struct mm_uint_item), arena, out);
}

enum mm_error
mm_index_releases(struct mm_index *index, struct mm_span product,
    uint64_t after, size_t max, struct mm_arena *arena, struct mm_list *out)
{
	return list_releases(
	    index, MM_SQL_RELEASE_AFTER, "ut", product, after, max, arena, out);
}

enum mm_error
mm_index_image_releases(struct mm_index *index, const uint8_t sha256[32],
    size_t max, struct mm_arena *arena, struct mm_list *out)
{
	return list_releases(index, MM_SQL_RELEASE_OF_IMAGE, "ub",
	    mm_span(sha256, 32), 0, max, arena, out);
}

enum mm_error
mm_index_history(struct mm_index *index, struct mm_span product,
    struct mm_span version, struct mm_arena *arena,
    struct mm_release_history *out)
{
	struct mm_release_history history = {.secure_version = 0};
	struct mm_text_item item = {mm_span_text("")};
	mm_auto(buffer) found = {0};
	enum mm_error error = MM_OK;

	mm_buffer_init(&found, LIST_MAX);
	for (;;) {
		error = MM_SQL_LOOK(
		    index, MM_SQL_VERSION_AFTER, "tt", product, item.value);
		if (error != MM_OK)
			break;
		item.value = mm_sql_span(index, MM_SQL_VERSION_AFTER, 0, arena);
		mm_sql_done(index, MM_SQL_VERSION_AFTER);
		if (item.value.data == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for versions");
		if (!mm_span_equal(item.value, version))
			mm_buffer_add(&found, &item, sizeof(item));
	}
	error = end_list(error, &found, sizeof(struct mm_text_item), arena,
	    &history.versions);
	if (error == MM_OK)
		error = MM_SQL_FIND_UINT(index, &history.secure_version,
		    MM_SQL_VERSION_SECURE, "tt", product, version);
	if (error == MM_OK)
		*out = history;
	return error;
}
