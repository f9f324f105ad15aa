#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/tlog_vectors.h"

enum { BIG = 70000, LEVELS = 17 };

/* A whole tree in memory, as the frontier tells of it. */
struct forest {
	struct mm_hash *levels[LEVELS];
	struct mm_frontier frontier;
	uint64_t calls, fail_at; /* the call that fails; 0: none */
};

static enum mm_error
keep(void *self, unsigned level, uint64_t n, const struct mm_hash *hash)
{
	struct forest *forest = self;

	if (++forest->calls == forest->fail_at)
		return MM_E_STORE;
	assert_true(level < LEVELS);
	forest->levels[level][n] = *hash;
	return MM_OK;
}

static enum mm_error
give(void *self, unsigned level, uint64_t n, struct mm_hash *out)
{
	struct forest *forest = self;

	if (++forest->calls == forest->fail_at)
		return MM_E_STORE;
	assert_true(level < LEVELS);
	assert_true(((n + 1) << level) <= forest->frontier.size);
	*out = forest->levels[level][n];
	return MM_OK;
}

static void
forest_init(struct forest *forest)
{
	*forest = (struct forest){.calls = 0};
	for (unsigned level = 0; level < LEVELS; level++) {
		forest->levels[level] =
		    calloc(((size_t)BIG >> level) + 1, sizeof(struct mm_hash));
		assert_non_null(forest->levels[level]);
	}
}

static void
forest_clear(struct forest *forest)
{
	for (unsigned level = 0; level < LEVELS; level++)
		free(forest->levels[level]);
}

static void
forest_add(struct forest *forest, struct mm_span entry)
{
	struct mm_hash leaf = mm_leaf_hash(entry);

	assert_int_equal(
	    mm_frontier_append(&forest->frontier, &leaf, keep, forest), MM_OK);
}

static void
forest_grow(struct forest *forest, uint64_t size)
{
	char buffer[32];

	while (forest->frontier.size < size)
		forest_add(forest, vector_entry(forest->frontier.size, buffer));
}

static void
proof_equal(const struct mm_proof *a, const struct mm_proof *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++)
		assert_hash(a->hashes[i], b->hashes[i]);
}

static void
inclusion_matches(const struct mm_tree *tree, const json_t *vector)
{
	uint64_t index = number_of(vector, "index");
	uint64_t size = number_of(vector, "size");
	struct mm_hash leaf = hash_of(vector, "leaf_hash");
	struct mm_hash root = hash_of(vector, "root");
	struct mm_proof given = proof_of(vector, "proof"), made;

	assert_int_equal(
	    mm_tree_prove_inclusion(tree, index, size, &made), MM_OK);
	proof_equal(&made, &given);
	assert_int_equal(
	    mm_inclusion_check(&leaf, index, size, &given, &root), MM_OK);
}

static void
consistency_matches(const struct mm_tree *tree, const json_t *vector)
{
	uint64_t older = number_of(vector, "size1");
	uint64_t newer = number_of(vector, "size2");
	struct mm_hash older_root = hash_of(vector, "root1");
	struct mm_hash newer_root = hash_of(vector, "root2");
	struct mm_proof given = proof_of(vector, "proof"), made;

	assert_int_equal(
	    mm_tree_prove_consistency(tree, older, newer, &made), MM_OK);
	proof_equal(&made, &given);
	assert_int_equal(mm_consistency_check(
			     older, newer, &given, &older_root, &newer_root),
	    MM_OK);
}

static void
root_matches(const struct mm_tree *tree, const json_t *vector)
{
	uint64_t size = number_of(vector, "size");
	struct mm_frontier frontier;
	struct mm_hash root;

	assert_int_equal(mm_tree_root(tree, size, &root), MM_OK);
	assert_hash(root, hash_of(vector, "root"));
	assert_int_equal(mm_frontier_load(tree, size, &frontier), MM_OK);
	assert_hash(mm_frontier_root(&frontier), root);
}

