#include "cli/backup.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/progress.h"
#include "log/put.h"
#include "log/reader.h"
#include "log/review.h"

enum { TILE_HEIGHT = 8 };

struct mm_backup {
	struct mm_source *source;
	const char *directory;
	struct mm_checkpoint old; /* the directory's; size 0: none yet */
	/* The tree so far, and of each level the tile that is not full. */
	struct mm_frontier frontier;
	struct mm_buffer tiles[MM_TILE_LEVELS];
	struct mm_buffer bytes; /* of the bundle at hand */
	struct mm_bundle bundle;
	struct mm_hash leaves[MM_TILE_WIDTH];
	bool found; /* it lay there: a backup was interrupted */
	struct mm_progress progress;
	struct mm_backup_report report;
};

static void
mm_backup_clear(struct mm_backup *backup)
{
	for (size_t i = 0; i < MM_TILE_LEVELS; i++)
		mm_buffer_clear(&backup->tiles[i]);
	mm_buffer_clear(&backup->bytes);
	mm_progress_end(&backup->progress);
}

static enum mm_error
put(struct mm_backup *backup, const char *name, struct mm_span bytes)
{
	enum mm_put_found found;

	return mm_put_file(backup->directory, name, bytes, &found);
}

static enum mm_error
put_tile(struct mm_backup *backup, unsigned level, uint64_t n, unsigned width,
    const struct mm_buffer *bytes)
{
	const struct mm_tile tile = {level, n, width};
	char name[MM_TILE_PATH_MAX];

	mm_tile_path(&tile, name);
	return put(backup, name, mm_buffer_span(bytes));
}

/* --- what is there already --- */

