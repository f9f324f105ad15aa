#include "log/publish.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "log/tile.h"
#include "protocol/journal.h"

enum {
	/* Between two checkpoints: flushing tiles slows the notary's disk. */
	INTERVAL_MS = 200,
	PAUSE_MS = 10, /* a look at what else waits, meanwhile */
	CLOSE_MS = 2000
};

static const char checkpoint_name[] = "checkpoint";
/* One name for all files while they are written: nothing is left behind. */
static const char new_name[] = ".new";

/* A checkpoint on its way into the directory. */
struct edition {
	uint64_t size;
	struct mm_buffer note;
};

struct mm_publisher {
	const char *directory;
	struct mm_store *store;
	uint64_t written; /* size of the directory's checkpoint */
	struct edition wanted, current;
	bool writing;               /* `current`, by `walk` */
	struct mm_tile_walk walk;   /* of what `current` adds */
	struct mm_tile_walk review; /* of what should be there, since start */
	bool told;                  /* of the present failure */
	int64_t last;               /* when a checkpoint was written, in ms */
};

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum mm_error
path_of(
    const struct mm_publisher *publisher, const char *name, char out[PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s/%s", publisher->directory, name) >=
	    PATH_MAX)
		return mm_fail(MM_E_FILE, "the tiles' path is too long");
	return MM_OK;
}

static enum mm_error
file_fault(const char *path)
{
	enum mm_error error =
	    errno == ENOSPC || errno == EDQUOT ? MM_E_DISK_FULL : MM_E_FILE;

	return mm_fail(error, "cannot write %s: %s", path, strerror(errno));
}

/* Flushes the directory that `path` lies in. */
static enum mm_error
sync_parent(const char *path)
{
	char parent[PATH_MAX];
	char *end;
	mm_autoclose int fd = -1;

	snprintf(parent, sizeof(parent), "%s", path);
	end = strrchr(parent, '/');
	if (end == NULL)
		return mm_fail(MM_E_BUG, "%s lies in no directory", path);
	*end = '\0';
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0 ? MM_OK : file_fault(parent);
}

