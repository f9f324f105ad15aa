#include "audit/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ca/certificate.h"
#include "protocol/message.h"

enum {
	NAME_MAX_HERE = 128, /* of a file, from the log's directory on */
	DEPTH_MAX = 12
};

/* What a tile's number and level say is the same thing at every width. */
struct whole {
	struct mm_tile tile; /* width 0: none was read yet */
	struct mm_buffer bytes;
};

struct walk {
	const char *directory;
	struct mm_log_reader *reader;
	struct mm_blobs *blobs;
	struct mm_directory_report *report;
	struct whole whole;      /* the one that was needed last */
	struct mm_buffer bytes;  /* of the file at hand */
	struct mm_buffer hashes; /* of a tile that it is compared with */
};

/* A place in the walk. */
struct spot {
	int fd; /* of the directory */
	const char *base;
	const char *name; /* from the log's directory on */
	struct stat info;
};

static enum mm_error
path_of(const char *directory, const char *name, char out[PATH_MAX])
{
	int length = snprintf(out, PATH_MAX, "%s/%s", directory, name);

	if (length < 0 || length >= PATH_MAX)
		return mm_fail(
		    MM_E_FILE, "the path is too long: %s/%s", directory, name);
	return MM_OK;
}

static enum mm_error
stray(const char *name, const char *why)
{
	return mm_fail(MM_E_STRAY, "%s %s", name, why);
}

enum mm_error
mm_files_plain(const char *directory, const char *name)
{
	char path[PATH_MAX];
	struct stat info;
	enum mm_error error = path_of(directory, name, path);

	if (error != MM_OK)
		return error;
	if (lstat(path, &info) < 0)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode))
		return stray(name, "is not a regular file");
	return MM_OK;
}

enum mm_error
mm_files_note(const char *directory, const char *name, struct mm_buffer *out)
{
	char path[PATH_MAX];
	struct stat info;
	enum mm_error error = path_of(directory, name, path);

	if (error != MM_OK || (lstat(path, &info) < 0 && errno == ENOENT))
		return error;
	error = mm_files_plain(directory, name);
	if (error == MM_OK)
		error = mm_file_read_as(MM_E_NOTE, path, MM_NOTE_MAX, out);
	if (error == MM_OK && out->size == 0)
		error = mm_fail(MM_E_NOTE, "%s is empty", name);
	return error;
}

static enum mm_error
spot_read(struct walk *walk, const struct spot *spot, enum mm_error what,
    size_t max, struct mm_buffer *out)
{
	char path[PATH_MAX];
	enum mm_error error = path_of(walk->directory, spot->name, path);

	mm_buffer_clear(out);
	return error == MM_OK ? mm_file_read_as(what, path, max, out) : error;
}

/* --- tiles and bundles --- */

/* The size of a tile's first `count` hashes or entries; SIZE_MAX: it has not
 * got them. */
static enum mm_error
size_of_first(
    struct mm_span bytes, const struct mm_tile *tile, size_t count, size_t *out)
{
	struct mm_bundle bundle;
	enum mm_error error;

	if (tile->level != MM_TILE_ENTRIES) {
		*out = count * MM_HASH_SIZE;
		return MM_OK;
	}
	error = mm_bundle_decode(bytes, &bundle);
	if (error != MM_OK)
		return error;
	if (bundle.count < count)
		*out = SIZE_MAX;
	else if (count == 0)
		*out = 0;
	else
		*out = (size_t)(bundle.entries[count - 1].data +
				bundle.entries[count - 1].size - bytes.data);
	return MM_OK;
}

/* It has as much as its name says. */
static enum mm_error
check_width(
    const struct spot *spot, const struct mm_tile *tile, struct mm_span bytes)
{
	size_t size = 0;
	enum mm_error error = size_of_first(bytes, tile, tile->width, &size);

	if (error != MM_OK)
		return mm_fail(error, "%s: %s", spot->name, mm_why(error));
	if (size == bytes.size)
		return MM_OK;
	if (tile->level == MM_TILE_ENTRIES)
		return mm_fail(MM_E_BUNDLE, "%s does not have %u entries",
		    spot->name, tile->width);
	return mm_fail(MM_E_TILE, "%s has %zu bytes, not %zu", spot->name,
	    bytes.size, size);
}

