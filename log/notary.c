#include "log/notary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "log/anchor.h"
#include "log/entry.h"
#include "log/key.h"
#include "log/store.h"

enum {
	LEVELS_MAX = 32, /* of a proof; the log holds 2^32 entries */
	/* Each entry makes its leaf and, on average, one subtree complete. */
	NODES_MAX = 2 * MM_BATCH_ENTRIES + 64,
	ENTRY_ARENA = 1 << 20,
	NOTE_SIZE = 512, /* a checkpoint with one signature; more than that */
	INCLUSION_SIZE = 16 + LEVELS_MAX * (2 + MM_HASH_SIZE)
};
#define LOG_SIZE_MAX (UINT64_C(1) << LEVELS_MAX)

_Static_assert((MM_BATCH_ENTRIES + MM_BATCH_REFERENCES) * INCLUSION_SIZE +
	    NOTE_SIZE + 64 <= MM_CHANNEL_MAX,
    "the answer to the largest batch must fit into one message");

static const struct mm_field open_answer_fields[] = {
    MM_FIELD(mm_notary_open_answer, 0, size, MM_UINT, 0, INT64_MAX),
    MM_OPTIONAL(mm_notary_open_answer, 1, note, MM_BYTES, 1, MM_NOTE_MAX),
    MM_FIELD(mm_notary_open_answer, 2, policy, MM_FIXED, 0, 32),
    MM_FIELD(mm_notary_open_answer, 3, time, MM_UINT, 0, INT64_MAX)};
MM_SHAPE(mm_notary_open_answer_shape, mm_notary_open_answer,
    open_answer_fields);

static const struct mm_field genesis_request_fields[] = {
    MM_FIELD(mm_notary_genesis_request, 0, origin, MM_TEXT, 1, MM_ORIGIN_MAX)};
MM_SHAPE(mm_notary_genesis_request_shape, mm_notary_genesis_request,
    genesis_request_fields);

static const struct mm_field genesis_answer_fields[] = {
    MM_FIELD(mm_notary_genesis_answer, 0, log_key, MM_FIXED, 0, 32)};
MM_SHAPE(mm_notary_genesis_answer_shape, mm_notary_genesis_answer,
    genesis_answer_fields);

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

/* The tree with its newest batch, whose nodes are still at hand. */
struct growth {
	struct mm_frontier frontier;
	uint64_t first; /* number of nodes[0] */
	struct mm_hash nodes[NODES_MAX];
	size_t count;
};

/* What the last entry says, which the next one is judged by. */
struct tail {
	uint64_t time;
	uint8_t policy[32];
};

struct mm_notary {
	char *state, *anchor_directory, *key_directory;
	uint64_t reserve;
	bool genesis; /* an empty state that may be begun */
	int directory;
	struct mm_log_key key;
	struct mm_vkey vkey;
	struct mm_store *store; /* NULL until genesis */
	struct mm_anchor *anchor;
	struct growth growth;
	struct tail tail;
	struct mm_buffer note; /* of the newest checkpoint; empty at size 0 */
};

static uint64_t
log_size(const struct mm_notary *notary)
{
	return notary->growth.frontier.size;
}

static enum mm_error
tree_node(void *self, unsigned level, uint64_t n, struct mm_hash *out)
{
	struct mm_notary *notary = self;
	const struct growth *growth = &notary->growth;
	uint64_t number = mm_store_number(level, n);
	struct mm_tree tree;

	if (number >= growth->first &&
	    number - growth->first < growth->count) {
		*out = growth->nodes[number - growth->first];
		return MM_OK;
	}
	tree = mm_store_tree(notary->store);
	return tree.node(tree.self, level, n, out);
}

static struct mm_tree
log_tree(struct mm_notary *notary)
{
	return (struct mm_tree){tree_node, notary};
}

/* Signs the checkpoint of what is stored; the same bytes every time. */
static enum mm_error
sign(struct mm_notary *notary)
{
	struct mm_checkpoint checkpoint = {.size = log_size(notary),
	    .root = mm_frontier_root(&notary->growth.frontier)};

	memcpy(checkpoint.origin, notary->vkey.name, sizeof(checkpoint.origin));
	mm_buffer_reset(&notary->note);
	return mm_checkpoint_sign(
	    &checkpoint, &notary->vkey, notary->key.secret, &notary->note);
}