static void
tree_matches(struct forest *forest, const json_t *vector)
{
	struct mm_tree tree = {give, forest};
	const json_t *item;
	size_t i;

	json_array_foreach(member(vector, "roots"), i, item)
	    root_matches(&tree, item);
	json_array_foreach(member(vector, "inclusion"), i, item)
	    inclusion_matches(&tree, item);
	json_array_foreach(member(vector, "consistency"), i, item)
	    consistency_matches(&tree, item);
}

static void
small_trees_match_the_vectors(void **state)
{
	static const char *const names[] = {"tree_ct8", "tree_entry8"};
	json_t *all = vectors(VECTORS "merkle.json");

	(void)state;
	for (size_t t = 0; t < MM_COUNT(names); t++) {
		const json_t *vector = member(all, names[t]), *leaf;
		struct forest forest;
		size_t i;

		forest_init(&forest);
		json_array_foreach(member(vector, "leaves"), i, leaf)
		{
			const char *hex = text_of(leaf, "entry_hex");
			struct mm_span entry = unhex(hex);

			assert_hash(
			    mm_leaf_hash(entry), hash_of(leaf, "leaf_hash"));
			forest_add(&forest, entry);
			span_free(entry);
		}
		tree_matches(&forest, vector);
		forest_clear(&forest);
	}
	json_decref(all);
}

static void
a_big_tree_matches_the_vectors(void **state)
{
	json_t *all = vectors(VECTORS "merkle.json");
	struct forest forest;

	(void)state;
	forest_init(&forest);
	forest_grow(&forest, BIG);
	tree_matches(&forest, member(all, "tree_big"));
	forest_clear(&forest);
	json_decref(all);
}

static void
nodes_and_the_empty_tree_match_the_vectors(void **state)
{
	json_t *all = vectors(VECTORS "merkle.json");
	const json_t *node = member(all, "node_example");
	struct mm_hash left = hash_of(node, "left");
	struct mm_hash right = hash_of(node, "right");
	struct mm_frontier empty = {.size = 0};

	(void)state;
	assert_hash(mm_node_hash(&left, &right), hash_of(node, "node"));
	assert_hash(mm_frontier_root(&empty), hash_of(all, "empty_root"));
	json_decref(all);
}

static void
inclusion_is_refused_when_altered(
    struct forest *forest, uint64_t index, uint64_t size)
{
	struct mm_tree tree = {give, forest};
	const struct mm_hash *leaf = &forest->levels[0][index];
	struct mm_proof proof, longer;
	struct mm_hash root;

	assert_int_equal(mm_tree_root(&tree, size, &root), MM_OK);
	assert_int_equal(
	    mm_tree_prove_inclusion(&tree, index, size, &proof), MM_OK);
	assert_int_equal(
	    mm_inclusion_check(leaf, index, size, &proof, &root), MM_OK);
	assert_int_equal(
	    mm_inclusion_check(leaf, index ^ 1, size, &proof, &root),
	    MM_E_PROOF);
	longer = proof;
	longer.hashes[longer.count++] = root;
	assert_int_equal(
	    mm_inclusion_check(leaf, index, size, &longer, &root), MM_E_PROOF);
	for (size_t i = 0; i < proof.count; i++) {
		struct mm_proof altered = proof;

		altered.hashes[i].bytes[31] ^= 1;
		assert_int_equal(
		    mm_inclusion_check(leaf, index, size, &altered, &root),
		    MM_E_PROOF);
	}
	for (; proof.count > 0; proof.count--) {
		struct mm_proof shorter = proof;

		shorter.count--;
		assert_int_equal(
		    mm_inclusion_check(leaf, index, size, &shorter, &root),
		    MM_E_PROOF);
	}
}

static void
every_inclusion_proof_checks_and_no_altered_one_does(void **state)
{
	struct forest forest;

	(void)state;
	forest_init(&forest);
	forest_grow(&forest, 34);
	for (uint64_t size = 1; size <= 34; size++)
		for (uint64_t index = 0; index < size; index++)
			inclusion_is_refused_when_altered(&forest, index, size);
	forest_clear(&forest);
}

static void
consistency_is_refused_when_altered(
    struct forest *forest, uint64_t older, uint64_t newer)
{
	struct mm_tree tree = {give, forest};
	struct mm_hash older_root, newer_root, other;
	struct mm_proof proof, longer;

