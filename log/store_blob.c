#include "log/store_parts.h"

#include <gnutls/crypto.h>
#include <string.h>

#include "protocol/message.h"

/* A blob as far as it is stored. */
struct row {
	uint64_t id, size, stored;
	bool whole;
};

static enum mm_error
count_stored(struct mm_store *store, struct row *row)
{
	enum mm_store_statement id = MM_STORE_GET_STORED;
	enum mm_error error;

	mm_store_bind(store, id, 1, row->id);
	error = mm_store_first(store, id);
	if (error == MM_OK)
		row->stored =
		    (uint64_t)sqlite3_column_int64(store->statements[id], 0);
	error = mm_store_done(store, id, error);
	return error == MM_E_NOT_FOUND ? MM_OK : error;
}

static enum mm_error
find_row(struct mm_store *store, const uint8_t sha256[32], struct row *out)
{
	enum mm_store_statement id = MM_STORE_GET_BLOB;
	sqlite3_stmt *statement = store->statements[id];
	struct row row = {.stored = 0};
	enum mm_error error;

	mm_store_bind_bytes(store, id, 1, mm_span(sha256, 32));
	error = mm_store_first(store, id);
	if (error == MM_OK) {
		row.id = (uint64_t)sqlite3_column_int64(statement, 0);
		row.size = (uint64_t)sqlite3_column_int64(statement, 1);
		row.whole = sqlite3_column_int(statement, 2) != 0;
	}
	error = mm_store_done(store, id, error);
	if (error == MM_OK)
		error = count_stored(store, &row);
	if (error == MM_OK)
		*out = row;
	return error;
}

static enum mm_error
new_row(struct mm_store *store, const struct mm_blob *blob, struct row *out)
{
	enum mm_store_statement id = MM_STORE_PUT_BLOB;
	enum mm_error error;

	mm_store_bind_bytes(
	    store, id, 1, mm_span(blob->sha256, sizeof(blob->sha256)));
	mm_store_bind(store, id, 2, blob->size);
	error = mm_store_run(store, id);
	if (error == MM_OK)
		*out = (struct row){
		    .id = (uint64_t)sqlite3_last_insert_rowid(store->db),
		    .size = blob->size};
	return error;
}

static enum mm_error
forget(struct mm_store *store, uint64_t id)
{
	enum mm_error error;

	mm_store_bind(store, MM_STORE_DROP_PIECES, 1, id);
	mm_store_bind(store, MM_STORE_DROP_BLOB, 1, id);
	error = mm_store_run(store, MM_STORE_DROP_PIECES);
	return error == MM_OK ? mm_store_run(store, MM_STORE_DROP_BLOB) : error;
}

/* The SHA-256 of all pieces, one after the other. */
static enum mm_error
hash_pieces(struct mm_store *store, uint64_t blob, uint8_t out[32])
{
	enum mm_store_statement id = MM_STORE_GET_PIECES;
	sqlite3_stmt *statement = store->statements[id];
	gnutls_hash_hd_t hash;
	enum mm_error error = MM_OK;
	int code;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
		return mm_fail(MM_E_MEMORY, "no memory for a hash");
	mm_store_bind(store, id, 1, blob);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW)
		gnutls_hash(hash, sqlite3_column_blob(statement, 0),
		    (size_t)sqlite3_column_bytes(statement, 0));
	if (code != SQLITE_DONE)
		error = mm_store_fault(store->db, "read");
	gnutls_hash_deinit(hash, out);
	return mm_store_done(store, id, error);
}

/* The last piece is there: the blob is whole, or it never was that one. */
static enum mm_error
complete(struct mm_store *store, const struct mm_blob *blob, uint64_t id,
    bool *wrong)
{
	uint8_t digest[32];
	enum mm_error error = hash_pieces(store, id, digest);

	if (error != MM_OK)
		return error;
	*wrong = memcmp(digest, blob->sha256, sizeof(digest)) != 0;
	if (*wrong)
		return forget(store, id);
	mm_store_bind(store, MM_STORE_SET_WHOLE, 1, id);
	return mm_store_run(store, MM_STORE_SET_WHOLE);
}

static enum mm_error
add_piece(struct mm_store *store, const struct row *row, struct mm_span piece)
{
	enum mm_store_statement id = MM_STORE_PUT_PIECE;

	mm_store_bind(store, id, 1, row->id);
	mm_store_bind(store, id, 2, row->stored);
	mm_store_bind_bytes(store, id, 3, piece);
	return mm_store_run(store, id);
}

/* Inside of a transaction; `wrong`: nothing of the blob is left. */
static enum mm_error
put_piece(struct mm_store *store, const struct mm_blob *blob, uint64_t offset,
    struct mm_span piece, bool *wrong)
{
	struct row row;
	enum mm_error error = find_row(store, blob->sha256, &row);
	uint64_t had;

	if (error == MM_E_NOT_FOUND)
		error = new_row(store, blob, &row);
	if (error != MM_OK)
		return error;
	if (row.size != blob->size)
		return mm_fail(MM_E_BLOB,
		    "the blob is stored with %llu bytes, not %llu",
		    (unsigned long long)row.size,
		    (unsigned long long)blob->size);
	if (row.whole)
		return MM_OK;
	if (offset > row.stored)
		return mm_fail(MM_E_RANGE,
		    "%llu bytes of the blob are stored: the next piece begins "
		    "there",
		    (unsigned long long)row.stored);
	had = row.stored - offset;
	if (had >= piece.size)
		return MM_OK;
	error =
	    add_piece(store, &row, mm_span(piece.data + had, piece.size - had));
	if (error == MM_OK && offset + piece.size == row.size)
		error = complete(store, blob, row.id, wrong);
	return error;
}