static bool
is_ours(const char *name)
{
	static const char *const names[] = {
	    ".", "..", ".new", "tile", "blob", "cosigned"};

	for (size_t i = 0; i < MM_COUNT(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Without a checkpoint: nothing, or what an interrupted backup has left. */
static enum mm_error
check_unfinished(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *found;
	enum mm_error error = MM_OK;

	if (directory == NULL)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	while (error == MM_OK && (found = readdir(directory)) != NULL)
		if (!is_ours(found->d_name))
			error = mm_fail(MM_E_STRAY,
			    "%s holds %s, and no checkpoint: this is no "
			    "backup; name a directory of its own",
			    path, found->d_name);
	closedir(directory);
	return error;
}

/* The directory's own log is a prefix of the source's. */
static enum mm_error
check_prefix(struct mm_backup *backup)
{
	uint64_t size = mm_source_checkpoint(backup->source)->size;
	enum mm_error error = mm_source_has(backup->source, &backup->old);

	if (error == MM_E_BEHIND)
		return mm_fail(error,
		    "%s has %llu entries, more than the log that it was to "
		    "follow",
		    backup->directory, (unsigned long long)backup->old.size);
	if (error == MM_E_FORK)
		return mm_fail(error,
		    "the log's %llu entries do not go on from the %llu in %s: "
		    "keep both, they prove a fork",
		    (unsigned long long)size,
		    (unsigned long long)backup->old.size, backup->directory);
	return error;
}

/* The hashes of the level's last tile, where it is not full at `size`. */
static enum mm_error
load_tile(struct mm_backup *backup, const struct mm_tree *tree, unsigned level,
    uint64_t size)
{
	uint64_t end = mm_tile_hashes(level, size);

	for (uint64_t n = end - end % MM_TILE_WIDTH; n < end; n++) {
		struct mm_hash hash;
		enum mm_error error =
		    tree->node(tree->self, TILE_HEIGHT * level, n, &hash);

		if (error != MM_OK)
			return error;
		mm_buffer_add(&backup->tiles[level], hash.bytes, MM_HASH_SIZE);
	}
	return backup->tiles[level].error;
}

/* Where the writing goes on: at the last bundle that is full. */
static enum mm_error
load_edge(struct mm_backup *backup, struct mm_log_reader *reader)
{
	struct mm_tree tree = mm_log_tree(reader);
	uint64_t size = backup->old.size - backup->old.size % MM_TILE_WIDTH;
	enum mm_error error = MM_OK;

	for (unsigned level = 0; error == MM_OK && level < MM_TILE_LEVELS;
	     level++)
		error = load_tile(backup, &tree, level, size);
	if (error == MM_OK)
		error = mm_frontier_load(&tree, size, &backup->frontier);
	if (error == MM_OK && size > 0)
		error = mm_source_check(backup->source, &backup->frontier);
	if (error == MM_E_LOG_WRONG)
		return mm_fail(MM_E_TILE,
		    "the tiles in %s are not those of its checkpoint: make a "
		    "new backup elsewhere",
		    backup->directory);
	return error;
}

static enum mm_error
open_directory(struct mm_backup *backup)
{
	char checkpoint[PATH_MAX];
	struct mm_log_reader *reader;
	enum mm_error error =
	    mm_put_path(backup->directory, "checkpoint", checkpoint);

	if (error != MM_OK)
		return error;
	if (mkdir(backup->directory, 0755) < 0 && errno != EEXIST)
		return mm_fail(MM_E_FILE, "cannot make %s: %s",
		    backup->directory, strerror(errno));
	if (access(checkpoint, F_OK) < 0)
		return check_unfinished(backup->directory);
	error = mm_log_open(
	    backup->directory, mm_source_vkey(backup->source), &reader);
	if (error != MM_OK)
		return error;
	backup->old = *mm_log_checkpoint(reader);
	backup->report.before = backup->old.size;
	error = check_prefix(backup);
	if (error == MM_OK)
		error = load_edge(backup, reader);
	mm_log_close(reader);
	return error;
}

/* --- bundles --- */

/* A full bundle that an interrupted backup has left. */
static bool
find_bundle(struct mm_backup *backup, uint64_t n)
{
	const struct mm_tile tile = {MM_TILE_ENTRIES, n, MM_TILE_WIDTH};
	char name[MM_TILE_PATH_MAX], path[PATH_MAX];

	mm_tile_path(&tile, name);
	mm_buffer_clear(&backup->bytes);
	if (mm_put_path(backup->directory, name, path) != MM_OK ||
	    access(path, F_OK) < 0 ||
	    mm_file_read(path, MM_BUNDLE_MAX, &backup->bytes) != MM_OK ||
	    mm_bundle_decode(mm_buffer_span(&backup->bytes), &backup->bundle) !=
		MM_OK)
		return false;
	return backup->bundle.count == MM_TILE_WIDTH;
}

/* What was found is believed no further than to here. */
static enum mm_error
check_found(struct mm_backup *backup)
{
	enum mm_error error;

	if (!backup->found)
		return MM_OK;
	backup->found = false;
	error = mm_source_check(backup->source, &backup->frontier);
	if (error != MM_E_LOG_WRONG)
		return error;
	return mm_fail(MM_E_BUNDLE,
	    "what an interrupted backup left in %s is not of this log: delete "
	    "it, or make a new backup elsewhere",
	    backup->directory);
}

static void
hash_bundle(struct mm_backup *backup)
{
	for (size_t i = 0; i < backup->bundle.count; i++)
		backup->leaves[i] = mm_leaf_hash(backup->bundle.entries[i]);
}

/* Before anything of a bundle is written, it is proven to be the log's. */
static enum mm_error
check_bundle(struct mm_backup *backup)
{
	struct mm_frontier edge = backup->frontier;
	enum mm_error error = MM_OK;

	hash_bundle(backup);
	for (size_t i = 0; error == MM_OK && i < backup->bundle.count; i++)
		error =
		    mm_frontier_append(&edge, &backup->leaves[i], NULL, NULL);
	return error == MM_OK ? mm_source_check(backup->source, &edge) : error;
}

static enum mm_error
fetch_bundle(struct mm_backup *backup, uint64_t n, unsigned width)
{
	enum mm_error error = check_found(backup);

	mm_buffer_clear(&backup->bytes);
	mm_buffer_init(&backup->bytes, MM_BUNDLE_MAX);
	for (unsigned i = 0; error == MM_OK && i < width; i++) {
		struct mm_span entry;

		error = mm_source_entry(
		    backup->source, n * MM_TILE_WIDTH + i, &entry);
		if (error == MM_OK)
			error = mm_bundle_add(&backup->bytes, entry);
	}
	if (error == MM_OK)
		error = mm_bundle_decode(
		    mm_buffer_span(&backup->bytes), &backup->bundle);
	if (error == MM_OK)
		error = check_bundle(backup);
	return error == MM_OK
		   ? put_tile(backup, MM_TILE_ENTRIES, n, width, &backup->bytes)
		   : error;
}

static enum mm_error
put_blob(struct mm_backup *backup, struct mm_span entry)
{
	char name[MM_BLOB_PATH_MAX];
	mm_auto(buffer) bytes = {0};
	struct mm_blob blob;
	enum mm_error error = mm_entry_blob(entry, &blob);

	if (error != MM_OK || blob.size == 0)
		return error;
	mm_buffer_init(&bytes, MM_BLOB_MAX);
	mm_blob_path(&blob, name);
	error = mm_source_blob(backup->source, &blob, &bytes);
	if (error == MM_OK)
		error = put(backup, name, mm_buffer_span(&bytes));
	backup->report.blobs += error == MM_OK;
	return error;
}

/* A hash of a tile: one more, and a file when it is full. */
static enum mm_error
add_hash(void *self, unsigned height, uint64_t n, const struct mm_hash *hash)
{
	struct mm_backup *backup = self;
	unsigned level = height / TILE_HEIGHT;
	struct mm_buffer *tile = &backup->tiles[level % MM_TILE_LEVELS];
	enum mm_error error;

	if (height % TILE_HEIGHT != 0 || level >= MM_TILE_LEVELS)
		return MM_OK;
	mm_buffer_add(tile, hash->bytes, MM_HASH_SIZE);
	if (tile->error != MM_OK || tile->size < MM_TILE_BYTES)
		return tile->error;
	error = put_tile(backup, level, n / MM_TILE_WIDTH, MM_TILE_WIDTH, tile);
	mm_buffer_reset(tile);
	return error;
}

static enum mm_error
add_bundle(struct mm_backup *backup, uint64_t n, unsigned width)
{
	enum mm_error error = MM_OK;

	if (width == MM_TILE_WIDTH && find_bundle(backup, n))
		backup->found = true;
	else
		error = fetch_bundle(backup, n, width);
	if (backup->found)
		hash_bundle(backup);
	for (size_t i = 0; error == MM_OK && i < backup->bundle.count; i++) {
		error = put_blob(backup, backup->bundle.entries[i]);
		if (error == MM_OK)
			error = mm_frontier_append(&backup->frontier,
			    &backup->leaves[i], add_hash, backup);
	}
	return error;
}

static enum mm_error
add_bundles(struct mm_backup *backup)
{
	uint64_t size = mm_source_checkpoint(backup->source)->size;
	enum mm_error error = MM_OK;

	while (error == MM_OK && backup->frontier.size < size) {
		uint64_t n = backup->frontier.size / MM_TILE_WIDTH;

		error = add_bundle(
		    backup, n, mm_tile_width(MM_TILE_ENTRIES, n, size));
		mm_progress_tell(
		    &backup->progress, backup->frontier.size, size);
	}
	if (error == MM_OK)
		error = mm_source_settle(backup->source);
	backup->report.size = size;
	return error;
}

/* --- the end: what is not full, then the checkpoint --- */

static enum mm_error
put_edge(struct mm_backup *backup)
{
	enum mm_error error = MM_OK;

	for (unsigned level = 0; error == MM_OK && level < MM_TILE_LEVELS;
	     level++) {
		const struct mm_buffer *tile = &backup->tiles[level];
		unsigned width = (unsigned)(tile->size / MM_HASH_SIZE);

		if (width > 0)
			error = put_tile(backup, level,
			    mm_tile_hashes(level, backup->frontier.size) /
				MM_TILE_WIDTH,
			    width, tile);
	}
	return error;
}

static enum mm_error
put_cosigned(struct mm_backup *backup)
{
	mm_auto(buffer) note = {0};
	struct mm_checkpoint checkpoint;
	enum mm_error error;

	mm_buffer_init(&note, MM_NOTE_MAX);
	error = mm_source_cosigned(backup->source, &note, &checkpoint);
	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error != MM_OK || checkpoint.size > backup->report.size)
		return error;
	backup->report.cosigned = checkpoint.size;
	return put(backup, "cosigned", mm_buffer_span(&note));
}

/* Partial tiles of the former edge that are full now. */
static void
drop_partials(struct mm_backup *backup)
{
	for (unsigned i = 0; i <= MM_TILE_LEVELS; i++) {
		unsigned level = i < MM_TILE_LEVELS ? i : MM_TILE_ENTRIES;
		uint64_t n =
		    mm_tile_hashes(level, backup->old.size) / MM_TILE_WIDTH;

		if (mm_tile_width(level, n, backup->old.size) > 0 &&
		    mm_tile_width(level, n, backup->report.size) ==
			MM_TILE_WIDTH)
			mm_review_drop_partials(backup->directory, level, n);
	}
}

static enum mm_error
finish(struct mm_backup *backup)
{
	enum mm_error error =
	    mm_source_check(backup->source, &backup->frontier);

	if (error == MM_OK)
		error = put_edge(backup);
	if (error == MM_OK)
		error = put_cosigned(backup);
	if (error == MM_OK)
		error =
		    put(backup, "checkpoint", mm_source_note(backup->source));
	if (error == MM_OK)
		drop_partials(backup);
	return error;
}

enum mm_error
mm_backup(struct mm_source *source, const char *directory,
    struct mm_backup_report *out)
{
	mm_auto(backup) backup = {.source = source, .directory = directory};
	enum mm_error error;

	for (size_t i = 0; i < MM_TILE_LEVELS; i++)
		mm_buffer_init(&backup.tiles[i], MM_TILE_BYTES);
	mm_progress_begin(&backup.progress, "entries");
	if (mm_source_checkpoint(source)->size == 0)
		return mm_fail(MM_E_NOT_FOUND, "the log is empty");
	error = open_directory(&backup);
	if (error == MM_OK)
		error = add_bundles(&backup);
	if (error == MM_OK)
		error = check_found(&backup);
	if (error == MM_OK)
		error = finish(&backup);
	if (error == MM_OK)
		*out = backup.report;
	return error;
}