	assert_int_equal(mm_tree_root(&tree, older, &older_root), MM_OK);
	assert_int_equal(mm_tree_root(&tree, newer, &newer_root), MM_OK);
	assert_int_equal(
	    mm_tree_prove_consistency(&tree, older, newer, &proof), MM_OK);
	assert_int_equal(mm_consistency_check(
			     older, newer, &proof, &older_root, &newer_root),
	    MM_OK);
	longer = proof;
	longer.hashes[longer.count++] = newer_root;
	assert_int_equal(mm_consistency_check(
			     older, newer, &longer, &older_root, &newer_root),
	    MM_E_PROOF);
	other = newer_root;
	other.bytes[0] ^= 1;
	assert_int_equal(
	    mm_consistency_check(older, newer, &proof, &older_root, &other),
	    older == 0 && newer > 0 ? MM_OK : MM_E_PROOF);
	for (size_t i = 0; i < proof.count; i++) {
		struct mm_proof altered = proof;

		altered.hashes[i].bytes[7] ^= 0x80;
		assert_int_equal(mm_consistency_check(older, newer, &altered,
				     &older_root, &newer_root),
		    MM_E_PROOF);
	}
	for (; proof.count > 0; proof.count--) {
		struct mm_proof shorter = proof;

		shorter.count--;
		assert_int_equal(mm_consistency_check(older, newer, &shorter,
				     &older_root, &newer_root),
		    MM_E_PROOF);
	}
}

static void
every_consistency_proof_checks_and_no_altered_one_does(void **state)
{
	struct forest forest;

	(void)state;
	forest_init(&forest);
	forest_grow(&forest, 34);
	for (uint64_t newer = 0; newer <= 34; newer++)
		for (uint64_t older = 0; older <= newer; older++)
			consistency_is_refused_when_altered(
			    &forest, older, newer);
	forest_clear(&forest);
}

static enum mm_error
anything(void *self, unsigned level, uint64_t n, struct mm_hash *out)
{
	(void)self;
	memset(out, (int)(level + n), sizeof(*out));
	return MM_OK;
}

static void
sizes_and_indexes_end_at_their_limits(void **state)
{
	struct mm_tree tree = {anything, NULL};
	const uint64_t limit = INT64_MAX;
	struct mm_frontier frontier;
	struct mm_proof proof;
	struct mm_hash root = {{0}};

	(void)state;
	assert_int_equal(mm_tree_root(&tree, limit, &root), MM_OK);
	assert_int_equal(mm_tree_root(&tree, limit + 1, &root), MM_E_RANGE);
	assert_int_equal(mm_tree_prove_inclusion(&tree, 8, 9, &proof), MM_OK);
	assert_int_equal(
	    mm_tree_prove_inclusion(&tree, 9, 9, &proof), MM_E_RANGE);
	assert_int_equal(
	    mm_tree_prove_inclusion(&tree, 0, 0, &proof), MM_E_RANGE);
	assert_int_equal(
	    mm_tree_prove_inclusion(&tree, 0, limit, &proof), MM_OK);
	assert_int_equal(proof.count, MM_PROOF_MAX);
	assert_int_equal(
	    mm_tree_prove_inclusion(&tree, 0, limit + 1, &proof), MM_E_RANGE);
	assert_int_equal(
	    mm_tree_prove_consistency(&tree, 9, 8, &proof), MM_E_RANGE);
	assert_int_equal(
	    mm_tree_prove_consistency(&tree, 1, limit, &proof), MM_OK);
	/* 64 hashes: more than the format allows. */
	assert_int_equal(
	    mm_tree_prove_consistency(&tree, 3, limit, &proof), MM_E_RANGE);
	assert_int_equal(mm_frontier_load(&tree, limit, &frontier), MM_OK);
	assert_int_equal(frontier.count, 63);
	assert_int_equal(
	    mm_frontier_append(&frontier, &root, NULL, NULL), MM_E_RANGE);
	assert_int_equal(
	    mm_frontier_load(&tree, limit + 1, &frontier), MM_E_RANGE);
	proof.count = 0;
	assert_int_equal(
	    mm_inclusion_check(&root, 0, 0, &proof, &root), MM_E_PROOF);
	assert_int_equal(
	    mm_inclusion_check(&root, 1, 1, &proof, &root), MM_E_PROOF);
	assert_int_equal(
	    mm_consistency_check(2, 1, &proof, &root, &root), MM_E_PROOF);
}

