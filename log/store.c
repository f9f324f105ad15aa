#include "log/store_parts.h"

#include <string.h>

const struct mm_store_identity *
mm_store_identity(const struct mm_store *store)
{
	return &store->identity;
}

static enum mm_error
put_bytes(struct mm_store *store, enum mm_store_statement id, uint64_t number,
    struct mm_span bytes)
{
	mm_store_bind(store, id, 1, number);
	mm_store_bind_bytes(store, id, 2, bytes);
	return mm_store_run(store, id);
}

static enum mm_error
put_note(struct mm_store *store, uint64_t size, struct mm_span note)
{
	enum mm_error error;

	mm_store_bind(store, MM_STORE_PUT_NOTE, 1, size);
	sqlite3_bind_text64(store->statements[MM_STORE_PUT_NOTE], 2,
	    (const char *)note.data, note.size, SQLITE_STATIC, SQLITE_UTF8);
	error = mm_store_run(store, MM_STORE_PUT_NOTE);
	if (error == MM_OK && sqlite3_changes(store->db) != 1)
		return mm_fail(MM_E_LOG_WRONG,
		    "checkpoint %llu is not there or has another note",
		    (unsigned long long)size);
	return error;
}

static enum mm_error
put_batch(struct mm_store *store, const struct mm_store_batch *batch)
{
	uint64_t number = mm_store_number(0, batch->first);
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < batch->entries.count && error == MM_OK; i++)
		error = put_bytes(store, MM_STORE_PUT_ENTRY, batch->first + i,
		    mm_list_at(batch->entries, struct mm_bytes_item, i)->value);
	for (size_t i = 0; i < batch->node_count && error == MM_OK; i++)
		error = put_bytes(store, MM_STORE_PUT_NODE, number + i,
		    mm_span(batch->nodes[i].bytes, MM_HASH_SIZE));
	for (size_t i = 0; i < batch->blobs.count && error == MM_OK; i++)
		error = mm_store_put_named(
		    store, mm_list_at(batch->blobs, struct mm_store_named, i));
	if (error == MM_OK && !batch->inner)
		error = put_bytes(store, MM_STORE_PUT_CHECKPOINT,
		    batch->first + batch->entries.count,
		    mm_span(batch->root.bytes, MM_HASH_SIZE));
	if (error == MM_OK && batch->note.size > 0)
		error = put_note(store, batch->first, batch->note);
	return error;
}

enum mm_error
mm_store_append(struct mm_store *store, const struct mm_store_batch *batch)
{
	enum mm_error error = mm_store_begin(store);

	if (error == MM_OK)
		error = put_batch(store, batch);
	error = mm_store_finish(store, error);
	if (store->wal_pages >= MM_STORE_TIDY_PAGES_MAX)
		mm_store_tidy(store);
	return error;
}

enum mm_error
mm_store_note(struct mm_store *store, uint64_t size, struct mm_span note)
{
	enum mm_error error = mm_store_begin(store);

	if (error == MM_OK)
		error = put_note(store, size, note);
	return mm_store_finish(store, error);
}

void
mm_store_tidy(struct mm_store *store)
{
	int code, pages = 0, moved = 0;

	if (store->broken || store->wal_pages < MM_STORE_TIDY_PAGES)
		return;
	code = sqlite3_wal_checkpoint_v2(
	    store->db, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &moved);
	/* Without room, or beside a reader, it stays where it is safe. */
	if (code == SQLITE_BUSY ||
	    (code != SQLITE_OK && mm_store_is_full(store->db)))
		return;
	if (code != SQLITE_OK)
		store->broken = true;
	else if (pages == moved)
		store->wal_pages = 0;
}

static enum mm_error
get_bytes(struct mm_store *store, enum mm_store_statement id, uint64_t number,
    struct mm_span *out)
{
	enum mm_error error;

	mm_store_bind(store, id, 1, number);
	error = mm_store_first(store, id);
	if (error == MM_OK)
		*out = mm_store_column(store, id, 0);
	return mm_store_done(store, id, error);
}

static enum mm_error
read_checkpoint(struct mm_store *store, enum mm_store_statement id,
    struct mm_store_checkpoint *out)
{
	sqlite3_int64 size = sqlite3_column_int64(store->statements[id], 0);
	struct mm_span root = mm_store_column(store, id, 1);

	if (size <= 0 || root.size != sizeof(out->root.bytes))
		return mm_fail(MM_E_LOG_WRONG, "a checkpoint is damaged");
	out->size = (uint64_t)size;
	memcpy(out->root.bytes, root.data, root.size);
	out->note = mm_store_column(store, id, 2);
	return MM_OK;
}

static enum mm_error
get_checkpoint(struct mm_store *store, enum mm_store_statement id,
    struct mm_store_checkpoint *out)
{
	struct mm_store_checkpoint found = {.size = 0};
	enum mm_error error = mm_store_first(store, id);

	if (error == MM_OK)
		error = read_checkpoint(store, id, &found);
	error = mm_store_done(store, id, error);
	if (error == MM_OK)
		*out = found;
	return error;
}

/* As above, but an empty log has the empty checkpoint. */
static enum mm_error
get_last_checkpoint(struct mm_store *store, enum mm_store_statement id,
    struct mm_store_checkpoint *out)
{
	enum mm_error error = get_checkpoint(store, id, out);

	if (error != MM_E_NOT_FOUND)
		return error;
	*out = (struct mm_store_checkpoint){.size = 0};
	return MM_OK;
}

