#include "log/archive_parts.h"

#include <string.h>

#include "protocol/message.h"

static const struct mm_field publish_request_fields[] = {
    MM_FIELD(mm_archive_publish_request, 0, note, MM_BYTES, 1, MM_NOTE_MAX)};
MM_SHAPE(mm_archive_publish_request_shape, mm_archive_publish_request,
    publish_request_fields);

static const struct mm_field entries_request_fields[] = {
    MM_FIELD(mm_archive_entries_request, 0, from, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_archive_entries_request, 1, count, MM_UINT, 1, INT64_MAX)};
MM_SHAPE(mm_archive_entries_request_shape, mm_archive_entries_request,
    entries_request_fields);

static const struct mm_field entries_answer_fields[] = {
    MM_FIELD(mm_archive_entries_answer, 0, from, MM_UINT, 0, INT64_MAX),
    MM_ANY(mm_archive_entries_answer, 1, entries, &mm_bytes_item_shape,
	MM_ARCHIVE_ENTRIES_MAX)};
MM_SHAPE(mm_archive_entries_answer_shape, mm_archive_entries_answer,
    entries_answer_fields);

static const struct mm_field receipt_request_fields[] = {
    MM_FIELD(mm_archive_receipt_request, 0, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(
	mm_archive_receipt_request, 1, against, MM_UINT, 0, MM_AGAINST_SIZE),
    MM_OPTIONAL(mm_archive_receipt_request, 2, size, MM_UINT, 1, INT64_MAX)};
MM_SHAPE(mm_archive_receipt_request_shape, mm_archive_receipt_request,
    receipt_request_fields);

static const struct mm_field receipt_answer_fields[] = {
    MM_FIELD(mm_archive_receipt_answer, 0, entry, MM_BYTES, 1, 65535),
    MM_FIELD(mm_archive_receipt_answer, 1, note, MM_BYTES, 1, MM_NOTE_MAX),
    MM_ANY(mm_archive_receipt_answer, 2, proof, &mm_hash_item_shape,
	MM_PROOF_MAX)};
MM_SHAPE(mm_archive_receipt_answer_shape, mm_archive_receipt_answer,
    receipt_answer_fields);

/*
 * Takes a note that the log's key has signed as the newest published one.
 * It must be of a checkpoint that is stored, and never an older one.
 */
static enum mm_error
publish(struct mm_archive *archive, struct mm_span note)
{
	struct mm_store_checkpoint stored;
	struct mm_checkpoint checkpoint;
	enum mm_error error =
	    mm_checkpoint_open(note, &archive->vkey, &checkpoint);

	if (error != MM_OK)
		return error;
	if (checkpoint.size == 0 || checkpoint.size < archive->newest.size)
		return mm_fail(MM_E_RANGE,
		    "a checkpoint of %llu entries is behind the published one",
		    (unsigned long long)checkpoint.size);
	error = mm_store_covering(archive->store, checkpoint.size - 1, &stored);
	if (error != MM_OK)
		return error;
	if (stored.size != checkpoint.size ||
	    !mm_hash_equal(&stored.root, &checkpoint.root))
		return mm_fail(MM_E_LOG_WRONG,
		    "the checkpoint of %llu entries is not in the store",
		    (unsigned long long)checkpoint.size);
	error = mm_publisher_offer(archive->publisher, checkpoint.size, note);
	if (error != MM_OK)
		return error;
	archive->newest = checkpoint;
	mm_buffer_reset(&archive->note);
	mm_buffer_add(&archive->note, note.data, note.size);
	return archive->note.error;
}

/* What the store itself holds as signed is where publishing begins. */
static enum mm_error
publish_stored(struct mm_archive *archive)
{
	struct mm_store_checkpoint stored;
	mm_auto(buffer) note = {0};
	enum mm_error error = mm_store_newest_noted(archive->store, &stored);

	mm_buffer_init(&note, MM_NOTE_MAX);
	if (error != MM_OK || stored.size == 0)
		return error;
	/* The store's row lives until its next read. */
	mm_buffer_add(&note, stored.note.data, stored.note.size);
	if (note.error != MM_OK)
		return mm_fail(note.error, "no memory for a checkpoint");
	return publish(archive, mm_buffer_span(&note));
}

/* Everything in the directory must be of the log that the store holds. */
static enum mm_error
open_cosigned(struct mm_archive *archive)
{
	struct mm_tree tree = mm_store_tree(archive->store);
	struct mm_store_checkpoint stored;
	enum mm_error error = mm_store_newest(archive->store, &stored);

	if (error != MM_OK)
		return error;
	return mm_cosigned_open(archive->tiles, &archive->witnesses,
	    &archive->vkey, &tree, stored.size, &archive->cosigned);
}

static enum mm_error
open_store(struct mm_archive *archive)
{
	const struct mm_store_identity *identity;
	enum mm_error error =
	    mm_store_open_reader(archive->state, &archive->store);

	if (error != MM_OK)
		return error;
	identity = mm_store_identity(archive->store);
	error = mm_vkey_init(
	    &archive->vkey, mm_span_text(identity->origin), identity->log_key);
	if (error == MM_OK)
		error = mm_publisher_open(archive->tiles, archive->store,
		    &archive->vkey, &archive->publisher);
	if (error == MM_OK)
		error = open_cosigned(archive);
	if (error == MM_OK)
		error = publish_stored(archive);
	if (error == MM_OK)
		return MM_OK;
	mm_cosigned_close(mm_take(archive->cosigned));
	mm_publisher_close(mm_take(archive->publisher));
	mm_store_close(mm_take(archive->store));
	return error;
}

enum mm_error
mm_archive_ready(struct mm_archive *archive)
{
	enum mm_error error;

	if (archive->store != NULL)
		return MM_OK;
	error = open_store(archive);
	if (error == MM_E_NOT_FOUND)
		return mm_fail(MM_E_STARTING, "there is no log yet");
	return error;
}

static enum mm_error
run_publish(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	struct mm_archive *archive = self;
	const struct mm_archive_publish_request *in = request;
	enum mm_error error = mm_archive_ready(archive);

	(void)arena;
	(void)answer;
	if (error == MM_OK)
		error = publish(archive, in->note);
	return error == MM_OK ? mm_publisher_check(archive->publisher) : error;
}

static enum mm_error
run_cosign(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	struct mm_archive *archive = self;
	const struct mm_cosign_request *in = request;
	struct mm_cosign_answer *out = answer;
	struct mm_checkpoint checkpoint;
	struct mm_tree tree;
	enum mm_error error = mm_archive_ready(archive);

	(void)arena;
	if (error == MM_OK)
		error =
		    mm_checkpoint_open(in->note, &archive->vkey, &checkpoint);
	/* `cosigned` is never ahead of what the directory shows. */
	if (error == MM_OK && checkpoint.size <= archive->newest.size)
		error = mm_publisher_reach(archive->publisher, checkpoint.size);
	if (error != MM_OK)
		return error;
	tree = mm_store_tree(archive->store);
	error = mm_cosigned_take(
	    archive->cosigned, in->note, &tree, archive->newest.size);
	out->size = mm_cosigned_size(archive->cosigned);
	out->witnesses = mm_cosigned_count(archive->cosigned);
	return error;
}

static int
run_idle(void *self)
{
	struct mm_archive *archive = self;

	return archive->publisher != NULL
		   ? mm_publisher_step(archive->publisher)
		   : -1;
}

enum mm_error
mm_archive_open(
    const struct mm_archive_options *options, struct mm_archive **out)
{
	struct mm_archive *archive = calloc(1, sizeof(*archive));
	enum mm_error error;

	if (archive == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the archive");
	mm_buffer_init(&archive->note, MM_NOTE_MAX);
	archive->state = strdup(options->state);
	archive->tiles = strdup(options->tiles);
	archive->witnesses = options->witnesses;
	if (archive->state == NULL || archive->tiles == NULL)
		error = mm_fail(MM_E_MEMORY, "no memory for the archive");
	else
		error = open_store(archive);
	if (error != MM_OK && error != MM_E_NOT_FOUND &&
	    error != MM_E_STARTING) {
		mm_archive_close(archive);
		return error;
	}
	*out = archive;
	return MM_OK;
}

void
mm_archive_close(struct mm_archive *archive)
{
	if (archive == NULL)
		return;
	mm_publisher_close(archive->publisher);
	mm_cosigned_close(archive->cosigned);
	mm_store_close(archive->store);
	mm_buffer_clear(&archive->note);
	free(archive->state);
	free(archive->tiles);
	free(archive);
}

struct mm_service
mm_archive_service(struct mm_archive *archive)
{
	static const struct mm_call calls[] = {
	    {MM_ARCHIVE_PUBLISH, "publish", &mm_archive_publish_request_shape,
		&mm_nothing_shape, run_publish},
	    {MM_ARCHIVE_ENTRIES, "entries", &mm_archive_entries_request_shape,
		&mm_archive_entries_answer_shape, mm_archive_run_entries},
	    {MM_ARCHIVE_RECEIPT, "receipt", &mm_archive_receipt_request_shape,
		&mm_archive_receipt_answer_shape, mm_archive_run_receipt},
	    {MM_ARCHIVE_CONSISTENCY, "consistency",
		&mm_consistency_request_shape, &mm_consistency_answer_shape,
		mm_archive_run_consistency},
	    {MM_ARCHIVE_COSIGN, "cosign", &mm_cosign_request_shape,
		&mm_cosign_answer_shape, run_cosign},
	    {MM_ARCHIVE_BLOB, "blob", &mm_blob_request_shape,
		&mm_blob_answer_shape, mm_archive_run_blob}};

	return (struct mm_service){.name = "archive",
	    .calls = calls,
	    .count = MM_COUNT(calls),
	    .self = archive,
	    .idle = run_idle};
}