static enum mm_error
tile_path(
    const struct walk *walk, const struct mm_tile *tile, char out[PATH_MAX])
{
	char name[MM_TILE_PATH_MAX];

	mm_tile_path(tile, name);
	return path_of(walk->directory, name, out);
}

static bool
is_there(const struct walk *walk, const struct mm_tile *tile)
{
	char path[PATH_MAX];

	return tile_path(walk, tile, path) == MM_OK && access(path, F_OK) == 0;
}

/* The tile that the entries are held against; all others begin like it. */
static enum mm_error
whole_load(struct walk *walk, const struct mm_tile *tile)
{
	struct whole *whole = &walk->whole;
	struct mm_tile full = {tile->level, tile->n, MM_TILE_WIDTH};
	unsigned width = mm_tile_width(
	    tile->level, tile->n, mm_log_checkpoint(walk->reader)->size);
	size_t max =
	    tile->level == MM_TILE_ENTRIES ? MM_BUNDLE_MAX : MM_TILE_BYTES;
	struct mm_tile exact = {tile->level, tile->n, width};
	char path[PATH_MAX];
	enum mm_error error;

	if (whole->tile.width > 0 && whole->tile.level == tile->level &&
	    whole->tile.n == tile->n)
		return MM_OK;
	whole->tile =
	    !is_there(walk, &exact) && is_there(walk, &full) ? full : exact;
	mm_buffer_clear(&whole->bytes);
	error = tile_path(walk, &whole->tile, path);
	if (error == MM_OK)
		error = mm_file_read_as(
		    tile->level == MM_TILE_ENTRIES ? MM_E_BUNDLE : MM_E_TILE,
		    path, max, &whole->bytes);
	if (error != MM_OK)
		whole->tile.width = 0;
	return error;
}

static enum mm_error
check_prefix(struct walk *walk, const struct spot *spot,
    const struct mm_tile *tile, struct mm_span bytes)
{
	const struct whole *whole = &walk->whole;
	size_t mine = 0, theirs = 0, count = tile->width;
	enum mm_error error = whole_load(walk, tile);

	if (error != MM_OK)
		return error;
	if (count > whole->tile.width)
		count = whole->tile.width;
	error = size_of_first(bytes, tile, count, &mine);
	if (error == MM_OK)
		error = size_of_first(
		    mm_buffer_span(&whole->bytes), tile, count, &theirs);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", spot->name, mm_why(error));
	/* How wide the other one really is, is for its own check to say. */
	if (theirs > whole->bytes.size ||
	    (mine == theirs &&
		memcmp(bytes.data, whole->bytes.data, mine) == 0))
		return MM_OK;
	return mm_fail(tile->level == MM_TILE_ENTRIES ? MM_E_BUNDLE : MM_E_TILE,
	    "%s does not agree with that of another width", spot->name);
}

/* --- what the checkpoint does not cover yet --- */

/* Reads another tile of hashes, whole; `bytes` is empty where it is not there:
 * the log writes one file after the other. */
static enum mm_error
read_hashes(
    struct walk *walk, const struct mm_tile *tile, struct mm_buffer *bytes)
{
	char path[PATH_MAX];
	enum mm_error error = tile_path(walk, tile, path);

	mm_buffer_clear(bytes);
	if (error != MM_OK || !is_there(walk, tile))
		return error;
	error = mm_file_read_as(MM_E_TILE, path, MM_TILE_BYTES, bytes);
	if (error == MM_OK && bytes->size != tile->width * (size_t)MM_HASH_SIZE)
		error = mm_fail(MM_E_TILE, "%s has %zu bytes, not %u", path,
		    bytes->size, tile->width * MM_HASH_SIZE);
	return error;
}

static enum mm_error
disagrees(const struct spot *spot, unsigned at)
{
	return mm_fail(MM_E_TILE,
	    "%s: number %u does not agree with the tiles of hashes", spot->name,
	    at);
}

/* Entries have the hashes of the tile beside them, and name their blobs. */
static enum mm_error
check_entry_ahead(struct walk *walk, const struct spot *spot,
    struct mm_span entry, unsigned at)
{
	struct mm_hash leaf = mm_leaf_hash(entry);
	const struct mm_buffer *hashes = &walk->hashes;
	enum mm_error error = MM_OK;