enum mm_error
mm_store_hold(struct mm_store *store)
{
	enum mm_error error = MM_OK;

	if (store->held == 0)
		error = mm_store_run(store, MM_STORE_BEGIN_READ);
	if (error == MM_OK)
		store->held++;
	return error;
}

static void
run_quietly(struct mm_store *store, enum mm_store_statement id)
{
	sqlite3_step(store->statements[id]);
	sqlite3_reset(store->statements[id]);
}

/* Nothing was written: where it does not end one way it ends the other, or no
 * read could begin any more. */
void
mm_store_release(struct mm_store *store)
{
	if (--store->held > 0)
		return;
	run_quietly(store, MM_STORE_COMMIT);
	if (sqlite3_get_autocommit(store->db) == 0)
		run_quietly(store, MM_STORE_ROLLBACK);
}

enum mm_error
mm_store_entry(struct mm_store *store, uint64_t index, struct mm_span *out)
{
	return get_bytes(store, MM_STORE_GET_ENTRY, index, out);
}

enum mm_error
mm_store_entry_checked(
    struct mm_store *store, uint64_t index, struct mm_span *out)
{
	struct mm_tree tree = mm_store_tree(store);
	struct mm_hash stored, leaf;
	struct mm_span entry;
	enum mm_error error = mm_store_entry(store, index, &entry);

	if (error == MM_OK)
		error = tree.node(tree.self, 0, index, &stored);
	if (error != MM_OK)
		return error;
	leaf = mm_leaf_hash(entry);
	if (!mm_hash_equal(&leaf, &stored))
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu is damaged: it does not hash to its leaf",
		    (unsigned long long)index);
	*out = entry;
	return MM_OK;
}

enum mm_error
mm_store_newest(struct mm_store *store, struct mm_store_checkpoint *out)
{
	return get_last_checkpoint(store, MM_STORE_GET_NEWEST, out);
}

enum mm_error
mm_store_newest_noted(struct mm_store *store, struct mm_store_checkpoint *out)
{
	return get_last_checkpoint(store, MM_STORE_GET_NOTED, out);
}

enum mm_error
mm_store_covering(
    struct mm_store *store, uint64_t index, struct mm_store_checkpoint *out)
{
	mm_store_bind(store, MM_STORE_GET_COVERING, 1, index);
	return get_checkpoint(store, MM_STORE_GET_COVERING, out);
}

enum mm_error
mm_store_count(struct mm_store *store, uint64_t *out)
{
	sqlite3_stmt *row = store->statements[MM_STORE_GET_LAST];
	enum mm_error error = mm_store_first(store, MM_STORE_GET_LAST);

	if (error == MM_OK && sqlite3_column_type(row, 0) == SQLITE_NULL)
		*out = 0;
	else if (error == MM_OK)
		*out = (uint64_t)sqlite3_column_int64(row, 0) + 1;
	return mm_store_done(store, MM_STORE_GET_LAST, error);
}

/*
 * Post-order, as golang.org/x/mod/sumdb/tlog StoredHashIndex: the last leaf
 * of the subtree, the nodes before that leaf, and the subtrees it completes.
 */
uint64_t
mm_store_number(unsigned level, uint64_t n)
{
	uint64_t leaf = ((n + 1) << level) - 1, number = level;

	for (; leaf > 0; leaf >>= 1)
		number += leaf;
	return number;
}

/* Leaves store->row alone. */
static enum mm_error
fetch_node(struct mm_store *store, uint64_t number, struct mm_hash *out)
{
	sqlite3_stmt *row = store->statements[MM_STORE_GET_NODE];
	enum mm_error error;

	mm_store_bind(store, MM_STORE_GET_NODE, 1, number);
	error = mm_store_first(store, MM_STORE_GET_NODE);
	if (error == MM_E_NOT_FOUND ||
	    (error == MM_OK && sqlite3_column_bytes(row, 0) != MM_HASH_SIZE))
		error = mm_fail(MM_E_LOG_WRONG,
		    "node %llu of the tree is missing or damaged",
		    (unsigned long long)number);
	if (error == MM_OK)
		memcpy(out->bytes, sqlite3_column_blob(row, 0), MM_HASH_SIZE);
	sqlite3_reset(row);
	return error;
}

/*
 * A node's only place. Each upper one has a page of its own in the database,
 * and random proofs would drive it out of one cache for all.
 */
static struct mm_store_cached *
place_of(struct mm_store *store, unsigned level, uint64_t number)
{
	uint64_t mixed = number * UINT64_C(0x9e3779b97f4a7c15);

	if (level < MM_STORE_UPPER_LEVEL)
		return &store->lower[number % MM_STORE_LOWER_NODES];
	return &store->upper[mixed >> (64 - MM_STORE_UPPER_BITS)];
}

static enum mm_error
read_node(void *self, unsigned level, uint64_t n, struct mm_hash *out)
{
	struct mm_store *store = self;
	uint64_t number = mm_store_number(level, n);
	struct mm_store_cached *cached = place_of(store, level, number);
	enum mm_error error = MM_OK;

	if (!cached->filled || cached->number != number) {
		cached->filled = false;
		error = fetch_node(store, number, &cached->hash);
	}
	if (error != MM_OK)
		return error;
	cached->number = number;
	cached->filled = true;
	*out = cached->hash;
	return MM_OK;
}

struct mm_tree
mm_store_tree(struct mm_store *store)
{
	return (struct mm_tree){read_node, store};
}
