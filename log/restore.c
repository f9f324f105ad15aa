#include "log/restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "log/admit.h"
#include "log/reader.h"
#include "log/store.h"
#include "protocol/message.h"

/* What one transaction takes: few flushes, and little memory. */
enum {
	BATCH_ENTRIES = 4096,
	BATCH_BYTES = 4 << 20,
	/* An entry makes two subtrees on average, the last one some more. */
	BATCH_NODES = 2 * BATCH_ENTRIES + 64,
	BATCH_ARENA = 2 * BATCH_BYTES
};

static const char work_name[] = ".restore", store_name[] = "log.db";

/* A log on its way into the store. */
struct restore {
	struct mm_log_reader *reader;
	const struct mm_vkey *vkey;
	struct mm_store *store;
	struct mm_frontier frontier;
	struct mm_tail tail;
	/* The batch that is being filled. */
	uint64_t first;
	struct mm_bytes_item items[BATCH_ENTRIES];
	struct mm_hash nodes[BATCH_NODES];
	struct mm_store_named blobs[BATCH_ENTRIES];
	size_t count, node_count, blob_count, bytes;
	struct mm_arena arena; /* holds the items' bytes */
};

static void
begin_batch(struct restore *restore)
{
	mm_arena_clear(&restore->arena);
	restore->first = restore->frontier.size;
	restore->count = restore->node_count = 0;
	restore->blob_count = restore->bytes = 0;
}

/* Only the last batch has a checkpoint: others are not known any more. */
static enum mm_error
end_batch(struct restore *restore)
{
	uint64_t size = mm_log_checkpoint(restore->reader)->size;
	const struct mm_store_batch batch = {.first = restore->first,
	    .entries = {restore->items, restore->count},
	    .nodes = restore->nodes,
	    .node_count = restore->node_count,
	    .root = mm_frontier_root(&restore->frontier),
	    .blobs = {restore->blobs, restore->blob_count},
	    .inner = restore->frontier.size < size};
	enum mm_error error = MM_OK;

	if (restore->count > 0)
		error = mm_store_append(restore->store, &batch);
	if (error == MM_OK)
		begin_batch(restore);
	return error;
}

static enum mm_error
keep_node(void *self, unsigned level, uint64_t n, const struct mm_hash *hash)
{
	struct restore *restore = self;

	(void)level;
	(void)n;
	if (restore->node_count == BATCH_NODES)
		return mm_fail(MM_E_BUG, "a batch completes too many subtrees");
	restore->nodes[restore->node_count++] = *hash;
	return MM_OK;
}

static enum mm_error
store_blob(struct restore *restore, const struct mm_blob *blob)
{
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, MM_BLOB_MAX);
	error = mm_log_blob(restore->reader, blob, &bytes);
	for (size_t at = 0; at < bytes.size && error == MM_OK;) {
		size_t left = bytes.size - at;
		size_t some = left < MM_CHUNK_MAX ? left : MM_CHUNK_MAX;

		error = mm_store_put_blob(
		    restore->store, blob, at, mm_span(bytes.data + at, some));
		at += some;
	}
	return error;
}

static enum mm_error
take_blob(struct restore *restore, uint64_t index, struct mm_span entry)
{
	struct mm_blob blob;
	enum mm_error error = mm_entry_blob(entry, &blob);

	if (error != MM_OK || blob.size == 0)
		return error;
	restore->blobs[restore->blob_count++] =
	    (struct mm_store_named){index, blob};
	return store_blob(restore, &blob);
}

static enum mm_error
take_entry(struct restore *restore, uint64_t index, struct mm_span entry)
{
	struct mm_hash leaf = mm_leaf_hash(entry);
	struct mm_span copy = mm_arena_copy(&restore->arena, entry);
	enum mm_error error;

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for entries");
	error = mm_admit_entry(restore->vkey, index, entry, &restore->tail);
	if (error == MM_OK)
		error = take_blob(restore, index, entry);
	if (error == MM_OK)
		error = mm_frontier_append(
		    &restore->frontier, &leaf, keep_node, restore);
	if (error != MM_OK)
		return error;
	restore->items[restore->count++].value = copy;
	restore->bytes += entry.size;
	return MM_OK;
}

static enum mm_error
take_all(struct restore *restore)
{
	uint64_t size = mm_log_checkpoint(restore->reader)->size;

	for (uint64_t i = 0; i < size; i++) {
		struct mm_span entry;
		enum mm_error error = mm_log_entry(restore->reader, i, &entry);

		if (error == MM_OK &&
		    (restore->count == BATCH_ENTRIES ||
			restore->bytes + entry.size > BATCH_BYTES))
			error = end_batch(restore);
		if (error == MM_OK)
			error = take_entry(restore, i, entry);
		if (error != MM_OK)
			return mm_fail(error, "entry %llu: %s",
			    (unsigned long long)i, mm_why(error));
	}
	return MM_OK;
}