/* Failing the Nth call for all N: the error comes out, nothing changes. */
static void
a_failing_store_changes_nothing(void **state)
{
	struct forest forest;
	struct mm_tree tree = {give, &forest};
	const struct mm_hash leaf = mm_leaf_hash(mm_span_text("x"));

	(void)state;
	forest_init(&forest);
	forest_grow(&forest, 31);
	for (uint64_t n = 1; n <= 6; n++) {
		struct mm_frontier before = forest.frontier;

		forest.calls = 0;
		forest.fail_at = n;
		assert_int_equal(
		    mm_frontier_append(&forest.frontier, &leaf, keep, &forest),
		    MM_E_STORE);
		assert_memory_equal(&before, &forest.frontier, sizeof(before));
	}
	for (uint64_t n = 1; n <= 5; n++) {
		struct mm_hash root = leaf;
		struct mm_frontier frontier = {.size = 77};
		struct mm_proof proof = {.count = 55};

		forest.fail_at = n;
		forest.calls = 0;
		assert_int_equal(mm_tree_root(&tree, 31, &root), MM_E_STORE);
		assert_hash(root, leaf);
		forest.calls = 0;
		assert_int_equal(
		    mm_frontier_load(&tree, 31, &frontier), MM_E_STORE);
		assert_int_equal(frontier.size, 77);
		forest.calls = 0;
		assert_int_equal(
		    mm_tree_prove_inclusion(&tree, 11, 31, &proof), MM_E_STORE);
		assert_int_equal(proof.count, 55);
		forest.calls = 0;
		assert_int_equal(
		    mm_tree_prove_consistency(&tree, 11, 31, &proof),
		    MM_E_STORE);
		assert_int_equal(proof.count, 55);
	}
	forest_clear(&forest);
}

static void
proofs_go_into_lists_and_back(void **state)
{
	static const struct mm_hash_item many[MM_PROOF_MAX + 1];
	struct mm_list list = {many, MM_PROOF_MAX};
	struct mm_proof proof = {.count = 2}, back;

	(void)state;
	memset(proof.hashes, 7, 2 * MM_HASH_SIZE);
	proof.hashes[1].bytes[0] = 8;
	back.count = 0;
	assert_int_equal(mm_proof_to_list(&proof).count, 2);
	assert_int_equal(
	    mm_list_at(mm_proof_to_list(&proof), struct mm_hash_item, 1)
		->value[0],
	    8);
	list = mm_proof_to_list(&proof);
	assert_int_equal(mm_proof_from_list(&list, &back), MM_OK);
	proof_equal(&back, &proof);
	list = (struct mm_list){many, MM_PROOF_MAX};
	assert_int_equal(mm_proof_from_list(&list, &back), MM_OK);
	assert_int_equal(back.count, MM_PROOF_MAX);
	list.count++;
	assert_int_equal(mm_proof_from_list(&list, &back), MM_E_PROOF);
	list = (struct mm_list){NULL, 0};
	assert_int_equal(mm_proof_from_list(&list, &back), MM_OK);
	assert_int_equal(back.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(small_trees_match_the_vectors),
	    cmocka_unit_test(a_big_tree_matches_the_vectors),
	    cmocka_unit_test(nodes_and_the_empty_tree_match_the_vectors),
	    cmocka_unit_test(
		every_inclusion_proof_checks_and_no_altered_one_does),
	    cmocka_unit_test(
		every_consistency_proof_checks_and_no_altered_one_does),
	    cmocka_unit_test(sizes_and_indexes_end_at_their_limits),
	    cmocka_unit_test(a_failing_store_changes_nothing),
	    cmocka_unit_test(proofs_go_into_lists_and_back)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
