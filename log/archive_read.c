#include <string.h>

#include "log/archive_parts.h"
#include "log/receipt.h"
#include "protocol/message.h"

enum {
	ENTRIES_BYTES = 120 << 10, /* of one answer */
	ENTRY_HEAD = 3             /* CBOR's, before an entry's bytes */
};

/* A store that contradicts itself is nothing to go on signing with. */
static enum mm_error
watch(struct mm_archive *archive, enum mm_error error)
{
	if (error == MM_E_LOG_WRONG &&
	    mm_publisher_check(archive->publisher) == MM_OK)
		mm_publisher_distrust(archive->publisher, mm_why(error));
	return error;
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
	size_t most = (size_t)least(end - out->from, MM_ARCHIVE_ENTRIES_MAX);
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
		if (watch(archive, error) != MM_OK)
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
answer_entries(struct mm_archive *archive, const void *request,
    struct mm_arena *arena, void *answer)
{
	const struct mm_archive_entries_request *in = request;
	struct mm_archive_entries_answer *out = answer;
	struct mm_store_checkpoint newest;
	enum mm_error error = mm_store_newest(archive->store, &newest);

	if (error != MM_OK)
		return error;
	if (in->from > newest.size)
		return mm_fail(MM_E_NOT_FOUND, "the log has %llu entries",
		    (unsigned long long)newest.size);
	out->from = in->from;
	return collect(archive,
	    in->from + least(in->count, newest.size - in->from), arena, out);
}

/* A checkpoint that a receipt speaks of. */
struct chosen {
	uint64_t size;
	struct mm_span note;
};

static enum mm_error
choose_batch(struct mm_archive *archive,
    const struct mm_archive_receipt_request *in, struct chosen *out)
{
	struct mm_store_checkpoint stored;
	enum mm_error error = MM_E_NOT_FOUND;

	if (in->index < archive->newest.size)
		error = mm_store_covering(archive->store, in->index, &stored);
	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error != MM_OK)
		return error;
	out->size = stored.size;
	out->note = stored.size == archive->newest.size
			? mm_buffer_span(&archive->note)
			: stored.note;
	if (out->note.size == 0)
		return mm_fail(MM_E_LOG_WRONG,
		    "the checkpoint of %llu entries has no note",
		    (unsigned long long)stored.size);
	return MM_OK;
}

static enum mm_error
choose_newest(struct mm_archive *archive,
    const struct mm_archive_receipt_request *in, struct chosen *out)
{
	(void)in;
	out->size = archive->newest.size;
	out->note = mm_buffer_span(&archive->note);
	return MM_OK;
}

static enum mm_error
choose_cosigned(struct mm_archive *archive,
    const struct mm_archive_receipt_request *in, struct chosen *out)
{
	(void)in;
	out->size = mm_cosigned_size(archive->cosigned);
	out->note = mm_cosigned_note(archive->cosigned);
	return MM_OK;
}

/* One that has no note was never given out. */
static enum mm_error
choose_size(struct mm_archive *archive,
    const struct mm_archive_receipt_request *in, struct chosen *out)
{
	struct mm_store_checkpoint stored = {.size = 0};
	enum mm_error error = MM_E_NOT_FOUND;

	if (in->size == archive->newest.size)
		return choose_newest(archive, in, out);
	if (in->size > 0 && in->size < archive->newest.size)
		error =
		    mm_store_covering(archive->store, in->size - 1, &stored);
	if (error != MM_OK && error != MM_E_NOT_FOUND)
		return error;
	if (stored.size != in->size || stored.note.size == 0)
		return mm_fail(MM_E_NOT_FOUND,
		    "no checkpoint of %llu entries is stored (a restored log "
		    "has none of before)",
		    (unsigned long long)in->size);
	*out = (struct chosen){stored.size, stored.note};
	return MM_OK;
}

/* What each kind of checkpoint is called where it lacks the entry; size 0:
 * there is none. */
static const struct {
	enum mm_error (*choose)(struct mm_archive *archive,
	    const struct mm_archive_receipt_request *in, struct chosen *out);
	const char *name;
} choices[] = {
    [MM_AGAINST_BATCH] = {choose_batch, "newest published checkpoint"},
    [MM_AGAINST_NEWEST] = {choose_newest, "newest published checkpoint"},
    [MM_AGAINST_COSIGNED] = {choose_cosigned, "newest cosigned checkpoint"},
    [MM_AGAINST_SIZE] = {choose_size, "checkpoint of that size"}};

