#include "cli/source.h"

#include <sodium.h>
#include <string.h>

#include "cli/source_parts.h"

enum {
	ARENA = 1 << 18,
	TRIES = 8 /* for two answers about one checkpoint of a busy log */
};

struct mm_source {
	const struct mm_source_backend *backend;
	void *self;
	struct mm_vkey vkey;
	struct mm_checkpoint checkpoint;
	struct mm_buffer note;
	/* The entries since the last jump, and all that is before them. */
	struct mm_frontier run;
	uint64_t begun; /* index of the run's first */
};

/* --- checkpoints --- */

/* A checkpoint and the proof that leads to it. */
struct mm_newer {
	struct mm_buffer note;
	struct mm_checkpoint checkpoint;
	struct mm_proof proof;
};

static void
mm_newer_clear(struct mm_newer *newer)
{
	mm_buffer_clear(&newer->note);
}

/* The newest checkpoint, proven to go through one that is known. */
static enum mm_error
ask_newest(struct mm_source *source, const struct mm_checkpoint *known,
    struct mm_newer *out)
{
	enum mm_error error;

	mm_buffer_clear(&out->note);
	mm_buffer_init(&out->note, MM_NOTE_MAX);
	error = source->backend->newest(
	    source->self, known->size, &out->note, &out->proof);
	if (error == MM_OK)
		error = mm_checkpoint_open(mm_buffer_span(&out->note),
		    &source->vkey, &out->checkpoint);
	if (error != MM_OK)
		return error;
	if (out->checkpoint.size < known->size)
		return mm_fail(MM_E_BEHIND,
		    "the checkpoint is of %llu entries; one of %llu was "
		    "signed before",
		    (unsigned long long)out->checkpoint.size,
		    (unsigned long long)known->size);
	if (out->checkpoint.size == known->size &&
	    !mm_hash_equal(&out->checkpoint.root, &known->root))
		return mm_fail(MM_E_FORK,
		    "the log signed two different checkpoints of %llu entries",
		    (unsigned long long)known->size);
	return known->size == 0
		   ? MM_OK
		   : mm_consistency_check(known->size, out->checkpoint.size,
			 &out->proof, &known->root, &out->checkpoint.root);
}

static bool
same(const struct mm_checkpoint *a, const struct mm_checkpoint *b)
{
	return a->size == b->size && mm_hash_equal(&a->root, &b->root);
}

static void
take(struct mm_source *source, struct mm_newer *newer)
{
	mm_buffer_clear(&source->note);
	source->note = newer->note;
	source->checkpoint = newer->checkpoint;
	newer->note = (struct mm_buffer){.max = 0};
}

static enum mm_error
advance(struct mm_source *source)
{
	mm_auto(newer) newer = {.proof = {.count = 0}};
	enum mm_error error = ask_newest(source, &source->checkpoint, &newer);

	if (error == MM_OK &&
	    (newer.checkpoint.size > source->checkpoint.size ||
		source->checkpoint.size == 0))
		take(source, &newer);
	return error;
}

enum mm_error
mm_source_consistency(
    struct mm_source *source, uint64_t older, struct mm_proof *proof)
{
	for (int i = 0; i < TRIES; i++) {
		mm_auto(buffer) note = {0};
		struct mm_checkpoint checkpoint;
		enum mm_error error = advance(source);

		mm_buffer_init(&note, MM_NOTE_MAX);
		if (error == MM_OK && older > source->checkpoint.size)
			error = mm_fail(MM_E_BEHIND,
			    "the log has %llu entries; it had %llu before",
			    (unsigned long long)source->checkpoint.size,
			    (unsigned long long)older);
		if (error == MM_OK)
			error = source->backend->newest(
			    source->self, older, &note, proof);
		if (error == MM_OK)
			error = mm_checkpoint_open(
			    mm_buffer_span(&note), &source->vkey, &checkpoint);
		if (error != MM_OK || same(&checkpoint, &source->checkpoint))
			return error;
	}
	return mm_fail(
	    MM_E_BUSY, "the log grows too fast to compare its checkpoints");
}