static enum mm_error
move_anchor(struct mm_notary *notary)
{
	struct mm_anchored next = {.size = log_size(notary),
	    .root = mm_frontier_root(&notary->growth.frontier),
	    .time = notary->tail.time};

	memcpy(next.log_key, notary->key.public_key, sizeof(next.log_key));
	return mm_anchor_move(notary->anchor, &next);
}

/* --- one entry --- */

/* An entry that is being judged, with its body. */
struct candidate {
	struct mm_entry entry;
	const void *body;
	struct mm_span document; /* the policy that it brings, or empty */
};

static void
digest(struct mm_span bytes, uint8_t out[32])
{
	crypto_hash_sha256(out, bytes.data, bytes.size);
}

static struct mm_span
genesis_document(const void *body)
{
	return ((const struct mm_genesis *)body)->policy;
}

static struct mm_span
policy_document(const void *body)
{
	return ((const struct mm_policy_entry *)body)->policy;
}

/* Which kinds bring a policy, and which may use the last of the disk. */
static const struct rule {
	struct mm_span (*document)(const void *body);
	bool closing; /* ends what an earlier entry has begun */
} rules[MM_ENTRY_KINDS] = {
    [MM_ENTRY_GENESIS] = {genesis_document, false},
    [MM_ENTRY_POLICY] = {policy_document, false},
    [MM_ENTRY_SIGNATURES] = {NULL, true},
    [MM_ENTRY_VOID] = {NULL, true},
};

static enum mm_error
decode(struct mm_span bytes, struct mm_arena *arena, struct candidate *out)
{
	enum mm_error error = mm_entry_decode(bytes, arena, &out->entry);
	const struct rule *rule;
	const struct mm_shape *shape;
	void *body;

	if (error != MM_OK)
		return error;
	rule = &rules[out->entry.kind];
	shape = mm_entry_body_shape(out->entry.kind);
	body = mm_arena_alloc(arena, shape->size);
	if (body == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	error = mm_shape_decode(shape, out->entry.body, arena, body);
	if (error != MM_OK && error != MM_E_MEMORY)
		return mm_fail(MM_E_ENTRY, "no %s entry: %s", shape->name,
		    mm_why(error));
	out->body = body;
	if (rule->document != NULL)
		out->document = rule->document(body);
	return error;
}

/* Genesis is the first entry, there is one, and it speaks of this log. */
static enum mm_error
check_genesis(const struct mm_notary *notary, const struct candidate *candidate,
    uint64_t index)
{
	const struct mm_genesis *genesis = candidate->body;

	if ((candidate->entry.kind == MM_ENTRY_GENESIS) != (index == 0))
		return mm_fail(MM_E_ENTRY,
		    "genesis is the first entry, and no other is");
	if (index > 0)
		return MM_OK;
	if (!mm_span_is(genesis->origin, notary->vkey.name) ||
	    memcmp(genesis->log_key, notary->key.public_key,
		sizeof(genesis->log_key)) != 0)
		return mm_fail(MM_E_ENTRY, "genesis is of another log");
	return MM_OK;
}

static enum mm_error
check_policy(const struct candidate *candidate, const struct tail *tail)
{
	uint8_t wanted[32];

	memcpy(wanted, tail->policy, sizeof(wanted));
	if (candidate->document.size > 0)
		digest(candidate->document, wanted);
	if (memcmp(candidate->entry.policy, wanted, sizeof(wanted)) != 0)
		return mm_fail(MM_E_NOTARY_POLICY,
		    "a %s entry names a policy that is not the newest stored",
		    mm_entry_kind_name(candidate->entry.kind));
	return MM_OK;
}

/* Judges one entry and moves the tail on to it. */
static enum mm_error
check_entry(const struct mm_notary *notary, struct mm_span bytes,
    uint64_t index, struct tail *tail, bool *closing)
{
	mm_auto(arena) arena = {0};
	struct candidate candidate = {.body = NULL};
	const struct mm_entry *entry = &candidate.entry;
	enum mm_error error;

	mm_arena_init(&arena, ENTRY_ARENA);
	error = decode(bytes, &arena, &candidate);
	if (error == MM_OK)
		error = check_genesis(notary, &candidate, index);
	if (error == MM_OK)
		error = check_policy(&candidate, tail);
	if (error != MM_OK)
		return error;
	if (entry->time < tail->time)
		return mm_fail(MM_E_NOTARY_TIME,
		    "the entry's time %llu is before the last one's, %llu",
		    (unsigned long long)entry->time,
		    (unsigned long long)tail->time);
	tail->time = entry->time;
	memcpy(tail->policy, entry->policy, sizeof(tail->policy));
	*closing = *closing && rules[entry->kind].closing;
	return MM_OK;
}

/* --- one batch --- */

static enum mm_error
check_room(const struct mm_notary *notary)
{
	struct statvfs info;
	uint64_t room;

	if (fstatvfs(notary->directory, &info) < 0)
		return mm_fail(MM_E_STORE, "cannot look at %s: %s",
		    notary->state, strerror(errno));
	room = (uint64_t)info.f_bavail * info.f_frsize;
	if (room < notary->reserve)
		return mm_fail(MM_E_DISK_FULL,
		    "the log's disk has %llu bytes left, %llu are kept for "
		    "signatures: make room and go on",
		    (unsigned long long)room,
		    (unsigned long long)notary->reserve);
	return MM_OK;
}

static enum mm_error
check_limits(
    const struct mm_notary *notary, const struct mm_notary_append_request *in)
{
	uint64_t bytes = 0, after = log_size(notary) + in->entries.count;

	if (notary->store == NULL)
		return mm_fail(
		    MM_E_NOTARY_BATCH, "the log has no genesis yet");
	if (in->size != log_size(notary))
		return mm_fail(MM_E_NOTARY_BATCH,
		    "the batch is for a log of %llu entries; there are %llu",
		    (unsigned long long)in->size,
		    (unsigned long long)log_size(notary));
	for (mm_list_each(const struct mm_bytes_item, item, in->entries))
		bytes += item->value.size;
	if (in->entries.count == 0 || in->entries.count > MM_BATCH_ENTRIES ||
	    in->references.count > MM_BATCH_REFERENCES ||
	    bytes > MM_BATCH_BYTES || after > LOG_SIZE_MAX)
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

static enum mm_error
check_batch(const struct mm_notary *notary,
    const struct mm_notary_append_request *in, struct tail *tail)
{
	bool closing = true;
	uint64_t index = log_size(notary);
	enum mm_error error = check_limits(notary, in);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_bytes_item, item, in->entries)) {
		error = check_entry(
		    notary, item->value, index++, tail, &closing);
		if (error != MM_OK)
			return error;
	}
	return closing ? MM_OK : check_room(notary);
}

