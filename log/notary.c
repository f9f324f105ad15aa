#include "log/notary.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "log/begin.h"
#include "protocol/date.h"
#include "protocol/message.h"

enum {
	AHEAD = 60,      /* seconds that an entry may be ahead of the clock */
	NOTE_SIZE = 512, /* a checkpoint with one signature; more than that */
	INCLUSION_SIZE = 16 + MM_NOTARY_LEVELS * (2 + MM_HASH_SIZE)
};

_Static_assert((MM_BATCH_ENTRIES + MM_BATCH_REFERENCES) * INCLUSION_SIZE +
		       NOTE_SIZE + 64 <=
		   MM_CHANNEL_MAX,
    "the answer to the largest batch must fit into one message");

static const struct mm_field open_answer_fields[] = {
    MM_FIELD(mm_notary_open_answer, 0, size, MM_UINT, 0, INT64_MAX),
    MM_OPTIONAL(mm_notary_open_answer, 1, note, MM_BYTES, 1, MM_NOTE_MAX),
    MM_FIELD(mm_notary_open_answer, 2, policy, MM_FIXED, 0, 32),
    MM_FIELD(mm_notary_open_answer, 3, time, MM_UINT, 0, INT64_MAX)};
MM_SHAPE(
    mm_notary_open_answer_shape, mm_notary_open_answer, open_answer_fields);

static const struct mm_field genesis_request_fields[] = {
    MM_FIELD(mm_notary_genesis_request, 0, origin, MM_TEXT, 1, MM_ORIGIN_MAX)};
MM_SHAPE(mm_notary_genesis_request_shape, mm_notary_genesis_request,
    genesis_request_fields);

static const struct mm_field genesis_answer_fields[] = {
    MM_FIELD(mm_notary_genesis_answer, 0, log_key, MM_FIXED, 0, 32)};
MM_SHAPE(mm_notary_genesis_answer_shape, mm_notary_genesis_answer,
    genesis_answer_fields);

static const struct mm_field blob_request_fields[] = {
    MM_FIELD(mm_notary_blob_request, 0, sha256, MM_FIXED, 0, 32),
    MM_FIELD(mm_notary_blob_request, 1, size, MM_UINT, 1, MM_BLOB_MAX),
    MM_FIELD(mm_notary_blob_request, 2, offset, MM_UINT, 0, MM_BLOB_MAX),
    MM_FIELD(mm_notary_blob_request, 3, data, MM_BYTES, 1, MM_CHUNK_MAX)};
MM_SHAPE(
    mm_notary_blob_request_shape, mm_notary_blob_request, blob_request_fields);

static const struct mm_field append_request_fields[] = {
    MM_FIELD(mm_notary_append_request, 0, size, MM_UINT, 0, INT64_MAX),
    MM_MANY(mm_notary_append_request, 1, entries, &mm_bytes_item_shape, 1,
	MM_BATCH_ENTRIES),
    MM_ANY(mm_notary_append_request, 2, references, &mm_uint_item_shape,
	MM_BATCH_REFERENCES)};
MM_SHAPE(mm_notary_append_request_shape, mm_notary_append_request,
    append_request_fields);

static const struct mm_field inclusion_fields[] = {
    MM_FIELD(mm_inclusion, 0, index, MM_UINT, 0, INT64_MAX),
    MM_ANY(mm_inclusion, 1, proof, &mm_hash_item_shape, MM_PROOF_MAX)};
MM_SHAPE(mm_inclusion_shape, mm_inclusion, inclusion_fields);

static const struct mm_field append_answer_fields[] = {
    MM_FIELD(mm_notary_append_answer, 0, first, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_notary_append_answer, 1, note, MM_BYTES, 1, MM_NOTE_MAX),
    MM_MANY(mm_notary_append_answer, 2, proofs, &mm_inclusion_shape, 1,
	MM_BATCH_ENTRIES),
    MM_ANY(mm_notary_append_answer, 3, references, &mm_inclusion_shape,
	MM_BATCH_REFERENCES)};
MM_SHAPE(mm_notary_append_answer_shape, mm_notary_append_answer,
    append_answer_fields);

uint64_t
mm_notary_size(const struct mm_notary *notary)
{
	return notary->growth.frontier.size;
}

static enum mm_error
tree_node(void *self, unsigned level, uint64_t n, struct mm_hash *out)
{
	struct mm_notary *notary = self;
	const struct mm_growth *growth = &notary->growth;
	uint64_t number = mm_store_number(level, n);
	struct mm_tree tree;

	if (number >= growth->first && number - growth->first < growth->count) {
		*out = growth->nodes[number - growth->first];
		return MM_OK;
	}
	tree = mm_store_tree(notary->store);
	return tree.node(tree.self, level, n, out);
}