/* --- opening --- */

static enum mm_error
open_backend(
    const struct mm_invocation *invocation, size_t at, struct mm_source *source)
{
	const char *key = mm_option(invocation, "key");
	const char *directory =
	    invocation->operand_count > at ? invocation->operands[at] : NULL;
	bool online = mm_option(invocation, "identity") != NULL;

	if (online == (directory != NULL) ||
	    (directory != NULL) != (key != NULL))
		return mm_fail(MM_E_USAGE,
		    "say --identity alone, or --key and a directory");
	source->backend = online ? &mm_source_appliance_backend
				 : &mm_source_directory_backend;
	return online ? mm_source_appliance(
			    invocation, &source->vkey, &source->self)
		      : mm_source_directory(
			    directory, key, &source->vkey, &source->self);
}

enum mm_error
mm_source_open(
    const struct mm_invocation *invocation, size_t at, struct mm_source **out)
{
	struct mm_source *source = calloc(1, sizeof(*source));
	enum mm_error error;

	if (source == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to read the log");
	error = open_backend(invocation, at, source);
	if (error == MM_OK)
		error = advance(source);
	if (error != MM_OK) {
		mm_source_close(source);
		return error;
	}
	*out = source;
	return MM_OK;
}

void
mm_source_close(struct mm_source *source)
{
	if (source == NULL)
		return;
	if (source->self != NULL)
		source->backend->close(source->self);
	mm_buffer_clear(&source->note);
	free(source);
}

const struct mm_vkey *
mm_source_vkey(const struct mm_source *source)
{
	return &source->vkey;
}

const struct mm_checkpoint *
mm_source_checkpoint(const struct mm_source *source)
{
	return &source->checkpoint;
}

struct mm_span
mm_source_note(const struct mm_source *source)
{
	return mm_buffer_span(&source->note);
}

/* --- receipts --- */

struct mm_proven {
	struct mm_buffer text;
	struct mm_arena arena;
	struct mm_receipt receipt;
	struct mm_checkpoint checkpoint;
};

static void
mm_proven_clear(struct mm_proven *proven)
{
	mm_buffer_clear(&proven->text);
	mm_arena_clear(&proven->arena);
}

static enum mm_error
past_the_end(const struct mm_source *source, uint64_t index)
{
	return mm_fail(MM_E_NOT_FOUND,
	    "the log has %llu entries, and none with index %llu",
	    (unsigned long long)source->checkpoint.size,
	    (unsigned long long)index);
}

static void
begin_proven(struct mm_proven *out)
{
	mm_buffer_init(&out->text, MM_RECEIPT_MAX);
	mm_arena_init(&out->arena, ARENA);
}

/* The receipt that came as text: of this entry, under the log's key. */
static enum mm_error
read_proven(struct mm_source *source, uint64_t index, struct mm_proven *out)
{
	enum mm_error error = mm_receipt_decode(
	    mm_buffer_span(&out->text), &out->arena, &out->receipt);

	if (error == MM_OK && out->receipt.index != index)
		error = mm_fail(MM_E_RECEIPT,
		    "the receipt is of entry %llu, not %llu",
		    (unsigned long long)out->receipt.index,
		    (unsigned long long)index);
	if (error == MM_OK)
		error = mm_receipt_verify(&out->receipt, &source->vkey,
		    mm_span(NULL, 0), &out->checkpoint);
	if (error == MM_E_PROOF)
		error = mm_fail(error,
		    "entry %llu, or the hashes beside it, are not those of the "
		    "checkpoint",
		    (unsigned long long)index);
	return error;
}

static enum mm_error
prove_under(struct mm_source *source, uint64_t index, struct mm_span note,
    const struct mm_checkpoint *under, struct mm_proven *out)
{
	enum mm_error error;

	begin_proven(out);
	if (index >= under->size)
		return mm_fail(MM_E_NOT_FOUND,
		    "the checkpoint has %llu entries, and none with index %llu",
		    (unsigned long long)under->size, (unsigned long long)index);
	error = source->backend->receipt_under(
	    source->self, index, under->size, note, &out->text);
	if (error == MM_OK)
		error = read_proven(source, index, out);
	if (error == MM_OK && !same(&out->checkpoint, under))
		error = mm_fail(MM_E_FORK,
		    "the log proves entry %llu against another checkpoint than "
		    "the one of %llu entries that was asked for",
		    (unsigned long long)index, (unsigned long long)under->size);
	return error;
}

/*
 * The left side of a verified inclusion proof is the right edge of the tree
 * of all entries before it: a hash for each 1-bit of the index (RFC 9162
 * 2.1.3.2), the smallest subtree first.
 */
static enum mm_error
left_side(
    const struct mm_receipt *receipt, uint64_t size, struct mm_frontier *out)
{
	uint64_t fn = receipt->index, sn = size - 1;
	struct mm_frontier frontier = {.size = receipt->index};
	const struct mm_proof *proof = &receipt->proof;
	size_t left = (size_t)__builtin_popcountll(receipt->index), at = left;

	for (size_t i = 0; i < proof->count; i++) {
		if ((fn & 1) != 0 || fn == sn) {
			if (at == 0)
				return mm_fail(MM_E_PROOF,
				    "the proof has too many hashes");
			frontier.hashes[--at] = proof->hashes[i];
			for (; (fn & 1) == 0 && fn != 0; sn >>= 1)
				fn >>= 1;
		}
		fn >>= 1;
		sn >>= 1;
	}
	if (at != 0)
		return mm_fail(MM_E_PROOF, "the proof has too few hashes");
	frontier.count = left;
	*out = frontier;
	return MM_OK;
}

/* --- one checkpoint and another --- */

struct noted {
	const struct mm_checkpoint *checkpoint;
	struct mm_span note;
};

/*
 * What the entry after the older one's last has on its left under the newer
 * is the older tree. MM_E_NOT_FOUND where the newer one is not to be had.
 */
static enum mm_error
check_prefix(struct mm_source *source, const struct mm_checkpoint *older,
    const struct noted *newer)
{
	mm_auto(proven) proven = {.receipt = {.index = 0}};
	struct mm_frontier edge;
	struct mm_hash root;
	enum mm_error error;

	if (older->size == 0)
		return MM_OK;
	error = prove_under(
	    source, older->size, newer->note, newer->checkpoint, &proven);
	if (error == MM_OK)
		error =
		    left_side(&proven.receipt, newer->checkpoint->size, &edge);
	if (error != MM_OK)
		return error;
	root = mm_frontier_root(&edge);
	return mm_hash_equal(&root, &older->root)
		   ? MM_OK
		   : mm_fail(MM_E_FORK,
			 "the first %llu of %llu entries have another root "
			 "than the checkpoint of that size",
			 (unsigned long long)older->size,
			 (unsigned long long)newer->checkpoint->size);
}

/* Both are prefixes of one and the same checkpoint, which a log that grows
 * fast may not show twice. */
static enum mm_error
relate_by_newest(struct mm_source *source, const struct mm_checkpoint *other)
{
	for (int i = 0; i < TRIES; i++) {
		mm_auto(newer) ours = {.proof = {.count = 0}};
		mm_auto(newer) theirs = {.proof = {.count = 0}};
		enum mm_error error;

		error = ask_newest(source, &source->checkpoint, &ours);
		if (error == MM_OK)
			error = ask_newest(source, other, &theirs);
		if (error != MM_OK)
			return error;
		if (same(&ours.checkpoint, &theirs.checkpoint))
			return MM_OK;
	}
	return mm_fail(
	    MM_E_BUSY, "the log grows too fast to compare its checkpoints");
}

static enum mm_error
relate(struct mm_source *source, const struct noted *other)
{
	const struct noted ours = {&source->checkpoint, mm_source_note(source)};
	bool newer = other->checkpoint->size > ours.checkpoint->size;
	const struct mm_checkpoint *older =
	    newer ? ours.checkpoint : other->checkpoint;
	enum mm_error error;

	if (same(other->checkpoint, ours.checkpoint))
		return MM_OK;
	if (other->checkpoint->size == ours.checkpoint->size)
		return mm_fail(MM_E_FORK,
		    "the log signed two different checkpoints of %llu entries",
		    (unsigned long long)ours.checkpoint->size);
	error = check_prefix(source, older, newer ? other : &ours);
	return error == MM_E_NOT_FOUND
		   ? relate_by_newest(source, other->checkpoint)
		   : error;
}

/* Against our checkpoint where that one is still to be had, so that a log
 * that grows meanwhile disturbs nobody. */
static enum mm_error
ask_receipt(struct mm_source *source, uint64_t index, bool cosigned,
    struct mm_buffer *out)
{
	enum mm_error error = MM_E_NOT_FOUND;

	if (!cosigned)
		error = source->backend->receipt_under(source->self, index,
		    source->checkpoint.size, mm_source_note(source), out);
	return error == MM_E_NOT_FOUND ? source->backend->receipt(
					     source->self, index, cosigned, out)
				       : error;
}

static enum mm_error
prove(struct mm_source *source, uint64_t index, bool cosigned,
    struct mm_proven *out)
{
	enum mm_error error;

	begin_proven(out);
	if (index >= source->checkpoint.size)
		return past_the_end(source, index);
	error = ask_receipt(source, index, cosigned, &out->text);
	if (error == MM_OK)
		error = read_proven(source, index, out);
	return error == MM_OK
		   ? relate(source, &(const struct noted){&out->checkpoint,
					out->receipt.note})
		   : error;
}

enum mm_error
mm_source_receipt(struct mm_source *source, uint64_t index, bool cosigned,
    struct mm_buffer *out)
{
	mm_auto(proven) proven = {.receipt = {.index = 0}};
	enum mm_error error = prove(source, index, cosigned, &proven);

	if (error != MM_OK)
		return error;
	mm_buffer_add(out, proven.text.data, proven.text.size);
	return out->error;
}

enum mm_error
mm_source_receipt_under(struct mm_source *source, uint64_t index,
    struct mm_span note, struct mm_buffer *out)
{
	mm_auto(proven) proven = {.receipt = {.index = 0}};
	struct mm_checkpoint under;
	enum mm_error error = mm_checkpoint_open(note, &source->vkey, &under);

	if (error == MM_OK)
		error = prove_under(source, index, note, &under, &proven);
	if (error != MM_OK)
		return error;
	mm_buffer_add(out, proven.text.data, proven.text.size);
	return out->error;
}

enum mm_error
mm_source_has(struct mm_source *source, const struct mm_checkpoint *seen)
{
	const struct mm_checkpoint *now = &source->checkpoint;
	struct mm_frontier edge;
	struct mm_hash root = now->root;
	enum mm_error error = MM_OK;

	if (now->size < seen->size)
		return mm_fail(MM_E_BEHIND,
		    "the log has %llu entries here, and %llu in the checkpoint",
		    (unsigned long long)now->size,
		    (unsigned long long)seen->size);
	if (now->size > seen->size) {
		error = mm_source_edge(source, seen->size, &edge);
		if (error != MM_OK)
			return error;
		root = mm_frontier_root(&edge);
	}
	return mm_hash_equal(&root, &seen->root)
		   ? MM_OK
		   : mm_fail(MM_E_FORK,
			 "the first %llu entries of the log have another root "
			 "than the checkpoint",
			 (unsigned long long)seen->size);
}

/* It is what the receipt of genesis ends with. */
enum mm_error
mm_source_cosigned(
    struct mm_source *source, struct mm_buffer *note, struct mm_checkpoint *out)
{
	mm_auto(proven) proven = {.receipt = {.index = 0}};
	enum mm_error error = prove(source, 0, true, &proven);

	if (error != MM_OK)
		return error;
	mm_buffer_add(note, proven.receipt.note.data, proven.receipt.note.size);
	*out = proven.checkpoint;
	return note->error;
}

/* --- runs --- */

enum mm_error
mm_source_edge(
    struct mm_source *source, uint64_t index, struct mm_frontier *out)
{
	mm_auto(proven) proven = {.receipt = {.index = 0}};
	enum mm_error error = prove(source, index, false, &proven);

	return error == MM_OK
		   ? left_side(&proven.receipt, proven.checkpoint.size, out)
		   : error;
}

static bool
same_edge(const struct mm_frontier *a, const struct mm_frontier *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!mm_hash_equal(&a->hashes[i], &b->hashes[i]))
			return false;
	return a->count == b->count;
}