enum mm_error
mm_store_put_blob(struct mm_store *store, const struct mm_blob *blob,
    uint64_t offset, struct mm_span piece)
{
	bool wrong = false;
	enum mm_error error;

	if (blob->size == 0 || blob->size > MM_BLOB_MAX || piece.size == 0 ||
	    piece.size > MM_CHUNK_MAX || offset > blob->size ||
	    piece.size > blob->size - offset)
		return mm_fail(MM_E_RANGE,
		    "a blob has 1 to %d bytes and pieces of at most %d",
		    MM_BLOB_MAX, MM_CHUNK_MAX);
	error = mm_store_begin(store);
	if (error == MM_OK)
		error = put_piece(store, blob, offset, piece, &wrong);
	error = mm_store_finish(store, error);
	if (error == MM_OK && wrong)
		error = mm_fail(MM_E_BLOB,
		    "the blob's bytes do not make its SHA-256: send it again "
		    "from the start");
	return error;
}

static enum mm_error
get_piece(struct mm_store *store, const struct row *row, uint64_t offset,
    struct mm_span *out)
{
	enum mm_store_statement id = MM_STORE_GET_PIECE;
	uint64_t at = 0;
	enum mm_error error;

	mm_store_bind(store, id, 1, row->id);
	mm_store_bind(store, id, 2, offset);
	error = mm_store_first(store, id);
	if (error == MM_OK) {
		at = (uint64_t)sqlite3_column_int64(store->statements[id], 0);
		*out = mm_store_column(store, id, 1);
	}
	error = mm_store_done(store, id, error);
	if (error == MM_E_NOT_FOUND ||
	    (error == MM_OK && offset - at >= out->size))
		return mm_fail(MM_E_LOG_WRONG, "a piece of a blob is missing");
	if (error == MM_OK)
		*out = mm_span(
		    out->data + (offset - at), out->size - (offset - at));
	return error;
}

enum mm_error
mm_store_blob(struct mm_store *store, const uint8_t sha256[32], uint64_t offset,
    uint64_t *size, struct mm_span *out)
{
	struct mm_span found;
	struct row row;
	enum mm_error error = find_row(store, sha256, &row);

	if (error == MM_E_NOT_FOUND || (error == MM_OK && !row.whole))
		return mm_fail(MM_E_NOT_FOUND, "the log has no such blob");
	if (error == MM_OK && offset >= row.size)
		error = mm_fail(MM_E_RANGE, "the blob has %llu bytes",
		    (unsigned long long)row.size);
	if (error == MM_OK)
		error = get_piece(store, &row, offset, &found);
	if (error != MM_OK)
		return error;
	*size = row.size;
	*out = found;
	return MM_OK;
}

enum mm_error
mm_store_put_named(struct mm_store *store, const struct mm_store_named *named)
{
	enum mm_store_statement id = MM_STORE_SET_NAMED;
	struct row row;
	enum mm_error error = find_row(store, named->blob.sha256, &row);

	if (error != MM_OK && error != MM_E_NOT_FOUND)
		return error;
	if (error != MM_OK || !row.whole || row.size != named->blob.size)
		return mm_fail(MM_E_BLOB,
		    "entry %llu names a blob that is not stored: send the blob "
		    "before the entry",
		    (unsigned long long)named->index);
	mm_store_bind(store, id, 1, row.id);
	mm_store_bind(store, id, 2, named->index);
	return mm_store_run(store, id);
}

enum mm_error
mm_store_next_blob(
    struct mm_store *store, uint64_t from, struct mm_store_named *out)
{
	enum mm_store_statement id = MM_STORE_GET_NAMED;
	struct mm_store_named found = {.index = 0};
	enum mm_error error;

	mm_store_bind(store, id, 1, from);
	error = mm_store_first(store, id);
	if (error == MM_OK) {
		sqlite3_stmt *row = store->statements[id];
		struct mm_span sha256;

		found.index = (uint64_t)sqlite3_column_int64(row, 0);
		found.blob.size = (uint64_t)sqlite3_column_int64(row, 1);
		sha256 = mm_store_column(store, id, 2);
		if (sha256.size == sizeof(found.blob.sha256))
			memcpy(found.blob.sha256, sha256.data, sha256.size);
		else
			error = mm_fail(MM_E_LOG_WRONG, "a blob is damaged");
	}
	error = mm_store_done(store, id, error);
	if (error == MM_OK)
		*out = found;
	return error;
}

/* One that has been begun, if there is any. */
static enum mm_error
find_unfinished(struct mm_store *store, uint64_t *out)
{
	enum mm_store_statement id = MM_STORE_GET_UNFINISHED;
	enum mm_error error = mm_store_first(store, id);

	if (error == MM_OK)
		*out = (uint64_t)sqlite3_column_int64(store->statements[id], 0);
	return mm_store_done(store, id, error);
}

enum mm_error
mm_store_forget_unfinished(struct mm_store *store)
{
	uint64_t id = 0;
	enum mm_error error;

	while ((error = find_unfinished(store, &id)) == MM_OK) {
		error = mm_store_begin(store);
		if (error == MM_OK)
			error = forget(store, id);
		error = mm_store_finish(store, error);
		if (error != MM_OK)
			return error;
	}
	return error == MM_E_NOT_FOUND ? MM_OK : error;
}
