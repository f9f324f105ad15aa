#include "log/derive.h"

#include <fcntl.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <sys/stat.h>

enum { ENTRY_LEAST = 2 + 1 }; /* bytes of a bundle */

static enum mm_error
make_bundle(
    struct mm_store *store, const struct mm_tile *tile, struct mm_buffer *out)
{
	for (unsigned i = 0; i < tile->width; i++) {
		struct mm_span entry;
		enum mm_error error = mm_store_entry_checked(
		    store, tile->n * MM_TILE_WIDTH + i, &entry);

		if (error == MM_OK)
			error = mm_bundle_add(out, entry);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* A hash of level L is that of a subtree of 256^L leaves. */
static enum mm_error
make_hashes(
    struct mm_store *store, const struct mm_tile *tile, struct mm_buffer *out)
{
	struct mm_tree tree = mm_store_tree(store);

	for (unsigned i = 0; i < tile->width; i++) {
		struct mm_hash hash;
		enum mm_error error = tree.node(tree.self, 8 * tile->level,
		    tile->n * MM_TILE_WIDTH + i, &hash);

		if (error != MM_OK)
			return error;
		mm_buffer_add(out, hash.bytes, sizeof(hash.bytes));
	}
	return out->error;
}

static enum mm_error
derive_tile(
    struct mm_store *store, const struct mm_tile *tile, struct mm_buffer *out)
{
	enum mm_error error = mm_store_hold(store);

	if (error != MM_OK)
		return error;
	error = tile->level == MM_TILE_ENTRIES ? make_bundle(store, tile, out)
					       : make_hashes(store, tile, out);
	mm_store_release(store);
	return error;
}

/* The subtree `n` of a level, which is above the leaves, of its halves. */
static enum mm_error
check_node(const struct mm_tree *tree, unsigned level, uint64_t n)
{
	struct mm_hash left, right, stored, made;
	enum mm_error error = tree->node(tree->self, level - 1, 2 * n, &left);

	if (error == MM_OK)
		error = tree->node(tree->self, level - 1, 2 * n + 1, &right);
	if (error == MM_OK)
		error = tree->node(tree->self, level, n, &stored);
	if (error != MM_OK)
		return error;
	made = mm_node_hash(&left, &right);
	if (!mm_hash_equal(&made, &stored))
		return mm_fail(MM_E_LOG_WRONG,
		    "subtree %llu of level %u is damaged: it is not the hash "
		    "of its halves",
		    (unsigned long long)n, level);
	return MM_OK;
}

static enum mm_error
check_nodes(struct mm_store *store, const struct mm_tile *tile)
{
	struct mm_tree tree = mm_store_tree(store);

	for (unsigned up = 1; up <= 8; up++) {
		uint64_t first = tile->n * (MM_TILE_WIDTH >> up);

		for (unsigned i = 0; i < tile->width >> up; i++) {
			enum mm_error error =
			    check_node(&tree, 8 * tile->level + up, first + i);

			if (error != MM_OK)
				return error;
		}
	}
	return MM_OK;
}

enum mm_error
mm_derive_check(struct mm_store *store, const struct mm_tile *tile)
{
	enum mm_error error;

	if (tile->level == MM_TILE_ENTRIES)
		return MM_OK;
	error = mm_store_hold(store);
	if (error != MM_OK)
		return error;
	error = check_nodes(store, tile);
	mm_store_release(store);
	return error;
}

enum mm_error
mm_derive_put_tile(const char *directory, struct mm_store *store,
    const struct mm_tile *tile, enum mm_put_found *found)
{
	char name[MM_TILE_PATH_MAX];
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, MM_BUNDLE_MAX);
	mm_tile_path(tile, name);
	error = derive_tile(store, tile, &bytes);
	if (error != MM_OK)
		return error;
	return mm_put_file(directory, name, mm_buffer_span(&bytes), found);
}

/* Told of a blob's pieces, in order. */
typedef enum mm_error (*piece_reader)(void *self, struct mm_span piece);

static enum mm_error
each_piece(struct mm_store *store, const struct mm_blob *blob,
    piece_reader reader, void *self)
{
	struct mm_span piece;
	uint64_t size;

	for (uint64_t at = 0; at < blob->size; at += piece.size) {
		enum mm_error error =
		    mm_store_blob(store, blob->sha256, at, &size, &piece);

		if (error == MM_OK)
			error = reader(self, piece);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* A blob while it is held against a file and its SHA-256. */
struct comparison {
	gnutls_hash_hd_t hash;
	int fd; /* -1: there is no file */
	bool same;
};

static enum mm_error
compare_piece(void *self, struct mm_span piece)
{
	struct comparison *comparison = self;
	mm_autofree uint8_t *bytes = malloc(piece.size);

	if (bytes == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a blob");
	gnutls_hash(comparison->hash, piece.data, piece.size);
	if (comparison->same)
		comparison->same = read(comparison->fd, bytes, piece.size) ==
				       (ssize_t)piece.size &&
				   memcmp(bytes, piece.data, piece.size) == 0;
	return MM_OK;
}

static enum mm_error
compare_blob(const char *path, struct mm_store *store,
    const struct mm_blob *blob, enum mm_put_found *found)
{
	mm_autoclose int fd =
	    open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct comparison comparison = {.fd = fd};
	uint8_t digest[32];
	struct stat info;
	enum mm_error error;

	comparison.same = fd >= 0 && fstat(fd, &info) == 0 &&
			  S_ISREG(info.st_mode) &&
			  (uint64_t)info.st_size == blob->size;
	if (gnutls_hash_init(&comparison.hash, GNUTLS_DIG_SHA256) < 0)
		return mm_fail(MM_E_MEMORY, "no memory for a hash");
	error = each_piece(store, blob, compare_piece, &comparison);
	gnutls_hash_deinit(comparison.hash, digest);
	if (error != MM_OK)
		return error;
	if (memcmp(digest, blob->sha256, sizeof(digest)) != 0)
		return mm_fail(MM_E_LOG_WRONG,
		    "a stored blob is damaged: it does not hash to its name");
	*found = comparison.same ? MM_PUT_SAME
		 : fd < 0        ? MM_PUT_MISSING
				 : MM_PUT_DIFFERENT;
	return MM_OK;
}

static enum mm_error
add_piece(void *self, struct mm_span piece)
{
	return mm_put_add(self, piece);
}

enum mm_error
mm_derive_put_blob(const char *directory, struct mm_store *store,
    const struct mm_blob *blob, enum mm_put_found *found)
{
	mm_auto(put) put = {.fd = -1};
	char name[MM_BLOB_PATH_MAX], path[PATH_MAX];
	enum mm_error error;

	mm_blob_path(blob, name);
	error = mm_put_path(directory, name, path);
	if (error == MM_OK)
		error = compare_blob(path, store, blob, found);
	if (error != MM_OK || *found == MM_PUT_SAME)
		return error;
	error = mm_put_begin(directory, name, &put);
	if (error == MM_OK)
		error = each_piece(store, blob, add_piece, &put);
	return error == MM_OK ? mm_put_finish(&put) : error;
}

static bool
has_file(const char *directory, const char *name, uint64_t least, uint64_t most)
{
	char path[PATH_MAX];
	struct stat info;

	return mm_put_path(directory, name, path) == MM_OK &&
	       lstat(path, &info) == 0 && S_ISREG(info.st_mode) &&
	       (uint64_t)info.st_size >= least &&
	       (uint64_t)info.st_size <= most;
}

bool
mm_derive_has_tile(const char *directory, const struct mm_tile *tile)
{
	char name[MM_TILE_PATH_MAX];

	mm_tile_path(tile, name);
	if (tile->level == MM_TILE_ENTRIES)
		return has_file(directory, name,
		    (uint64_t)tile->width * ENTRY_LEAST,
		    (uint64_t)tile->width * (2 + MM_LOG_ENTRY_MAX));
	return has_file(directory, name, tile->width * MM_HASH_SIZE,
	    tile->width * MM_HASH_SIZE);
}

bool
mm_derive_has_blob(const char *directory, const struct mm_blob *blob)
{
	char name[MM_BLOB_PATH_MAX];

	mm_blob_path(blob, name);
	return has_file(directory, name, blob->size, blob->size);
}