	if (hashes->size > 0 && memcmp(hashes->data + (size_t)at * MM_HASH_SIZE,
				    leaf.bytes, MM_HASH_SIZE) != 0)
		return disagrees(spot, at);
	if (walk->blobs != NULL)
		error = mm_blobs_ahead(walk->blobs, entry);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", spot->name, mm_why(error));
	return MM_OK;
}

static enum mm_error
check_bundle_ahead(struct walk *walk, const struct spot *spot,
    const struct mm_tile *tile, unsigned covered)
{
	const struct mm_tile beside = {0, tile->n, tile->width};
	struct mm_bundle bundle;
	enum mm_error error = read_hashes(walk, &beside, &walk->hashes);

	if (error == MM_OK)
		error = mm_bundle_decode(mm_buffer_span(&walk->bytes), &bundle);
	for (unsigned i = covered; i < tile->width && error == MM_OK; i++)
		error = check_entry_ahead(walk, spot, bundle.entries[i], i);
	return error;
}

/* A hash is the root of the full tile below it. */
static enum mm_error
check_hashes_ahead(struct walk *walk, const struct spot *spot,
    const struct mm_tile *tile, unsigned covered)
{
	for (unsigned i = covered; i < tile->width && tile->level > 0; i++) {
		const struct mm_tile below = {tile->level - 1,
		    tile->n * MM_TILE_WIDTH + i, MM_TILE_WIDTH};
		struct mm_frontier frontier = {.size = 0};
		struct mm_hash root, hash;
		enum mm_error error = read_hashes(walk, &below, &walk->hashes);

		for (size_t k = 0;
		     error == MM_OK && k < walk->hashes.size / MM_HASH_SIZE;
		     k++) {
			memcpy(hash.bytes, walk->hashes.data + k * MM_HASH_SIZE,
			    MM_HASH_SIZE);
			error =
			    mm_frontier_append(&frontier, &hash, NULL, NULL);
		}
		if (error != MM_OK)
			return error;
		if (walk->hashes.size == 0)
			continue;
		root = mm_frontier_root(&frontier);
		if (memcmp(walk->bytes.data + (size_t)i * MM_HASH_SIZE,
			root.bytes, MM_HASH_SIZE) != 0)
			return disagrees(spot, i);
	}
	return MM_OK;
}

static enum mm_error
check_ahead(struct walk *walk, const struct spot *spot,
    const struct mm_tile *tile, unsigned covered)
{
	walk->report->ahead++;
	return tile->level == MM_TILE_ENTRIES
		   ? check_bundle_ahead(walk, spot, tile, covered)
		   : check_hashes_ahead(walk, spot, tile, covered);
}

static enum mm_error
check_tile(struct walk *walk, const struct spot *spot)
{
	struct mm_tile tile;
	unsigned covered;
	struct mm_span bytes;
	enum mm_error error;

	if (!mm_tile_read(mm_span_text(spot->name), &tile) ||
	    (tile.level >= MM_TILE_LEVELS && tile.level != MM_TILE_ENTRIES))
		return stray(spot->name, "is no name of a tile");
	covered = mm_tile_width(
	    tile.level, tile.n, mm_log_checkpoint(walk->reader)->size);
	/* That one is read and held against the entries later. */
	if (tile.width == covered)
		return MM_OK;
	error =
	    tile.level == MM_TILE_ENTRIES
		? spot_read(
		      walk, spot, MM_E_BUNDLE, MM_BUNDLE_MAX, &walk->bytes)
		: spot_read(walk, spot, MM_E_TILE, MM_TILE_BYTES, &walk->bytes);
	bytes = mm_buffer_span(&walk->bytes);
	if (error == MM_OK)
		error = check_width(spot, &tile, bytes);
	if (error == MM_OK && covered > 0)
		error = check_prefix(walk, spot, &tile, bytes);
	if (error == MM_OK && tile.width > covered)
		error = check_ahead(walk, spot, &tile, covered);
	return error;
}

/* --- blobs --- */

