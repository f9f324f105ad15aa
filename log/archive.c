#include "log/archive.h"

#include <string.h>

#include "log/publish.h"
#include "log/receipt.h"
#include "log/store.h"

enum {
	ENTRIES_BYTES = 120 << 10, /* of one answer */
	ENTRIES_MAX = 4096,
	ENTRY_HEAD = 3 /* CBOR's, before an entry's bytes */
};

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
	ENTRIES_MAX)};
MM_SHAPE(mm_archive_entries_answer_shape, mm_archive_entries_answer,
    entries_answer_fields);

static const struct mm_field receipt_request_fields[] = {
    MM_FIELD(mm_archive_receipt_request, 0, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_archive_receipt_request, 1, newest, MM_BOOL, 0, 1)};
MM_SHAPE(mm_archive_receipt_request_shape, mm_archive_receipt_request,
    receipt_request_fields);

static const struct mm_field receipt_answer_fields[] = {
    MM_FIELD(mm_archive_receipt_answer, 0, entry, MM_BYTES, 1, 65535),
    MM_FIELD(mm_archive_receipt_answer, 1, note, MM_BYTES, 1, MM_NOTE_MAX),
    MM_ANY(mm_archive_receipt_answer, 2, proof, &mm_hash_item_shape,
	MM_PROOF_MAX)};
MM_SHAPE(mm_archive_receipt_answer_shape, mm_archive_receipt_answer,
    receipt_answer_fields);

struct mm_archive {
	char *state, *tiles;
	struct mm_store *store; /* NULL until there is one (genesis) */
	struct mm_publisher *publisher;
	struct mm_vkey vkey;
	struct mm_checkpoint newest; /* published; size 0: none yet */
	struct mm_buffer note;       /* that of `newest` */
};

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
		error = publish_stored(archive);
	if (error == MM_OK)
		return MM_OK;
	mm_publisher_close(mm_take(archive->publisher));
	mm_store_close(mm_take(archive->store));
	return error;
}

/* At genesis the archive may be there before the log is. */
static enum mm_error
ready(struct mm_archive *archive)
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
	enum mm_error error = ready(archive);

	(void)arena;
	(void)answer;
	return error == MM_OK ? publish(archive, in->note) : error;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* As many of the entries up to `end` as fit; one at least. */
