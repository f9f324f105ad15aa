#include "log/reader.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { TILE_HEIGHT = 8 }; /* levels of the tree that a tile spans */

/* The tile of a level that was read last; empty before the first. */
struct held {
	uint64_t n;
	struct mm_buffer bytes;
};

struct mm_log_reader {
	char *directory;
	struct mm_buffer note;
	struct mm_checkpoint checkpoint;
	/* The bundle read last; `bytes` is empty before the first. */
	uint64_t n;
	struct mm_buffer bytes;
	struct mm_bundle bundle;
	struct held tiles[MM_TILE_LEVELS];
};

static enum mm_error
path_of(
    const struct mm_log_reader *reader, const char *name, char out[PATH_MAX])
{
	int length = snprintf(out, PATH_MAX, "%s/%s", reader->directory, name);

	if (length < 0 || length >= PATH_MAX)
		return mm_fail(MM_E_FILE, "the path is too long: %s/%s",
		    reader->directory, name);
	return MM_OK;
}

static enum mm_error
file_read(const struct mm_log_reader *reader, enum mm_error what,
    const char *name, size_t max, struct mm_buffer *out)
{
	char path[PATH_MAX];
	enum mm_error error = path_of(reader, name, path);

	return error == MM_OK ? mm_file_read_as(what, path, max, out) : error;
}

static bool
is_there(const struct mm_log_reader *reader, const struct mm_tile *tile)
{
	char name[MM_TILE_PATH_MAX], path[PATH_MAX];

	mm_tile_path(tile, name);
	return path_of(reader, name, path) == MM_OK && access(path, F_OK) == 0;
}

/*
 * A full tile holds every partial one, and a copy may have just the full one.
 * Where neither is there, it is the partial one that is missed.
 */
static enum mm_error
tile_read(const struct mm_log_reader *reader, struct mm_tile *tile, size_t max,
    struct mm_buffer *out)
{
	struct mm_tile full = {tile->level, tile->n, MM_TILE_WIDTH};
	char name[MM_TILE_PATH_MAX];

	if (!is_there(reader, tile) && is_there(reader, &full))
		*tile = full;
	mm_tile_path(tile, name);
	return file_read(reader,
	    tile->level == MM_TILE_ENTRIES ? MM_E_BUNDLE : MM_E_TILE, name, max,
	    out);
}

static enum mm_error
checkpoint_read(struct mm_log_reader *reader, const struct mm_vkey *vkey)
{
	enum mm_error error = file_read(
	    reader, MM_E_NOTE, "checkpoint", MM_NOTE_MAX, &reader->note);

	if (error != MM_OK)
		return error;
	return mm_checkpoint_open(
	    mm_buffer_span(&reader->note), vkey, &reader->checkpoint);
}

enum mm_error
mm_log_open(const char *directory, const struct mm_vkey *vkey,
    struct mm_log_reader **out)
{
	struct mm_log_reader *reader = calloc(1, sizeof(*reader));
	enum mm_error error;

