#include "log/verify.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "log/meaning.h"
#include "log/tile.h"

struct mm_log_reader {
	char *directory;
	struct mm_checkpoint checkpoint;
	/* The bundle read last; `bytes` is empty before the first. */
	uint64_t n;
	struct mm_buffer bytes;
	struct mm_bundle bundle;
};

static enum mm_error
file_read(const struct mm_log_reader *reader, const char *name, size_t max,
    struct mm_buffer *out)
{
	char path[PATH_MAX];
	int length =
	    snprintf(path, sizeof(path), "%s/%s", reader->directory, name);

	if (length < 0 || (size_t)length >= sizeof(path))
		return mm_fail(MM_E_FILE, "the path is too long: %s/%s",
		    reader->directory, name);
	return mm_file_read(path, max, out);
}

/* A full tile holds every partial one; the copy may have just the full one. */
static enum mm_error
tile_read(const struct mm_log_reader *reader, struct mm_tile *tile, size_t max,
    struct mm_buffer *out)
{
	char name[MM_TILE_PATH_MAX];
	enum mm_error error;

	mm_tile_path(tile, name);
	error = file_read(reader, name, max, out);
	if (error != MM_E_FILE || tile->width == MM_TILE_WIDTH)
		return error;
	tile->width = MM_TILE_WIDTH;
	mm_tile_path(tile, name);
	return file_read(reader, name, max, out);
}

static enum mm_error
checkpoint_read(struct mm_log_reader *reader, const struct mm_vkey *vkey)
{
	mm_auto(buffer) note = {0};
	enum mm_error error;

	mm_buffer_init(&note, MM_NOTE_MAX);
	error = file_read(reader, "checkpoint", MM_NOTE_MAX, &note);
	if (error != MM_OK)
		return error;
	return mm_checkpoint_open(
	    mm_buffer_span(&note), vkey, &reader->checkpoint);
}

enum mm_error
mm_log_open(const char *directory, const struct mm_vkey *vkey,
    struct mm_log_reader **out)
{
	struct mm_log_reader *reader = calloc(1, sizeof(*reader));
	enum mm_error error = MM_E_MEMORY;