struct mm_tree
mm_notary_tree(struct mm_notary *notary)
{
	return (struct mm_tree){tree_node, notary};
}

/* Signs the checkpoint of what is stored; the same bytes every time. */
enum mm_error
mm_notary_sign(struct mm_notary *notary)
{
	struct mm_checkpoint checkpoint = {.size = mm_notary_size(notary),
	    .root = mm_frontier_root(&notary->growth.frontier)};

	memcpy(checkpoint.origin, notary->vkey.name, sizeof(checkpoint.origin));
	mm_buffer_reset(&notary->note);
	return mm_checkpoint_sign(
	    &checkpoint, &notary->vkey, notary->key.secret, &notary->note);
}

enum mm_error
mm_notary_anchor(struct mm_notary *notary)
{
	struct mm_anchored next = {.size = mm_notary_size(notary),
	    .root = mm_frontier_root(&notary->growth.frontier),
	    .time = notary->tail.time};

	memcpy(next.log_key, notary->key.public_key, sizeof(next.log_key));
	return mm_anchor_move(notary->anchor, &next);
}

static enum mm_error
check_room(const struct mm_notary *notary, enum mm_reserve reserve)
{
	const uint64_t kept[] = {
	    [MM_RESERVE_NONE] = notary->reserve,
	    [MM_RESERVE_HALF] = notary->reserve / 2,
	    [MM_RESERVE_ALL] = 0,
	};
	struct statvfs info;
	uint64_t room;

	if (kept[reserve] == 0)
		return MM_OK;
	if (fstatvfs(notary->directory, &info) < 0)
		return mm_fail(MM_E_STORE, "cannot look at %s: %s",
		    notary->state, strerror(errno));
	room = (uint64_t)info.f_bavail * info.f_frsize;
	if (room < kept[reserve])
		return mm_fail(MM_E_DISK_FULL,
		    "the log's disk has %llu bytes left, %llu are kept for "
		    "signatures: make room and go on",
		    (unsigned long long)room,
		    (unsigned long long)notary->reserve);
	return MM_OK;
}

static enum mm_error
check_begun(const struct mm_notary *notary)
{
	if (notary->store == NULL)
		return mm_fail(MM_E_NOTARY_BATCH, "the log has no genesis yet");
	return mm_store_check_linked(notary->store);
}

static enum mm_error
check_limits(
    const struct mm_notary *notary, const struct mm_notary_append_request *in)
{
	uint64_t bytes = 0, after = mm_notary_size(notary) + in->entries.count;

	if (in->size != mm_notary_size(notary))
		return mm_fail(MM_E_NOTARY_BATCH,
		    "the batch is for a log of %llu entries; there are %llu",
		    (unsigned long long)in->size,
		    (unsigned long long)mm_notary_size(notary));
	for (mm_list_each(const struct mm_bytes_item, item, in->entries))
		bytes += item->value.size;
	if (in->entries.count == 0 || in->entries.count > MM_BATCH_ENTRIES ||
	    in->references.count > MM_BATCH_REFERENCES ||
	    bytes > MM_BATCH_BYTES || after > MM_NOTARY_SIZE_MAX)
		return mm_fail(MM_E_NOTARY_BATCH,
		    "%zu entries of %llu bytes are over a batch's limits",
		    in->entries.count, (unsigned long long)bytes);
	for (mm_list_each(const struct mm_uint_item, item, in->references))
		if (item->value >= after)
			return mm_fail(MM_E_NOTARY_BATCH,
			    "there is no entry %llu to refer to",
			    (unsigned long long)item->value);
	return MM_OK;
}

/* After an entry of the far future no other could follow, for ever. */
static enum mm_error
check_future(const struct mm_notary *notary, const struct mm_tail *tail)
{
	char ahead[MM_TIME_TEXT], clock[MM_TIME_TEXT];
	struct timespec now;

	if (tail->time == notary->tail.time)
		return MM_OK;
	clock_gettime(CLOCK_REALTIME, &now);
	if (tail->time <= (uint64_t)now.tv_sec + AHEAD)
		return MM_OK;
	mm_time_text(tail->time, ahead);
	mm_time_text((uint64_t)now.tv_sec, clock);
	return mm_fail(MM_E_NOTARY_TIME,
	    "the entry's time %s is ahead of the clock, %s", ahead, clock);
}

/* The blobs that the batch names, for the store to look for. */
struct naming {
	struct mm_store_named items[MM_BATCH_ENTRIES];
	size_t count;
};

static enum mm_error
check_entry(const struct mm_notary *notary, uint64_t index,
    struct mm_span bytes, struct mm_tail *tail, struct naming *naming)
{
	struct mm_store_named *named = &naming->items[naming->count];
	enum mm_error error = mm_admit_entry(&notary->vkey, index, bytes, tail);

