#include "log/merkle.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A proof's hashes and a message's list of them are the same bytes. */
static_assert(
    sizeof(struct mm_hash) == sizeof(struct mm_hash_item) &&
	offsetof(struct mm_hash, bytes) == offsetof(struct mm_hash_item, value),
    "mm_hash and mm_hash_item must have one layout");

/* RFC 6962 section 2.1: leaves and nodes can never be taken for each other. */
static const uint8_t leaf_prefix = 0, node_prefix = 1;

/* There is no going on without SHA-256, and no caller who could. */
static void
sure(int gnutls_result)
{
	if (gnutls_result < 0)
		abort();
}

struct mm_hash
mm_leaf_hash(struct mm_span entry)
{
	struct mm_hash hash;
	gnutls_hash_hd_t state;

	sure(gnutls_hash_init(&state, GNUTLS_DIG_SHA256));
	sure(gnutls_hash(state, &leaf_prefix, sizeof(leaf_prefix)));
	if (entry.size > 0)
		sure(gnutls_hash(state, entry.data, entry.size));
	gnutls_hash_deinit(state, hash.bytes);
	return hash;
}

/* In one call: a handle would cost as much again as these 65 bytes. */
struct mm_hash
mm_node_hash(const struct mm_hash *left, const struct mm_hash *right)
{
	uint8_t bytes[1 + 2 * MM_HASH_SIZE];
	struct mm_hash hash;

	bytes[0] = node_prefix;
	memcpy(bytes + 1, left->bytes, MM_HASH_SIZE);
	memcpy(bytes + 1 + MM_HASH_SIZE, right->bytes, MM_HASH_SIZE);
	sure(gnutls_hash_fast(
	    GNUTLS_DIG_SHA256, bytes, sizeof(bytes), hash.bytes));
	return hash;
}

static struct mm_hash
empty_root(void)
{
	struct mm_hash hash;

	sure(gnutls_hash_fast(GNUTLS_DIG_SHA256, "", 0, hash.bytes));
	return hash;
}

bool
mm_hash_equal(const struct mm_hash *a, const struct mm_hash *b)
{
	return memcmp(a->bytes, b->bytes, MM_HASH_SIZE) == 0;
}

/*
 * The hash of the leaves from `from` to before `to`, as RFC 6962 splits them:
 * `from` is a multiple of every power of two that fits into the range, so the
 * 1-bits of its length are its complete subtrees, the smallest at the right.
 */
static enum mm_error
range_hash(
    const struct mm_tree *tree, uint64_t from, uint64_t to, struct mm_hash *out)
{
	struct mm_hash all, one;
	bool begun = false;

	for (unsigned level = 0; from < to; level++) {
		uint64_t width = UINT64_C(1) << level;
		enum mm_error error;

		if (((to - from) & width) == 0)
			continue;
		to -= width;
		error = tree->node(tree->self, level, to >> level, &one);
		if (error != MM_OK)
			return error;
		all = begun ? mm_node_hash(&one, &all) : one;
		begun = true;
	}
	*out = all;
	return MM_OK;
}

static enum mm_error
size_ok(uint64_t size)
{
	if (size > INT64_MAX)
		return mm_fail(MM_E_RANGE, "a tree of %llu leaves is too large",
		    (unsigned long long)size);
	return MM_OK;
}

enum mm_error
mm_tree_root(const struct mm_tree *tree, uint64_t size, struct mm_hash *out)
{
	enum mm_error error = size_ok(size);

	if (error != MM_OK)
		return error;
	if (size == 0) {
		*out = empty_root();
		return MM_OK;
	}
	return range_hash(tree, 0, size, out);
}

/* The largest power of two below `size`, which is at least 2. */
static uint64_t
split(uint64_t size)
{
	return UINT64_C(1) << (63 - __builtin_clzll(size - 1));
}

/* A subtree: the leaves from `from` to before `to`. */
struct range {
	uint64_t from, to;
};

static enum mm_error
push(const struct mm_tree *tree, struct range range, struct mm_proof *proof)
{
	if (proof->count == MM_PROOF_MAX)
		return mm_fail(
		    MM_E_RANGE, "a proof has at most %d hashes", MM_PROOF_MAX);
	return range_hash(
	    tree, range.from, range.to, &proof->hashes[proof->count++]);
}