static enum mm_error
keep_node(void *self, unsigned level, uint64_t n, const struct mm_hash *hash)
{
	struct growth *growth = self;

	(void)level;
	(void)n;
	if (growth->count == NODES_MAX)
		return mm_fail(MM_E_BUG, "a batch completes too many subtrees");
	growth->nodes[growth->count++] = *hash;
	return MM_OK;
}

static enum mm_error
grow(struct growth *growth, const struct mm_list *entries)
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
    const struct growth *growth)
{
	struct mm_store_batch batch = {.first = log_size(notary),
	    .entries = *entries,
	    .nodes = growth->nodes,
	    .node_count = growth->count,
	    .root = mm_frontier_root(&growth->frontier),
	    .note = mm_buffer_span(&notary->note)};

	return mm_store_append(notary->store, &batch);
}

static enum mm_error
prove(struct mm_notary *notary, uint64_t index, struct mm_arena *arena,
    struct mm_inclusion *out)
{
	struct mm_tree tree = log_tree(notary);
	struct mm_proof proof;
	struct mm_span hashes;
	enum mm_error error = mm_tree_prove_inclusion(
	    &tree, index, log_size(notary), &proof);

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
new_proofs(
    size_t count, struct mm_arena *arena, struct mm_inclusion **items,
    struct mm_list *out)
{
	*items = mm_arena_alloc(arena, count * sizeof(**items));
	if (*items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the proofs");
	*out = (struct mm_list){*items, count};
	return MM_OK;
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
		error = new_proofs(in->references.count, arena, &references,
		    &out->references);
	for (size_t i = 0; i < in->entries.count && error == MM_OK; i++)
		error = prove(notary, in->size + i, arena, &proofs[i]);
	for (size_t i = 0; i < in->references.count && error == MM_OK; i++)
		error = prove(notary,
		    mm_list_at(in->references, struct mm_uint_item, i)->value,
		    arena, &references[i]);
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
	struct growth next = notary->growth;
	struct tail tail = notary->tail;
	enum mm_error error = check_batch(notary, in, &tail);

	if (error == MM_OK)
		error = grow(&next, &in->entries);
	if (error == MM_OK)
		error = store_batch(notary, &in->entries, &next);
	if (error != MM_OK)
		return error;
	notary->growth = next;
	notary->tail = tail;
	error = sign(notary);
	if (error == MM_OK)
		error = move_anchor(notary);
	if (error == MM_OK)
		error = answer_batch(notary, in, arena, answer);
	/* What is stored stays stored: only a new start can tell. */
	if (error != MM_OK)
		return mm_fail(MM_E_STORE, "the batch is stored, but: %s",
		    mm_why(error));
	return MM_OK;
}

static enum mm_error
run_open(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	const struct mm_notary *notary = self;
	struct mm_notary_open_answer *out = answer;

	(void)request;
	(void)arena;
	out->size = log_size(notary);
	out->note = mm_buffer_span(&notary->note);
	out->time = notary->tail.time;
	memcpy(out->policy, notary->tail.policy, sizeof(out->policy));
	return MM_OK;
}

/* --- genesis --- */

static bool
exists(const char *directory, const char *name)
{
	mm_autofree char *path = NULL;
	struct stat info;

	return asprintf(&path, "%s/%s", directory, name) < 0 ||
	    lstat(path, &info) == 0;
}

/* Locks and hidden files may be there already; nothing else. */
static bool
is_foreign(const char *name)
{
	size_t length = strlen(name);

	return name[0] != '.' &&
	    (length < 4 || strcmp(name + length - 4, "lock") != 0);
}

static enum mm_error
check_empty(const struct mm_notary *notary)
{
	DIR *directory = opendir(notary->state);
	struct dirent *found = NULL;
	enum mm_error error = MM_OK;

	if (directory == NULL)
		return mm_fail(MM_E_STATE, "cannot read %s: %s", notary->state,
		    strerror(errno));
	while (error == MM_OK && (found = readdir(directory)) != NULL)
		if (is_foreign(found->d_name))
			error = mm_fail(MM_E_STATE,
			    "a new log wants an empty directory; %s holds %s",
			    notary->state, found->d_name);
	closedir(directory);
	if (error == MM_OK && exists(notary->anchor_directory, "anchor"))
		error = mm_fail(MM_E_STATE, "%s holds the anchor of a log",
		    notary->anchor_directory);
	if (error == MM_OK && exists(notary->key_directory, "log.key"))
		error = mm_fail(MM_E_STATE, "%s holds the key of a log",
		    notary->key_directory);
	return error;
}

static enum mm_error
begin_log(struct mm_notary *notary, const struct mm_vkey *vkey)
{
	struct mm_store_identity identity;
	struct mm_anchored first = {
	    .root = mm_frontier_root(&notary->growth.frontier)};
	enum mm_error error;

	memcpy(identity.origin, vkey->name, sizeof(identity.origin));
	memcpy(identity.log_key, vkey->public_key, sizeof(identity.log_key));
	memcpy(first.log_key, vkey->public_key, sizeof(first.log_key));
	error = mm_store_create(notary->state, &identity, &notary->store);
	if (error == MM_OK)
		error = mm_anchor_create(
		    notary->anchor_directory, &first, &notary->anchor);
	return error;
}

static enum mm_error
run_genesis(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	struct mm_notary *notary = self;
	const struct mm_notary_genesis_request *in = request;
	struct mm_notary_genesis_answer *out = answer;
	static const uint8_t no_key[32];
	struct mm_vkey vkey;
	enum mm_error error;

	(void)arena;
	if (!notary->genesis)
		return mm_fail(
		    MM_E_UNKNOWN, "this log has its genesis already");
	/* The name is judged before anything is made. */
	error = mm_vkey_init(&vkey, in->origin, no_key);
	if (error != MM_OK)
		return error;
	notary->genesis = false;
	error = mm_log_key_create(notary->key_directory, &notary->key);
	if (error == MM_OK)
		error = mm_vkey_init(
		    &notary->vkey, in->origin, notary->key.public_key);
	if (error == MM_OK)
		error = begin_log(notary, &notary->vkey);
	if (error == MM_OK)
		memcpy(out->log_key, notary->key.public_key,
		    sizeof(out->log_key));
	return error;
}

/* --- start --- */

static enum mm_error
rolled_back(const struct mm_notary *notary, const char *what)
{
	return mm_fail(MM_E_ROLLBACK,
	    "%s: going on would fork the log, so nothing is signed. Put the "
	    "newest log.db with its -wal back into %s; where it is lost, end "
	    "this log and begin a new one with another origin and key",
	    what, notary->state);
}

/* Whose absence means what: a log is never begun anew by itself. */
static enum mm_error
open_parts(struct mm_notary *notary)
{
	enum mm_error anchor, store;

	anchor = mm_anchor_open(notary->anchor_directory, &notary->anchor);
	if (anchor != MM_OK && anchor != MM_E_NOT_FOUND)
		return anchor;
	store = mm_store_open(notary->state, &notary->store);
	if (store != MM_OK && store != MM_E_NOT_FOUND)
		return store;
	if (store != MM_OK && anchor != MM_OK)
		return mm_fail(MM_E_STATE,
		    "there is no log in %s: make one with mintmark quickstart "
		    "or mintmarkd --genesis",
		    notary->state);
	if (store != MM_OK)
		return rolled_back(notary, "log.db is gone, its anchor is not");
	if (anchor != MM_OK)
		return rolled_back(notary, "the anchor of log.db is gone");
	return mm_log_key_open(notary->key_directory, &notary->key);
}

static enum mm_error
check_identity(struct mm_notary *notary)
{
	const struct mm_store_identity *identity =
	    mm_store_identity(notary->store);
	const struct mm_anchored *anchored = mm_anchor_last(notary->anchor);
	const uint8_t *key = notary->key.public_key;

	if (memcmp(identity->log_key, key, sizeof(identity->log_key)) != 0)
		return mm_fail(MM_E_STATE, "log.key in %s is not the key of "
		    "log.db in %s", notary->key_directory, notary->state);
	if (memcmp(anchored->log_key, key, sizeof(anchored->log_key)) != 0)
		return mm_fail(MM_E_STATE,
		    "the anchor in %s is of another log",
		    notary->anchor_directory);
	return mm_vkey_init(
	    &notary->vkey, mm_span_text(identity->origin), key);
}

/* The right edge of the tree must lead to the root that was stored. */
static enum mm_error
load_tree(struct mm_notary *notary, const struct mm_store_checkpoint *newest)
{
	struct mm_tree tree = log_tree(notary);
	uint64_t count;
	struct mm_hash root;
	enum mm_error error = mm_store_count(notary->store, &count);

	if (error == MM_OK && (count != newest->size || count > LOG_SIZE_MAX))
		error = mm_fail(MM_E_LOG_WRONG,
		    "log.db has %llu entries and a checkpoint of %llu",
		    (unsigned long long)count,
		    (unsigned long long)newest->size);
	if (error == MM_OK)
		error = mm_frontier_load(
		    &tree, newest->size, &notary->growth.frontier);
	if (error != MM_OK)
		return error;
	root = mm_frontier_root(&notary->growth.frontier);
	if (newest->size > 0 && !mm_hash_equal(&root, &newest->root))
		return mm_fail(MM_E_LOG_WRONG,
		    "the tree in log.db does not lead to its checkpoint");
	return MM_OK;
}

static enum mm_error
check_anchor(struct mm_notary *notary)
{
	const struct mm_anchored *anchored = mm_anchor_last(notary->anchor);
	struct mm_tree tree = log_tree(notary);
	struct mm_hash root;
	char what[128];
	enum mm_error error;

	error = mm_tree_root(&tree, anchored->size, &root);
	if (error != MM_OK)
		return error;
	if (mm_hash_equal(&root, &anchored->root))
		return MM_OK;
	snprintf(what, sizeof(what),
	    "log.db had other entries when its anchor saw %llu of them",
	    (unsigned long long)anchored->size);
	return rolled_back(notary, what);
}

static enum mm_error
check_not_behind(
    struct mm_notary *notary, const struct mm_store_checkpoint *newest)
{
	uint64_t anchored = mm_anchor_last(notary->anchor)->size;
	char what[128];