enum mm_error
mm_source_check(struct mm_source *source, const struct mm_frontier *edge)
{
	const struct mm_checkpoint *checkpoint = &source->checkpoint;
	struct mm_frontier theirs;
	struct mm_hash root;
	enum mm_error error;
	bool right;

	if (edge->size > checkpoint->size)
		return mm_fail(MM_E_BEHIND,
		    "the log has %llu entries, not %llu",
		    (unsigned long long)checkpoint->size,
		    (unsigned long long)edge->size);
	if (edge->size == checkpoint->size) {
		root = mm_frontier_root(edge);
		right = mm_hash_equal(&root, &checkpoint->root);
	} else {
		error = mm_source_edge(source, edge->size, &theirs);
		if (error != MM_OK)
			return error;
		right = same_edge(edge, &theirs);
	}
	return right ? MM_OK
		     : mm_fail(MM_E_LOG_WRONG,
			   "the first %llu entries are not those of the "
			   "checkpoint",
			   (unsigned long long)edge->size);
}

enum mm_error
mm_source_settle(struct mm_source *source)
{
	struct mm_frontier run = source->run;
	uint64_t begun = source->begun;
	enum mm_error error;

	source->run = (struct mm_frontier){.size = 0};
	source->begun = 0;
	if (run.size == begun)
		return MM_OK;
	error = mm_source_check(source, &run);
	if (error != MM_E_LOG_WRONG)
		return error;
	return mm_fail(error,
	    "the entries %llu to %llu are not those of the checkpoint",
	    (unsigned long long)begun, (unsigned long long)run.size - 1);
}