	if (reader == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to read the log");
	mm_buffer_init(&reader->note, MM_NOTE_MAX);
	mm_buffer_init(&reader->bytes, MM_BUNDLE_MAX);
	for (size_t i = 0; i < MM_TILE_LEVELS; i++)
		mm_buffer_init(&reader->tiles[i].bytes, MM_TILE_BYTES);
	reader->directory = strdup(directory);
	error = reader->directory != NULL
		    ? checkpoint_read(reader, vkey)
		    : mm_fail(MM_E_MEMORY, "no memory to read the log");
	if (error != MM_OK) {
		mm_log_close(reader);
		return error;
	}
	*out = reader;
	return MM_OK;
}

void
mm_log_close(struct mm_log_reader *reader)
{
	if (reader == NULL)
		return;
	for (size_t i = 0; i < MM_TILE_LEVELS; i++)
		mm_buffer_clear(&reader->tiles[i].bytes);
	mm_buffer_clear(&reader->bytes);
	mm_buffer_clear(&reader->note);
	free(reader->directory);
	free(reader);
}

const struct mm_checkpoint *
mm_log_checkpoint(const struct mm_log_reader *reader)
{
	return &reader->checkpoint;
}

struct mm_span
mm_log_note(const struct mm_log_reader *reader)
{
	return mm_buffer_span(&reader->note);
}

static enum mm_error
bundle_load(struct mm_log_reader *reader, uint64_t n)
{
	struct mm_tile tile = {MM_TILE_ENTRIES, n,
	    mm_tile_width(MM_TILE_ENTRIES, n, reader->checkpoint.size)};
	char name[MM_TILE_PATH_MAX];
	enum mm_error error;

	mm_buffer_clear(&reader->bytes);
	error = tile_read(reader, &tile, MM_BUNDLE_MAX, &reader->bytes);
	if (error != MM_OK)
		return error;
	mm_tile_path(&tile, name);
	error =
	    mm_bundle_decode(mm_buffer_span(&reader->bytes), &reader->bundle);
	if (error != MM_OK)
		error = mm_fail(error, "%s: %s", name, mm_why(error));
	else if (reader->bundle.count != tile.width)
		error = mm_fail(MM_E_BUNDLE,
		    "%s has %zu entries and should have %u", name,
		    reader->bundle.count, tile.width);
	if (error != MM_OK)
		mm_buffer_clear(&reader->bytes);
	reader->n = n;
	return error;
}

enum mm_error
mm_log_entry(struct mm_log_reader *reader, uint64_t index, struct mm_span *out)
{
	uint64_t n = index / MM_TILE_WIDTH;
	enum mm_error error = MM_OK;

	if (index >= reader->checkpoint.size)
		return mm_fail(MM_E_NOT_FOUND,
		    "the log has %llu entries, and none with index %llu",
		    (unsigned long long)reader->checkpoint.size,
		    (unsigned long long)index);
	if (reader->bytes.size == 0 || reader->n != n)
		error = bundle_load(reader, n);
	if (error == MM_OK)
		*out = reader->bundle.entries[index % MM_TILE_WIDTH];
	return error;
}

/* --- the tree --- */

static enum mm_error
hashes_load(struct mm_log_reader *reader, unsigned level, uint64_t n)
{
	struct held *held = &reader->tiles[level];
	struct mm_tile tile = {
	    level, n, mm_tile_width(level, n, reader->checkpoint.size)};
	char name[MM_TILE_PATH_MAX];
	enum mm_error error;

	if (held->bytes.size > 0 && held->n == n)
		return MM_OK;
	mm_buffer_clear(&held->bytes);
	if (tile.width == 0)
		return mm_fail(MM_E_NOT_FOUND,
		    "a log of %llu entries has no tile %llu of level %u",
		    (unsigned long long)reader->checkpoint.size,
		    (unsigned long long)n, level);
	error = tile_read(reader, &tile, MM_TILE_BYTES, &held->bytes);
	if (error != MM_OK)
		return error;
	if (held->bytes.size != tile.width * (size_t)MM_HASH_SIZE) {
		mm_tile_path(&tile, name);
		error = mm_fail(MM_E_TILE, "%s has %zu bytes, not %u", name,
		    held->bytes.size, tile.width * MM_HASH_SIZE);
		mm_buffer_clear(&held->bytes);
	}
	held->n = n;
	return error;
}

/* The root of `count` hashes, a power of two; they are overwritten. */
static struct mm_hash
fold(struct mm_hash *hashes, size_t count)
{
	for (; count > 1; count /= 2)
		for (size_t i = 0; i < count / 2; i++)
			hashes[i] =
			    mm_node_hash(&hashes[2 * i], &hashes[2 * i + 1]);
	return hashes[0];
}

/* Tiles have every eighth level; those between are folded from below. */
static enum mm_error
node(void *self, unsigned level, uint64_t n, struct mm_hash *out)
{
	struct mm_log_reader *reader = self;
	unsigned below = level % TILE_HEIGHT, stored = level / TILE_HEIGHT;
	size_t count = (size_t)1 << below;
	uint64_t first = n << below;
	struct mm_hash hashes[MM_TILE_WIDTH / 2];
	enum mm_error error;

	if (stored >= MM_TILE_LEVELS || first >> below != n ||
	    first + count > mm_tile_hashes(stored, reader->checkpoint.size))
		return mm_fail(MM_E_NOT_FOUND,
		    "a log of %llu entries has no node %llu of level %u",
		    (unsigned long long)reader->checkpoint.size,
		    (unsigned long long)n, level);
	error = hashes_load(reader, stored, first / MM_TILE_WIDTH);
	if (error != MM_OK)
		return error;
	memcpy(hashes,
	    reader->tiles[stored].bytes.data +
		first % MM_TILE_WIDTH * MM_HASH_SIZE,
	    count * MM_HASH_SIZE);
	*out = fold(hashes, count);
	return MM_OK;
}

struct mm_tree
mm_log_tree(struct mm_log_reader *reader)
{
	return (struct mm_tree){node, reader};
}

/* --- what lies beside the tree --- */

enum mm_error
mm_log_blob(struct mm_log_reader *reader, const struct mm_blob *blob,
    struct mm_buffer *out)
{
	char name[MM_BLOB_PATH_MAX], path[PATH_MAX];
	mm_auto(buffer) bytes = {0};
	uint8_t sha256[32];
	enum mm_error error;

	mm_blob_path(blob, name);
	error = path_of(reader, name, path);
	if (error != MM_OK)
		return error;
	error = mm_file_read_as(MM_E_BLOB, path, (size_t)blob->size, &bytes);
	if (error == MM_E_FILE)
		return mm_fail(MM_E_BLOB, "%s", mm_why(error));
	if (error != MM_OK)
		return error;
	gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.data, bytes.size, sha256);
	if (bytes.size != blob->size ||
	    memcmp(sha256, blob->sha256, sizeof(sha256)) != 0)
		return mm_fail(
		    MM_E_BLOB, "%s is not what its entry says", path);
	mm_buffer_add(out, bytes.data, bytes.size);
	return out->error;
}

enum mm_error
mm_log_cosigned(struct mm_log_reader *reader, struct mm_buffer *out)
{
	char path[PATH_MAX];
	mm_auto(buffer) note = {0};
	enum mm_error error = path_of(reader, "cosigned", path);

	if (error != MM_OK)
		return error;
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return mm_fail(MM_E_NOT_FOUND,
		    "no witness has cosigned this log: %s is not there", path);
	error = mm_file_read_as(MM_E_NOTE, path, MM_NOTE_MAX, &note);
	if (error != MM_OK)
		return error;
	mm_buffer_add(out, note.data, note.size);
	return out->error;
}