	if (newest->size >= anchored)
		return MM_OK;
	snprintf(what, sizeof(what),
	    "log.db has %llu entries, but its anchor has seen %llu",
	    (unsigned long long)newest->size, (unsigned long long)anchored);
	return rolled_back(notary, what);
}

/* The last entries hash to their leaves; what the very last one says. */
static enum mm_error
load_tail(struct mm_notary *notary)
{
	uint64_t size = log_size(notary);
	uint64_t i = size > MM_BATCH_ENTRIES ? size - MM_BATCH_ENTRIES : 0;
	mm_auto(arena) arena = {0};
	struct candidate candidate = {.body = NULL};
	struct mm_span entry;
	enum mm_error error = MM_OK;

	mm_arena_init(&arena, ENTRY_ARENA);
	for (; i < size && error == MM_OK; i++)
		error = mm_store_entry_checked(notary->store, i, &entry);
	if (error != MM_OK || size == 0)
		return error;
	error = decode(entry, &arena, &candidate);
	if (error != MM_OK)
		return mm_fail(MM_E_LOG_WRONG, "the last entry: %s",
		    mm_why(error));
	notary->tail.time = candidate.entry.time;
	memcpy(notary->tail.policy, candidate.entry.policy,
	    sizeof(notary->tail.policy));
	return MM_OK;
}

static enum mm_error
check_first(struct mm_notary *notary)
{
	mm_auto(arena) arena = {0};
	struct candidate candidate = {.body = NULL};
	struct mm_span entry;
	enum mm_error error = mm_store_entry_checked(notary->store, 0, &entry);

	mm_arena_init(&arena, ENTRY_ARENA);
	if (error == MM_OK)
		error = decode(entry, &arena, &candidate);
	if (error == MM_OK)
		error = check_genesis(notary, &candidate, 0);
	if (error != MM_OK)
		return mm_fail(MM_E_LOG_WRONG, "the first entry: %s",
		    mm_why(error));
	return MM_OK;
}

/* The newest note, which a crash may have kept from the store. */
static enum mm_error
settle_note(struct mm_notary *notary)
{
	enum mm_error error = sign(notary);

	if (error != MM_OK)
		return error;
	error = mm_store_note(notary->store, log_size(notary),
	    mm_buffer_span(&notary->note));
	/* Then it comes with the next batch. */
	return error == MM_E_DISK_FULL ? MM_OK : error;
}

static enum mm_error
check_log(struct mm_notary *notary)
{
	struct mm_store_checkpoint newest;
	enum mm_error error = mm_store_newest(notary->store, &newest);

	if (error == MM_OK)
		error = check_not_behind(notary, &newest);
	if (error == MM_OK)
		error = load_tree(notary, &newest);
	if (error == MM_OK)
		error = check_anchor(notary);
	if (error == MM_OK)
		error = load_tail(notary);
	if (error == MM_OK && log_size(notary) > 0)
		error = check_first(notary);
	/* A crash between store and anchor leaves the anchor behind. */
	if (error == MM_OK)
		error = move_anchor(notary);
	if (error == MM_OK && log_size(notary) > 0)
		error = settle_note(notary);
	return error;
}

static enum mm_error
start(struct mm_notary *notary)
{
	enum mm_error error;

	notary->directory =
	    open(notary->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (notary->directory < 0)
		return mm_fail(MM_E_STATE, "cannot open %s: %s", notary->state,
		    strerror(errno));
	if (notary->genesis)
		return check_empty(notary);
	error = open_parts(notary);
	if (error == MM_OK)
		error = check_identity(notary);
	if (error == MM_OK)
		error = check_log(notary);
	return error;
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
		error = start(notary);
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
static bool
run_idle(void *self)
{
	struct mm_notary *notary = self;

	if (notary->store != NULL)
		mm_store_tidy(notary->store);
	return false;
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
		&mm_notary_genesis_answer_shape, run_genesis}};
	static const enum mm_error fatal[] = {
	    MM_E_STORE, MM_E_STATE, MM_E_LOG_WRONG, MM_OK};

	return (struct mm_service){.name = "notary",
	    .calls = calls,
	    .count = MM_COUNT(calls),
	    .self = notary,
	    .idle = run_idle,
	    .fatal = fatal};
}