	if (reader == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to read the log");
	mm_buffer_init(&reader->bytes, MM_BUNDLE_MAX);
	reader->directory = strdup(directory);
	if (reader->directory != NULL)
		error = checkpoint_read(reader, vkey);
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
	mm_buffer_clear(&reader->bytes);
	free(reader->directory);
	free(reader);
}

const struct mm_checkpoint *
mm_log_checkpoint(const struct mm_log_reader *reader)
{
	return &reader->checkpoint;
}

static enum mm_error
bundle_load(struct mm_log_reader *reader, uint64_t n)
{
	struct mm_tile tile = {MM_TILE_ENTRIES, n,
	    mm_tile_width(MM_TILE_ENTRIES, n, reader->checkpoint.size)};
	enum mm_error error;

	mm_buffer_clear(&reader->bytes);
	error = tile_read(reader, &tile, MM_BUNDLE_MAX, &reader->bytes);
	if (error == MM_OK)
		error = mm_bundle_decode(
		    mm_buffer_span(&reader->bytes), &reader->bundle);
	if (error == MM_OK && reader->bundle.count != tile.width)
		error = mm_fail(MM_E_BUNDLE,
		    "bundle %llu has %zu entries and should have %u",
		    (unsigned long long)n, reader->bundle.count, tile.width);
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

/*
 * The tree as the entries make it, and beside it the right edge of the tiles
 * as the files have them: one tile a level, read when its first hash comes.
 */
struct tree_check {
	const struct mm_log_reader *reader;
	struct mm_frontier frontier;
	struct mm_buffer tiles[MM_TILE_LEVELS];
};

static enum mm_error
edge_load(struct tree_check *check, unsigned level, uint64_t n)
{
	struct mm_buffer *bytes = &check->tiles[level];
	struct mm_tile tile = {
	    level, n, mm_tile_width(level, n, check->reader->checkpoint.size)};
	enum mm_error error;

	mm_buffer_clear(bytes);
	error = tile_read(check->reader, &tile, MM_TILE_BYTES, bytes);
	if (error == MM_OK && bytes->size != tile.width * MM_HASH_SIZE)
		error = mm_fail(MM_E_TILE,
		    "tile %llu of level %u has %zu bytes, not %u",
		    (unsigned long long)n, level, bytes->size,
		    tile.width * MM_HASH_SIZE);
	return error;
}

/* Complete subtrees of 256^level leaves are the hashes of the tiles. */
static enum mm_error
compare(void *self, unsigned height, uint64_t n, const struct mm_hash *hash)
{
	struct tree_check *check = self;
	unsigned level = height / 8;
	size_t at = n % MM_TILE_WIDTH;

	if (height % 8 != 0)
		return MM_OK;
	if (at == 0) {
		enum mm_error error =
		    edge_load(check, level, n / MM_TILE_WIDTH);

		if (error != MM_OK)
			return error;
	}
	if (memcmp(check->tiles[level].data + at * MM_HASH_SIZE, hash->bytes,
		MM_HASH_SIZE) != 0)
		return mm_fail(MM_E_TILE,
		    "hash %llu of level %u is not that of its entries",
		    (unsigned long long)n, level);
	return MM_OK;
}

static enum mm_error
root_check(const struct tree_check *check)
{
	struct mm_hash root = mm_frontier_root(&check->frontier);

	if (!mm_hash_equal(&root, &check->reader->checkpoint.root))
		return mm_fail(MM_E_LOG_WRONG,
		    "the entries do not make the checkpoint's root");
	return MM_OK;
}

/* One pass; without `meaning` any log will do. */
static enum mm_error
entries_check(struct mm_log_reader *reader, struct tree_check *check,
    struct mm_meaning *meaning)
{
	enum mm_error error = MM_OK;

	for (uint64_t i = 0; i < reader->checkpoint.size && error == MM_OK;
	     i++) {
		struct mm_span entry;
		struct mm_hash leaf;

		error = mm_log_entry(reader, i, &entry);
		if (error != MM_OK)
			break;
		leaf = mm_leaf_hash(entry);
		error =
		    mm_frontier_append(&check->frontier, &leaf, compare, check);
		if (error == MM_OK && meaning != NULL)
			error = mm_meaning_add(meaning, entry);
	}
	return error == MM_OK ? root_check(check) : error;
}

static enum mm_error
verify(struct mm_log_reader *reader, struct mm_meaning *meaning)
{
	struct tree_check check = {.reader = reader};
	enum mm_error error;

	for (size_t level = 0; level < MM_TILE_LEVELS; level++)
		mm_buffer_init(&check.tiles[level], MM_TILE_BYTES);
	error = entries_check(reader, &check, meaning);
	for (size_t level = 0; level < MM_TILE_LEVELS; level++)
		mm_buffer_clear(&check.tiles[level]);
	return error;
}

enum mm_error
mm_log_verify_tree(struct mm_log_reader *reader)
{
	return verify(reader, NULL);
}

enum mm_error
mm_log_verify(const char *directory, const struct mm_vkey *vkey,
    struct mm_log_report *out)
{
	struct mm_log_reader *reader = NULL;
	struct mm_meaning *meaning = NULL;
	enum mm_error error = mm_log_open(directory, vkey, &reader);

	if (error == MM_OK)
		error = mm_meaning_new(vkey, &meaning);
	if (error == MM_OK)
		error = verify(reader, meaning);
	if (error == MM_OK && reader->checkpoint.size == 0)
		error = mm_fail(MM_E_LOG_WRONG, "the log has no genesis");
	if (error == MM_OK) {
		*out = *mm_meaning_report(meaning);
		out->root = reader->checkpoint.root;
	}
	mm_meaning_free(meaning);
	mm_log_close(reader);
	return error;
}