/* Goes down to the child that holds `leaf` and keeps the other one's hash. */
static enum mm_error
descend(const struct mm_tree *tree, uint64_t leaf, struct range *range,
    struct mm_proof *proof)
{
	uint64_t middle = range->from + split(range->to - range->from);
	struct range left = {range->from, middle}, right = {middle, range->to};
	bool go_left = leaf < middle;

	*range = go_left ? left : right;
	return push(tree, go_left ? right : left, proof);
}

/* Proofs are found from the root downwards and written from the leaf up. */
static void
reverse(const struct mm_proof *proof, struct mm_proof *out)
{
	for (size_t i = 0; i < proof->count; i++)
		out->hashes[i] = proof->hashes[proof->count - 1 - i];
	out->count = proof->count;
}

enum mm_error
mm_tree_prove_inclusion(const struct mm_tree *tree, uint64_t index,
    uint64_t size, struct mm_proof *out)
{
	struct mm_proof proof = {.count = 0};
	struct range range = {0, size};
	enum mm_error error = size_ok(size);

	if (error == MM_OK && index >= size)
		error = mm_fail(MM_E_RANGE,
		    "a tree of %llu leaves has no leaf %llu",
		    (unsigned long long)size, (unsigned long long)index);
	while (error == MM_OK && range.to - range.from > 1)
		error = descend(tree, index, &range, &proof);
	if (error == MM_OK)
		reverse(&proof, out);
	return error;
}

enum mm_error
mm_tree_prove_consistency(const struct mm_tree *tree, uint64_t older,
    uint64_t newer, struct mm_proof *out)
{
	struct mm_proof proof = {.count = 0};
	struct range range = {0, newer};
	enum mm_error error = size_ok(newer);

	if (error == MM_OK && older > newer)
		error = mm_fail(MM_E_RANGE, "%llu leaves are more than %llu",
		    (unsigned long long)older, (unsigned long long)newer);
	while (error == MM_OK && older > 0 && range.to != older)
		error = descend(tree, older - 1, &range, &proof);
	/* The whole older tree needs no hash: its root is known. */
	if (error == MM_OK && range.from > 0)
		error = push(tree, range, &proof);
	if (error == MM_OK)
		reverse(&proof, out);
	return error;
}

static enum mm_error
wrong(const char *why)
{
	return mm_fail(MM_E_PROOF, "the proof %s", why);
}

/* Where a node stands: its number and the last node's, at one level. */
struct place {
	uint64_t node, last;
};

static void
up(struct place *place)
{
	place->node >>= 1;
	place->last >>= 1;
}

/*
 * RFC 9162: whether the next hash of a proof stands at the left of `place`.
 * If so, the levels at which the node has no sibling are passed over.
 */
static bool
sibling_is_left(struct place *place)
{
	bool left = (place->node & 1) != 0 || place->node == place->last;

	while (left && (place->node & 1) == 0 && place->node != 0)
		up(place);
	up(place);
	return left;
}

enum mm_error
mm_inclusion_check(const struct mm_hash *leaf, uint64_t index, uint64_t size,
    const struct mm_proof *proof, const struct mm_hash *root)
{
	struct place place = {index, size - 1};
	struct mm_hash hash = *leaf;

	if (index >= size)
		return wrong("is of an entry that the tree does not have");
	for (size_t i = 0; i < proof->count; i++) {
		const struct mm_hash *next = &proof->hashes[i];

		if (place.last == 0)
			return wrong("is too long");
		hash = sibling_is_left(&place) ? mm_node_hash(next, &hash)
					       : mm_node_hash(&hash, next);
	}
	if (place.last != 0)
		return wrong("is too short");
	if (!mm_hash_equal(&hash, root))
		return wrong("leads to another root");
	return MM_OK;
}