/* Makes the directories of `path` from position `from` on. */
static enum mm_error
make_parents(const char *path, size_t from)
{
	char parent[PATH_MAX];

	for (const char *end = strchr(path + from, '/'); end != NULL;
	     end = strchr(end + 1, '/')) {
		enum mm_error error;

		snprintf(
		    parent, sizeof(parent), "%.*s", (int)(end - path), path);
		if (mkdir(parent, 0755) < 0) {
			if (errno == EEXIST)
				continue;
			return file_fault(parent);
		}
		error = sync_parent(parent);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

static enum mm_error
write_new(const char *path, struct mm_span bytes)
{
	mm_autoclose int fd =
	    open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return file_fault(path);
	while (bytes.size > 0) {
		ssize_t put = write(fd, bytes.data, bytes.size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return file_fault(path);
		bytes = mm_span(bytes.data + put, bytes.size - (size_t)put);
	}
	return fsync(fd) == 0 ? MM_OK : file_fault(path);
}

static bool
holds(const char *path, struct mm_span bytes)
{
	mm_auto(buffer) found = {0};

	mm_buffer_init(&found, 0);
	return access(path, F_OK) == 0 &&
	       mm_file_read(path, bytes.size, &found) == MM_OK &&
	       mm_span_equal(mm_buffer_span(&found), bytes);
}

/* Makes sure that the file is there, durably. */
static enum mm_error
put_file(const struct mm_publisher *publisher, const char *name,
    struct mm_span bytes)
{
	char path[PATH_MAX], new_path[PATH_MAX];
	enum mm_error error = path_of(publisher, name, path);

	if (error == MM_OK)
		error = path_of(publisher, new_name, new_path);
	if (error != MM_OK || holds(path, bytes))
		return error;
	error = make_parents(path, strlen(publisher->directory));
	if (error == MM_OK)
		error = write_new(new_path, bytes);
	if (error != MM_OK)
		return error;
	if (rename(new_path, path) < 0)
		return file_fault(path);
	return sync_parent(path);
}

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
put_tile(const struct mm_publisher *publisher, const struct mm_tile *tile)
{
	char name[MM_TILE_PATH_MAX];
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, MM_BUNDLE_MAX);
	mm_tile_path(tile, name);
	error = tile->level == MM_TILE_ENTRIES
		    ? make_bundle(publisher->store, tile, &bytes)
		    : make_hashes(publisher->store, tile, &bytes);
	if (error != MM_OK)
		return error;
	return put_file(publisher, name, mm_buffer_span(&bytes));
}

static void
remove_directory(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *found;

	if (directory == NULL)
		return;
	while ((found = readdir(directory)) != NULL)
		if (found->d_name[0] != '.')
			unlinkat(dirfd(directory), found->d_name, 0);
	closedir(directory);
	rmdir(path);
}

/*
 * The partial forms of a tile that is full in the published checkpoint.
 * Readers of older ones cut the full tile; what cannot be removed is in
 * nobody's way.
 */
static void
drop_partials(const struct mm_publisher *publisher, unsigned level, uint64_t n)
{
	struct mm_tile tile = {level, n, MM_TILE_WIDTH};
	char name[MM_TILE_PATH_MAX], path[PATH_MAX];
	size_t length;

	mm_tile_path(&tile, name);
	if (path_of(publisher, name, path) != MM_OK)
		return;
	length = strlen(path);
	if (length + sizeof(".p") > sizeof(path))
		return;
	memcpy(path + length, ".p", sizeof(".p"));
	remove_directory(path);
}

static void
drop_superseded(
    const struct mm_publisher *publisher, uint64_t older, uint64_t newer)
{
	for (unsigned i = 0; i <= MM_TILE_LEVELS; i++) {
		unsigned level = i < MM_TILE_LEVELS ? i : MM_TILE_ENTRIES;
		uint64_t n = mm_tile_hashes(level, older) / MM_TILE_WIDTH;

		if (mm_tile_width(level, n, older) > 0 &&
		    mm_tile_width(level, n, newer) == MM_TILE_WIDTH)
			drop_partials(publisher, level, n);
	}
}

static enum mm_error
put_checkpoint(struct mm_publisher *publisher)
{
	struct edition *current = &publisher->current;
	enum mm_error error = put_file(
	    publisher, checkpoint_name, mm_buffer_span(&current->note));

	if (error != MM_OK)
		return error;
	drop_superseded(publisher, publisher->written, current->size);
	publisher->written = current->size;
	publisher->writing = false;
	publisher->last = now_ms();
	return MM_OK;
}

/* Where the checkpoint has been deleted, so may have been all the rest. */
static void
look_for_checkpoint(struct mm_publisher *publisher)
{
	char path[PATH_MAX];

	if (path_of(publisher, checkpoint_name, path) == MM_OK &&
	    access(path, F_OK) < 0)
		publisher->written = 0;
}

static void
begin_edition(struct mm_publisher *publisher)
{
	struct edition next = publisher->wanted;

	look_for_checkpoint(publisher);
	/* The two change places, to keep their memory. */
	publisher->wanted = publisher->current;
	publisher->wanted.size = 0;
	publisher->current = next;
	publisher->writing = true;
	publisher->walk = mm_tile_walk(publisher->written, next.size);
}

/* One file of the current edition. */
static enum mm_error
write_one(struct mm_publisher *publisher)
{
	struct mm_tile_walk former = publisher->walk;
	struct mm_tile tile;
	enum mm_error error;

	if (!mm_tile_next(&publisher->walk, &tile))
		return put_checkpoint(publisher);
	error = put_tile(publisher, &tile);
	if (error != MM_OK)
		publisher->walk = former;
	return error;
}

/* One file of those that are there; false at the end of the round. */
static bool
review_one(struct mm_publisher *publisher, enum mm_error *error)
{
	struct mm_tile tile;

	*error = MM_OK;
	if (!mm_tile_next(&publisher->review, &tile))
		return false;
	*error = put_tile(publisher, &tile);
	if (*error == MM_OK && tile.width == MM_TILE_WIDTH)
		drop_partials(publisher, tile.level, tile.n);
	return true;
}

static void
tell(struct mm_publisher *publisher, enum mm_error error)
{
	if (error == MM_OK)
		publisher->told = false;
	if (error == MM_OK || publisher->told)
		return;
	publisher->told = true;
	mm_journal(error == MM_E_LOG_WRONG ? MM_LEVEL_ERROR : MM_LEVEL_WARNING,
	    "tiles-stopped", "%s; the log itself goes on", mm_why(error));
}

static bool
is_due(const struct mm_publisher *publisher)
{
	return publisher->writing || publisher->wanted.size > 0;
}

bool
mm_publisher_step(struct mm_publisher *publisher)
{
	enum mm_error error;
	bool more;

	if (!is_due(publisher)) {
		more = review_one(publisher, &error);
		tell(publisher, error);
		return more;
	}
	if (!publisher->writing) {
		if (now_ms() - publisher->last < INTERVAL_MS) {
			poll(NULL, 0, PAUSE_MS);
			return true;
		}
		begin_edition(publisher);
	}
	error = write_one(publisher);
	tell(publisher, error);
	return error == MM_OK;
}

enum mm_error
mm_publisher_offer(
    struct mm_publisher *publisher, uint64_t size, struct mm_span note)
{
	struct edition *wanted = &publisher->wanted;

	look_for_checkpoint(publisher);
	if (size <= publisher->written)
		return MM_OK;
	mm_buffer_reset(&wanted->note);
	mm_buffer_add(&wanted->note, note.data, note.size);
	wanted->size = wanted->note.error == MM_OK ? size : 0;
	return wanted->note.error;
}

/* How far the directory has come; nowhere where its checkpoint is not ours. */
static enum mm_error
find_checkpoint(struct mm_publisher *publisher, const struct mm_vkey *vkey)
{
	struct mm_tree tree = mm_store_tree(publisher->store);
	struct mm_store_checkpoint newest;
	struct mm_checkpoint found;
	char path[PATH_MAX];
	mm_auto(buffer) note = {0};
	struct mm_hash root;
	enum mm_error error = path_of(publisher, checkpoint_name, path);

	mm_buffer_init(&note, MM_NOTE_MAX);
	if (error != MM_OK || access(path, F_OK) < 0)
		return error;
	if (mm_file_read(path, MM_NOTE_MAX, &note) != MM_OK ||
	    mm_checkpoint_open(mm_buffer_span(&note), vkey, &found) != MM_OK)
		return MM_OK;
	error = mm_store_newest(publisher->store, &newest);
	if (error == MM_OK && found.size <= newest.size)
		error = mm_tree_root(&tree, found.size, &root);
	if (error != MM_OK)
		return error;
	if (found.size > newest.size || !mm_hash_equal(&root, &found.root))
		return mm_fail(MM_E_ROLLBACK,
		    "%s is signed by this log, but log.db does not lead to it",
		    path);
	publisher->written = found.size;
	return MM_OK;
}

enum mm_error
mm_publisher_open(const char *directory, struct mm_store *store,
    const struct mm_vkey *vkey, struct mm_publisher **out)
{
	struct mm_publisher *publisher = calloc(1, sizeof(*publisher));
	enum mm_error error;

	if (publisher == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the tiles");
	publisher->directory = directory;
	publisher->store = store;
	publisher->last = now_ms() - INTERVAL_MS;
	mm_buffer_init(&publisher->wanted.note, MM_NOTE_MAX);
	mm_buffer_init(&publisher->current.note, MM_NOTE_MAX);
	error = find_checkpoint(publisher, vkey);
	if (error != MM_OK) {
		mm_publisher_close(publisher);
		return error;
	}
	publisher->review = mm_tile_walk(0, publisher->written);
	*out = publisher;
	return MM_OK;
}

void
mm_publisher_close(struct mm_publisher *publisher)
{
	int64_t end = now_ms() + CLOSE_MS;

	if (publisher == NULL)
		return;
	publisher->last -= INTERVAL_MS;
	while (is_due(publisher) && now_ms() < end)
		if (!mm_publisher_step(publisher))
			break;
	mm_buffer_clear(&publisher->wanted.note);
	mm_buffer_clear(&publisher->current.note);
	free(publisher);
}
