#include "log/cosigned.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log/line.h"
#include "log/put.h"
#include "protocol/journal.h"

static const char file_name[] = "cosigned";

struct mm_cosigned {
	const char *directory;
	const struct mm_vkey *vkey;
	struct mm_witness *witnesses;
	size_t count; /* of witnesses */
	uint64_t size, cosigners;
	struct mm_buffer note; /* empty: nothing is held */
};

static enum mm_error
load_witnesses(struct mm_cosigned *cosigned, const struct mm_list *texts)
{
	cosigned->witnesses =
	    calloc(texts->count + 1, sizeof(*cosigned->witnesses));
	if (cosigned->witnesses == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the witnesses");
	for (mm_list_each(const struct mm_text_item, item, *texts)) {
		struct mm_witness *witness =
		    &cosigned->witnesses[cosigned->count++];
		enum mm_error error = mm_witness_decode(item->value, witness);

		if (error != MM_OK)
			return mm_fail(error, "witness %zu: %s",
			    cosigned->count, mm_why(error));
		if (memcmp(witness->vkey.public_key, cosigned->vkey->public_key,
			sizeof(witness->vkey.public_key)) == 0)
			return mm_fail(MM_E_VKEY,
			    "witness %s has the log's own key: a log does not "
			    "witness itself",
			    witness->vkey.name);
	}
	return MM_OK;
}

/* The note with the log's line and those of known witnesses alone. */
static enum mm_error
strip(const struct mm_cosigned *cosigned, struct mm_span note,
    struct mm_buffer *out)
{
	struct mm_span text, lines;
	enum mm_error error = mm_note_split(note, &text, &lines);

	if (error == MM_OK)
		mm_buffer_add(out, note.data, note.size - lines.size);
	while (error == MM_OK && lines.size > 0) {
		struct mm_line line;
		bool known;

		error = mm_line_next(&lines, &line);
		if (error != MM_OK)
			return error;
		known = mm_line_is_by(&line, cosigned->vkey);
		for (size_t i = 0; i < cosigned->count && !known; i++)
			known =
			    mm_line_is_by(&line, &cosigned->witnesses[i].vkey);
		if (known)
			mm_buffer_add(out, line.text.data, line.text.size);
	}
	return error == MM_OK ? out->error : error;
}

/* Whether this log, which `tree` is, signed what it did not become. */
static enum mm_error
check_root(const struct mm_checkpoint *checkpoint, const struct mm_tree *tree)
{
	struct mm_hash root;
	enum mm_error error = mm_tree_root(tree, checkpoint->size, &root);

	if (error == MM_OK && !mm_hash_equal(&root, &checkpoint->root))
		return mm_fail(MM_E_FORK,
		    "the log's key has signed another root for %llu entries "
		    "than this log has: keep that note, and both logs",
		    (unsigned long long)checkpoint->size);
	return error;
}

/* How many of the known witnesses stand under a note. */
static enum mm_error
count_cosigners(
    const struct mm_cosigned *cosigned, struct mm_span note, uint64_t *out)
{
	struct mm_cosignatures found;
	enum mm_error error = mm_cosignatures_open(
	    note, cosigned->witnesses, cosigned->count, &found);

	if (error == MM_OK)
		*out = found.count;
	return error;
}

static enum mm_error
hold(struct mm_cosigned *cosigned, uint64_t size, struct mm_span note)
{
	uint64_t cosigners;
	enum mm_error error = count_cosigners(cosigned, note, &cosigners);

	if (error != MM_OK)
		return error;
	mm_buffer_reset(&cosigned->note);
	mm_buffer_add(&cosigned->note, note.data, note.size);
	if (cosigned->note.error != MM_OK)
		return mm_fail(cosigned->note.error, "no memory for a note");
	cosigned->size = size;
	cosigned->cosigners = cosigners;
	return MM_OK;
}

/* What is held for the same size has lines, too. */
static enum mm_error
merge(struct mm_cosigned *cosigned, uint64_t size, struct mm_span note)
{
	mm_auto(buffer) merged = {0};
	struct mm_span lines = {NULL, 0}, held = mm_cosigned_note(cosigned);
	enum mm_put_found found;
	uint64_t cosigners;
	enum mm_error error = MM_OK;

	mm_buffer_init(&merged, MM_NOTE_MAX);
	if (cosigned->size == size)
		error = mm_note_lines(held, &lines);
	if (error == MM_OK)
		error = mm_note_add_lines(note, lines, &merged);
	if (error == MM_OK)
		error = count_cosigners(
		    cosigned, mm_buffer_span(&merged), &cosigners);
	if (error == MM_OK)
		error = mm_put_file(cosigned->directory, file_name,
		    mm_buffer_span(&merged), &found);
	if (error != MM_OK)
		return error;
	return hold(cosigned, size, mm_buffer_span(&merged));
}

enum mm_error
mm_cosigned_take(struct mm_cosigned *cosigned, struct mm_span note,
    const struct mm_tree *tree, uint64_t size)
{
	mm_auto(buffer) ours = {0};
	struct mm_checkpoint checkpoint;
	uint64_t cosigners = 0;
	enum mm_error error =
	    mm_checkpoint_open(note, cosigned->vkey, &checkpoint);

	mm_buffer_init(&ours, MM_NOTE_MAX);
	if (error == MM_OK && (checkpoint.size == 0 || checkpoint.size > size))
		error = mm_fail(MM_E_NOT_FOUND,
		    "a checkpoint of %llu entries was never published; %llu "
		    "are",
		    (unsigned long long)checkpoint.size,
		    (unsigned long long)size);
	if (error == MM_OK)
		error = check_root(&checkpoint, tree);
	if (error == MM_OK)
		error = count_cosigners(cosigned, note, &cosigners);
	if (error != MM_OK)
		return error;
	if (cosigned->count == 0)
		return mm_fail(MM_E_COSIGNATURE,
		    "this appliance knows no witness: their verifier keys "
		    "belong into log { witness } of appliance.conf");
	if (cosigners == 0)
		return mm_fail(MM_E_COSIGNATURE,
		    "none of the %zu witnesses of this appliance has cosigned "
		    "the checkpoint",
		    cosigned->count);
	if (checkpoint.size < cosigned->size)
		return MM_OK;
	error = strip(cosigned, note, &ours);
	if (error != MM_OK)
		return error;
	return merge(cosigned, checkpoint.size, mm_buffer_span(&ours));
}

/*
 * MM_OK where the file is of use; MM_E_ROLLBACK where it shows that the log
 * was rolled back or forked; any other error where it is nothing.
 */
static enum mm_error
judge(struct mm_cosigned *cosigned, struct mm_span note,
    const struct mm_tree *tree, uint64_t size, uint64_t *found)
{
	struct mm_checkpoint checkpoint;
	enum mm_error error =
	    mm_checkpoint_open(note, cosigned->vkey, &checkpoint);

	if (error != MM_OK)
		return error;
	error =
	    checkpoint.size > size ? MM_E_FORK : check_root(&checkpoint, tree);
	if (error == MM_E_FORK)
		return mm_fail(MM_E_ROLLBACK,
		    "%s/%s is signed by this log, but log.db does not lead to "
		    "it",
		    cosigned->directory, file_name);
	*found = checkpoint.size;
	return error;
}

static void
discard(const struct mm_cosigned *cosigned, const char *path, const char *why)
{
	mm_journal(MM_LEVEL_WARNING, "cosigned-removed",
	    "%s/%s was no cosigned checkpoint of this log (%s): let the "
	    "witnesses cosign again",
	    cosigned->directory, file_name, why);
	unlinkat(AT_FDCWD, path, 0);
}

static enum mm_error
load(struct mm_cosigned *cosigned, const struct mm_tree *tree, uint64_t size)
{
	char path[PATH_MAX];
	mm_auto(buffer) note = {0}, ours = {0};
	uint64_t found = 0, cosigners = 0;
	enum mm_error error = mm_put_path(cosigned->directory, file_name, path);

	mm_buffer_init(&note, MM_NOTE_MAX);
	mm_buffer_init(&ours, MM_NOTE_MAX);
	if (error != MM_OK || access(path, F_OK) < 0)
		return error;
	error = mm_file_read(path, MM_NOTE_MAX, &note);
	if (error == MM_OK)
		error =
		    judge(cosigned, mm_buffer_span(&note), tree, size, &found);
	if (error == MM_OK)
		error = count_cosigners(
		    cosigned, mm_buffer_span(&note), &cosigners);
	if (error == MM_E_ROLLBACK || error == MM_E_MEMORY ||
	    error == MM_E_STORE || error == MM_E_STATE ||
	    error == MM_E_LOG_WRONG)
		return error;
	if (error != MM_OK) {
		discard(cosigned, path, mm_why(error));
		return MM_OK;
	}
	/* By those who were witnesses once: sound, but of no use now. */
	if (cosigners == 0)
		return MM_OK;
	error = strip(cosigned, mm_buffer_span(&note), &ours);
	return error == MM_OK ? hold(cosigned, found, mm_buffer_span(&ours))
			      : error;
}

enum mm_error
mm_cosigned_open(const char *directory, const struct mm_list *witnesses,
    const struct mm_vkey *vkey, const struct mm_tree *tree, uint64_t size,
    struct mm_cosigned **out)
{
	struct mm_cosigned *cosigned = calloc(1, sizeof(*cosigned));
	enum mm_error error;

	if (cosigned == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the witnesses");
	cosigned->directory = directory;
	cosigned->vkey = vkey;
	mm_buffer_init(&cosigned->note, MM_NOTE_MAX);
	error = load_witnesses(cosigned, witnesses);
	if (error == MM_OK)
		error = load(cosigned, tree, size);
	if (error != MM_OK) {
		mm_cosigned_close(cosigned);
		return error;
	}
	*out = cosigned;
	return MM_OK;
}

void
mm_cosigned_close(struct mm_cosigned *cosigned)
{
	if (cosigned == NULL)
		return;
	mm_buffer_clear(&cosigned->note);
	free(cosigned->witnesses);
	free(cosigned);
}

uint64_t
mm_cosigned_size(const struct mm_cosigned *cosigned)
{
	return cosigned->size;
}

uint64_t
mm_cosigned_count(const struct mm_cosigned *cosigned)
{
	return cosigned->cosigners;
}

struct mm_span
mm_cosigned_note(const struct mm_cosigned *cosigned)
{
	return mm_buffer_span(&cosigned->note);
}