	if (error == MM_OK)
		error = mm_entry_blob(bytes, &named->blob);
	if (error != MM_OK || named->blob.size == 0)
		return error;
	named->index = index;
	naming->count++;
	return MM_OK;
}

static enum mm_error
check_batch(const struct mm_notary *notary,
    const struct mm_notary_append_request *in, struct mm_tail *tail,
    struct naming *naming)
{
	uint64_t index = mm_notary_size(notary);
	enum mm_error error = check_begun(notary);

	if (error == MM_OK)
		error = check_limits(notary, in);
	if (error != MM_OK)
		return error;
	tail->reserve = MM_RESERVE_ALL;
	for (mm_list_each(const struct mm_bytes_item, item, in->entries)) {
		error = check_entry(notary, index++, item->value, tail, naming);
		if (error != MM_OK)
			return error;
	}
	error = check_future(notary, tail);
	if (error != MM_OK)
		return error;
	return check_room(notary, tail->reserve);
}

static enum mm_error
keep_node(void *self, unsigned level, uint64_t n, const struct mm_hash *hash)
{
	struct mm_growth *growth = self;

	(void)level;
	(void)n;
	if (growth->count == MM_GROWTH_NODES)
		return mm_fail(MM_E_BUG, "a batch completes too many subtrees");
	growth->nodes[growth->count++] = *hash;
	return MM_OK;
}

