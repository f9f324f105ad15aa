/*
 * The Merkle tree of RFC 6962 section 2.1 (RFC 9162 section 2.1) over
 * SHA-256. A tree is seen through a source of the hashes of its complete
 * subtrees; nothing here stores anything.
 */
#ifndef MM_MERKLE_H
#define MM_MERKLE_H

#include "protocol/shape.h"

enum { MM_HASH_SIZE = 32, MM_PROOF_MAX = 63 };

struct mm_hash {
	uint8_t bytes[MM_HASH_SIZE];
};

struct mm_proof {
	struct mm_hash hashes[MM_PROOF_MAX];
	size_t count;
};

/* Gives the hash of the complete subtree `n` at `level` (2^level leaves). */
struct mm_tree {
	enum mm_error (*node)(
	    void *self, unsigned level, uint64_t n, struct mm_hash *out);
	void *self;
};

struct mm_hash mm_leaf_hash(struct mm_span entry);
struct mm_hash
mm_node_hash(const struct mm_hash *left, const struct mm_hash *right);
bool mm_hash_equal(const struct mm_hash *a, const struct mm_hash *b);

/* The root of the first `size` leaves; size 0 has RFC 6962's empty root. */
enum mm_error mm_tree_root(
    const struct mm_tree *tree, uint64_t size, struct mm_hash *out) mm_must_use;
/* RFC 6962 section 2.1.1, leaf side first; index < size. */
enum mm_error mm_tree_prove_inclusion(const struct mm_tree *tree,
    uint64_t index, uint64_t size, struct mm_proof *out) mm_must_use;
/* RFC 6962 section 2.1.2; older <= newer. */
enum mm_error mm_tree_prove_consistency(const struct mm_tree *tree,
    uint64_t older, uint64_t newer, struct mm_proof *out) mm_must_use;

/* RFC 9162 section 2.1.3.2; MM_E_PROOF. */
enum mm_error
mm_inclusion_check(const struct mm_hash *leaf, uint64_t index, uint64_t size,
    const struct mm_proof *proof, const struct mm_hash *root) mm_must_use;
/* RFC 9162 section 2.1.4.2; MM_E_PROOF. */
enum mm_error mm_consistency_check(uint64_t older, uint64_t newer,
    const struct mm_proof *proof, const struct mm_hash *older_root,
    const struct mm_hash *newer_root) mm_must_use;

/* The right edge of a growing tree: one hash per 1-bit of its size. */
struct mm_frontier {
	uint64_t size;
	struct mm_hash hashes[64]; /* largest subtree first */
	size_t count;
};
/* Told of each subtree that becomes complete, the leaf itself first. */
typedef enum mm_error (*mm_frontier_sink)(
    void *self, unsigned level, uint64_t n, const struct mm_hash *hash);
enum mm_error mm_frontier_append(struct mm_frontier *frontier,
    const struct mm_hash *leaf, mm_frontier_sink sink, void *self) mm_must_use;
struct mm_hash mm_frontier_root(const struct mm_frontier *frontier);
/* The frontier of the first `size` leaves of a tree. */
enum mm_error mm_frontier_load(const struct mm_tree *tree, uint64_t size,
    struct mm_frontier *out) mm_must_use;

/* Proofs in messages are lists of mm_hash_item. */
enum mm_error mm_proof_from_list(
    const struct mm_list *list, struct mm_proof *out) mm_must_use;
struct mm_list mm_proof_to_list(const struct mm_proof *proof);

#endif
