#include "audit/directory.h"

#include <string.h>

#include "audit/blobs.h"
#include "audit/files.h"
#include "log/reader.h"

enum { TOLD_EVERY = 256 /* entries */ };

struct check {
	const struct mm_directory_options *options;
	struct mm_log_reader *reader;
	struct mm_audit *audit;
	struct mm_blobs *blobs;
	uint64_t bytes; /* of entries */
	struct mm_directory_report report;
};

static void
check_clear(struct check *check)
{
	mm_blobs_free(check->blobs);
	mm_audit_free(check->audit);
	mm_log_close(check->reader);
}

/* Complete subtrees of 256^level leaves are the hashes of the tiles. */
static enum mm_error
compare(void *self, unsigned height, uint64_t n, const struct mm_hash *hash)
{
	struct check *check = self;
	struct mm_tree tree = mm_log_tree(check->reader);
	uint64_t size = mm_log_checkpoint(check->reader)->size;
	struct mm_tile tile = {height / 8, n / MM_TILE_WIDTH, 0};
	char name[MM_TILE_PATH_MAX];
	struct mm_hash found;
	enum mm_error error;

	if (height % 8 != 0)
		return MM_OK;
	error = tree.node(tree.self, height, n, &found);
	if (error != MM_OK || mm_hash_equal(&found, hash))
		return error;
	tile.width = mm_tile_width(tile.level, tile.n, size);
	mm_tile_path(&tile, name);
	return mm_fail(MM_E_TILE,
	    "%s: its hash %llu is not that of %s %llu: the one or the other "
	    "file is damaged",
	    name, (unsigned long long)(n % MM_TILE_WIDTH),
	    height == 0 ? "entry" : "the entries from",
	    (unsigned long long)(n << height));
}

static enum mm_error
read_blob(void *self, const struct mm_blob *blob, struct mm_buffer *out)
{
	const struct check *check = self;

	return mm_files_blob(check->options->directory, blob, out);
}

static void
tell(const struct check *check, uint64_t done)
{
	const struct mm_directory_options *options = check->options;
	uint64_t size = mm_log_checkpoint(check->reader)->size;

	if (options->progress != NULL &&
	    (done % TOLD_EVERY == 0 || done == size))
		options->progress(options->self, done, size, check->bytes);
}

static enum mm_error
check_entries(struct check *check)
{
	uint64_t size = mm_log_checkpoint(check->reader)->size;

	for (uint64_t i = 0; i < size; i++) {
		struct mm_span entry;
		enum mm_error error = mm_log_entry(check->reader, i, &entry);

		if (error == MM_OK)
			error = mm_audit_add(check->audit, entry);
		if (error == MM_OK && !check->options->audit.tree_only)
			error = mm_blobs_named(check->blobs, i, entry);
		if (error != MM_OK)
			return error;
		check->bytes += entry.size;
		tell(check, i + 1);
	}
	return mm_audit_end(check->audit, mm_log_checkpoint(check->reader),
	    &check->report.audit);
}

/* The tiles are known to be the entries' by now. */
static enum mm_error
check_cosigned(struct check *check, struct mm_span note)
{
	const struct mm_checkpoint *newest = mm_log_checkpoint(check->reader);
	struct mm_tree tree = mm_log_tree(check->reader);
	struct mm_checkpoint cosigned;
	struct mm_hash root;
	enum mm_error error =
	    mm_checkpoint_open(note, check->options->audit.vkey, &cosigned);

	if (error != MM_OK)
		return mm_fail(error, "cosigned: %s", mm_why(error));
	if (cosigned.size > newest->size)
		return mm_fail(MM_E_BEHIND,
		    "checkpoint: it has %llu entries, and cosigned has %llu "
		    "already",
		    (unsigned long long)newest->size,
		    (unsigned long long)cosigned.size);
	error = mm_tree_root(&tree, cosigned.size, &root);
	if (error != MM_OK)
		return error;
	if (!mm_hash_equal(&root, &cosigned.root))
		return mm_fail(MM_E_FORK,
		    "cosigned: it has another root than the log's first %llu "
		    "entries",
		    (unsigned long long)cosigned.size);
	check->report.cosigned = cosigned.size;
	return MM_OK;
}

static enum mm_error
check_all(struct check *check, struct mm_span cosigned)
{
	const struct mm_directory_options *options = check->options;
	struct mm_audit_options audit = options->audit;
	enum mm_error error = mm_files_check(options->directory, check->reader,
	    audit.tree_only ? NULL : check->blobs, &check->report);

	audit.sink = compare;
	audit.blob = read_blob;
	audit.self = check;
	if (error == MM_OK)
		error = mm_audit_new(&audit, &check->audit);
	if (error == MM_OK)
		error = check_entries(check);
	if (error == MM_OK && !audit.tree_only)
		error = mm_blobs_end(check->blobs, &check->report.blobs);
	if (error == MM_OK && cosigned.size > 0)
		error = check_cosigned(check, cosigned);
	return error;
}

/* Told at once, before a long log is read in vain. */
static enum mm_error
check_kept(const struct check *check)
{
	const struct mm_checkpoint *kept = check->options->audit.kept;
	uint64_t size = mm_log_checkpoint(check->reader)->size;

	if (kept == NULL || kept->size <= size)
		return MM_OK;
	return mm_fail(MM_E_BEHIND,
	    "checkpoint: it has %llu entries, and the one that was kept %llu",
	    (unsigned long long)size, (unsigned long long)kept->size);
}

/*
 * The cosigned checkpoint is read first: a log that grows meanwhile has a
 * newer checkpoint then, and never an older one.
 */
static enum mm_error
open_all(struct check *check, struct mm_buffer *cosigned)
{
	const struct mm_directory_options *options = check->options;
	enum mm_error error =
	    mm_files_note(options->directory, "cosigned", cosigned);

	if (error == MM_OK && options->cosigned != NULL)
		error =
		    options->cosigned(options->self, mm_buffer_span(cosigned));
	if (error == MM_OK)
		error = mm_files_plain(options->directory, "checkpoint");
	if (error == MM_OK)
		error = mm_log_open(
		    options->directory, options->audit.vkey, &check->reader);
	if (error == MM_OK)
		error = check_kept(check);
	if (error == MM_OK)
		error = mm_blobs_new(options->audit.work, &check->blobs);
	return error;
}

static enum mm_error
hand_over(const struct check *check, struct mm_directory_report *out)
{
	struct mm_buffer *note = check->options->note;
	struct mm_span bytes = mm_log_note(check->reader);

	*out = check->report;
	if (note == NULL)
		return MM_OK;
	mm_buffer_add(note, bytes.data, bytes.size);
	return note->error;
}

enum mm_error
mm_directory_verify(
    const struct mm_directory_options *options, struct mm_directory_report *out)
{
	struct check check = {.options = options};
	mm_auto(buffer) cosigned = {0};
	enum mm_error error = open_all(&check, &cosigned);

	if (error == MM_OK)
		error = check_all(&check, mm_buffer_span(&cosigned));
	if (error == MM_OK)
		error = hand_over(&check, out);
	check_clear(&check);
	return error;
}