static enum mm_error
check_blob(struct walk *walk, const struct spot *spot)
{
	struct mm_blob blob = {.size = (uint64_t)spot->info.st_size};
	char name[MM_BLOB_PATH_MAX];
	enum mm_error error;

	if (walk->blobs == NULL)
		return MM_OK;
	if (spot->info.st_size == 0 || spot->info.st_size > MM_BLOB_MAX)
		return mm_fail(MM_E_BLOB, "%s has %jd bytes; 1 to %d can be",
		    spot->name, (intmax_t)spot->info.st_size, MM_BLOB_MAX);
	error = spot_read(walk, spot, MM_E_BLOB, MM_BLOB_MAX, &walk->bytes);
	if (error != MM_OK)
		return error;
	mm_tbs_digest(mm_buffer_span(&walk->bytes), blob.sha256);
	mm_blob_path(&blob, name);
	if (strlen(spot->base) != strlen(name) - strlen("blob/"))
		return stray(spot->name, "is no name of a blob");
	if (strcmp(spot->name, name) != 0)
		return mm_fail(
		    MM_E_BLOB, "%s is not what its name says", spot->name);
	return mm_blobs_found(walk->blobs, &blob);
}

enum mm_error
mm_files_blob(
    const char *directory, const struct mm_blob *blob, struct mm_buffer *out)
{
	char name[MM_BLOB_PATH_MAX], path[PATH_MAX];
	mm_auto(buffer) bytes = {0};
	uint8_t sha256[32];
	enum mm_error error;

	mm_blob_path(blob, name);
	mm_buffer_init(&bytes, MM_BLOB_MAX);
	error = path_of(directory, name, path);
	if (error == MM_OK && access(path, F_OK) < 0 && errno == ENOENT)
		return mm_fail(
		    MM_E_BLOB, "%s is missing: an entry names it", name);
	if (error == MM_OK)
		error = mm_files_plain(directory, name);
	if (error == MM_OK)
		error = mm_file_read_as(MM_E_BLOB, path, MM_BLOB_MAX, &bytes);
	if (error != MM_OK)
		return error;
	mm_tbs_digest(mm_buffer_span(&bytes), sha256);
	if (bytes.size != blob->size ||
	    memcmp(sha256, blob->sha256, sizeof(sha256)) != 0)
		return mm_fail(
		    MM_E_BLOB, "%s is not what its entry says", name);
	mm_buffer_add(out, bytes.data, bytes.size);
	return out->error;
}

/* --- the walk --- */

/* Whether files of tiles can lie in a directory of this name. */
static bool
holds_tiles(const char *name)
{
	static const char *const inside[] = {"0/000", "000", "1"};

	for (size_t i = 0; i < MM_COUNT(inside); i++) {
		char path[NAME_MAX_HERE + 8];
		struct mm_tile tile;

		snprintf(path, sizeof(path), "%s/%s", name, inside[i]);
		if (mm_tile_read(mm_span_text(path), &tile))
			return true;
	}
	return false;
}

static bool
holds_blobs(const char *name)
{
	return strcmp(name, "blob") == 0;
}

struct part {
	const char *name;
	bool (*holds)(const char *name);
	enum mm_error (*check)(struct walk *, const struct spot *);
};

/* A blob is written after the bundle whose entry names it, so that blobs are
 * looked at first. */
static const struct part parts[] = {
    {"blob", holds_blobs, check_blob}, {"tile", holds_tiles, check_tile}};

static enum mm_error walk_into(struct walk *walk, const struct part *part,
    int parent, const char *base, const char *name, int depth);