static enum mm_error
collect(struct mm_archive *archive, uint64_t end, struct mm_arena *arena,
    struct mm_archive_entries_answer *out)
{
	size_t most = (size_t)least(end - out->from, ENTRIES_MAX);
	struct mm_bytes_item *items =
	    mm_arena_alloc(arena, most * sizeof(*items));
	size_t bytes = 0;

	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for entries");
	out->entries.items = items;
	while (out->entries.count < most) {
		size_t i = out->entries.count;
		struct mm_span entry;
		enum mm_error error = mm_store_entry_checked(
		    archive->store, out->from + i, &entry);

		/* What is good before a damaged entry is given. */
		if (error != MM_OK)
			return i > 0 ? MM_OK : error;
		bytes += entry.size + ENTRY_HEAD;
		if (i > 0 && bytes > ENTRIES_BYTES)
			return MM_OK;
		items[i].value = mm_arena_copy(arena, entry);
		if (items[i].value.data == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for entries");
		out->entries.count++;
	}
	return MM_OK;
}

static enum mm_error
run_entries(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	struct mm_archive *archive = self;
	const struct mm_archive_entries_request *in = request;
	struct mm_archive_entries_answer *out = answer;
	struct mm_store_checkpoint newest;
	enum mm_error error = ready(archive);

	if (error == MM_OK)
		error = mm_store_newest(archive->store, &newest);
	if (error != MM_OK)
		return error;
	if (in->from > newest.size)
		return mm_fail(MM_E_NOT_FOUND, "the log has %llu entries",
		    (unsigned long long)newest.size);
	out->from = in->from;
	return collect(archive,
	    in->from + least(in->count, newest.size - in->from), arena, out);
}

/* The checkpoint that a receipt speaks of; its note is in the arena. */
static enum mm_error
choose_checkpoint(struct mm_archive *archive,
    const struct mm_archive_receipt_request *in, struct mm_arena *arena,
    uint64_t *size, struct mm_span *note)
{
	struct mm_store_checkpoint stored = {.size = archive->newest.size};
	struct mm_span chosen;
	enum mm_error error = MM_OK;

	if (in->index >= archive->newest.size)
		return mm_fail(MM_E_NOT_FOUND,
		    "the published log has %llu entries",
		    (unsigned long long)archive->newest.size);
	if (!in->newest)
		error = mm_store_covering(archive->store, in->index, &stored);
	if (error != MM_OK)
		return error;
	chosen = stored.size == archive->newest.size
		     ? mm_buffer_span(&archive->note)
		     : stored.note;
	if (chosen.size == 0)
		return mm_fail(MM_E_LOG_WRONG,
		    "the checkpoint of %llu entries has no note",
		    (unsigned long long)stored.size);
	*size = stored.size;
	*note = mm_arena_copy(arena, chosen);
	if (note->data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a receipt");
	return MM_OK;
}

/* Verified as its reader will: nothing damaged leaves the archive. */
static enum mm_error
verify(const struct mm_archive *archive, const struct mm_receipt *receipt)
{
	struct mm_checkpoint checkpoint;
	enum mm_error error = mm_receipt_verify(
	    receipt, &archive->vkey, receipt->entry, &checkpoint);

	if (error == MM_OK || error == MM_E_MEMORY)
		return error;
	return mm_fail(MM_E_LOG_WRONG, "the receipt of entry %llu: %s",
	    (unsigned long long)receipt->index, mm_why(error));
}

static enum mm_error
make_receipt(struct mm_archive *archive,
    const struct mm_archive_receipt_request *in, struct mm_arena *arena,
    struct mm_receipt *out)
{
	struct mm_tree tree = mm_store_tree(archive->store);
	uint64_t size = 0;
	struct mm_span entry;
	enum mm_error error =
	    choose_checkpoint(archive, in, arena, &size, &out->note);

	if (error == MM_OK)
		error =
		    mm_store_entry_checked(archive->store, in->index, &entry);
	if (error != MM_OK)
		return error;
	out->index = in->index;
	out->entry = mm_arena_copy(arena, entry);
	if (out->entry.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a receipt");
	return mm_tree_prove_inclusion(&tree, in->index, size, &out->proof);
}

static enum mm_error
run_receipt(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	struct mm_archive *archive = self;
	struct mm_archive_receipt_answer *out = answer;
	struct mm_receipt receipt;
	struct mm_span hashes;
	enum mm_error error = ready(archive);

	if (error == MM_OK)
		error = make_receipt(archive, request, arena, &receipt);
	if (error == MM_OK)
		error = verify(archive, &receipt);
	if (error != MM_OK)
		return error;
	hashes = mm_arena_copy(
	    arena, mm_span(receipt.proof.hashes,
		       receipt.proof.count * sizeof(receipt.proof.hashes[0])));
	if (hashes.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a receipt");
	out->entry = receipt.entry;
	out->note = receipt.note;
	out->proof = (struct mm_list){hashes.data, receipt.proof.count};
	return MM_OK;
}

static bool
run_idle(void *self)
{
	struct mm_archive *archive = self;

	return archive->publisher != NULL &&
	       mm_publisher_step(archive->publisher);
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
	if (archive->state == NULL || archive->tiles == NULL)
		error = mm_fail(MM_E_MEMORY, "no memory for the archive");
	else
		error = open_store(archive);
	if (error != MM_OK && error != MM_E_NOT_FOUND) {
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
		&mm_archive_entries_answer_shape, run_entries},
	    {MM_ARCHIVE_RECEIPT, "receipt", &mm_archive_receipt_request_shape,
		&mm_archive_receipt_answer_shape, run_receipt}};

	return (struct mm_service){.name = "archive",
	    .calls = calls,
	    .count = MM_COUNT(calls),
	    .self = archive,
	    .idle = run_idle};
}