static enum mm_error
check_root(const struct restore *restore)
{
	const struct mm_checkpoint *wanted = mm_log_checkpoint(restore->reader);
	struct mm_hash root = mm_frontier_root(&restore->frontier);

	if (!mm_hash_equal(&root, &wanted->root))
		return mm_fail(MM_E_LOG_WRONG,
		    "the entries do not make the root of the checkpoint of "
		    "%llu entries",
		    (unsigned long long)wanted->size);
	return MM_OK;
}

static enum mm_error
fill(struct restore *restore)
{
	enum mm_error error;

	begin_batch(restore);
	error = take_all(restore);
	/* Before the last batch: what has no root gets no checkpoint. */
	if (error == MM_OK)
		error = check_root(restore);
	if (error == MM_OK)
		error = end_batch(restore);
	if (error == MM_OK)
		error = mm_store_note(restore->store, restore->frontier.size,
		    mm_log_note(restore->reader));
	return error;
}

static enum mm_error
create_store(struct restore *restore, const char *directory)
{
	struct mm_store_identity identity;

	memcpy(identity.origin, restore->vkey->name, sizeof(identity.origin));
	memcpy(identity.log_key, restore->vkey->public_key,
	    sizeof(identity.log_key));
	return mm_store_create(directory, &identity, &restore->store);
}

/* Opening a store moves all that was written into log.db itself. */
static enum mm_error
settle(const char *directory)
{
	struct mm_store *store = NULL;
	enum mm_error error = mm_store_open(directory, &store);

	mm_store_close(store);
	return error;
}

static enum mm_error
build(const char *from, const char *directory, const struct mm_vkey *vkey,
    uint64_t *size)
{
	struct restore *restore = calloc(1, sizeof(*restore));
	enum mm_error error;

	if (restore == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to restore a log");
	restore->vkey = vkey;
	mm_arena_init(&restore->arena, BATCH_ARENA);
	error = mm_log_open(from, vkey, &restore->reader);
	if (error == MM_OK && mm_log_checkpoint(restore->reader)->size == 0)
		error = mm_fail(MM_E_LOG_WRONG, "the log in %s is empty", from);
	if (error == MM_OK)
		error = create_store(restore, directory);
	if (error == MM_OK)
		error = fill(restore);
	*size = restore->frontier.size;
	mm_store_close(restore->store);
	mm_log_close(restore->reader);
	mm_arena_clear(&restore->arena);
	free(restore);
	return error == MM_OK ? settle(directory) : error;
}

static void
remove_work(const char *path)
{
	/* What a link of this name leads to is not ours. */
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *found;

	if (directory == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((found = readdir(directory)) != NULL)
		if (found->d_name[0] != '.')
			unlinkat(dirfd(directory), found->d_name, 0);
	closedir(directory);
	rmdir(path);
}

/* Under its own name only when it is whole, and never over another one. */
static enum mm_error
move_into_place(int directory)
{
	char from[sizeof(work_name) + sizeof(store_name)];

	snprintf(from, sizeof(from), "%s/%s", work_name, store_name);
	if (renameat2(
		directory, from, directory, store_name, RENAME_NOREPLACE) < 0)
		return mm_fail(MM_E_STATE, "cannot put %s into place: %s",
		    store_name, strerror(errno));
	if (fsync(directory) < 0)
		return mm_fail(
		    MM_E_STORE, "cannot flush the state: %s", strerror(errno));
	return MM_OK;
}

/* A -wal of another log.db would be taken for this one's. */
static enum mm_error
check_empty(int directory, const char *path)
{
	static const char *const names[] = {
	    "log.db", "log.db-wal", "log.db-shm", "log.db-journal"};

	for (size_t i = 0; i < MM_COUNT(names); i++)
		if (faccessat(directory, names[i], F_OK, AT_SYMLINK_NOFOLLOW) ==
		    0)
			return mm_fail(MM_E_STATE,
			    "%s holds %s already: a log is restored where "
			    "there is none; move it away, and keep it",
			    path, names[i]);
	return MM_OK;
}

enum mm_error
mm_log_restore(const char *from, const char *state, const struct mm_vkey *vkey,
    uint64_t *size)
{
	mm_autoclose int directory =
	    open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char work[PATH_MAX];
	uint64_t restored = 0;
	enum mm_error error;

	if (directory < 0)
		return mm_fail(
		    MM_E_STATE, "cannot open %s: %s", state, strerror(errno));
	if (snprintf(work, sizeof(work), "%s/%s", state, work_name) >=
	    (int)sizeof(work))
		return mm_fail(MM_E_STATE, "the path is too long: %s", state);
	error = check_empty(directory, state);
	if (error != MM_OK)
		return error;
	remove_work(work);
	if (mkdir(work, 0700) < 0)
		return mm_fail(
		    MM_E_STATE, "cannot make %s: %s", work, strerror(errno));
	error = build(from, work, vkey, &restored);
	if (error == MM_OK)
		error = move_into_place(directory);
	remove_work(work);
	if (error == MM_OK)
		*size = restored;
	return error;
}