static enum mm_error
visit(struct walk *walk, const struct part *part, struct spot *spot, int depth)
{
	/* What is gone since may go: the log drops what is superseded. */
	if (fstatat(spot->fd, spot->base, &spot->info, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			   ? MM_OK
			   : mm_fail(MM_E_FILE, "cannot read %s: %s",
				 spot->name, strerror(errno));
	if (S_ISDIR(spot->info.st_mode)) {
		if (!part->holds(spot->name))
			return stray(spot->name, "is no directory of a log");
		return walk_into(
		    walk, part, spot->fd, spot->base, spot->name, depth);
	}
	if (!S_ISREG(spot->info.st_mode))
		return stray(spot->name, "is not a regular file");
	/* What the log is just writing. */
	if (strcmp(spot->base, ".new") == 0)
		return MM_OK;
	walk->report->files++;
	walk->report->bytes += (uint64_t)spot->info.st_size;
	return part->check(walk, spot);
}

static enum mm_error
walk_directory(struct walk *walk, const struct part *part, DIR *directory,
    const char *name, int depth)
{
	const struct dirent *found;

	while (errno = 0, (found = readdir(directory)) != NULL) {
		char path[NAME_MAX_HERE];
		struct spot spot = {
		    .fd = dirfd(directory), .base = found->d_name};
		enum mm_error error;
		int length;

		if (strcmp(found->d_name, ".") == 0 ||
		    strcmp(found->d_name, "..") == 0)
			continue;
		length =
		    snprintf(path, sizeof(path), "%s/%s", name, found->d_name);
		if (length < 0 || (size_t)length >= sizeof(path))
			return stray(path, "...: the name is too long");
		spot.name = path;
		error = visit(walk, part, &spot, depth);
		if (error != MM_OK)
			return error;
	}
	if (errno != 0)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", name, strerror(errno));
	return MM_OK;
}

static enum mm_error
walk_into(struct walk *walk, const struct part *part, int parent,
    const char *base, const char *name, int depth)
{
	DIR *directory;
	enum mm_error error;
	int fd;

	if (depth == DEPTH_MAX)
		return stray(name, "lies too deep");
	fd = openat(
	    parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return MM_OK;
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return stray(name, "is not a directory");
	directory = fd < 0 ? NULL : fdopendir(fd);
	if (directory == NULL) {
		if (fd >= 0)
			close(fd);
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", name, strerror(errno));
	}
	error = walk_directory(walk, part, directory, name, depth + 1);
	closedir(directory);
	return error;
}

/* A name at the top: one of ours, or something of whoever serves the log;
 * but none that would be one of ours on another file system. */
static enum mm_error
check_name(struct walk *walk, const char *name)
{
	static const char *const ours[] = {
	    "checkpoint", "cosigned", "tile", "blob"};

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return MM_OK;
	for (size_t i = 0; i < MM_COUNT(ours); i++) {
		if (strcmp(name, ours[i]) == 0)
			return MM_OK;
		if (strcasecmp(name, ours[i]) == 0)
			return stray(name,
			    "differs from a file of the log by its capitals "
			    "only");
	}
	walk->report->others++;
	return MM_OK;
}

static enum mm_error
check_top(struct walk *walk, DIR *top)
{
	const struct dirent *found;

	while (errno = 0, (found = readdir(top)) != NULL) {
		enum mm_error error = check_name(walk, found->d_name);

		if (error != MM_OK)
			return error;
	}
	return errno == 0
		   ? MM_OK
		   : mm_fail(MM_E_FILE, "cannot read the log's directory: %s",
			 strerror(errno));
}

/* The two notes, which others read. */
static void
count_notes(struct walk *walk)
{
	static const char *const notes[] = {"checkpoint", "cosigned"};

	for (size_t i = 0; i < MM_COUNT(notes); i++) {
		char path[PATH_MAX];
		struct stat info;

		if (path_of(walk->directory, notes[i], path) != MM_OK ||
		    lstat(path, &info) < 0)
			continue;
		walk->report->files++;
		walk->report->bytes += (uint64_t)info.st_size;
	}
}

enum mm_error
mm_files_check(const char *directory, struct mm_log_reader *reader,
    struct mm_blobs *blobs, struct mm_directory_report *report)
{
	struct walk walk = {.directory = directory,
	    .reader = reader,
	    .blobs = blobs,
	    .report = report};
	DIR *top = opendir(directory);
	enum mm_error error;

	if (top == NULL)
		return mm_fail(MM_E_FILE, "cannot read %s: %s", directory,
		    strerror(errno));
	mm_buffer_init(&walk.bytes, MM_BLOB_MAX);
	mm_buffer_init(&walk.hashes, MM_TILE_BYTES);
	mm_buffer_init(&walk.whole.bytes, MM_BUNDLE_MAX);
	count_notes(&walk);
	error = check_top(&walk, top);
	for (size_t i = 0; i < MM_COUNT(parts) && error == MM_OK; i++)
		error = walk_into(&walk, &parts[i], dirfd(top), parts[i].name,
		    parts[i].name, 0);
	mm_buffer_clear(&walk.bytes);
	mm_buffer_clear(&walk.hashes);
	mm_buffer_clear(&walk.whole.bytes);
	closedir(top);
	return error;
}