/* The checkpoint that a receipt speaks of; its note is in the arena. */
static enum mm_error
choose_checkpoint(struct mm_archive *archive,
    const struct mm_archive_receipt_request *in, struct mm_arena *arena,
    uint64_t *size, struct mm_span *note)
{
	struct chosen chosen = {.size = 0};
	enum mm_error error = choices[in->against].choose(archive, in, &chosen);

	if (error != MM_OK)
		return error;
	if (in->index >= chosen.size)
		return mm_fail(MM_E_NOT_FOUND, "entry %llu is not in the %s",
		    (unsigned long long)in->index, choices[in->against].name);
	*size = chosen.size;
	*note = mm_arena_copy(arena, chosen.note);
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
keep_proof(
    const struct mm_proof *proof, struct mm_arena *arena, struct mm_list *out)
{
	struct mm_span hashes = mm_arena_copy(arena,
	    mm_span(proof->hashes, proof->count * sizeof(proof->hashes[0])));

	if (hashes.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a proof");
	*out = (struct mm_list){hashes.data, proof->count};
	return MM_OK;
}

static enum mm_error
answer_receipt(struct mm_archive *archive, const void *request,
    struct mm_arena *arena, void *answer)
{
	struct mm_archive_receipt_answer *out = answer;
	struct mm_receipt receipt;
	enum mm_error error = make_receipt(archive, request, arena, &receipt);

	if (error == MM_OK)
		error = verify(archive, &receipt);
	if (watch(archive, error) != MM_OK)
		return error;
	out->entry = receipt.entry;
	out->note = receipt.note;
	return keep_proof(&receipt.proof, arena, &out->proof);
}

/* Checked as the asker will: a proof that does not hold never leaves. */
static enum mm_error
prove_growth(struct mm_archive *archive, uint64_t older, struct mm_proof *out)
{
	const struct mm_checkpoint *newest = &archive->newest;
	struct mm_tree tree = mm_store_tree(archive->store);
	struct mm_hash root;
	enum mm_error error = mm_tree_root(&tree, older, &root);

	if (error == MM_OK)
		error =
		    mm_tree_prove_consistency(&tree, older, newest->size, out);
	if (error != MM_OK)
		return error;
	error = mm_consistency_check(
	    older, newest->size, out, &root, &newest->root);
	if (error != MM_OK)
		return mm_fail(MM_E_LOG_WRONG,
		    "the tree does not lead from %llu entries to %llu: %s",
		    (unsigned long long)older, (unsigned long long)newest->size,
		    mm_why(error));
	return MM_OK;
}

static enum mm_error
answer_consistency(struct mm_archive *archive, const void *request,
    struct mm_arena *arena, void *answer)
{
	const struct mm_consistency_request *in = request;
	struct mm_consistency_answer *out = answer;
	struct mm_proof proof = {.count = 0};
	enum mm_error error;

	if (archive->newest.size == 0)
		return mm_fail(MM_E_STARTING, "nothing is published yet");
	if (in->older > archive->newest.size)
		return mm_fail(MM_E_BEHIND,
		    "you know %llu entries, this log has published %llu: it "
		    "was rolled back; keep what you have and tell its "
		    "operator",
		    (unsigned long long)in->older,
		    (unsigned long long)archive->newest.size);
	error = prove_growth(archive, in->older, &proof);
	if (watch(archive, error) != MM_OK)
		return error;
	out->checkpoint = mm_buffer_span(&archive->note);
	return keep_proof(&proof, arena, &out->proof);
}

static enum mm_error
answer_blob(struct mm_archive *archive, const void *request,
    struct mm_arena *arena, void *answer)
{
	const struct mm_blob_request *in = request;
	struct mm_blob_answer *out = answer;

	(void)arena;
	return watch(archive, mm_store_blob(archive->store, in->sha256,
				  in->offset, &out->size, &out->data));
}

typedef enum mm_error (*answerer)(struct mm_archive *archive,
    const void *request, struct mm_arena *arena, void *answer);

/* Each answer is of one state of the log. */
static enum mm_error
run(void *self, answerer answer_it, const void *request, struct mm_arena *arena,
    void *answer)
{
	struct mm_archive *archive = self;
	enum mm_error error = mm_archive_ready(archive);

	if (error == MM_OK)
		error = mm_store_hold(archive->store);
	if (error != MM_OK)
		return error;
	error = answer_it(archive, request, arena, answer);
	mm_store_release(archive->store);
	return error;
}

enum mm_error
mm_archive_run_entries(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	return run(self, answer_entries, request, arena, answer);
}

enum mm_error
mm_archive_run_receipt(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	return run(self, answer_receipt, request, arena, answer);
}

enum mm_error
mm_archive_run_consistency(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	return run(self, answer_consistency, request, arena, answer);
}

enum mm_error
mm_archive_run_blob(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	return run(self, answer_blob, request, arena, answer);
}