static enum mm_error
grow(struct mm_growth *growth, const struct mm_list *entries)
{
	growth->first = mm_store_number(0, growth->frontier.size);
	growth->count = 0;
	for (mm_list_each(const struct mm_bytes_item, item, *entries)) {
		struct mm_hash leaf = mm_leaf_hash(item->value);
		enum mm_error error = mm_frontier_append(
		    &growth->frontier, &leaf, keep_node, growth);

		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

static enum mm_error
store_batch(struct mm_notary *notary, const struct mm_list *entries,
    const struct naming *naming, const struct mm_growth *growth)
{
	struct mm_store_batch batch = {.first = mm_notary_size(notary),
	    .entries = *entries,
	    .nodes = growth->nodes,
	    .node_count = growth->count,
	    .root = mm_frontier_root(&growth->frontier),
	    .note = mm_buffer_span(&notary->note),
	    .blobs = {naming->items, naming->count}};

	return mm_store_append(notary->store, &batch);
}

static enum mm_error
prove(struct mm_notary *notary, uint64_t index, struct mm_arena *arena,
    struct mm_inclusion *out)
{
	struct mm_tree tree = mm_notary_tree(notary);
	struct mm_proof proof;
	struct mm_span hashes;
	enum mm_error error = mm_tree_prove_inclusion(
	    &tree, index, mm_notary_size(notary), &proof);

	if (error != MM_OK)
		return error;
	hashes = mm_arena_copy(arena,
	    mm_span(proof.hashes, proof.count * sizeof(proof.hashes[0])));
	if (hashes.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a proof");
	out->index = index;
	out->proof = (struct mm_list){hashes.data, proof.count};
	return MM_OK;
}

/* Room for proofs, which are then made in place. */
static enum mm_error
new_proofs(size_t count, struct mm_arena *arena, struct mm_inclusion **items,
    struct mm_list *out)
{
	*items = mm_arena_alloc(arena, count * sizeof(**items));
	if (*items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the proofs");
	*out = (struct mm_list){*items, count};
	return MM_OK;
}

static enum mm_error
prove_all(struct mm_notary *notary, const struct mm_notary_append_request *in,
    struct mm_arena *arena, struct mm_inclusion *proofs,
    struct mm_inclusion *references)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < in->entries.count && error == MM_OK; i++)
		error = prove(notary, in->size + i, arena, &proofs[i]);
	for (size_t i = 0; i < in->references.count && error == MM_OK; i++)
		error = prove(notary,
		    mm_list_at(in->references, struct mm_uint_item, i)->value,
		    arena, &references[i]);
	return error;
}

static enum mm_error
answer_batch(struct mm_notary *notary,
    const struct mm_notary_append_request *in, struct mm_arena *arena,
    struct mm_notary_append_answer *out)
{
	struct mm_inclusion *proofs, *references;
	enum mm_error error =
	    new_proofs(in->entries.count, arena, &proofs, &out->proofs);

	if (error == MM_OK)
		error = new_proofs(
		    in->references.count, arena, &references, &out->references);
	if (error == MM_OK)
		error = mm_store_hold(notary->store);
	if (error != MM_OK)
		return error;
	error = prove_all(notary, in, arena, proofs, references);
	mm_store_release(notary->store);
	out->first = in->size;
	out->note = mm_buffer_span(&notary->note);
	return error;
}

/* DESIGN.md section 3: store, then checkpoint and anchor, then the answer. */
static enum mm_error
run_append(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	struct mm_notary *notary = self;
	const struct mm_notary_append_request *in = request;
	struct mm_growth next = notary->growth;
	struct mm_tail tail = notary->tail;
	struct naming naming = {.count = 0};
	enum mm_error error = check_batch(notary, in, &tail, &naming);

	if (error == MM_OK)
		error = grow(&next, &in->entries);
	if (error == MM_OK)
		error = store_batch(notary, &in->entries, &naming, &next);
	if (error != MM_OK)
		return error;
	notary->growth = next;
	notary->tail = tail;
	error = mm_notary_sign(notary);
	if (error == MM_OK)
		error = mm_notary_anchor(notary);
	if (error == MM_OK)
		error = answer_batch(notary, in, arena, answer);
	/* What is stored stays stored: only a new start can tell. */
	if (error != MM_OK)
		return mm_fail(
		    MM_E_STORE, "the batch is stored, but: %s", mm_why(error));
	return MM_OK;
}

/* DESIGN.md section 3: what is signed for is stored before it is named. */
static enum mm_error
run_blob(void *self, const void *request, struct mm_arena *arena, void *answer)
{
	struct mm_notary *notary = self;
	const struct mm_notary_blob_request *in = request;
	struct mm_blob blob = {.size = in->size};
	enum mm_error error = check_begun(notary);

	(void)arena;
	(void)answer;
	memcpy(blob.sha256, in->sha256, sizeof(blob.sha256));
	if (error == MM_OK)
		error = check_room(notary, MM_RESERVE_NONE);
	if (error == MM_OK)
		error = mm_store_put_blob(
		    notary->store, &blob, in->offset, in->data);
	return error;
}

static enum mm_error
run_open(void *self, const void *request, struct mm_arena *arena, void *answer)
{
	const struct mm_notary *notary = self;
	struct mm_notary_open_answer *out = answer;

	(void)request;
	(void)arena;
	out->size = mm_notary_size(notary);
	out->note = mm_buffer_span(&notary->note);
	out->time = notary->tail.time;
	memcpy(out->policy, notary->tail.policy, sizeof(out->policy));
	return MM_OK;
}

enum mm_error
mm_notary_open(const struct mm_notary_options *options, struct mm_notary **out)
{
	struct mm_notary *notary = calloc(1, sizeof(*notary));
	enum mm_error error;

	if (notary == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the notary");
	notary->directory = -1;
	notary->state = strdup(options->state);
	notary->anchor_directory = strdup(options->anchor);
	notary->key_directory = strdup(options->key);
	notary->reserve = options->reserve;
	notary->genesis = options->genesis;
	mm_buffer_init(&notary->note, MM_NOTE_MAX);
	if (notary->state == NULL || notary->anchor_directory == NULL ||
	    notary->key_directory == NULL)
		error = mm_fail(MM_E_MEMORY, "no memory for the notary");
	else
		error = mm_notary_start(notary);
	if (error != MM_OK) {
		mm_notary_close(notary);
		return error;
	}
	*out = notary;
	return MM_OK;
}

void
mm_notary_close(struct mm_notary *notary)
{
	if (notary == NULL)
		return;
	mm_store_close(notary->store);
	mm_anchor_close(notary->anchor);
	mm_log_key_clear(&notary->key);
	mm_buffer_clear(&notary->note);
	if (notary->directory >= 0)
		close(notary->directory);
	free(notary->state);
	free(notary->anchor_directory);
	free(notary->key_directory);
	free(notary);
}

/* A failure shows at the next batch: the store remembers it. */
static int
run_idle(void *self)
{
	struct mm_notary *notary = self;

	if (notary->store != NULL)
		mm_store_tidy(notary->store);
	return -1;
}

struct mm_service
mm_notary_service(struct mm_notary *notary)
{
	static const struct mm_call calls[] = {
	    {MM_NOTARY_OPEN, "open", &mm_nothing_shape,
		&mm_notary_open_answer_shape, run_open},
	    {MM_NOTARY_APPEND, "append", &mm_notary_append_request_shape,
		&mm_notary_append_answer_shape, run_append},
	    {MM_NOTARY_GENESIS, "genesis", &mm_notary_genesis_request_shape,
		&mm_notary_genesis_answer_shape, mm_notary_run_genesis},
	    {MM_NOTARY_BLOB, "blob", &mm_notary_blob_request_shape,
		&mm_nothing_shape, run_blob}};
	static const enum mm_error fatal[] = {
	    MM_E_STORE, MM_E_STATE, MM_E_LOG_WRONG, MM_OK};

	return (struct mm_service){.name = "notary",
	    .calls = calls,
	    .count = MM_COUNT(calls),
	    .self = notary,
	    .idle = run_idle,
	    .fatal = fatal};
}