static enum mm_error
begin_run(struct mm_source *source, uint64_t index)
{
	enum mm_error error = mm_source_settle(source);

	if (error == MM_OK && index > 0)
		error = mm_source_edge(source, index, &source->run);
	source->begun = source->run.size;
	return error;
}

enum mm_error
mm_source_entry(struct mm_source *source, uint64_t index, struct mm_span *out)
{
	struct mm_hash leaf;
	struct mm_span entry;
	enum mm_error error = MM_OK;

	if (index >= source->checkpoint.size)
		return past_the_end(source, index);
	if (index != source->run.size || index == 0)
		error = begin_run(source, index);
	if (error == MM_OK)
		error = source->backend->entry(
		    source->self, index, source->checkpoint.size, &entry);
	if (error != MM_OK)
		return error;
	leaf = mm_leaf_hash(entry);
	error = mm_frontier_append(&source->run, &leaf, NULL, NULL);
	if (error == MM_OK)
		*out = entry;
	return error;
}

enum mm_error
mm_source_blob(
    struct mm_source *source, const struct mm_blob *blob, struct mm_buffer *out)
{
	size_t before = out->size;
	uint8_t sha256[32];
	enum mm_error error = source->backend->blob(source->self, blob, out);

	if (error != MM_OK)
		return error;
	crypto_hash_sha256(sha256, out->data + before, out->size - before);
	if (out->size - before != blob->size ||
	    memcmp(sha256, blob->sha256, sizeof(sha256)) != 0)
		return mm_fail(MM_E_BLOB,
		    "the blob is not of the SHA-256 that its entry names");
	return MM_OK;
}
