/*
 * A directory of tiles as a source of the log.
 */
#include <string.h>

#include "cli/source_parts.h"
#include "log/reader.h"

struct directory {
	char *path;
	struct mm_vkey vkey;
	struct mm_log_reader *reader;
};

static void
directory_close(void *self)
{
	struct directory *directory = self;

	mm_log_close(directory->reader);
	free(directory->path);
	free(directory);
}

enum mm_error
mm_source_directory(
    const char *path, const char *key, struct mm_vkey *vkey, void **self)
{
	struct directory *directory = calloc(1, sizeof(*directory));
	enum mm_error error;

	if (directory == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to read %s", path);
	directory->path = strdup(path);
	error = directory->path != NULL ? mm_vkey_read(key, &directory->vkey)
					: MM_E_MEMORY;
	if (error == MM_OK)
		error = mm_log_open(path, &directory->vkey, &directory->reader);
	if (error != MM_OK) {
		directory_close(directory);
		return error;
	}
	*vkey = directory->vkey;
	*self = directory;
	return MM_OK;
}

static enum mm_error
directory_newest(
    void *self, uint64_t older, struct mm_buffer *note, struct mm_proof *proof)
{
	struct directory *directory = self;
	uint64_t size = mm_log_checkpoint(directory->reader)->size;
	struct mm_tree tree = mm_log_tree(directory->reader);
	struct mm_span bytes = mm_log_note(directory->reader);

	if (older > size)
		return mm_fail(MM_E_BEHIND,
		    "the checkpoint in %s is of %llu entries; %llu were there "
		    "before",
		    directory->path, (unsigned long long)size,
		    (unsigned long long)older);
	mm_buffer_add(note, bytes.data, bytes.size);
	proof->count = 0;
	if (older == 0 || older == size)
		return note->error;
	return mm_tree_prove_consistency(&tree, older, size, proof);
}

static enum mm_error
directory_entry(void *self, uint64_t index, uint64_t end, struct mm_span *out)
{
	struct directory *directory = self;

	(void)end;
	return mm_log_entry(directory->reader, index, out);
}

static enum mm_error
directory_blob(void *self, const struct mm_blob *blob, struct mm_buffer *out)
{
	struct directory *directory = self;

	return mm_log_blob(directory->reader, blob, out);
}

/* The note that the receipt ends with, and how many entries it has. */
static enum mm_error
choose_note(struct directory *directory, bool cosigned, struct mm_buffer *note,
    uint64_t *size)
{
	struct mm_span newest = mm_log_note(directory->reader);
	struct mm_checkpoint checkpoint;
	enum mm_error error;

	if (!cosigned) {
		mm_buffer_add(note, newest.data, newest.size);
		*size = mm_log_checkpoint(directory->reader)->size;
		return note->error;
	}
	error = mm_log_cosigned(directory->reader, note);
	if (error == MM_OK)
		error = mm_checkpoint_open(
		    mm_buffer_span(note), &directory->vkey, &checkpoint);
	if (error == MM_OK)
		*size = checkpoint.size;
	return error;
}

static enum mm_error
directory_receipt_under(void *self, uint64_t index, uint64_t size,
    struct mm_span note, struct mm_buffer *out)
{
	struct directory *directory = self;
	struct mm_tree tree = mm_log_tree(directory->reader);
	struct mm_receipt receipt = {.index = index, .note = note};
	enum mm_error error =
	    mm_log_entry(directory->reader, index, &receipt.entry);

	if (error == MM_OK)
		error =
		    mm_tree_prove_inclusion(&tree, index, size, &receipt.proof);
	return error == MM_OK ? mm_receipt_encode(&receipt, out) : error;
}

static enum mm_error
directory_receipt(
    void *self, uint64_t index, bool cosigned, struct mm_buffer *out)
{
	struct directory *directory = self;
	mm_auto(buffer) note = {0};
	uint64_t size;
	enum mm_error error;

	mm_buffer_init(&note, MM_NOTE_MAX);
	error = choose_note(directory, cosigned, &note, &size);
	if (error == MM_OK && index >= size)
		error = mm_fail(MM_E_NOT_FOUND,
		    "the cosigned checkpoint has %llu entries: %llu is not "
		    "among them yet",
		    (unsigned long long)size, (unsigned long long)index);
	return error == MM_OK ? directory_receipt_under(self, index, size,
				    mm_buffer_span(&note), out)
			      : error;
}

const struct mm_source_backend mm_source_directory_backend = {
    .close = directory_close,
    .newest = directory_newest,
    .entry = directory_entry,
    .blob = directory_blob,
    .receipt = directory_receipt,
    .receipt_under = directory_receipt_under,
};