/* 0 < older < newer, and the proof is not empty. */
static enum mm_error
growth_check(uint64_t older, uint64_t newer, const struct mm_proof *proof,
    const struct mm_hash *older_root, const struct mm_hash *newer_root)
{
	struct place place = {older - 1, newer - 1};
	/* A complete older tree is the first node: its root leads the proof. */
	bool complete = (older & (older - 1)) == 0;
	struct mm_hash before = complete ? *older_root : proof->hashes[0];
	struct mm_hash after = before;

	while ((place.node & 1) != 0)
		up(&place);
	for (size_t i = complete ? 0 : 1; i < proof->count; i++) {
		const struct mm_hash *next = &proof->hashes[i];

		if (place.last == 0)
			return wrong("is too long");
		if (!sibling_is_left(&place)) {
			after = mm_node_hash(&after, next);
			continue;
		}
		before = mm_node_hash(next, &before);
		after = mm_node_hash(next, &after);
	}
	if (place.last != 0)
		return wrong("is too short");
	if (!mm_hash_equal(&before, older_root))
		return wrong("leads to another older root: a fork");
	if (!mm_hash_equal(&after, newer_root))
		return wrong("leads to another newer root");
	return MM_OK;
}

enum mm_error
mm_consistency_check(uint64_t older, uint64_t newer,
    const struct mm_proof *proof, const struct mm_hash *older_root,
    const struct mm_hash *newer_root)
{
	if (older > newer)
		return wrong("goes from a larger tree to a smaller one");
	if (older > 0 && older < newer) {
		if (proof->count == 0)
			return wrong("is empty");
		return growth_check(
		    older, newer, proof, older_root, newer_root);
	}
	if (proof->count != 0)
		return wrong("is too long");
	if (older == newer && !mm_hash_equal(older_root, newer_root))
		return mm_fail(MM_E_PROOF,
		    "two trees of %llu leaves have two roots: a split view",
		    (unsigned long long)older);
	return MM_OK;
}

enum mm_error
mm_frontier_append(struct mm_frontier *frontier, const struct mm_hash *leaf,
    mm_frontier_sink sink, void *self)
{
	struct mm_hash hash = *leaf;
	size_t count = frontier->count;
	enum mm_error error = size_ok(frontier->size + 1);

	for (unsigned level = 0; error == MM_OK; level++) {
		uint64_t n = frontier->size >> level;

		if (sink != NULL)
			error = sink(self, level, n, &hash);
		/* A right child completes its parent; a left one waits. */
		if ((n & 1) == 0)
			break;
		hash = mm_node_hash(&frontier->hashes[--count], &hash);
	}
	if (error != MM_OK)
		return error;
	frontier->hashes[count] = hash;
	frontier->count = count + 1;
	frontier->size++;
	return MM_OK;
}

struct mm_hash
mm_frontier_root(const struct mm_frontier *frontier)
{
	struct mm_hash root;

	if (frontier->count == 0)
		return empty_root();
	root = frontier->hashes[frontier->count - 1];
	for (size_t i = frontier->count - 1; i > 0; i--)
		root = mm_node_hash(&frontier->hashes[i - 1], &root);
	return root;
}

enum mm_error
mm_frontier_load(
    const struct mm_tree *tree, uint64_t size, struct mm_frontier *out)
{
	struct mm_frontier frontier = {.size = size};
	enum mm_error error = size_ok(size);

	for (unsigned level = 63; level-- > 0 && error == MM_OK;) {
		uint64_t n = size >> level;

		/* The subtree stands left of those that end the size. */
		if ((n & 1) != 0)
			error = tree->node(tree->self, level, n - 1,
			    &frontier.hashes[frontier.count++]);
	}
	if (error == MM_OK)
		*out = frontier;
	return error;
}

enum mm_error
mm_proof_from_list(const struct mm_list *list, struct mm_proof *out)
{
	if (list->count > MM_PROOF_MAX)
		return mm_fail(MM_E_PROOF, "a proof of %zu hashes is too long",
		    list->count);
	if (list->count > 0)
		memcpy(out->hashes, list->items,
		    list->count * sizeof(out->hashes[0]));
	out->count = list->count;
	return MM_OK;
}

struct mm_list
mm_proof_to_list(const struct mm_proof *proof)
{
	return (struct mm_list){proof->hashes, proof->count};
}
