/*
 * A log's directory for tests: made from entries in memory, in a temporary
 * directory of its own, and spoilt file by file.
 */
#ifndef MM_TEST_LOG_DIRECTORY_H
#define MM_TEST_LOG_DIRECTORY_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/note.h"
#include "log/tile.h"

static char directory[256];

static inline int
make_directory(void **state)
{
	const char *parent = getenv("TMPDIR");

	(void)state;
	snprintf(directory, sizeof(directory), "%s/log.XXXXXX",
	    parent != NULL ? parent : P_tmpdir);
	return mkdtemp(directory) == NULL;
}

static inline int
remove_entry(
    const char *path, const struct stat *info, int type, struct FTW *at)
{
	(void)info;
	(void)type;
	(void)at;
	return remove(path);
}

static inline int
remove_directory(void **state)
{
	(void)state;
	return nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *
path_of(const char *name)
{
	static char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/%s", directory, name);

	assert_true(length > 0 && length < PATH_MAX);
	return path;
}

static inline void
make_parents(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", path_of(name));
	for (char *c = path + strlen(directory) + 1; *c != '\0'; c++)
		if (*c == '/') {
			*c = '\0';
			mkdir(path, 0700);
			*c = '/';
		}
}

static inline void
put_file(const char *name, struct mm_span bytes)
{
	make_parents(name);
	assert_int_equal(
	    mm_file_write(path_of(name), bytes, 0600, true), MM_OK);
}

static inline void
get_file(const char *name, struct mm_buffer *out)
{
	mm_buffer_init(out, 0);
	assert_int_equal(
	    mm_file_read(path_of(name), MM_BUNDLE_MAX, out), MM_OK);
}

static inline void
remove_file(const char *name)
{
	assert_int_equal(unlink(path_of(name)), 0);
}

/* All of a tree's hashes, from the leaves up. */
struct hash_tree {
	const struct mm_hash *leaves;
};

static inline enum mm_error
hash_tree_node(void *self, unsigned level, uint64_t n, struct mm_hash *out)
{
	const struct hash_tree *tree = self;
	struct mm_hash left, right;

	if (level == 0) {
		*out = tree->leaves[n];
		return MM_OK;
	}
	assert_int_equal(hash_tree_node(self, level - 1, 2 * n, &left), MM_OK);
	assert_int_equal(
	    hash_tree_node(self, level - 1, 2 * n + 1, &right), MM_OK);
	*out = mm_node_hash(&left, &right);
	return MM_OK;
}

static inline void
put_tile(const struct mm_span *entries, const struct mm_hash *leaves,
    const struct mm_tile *tile)
{
	struct hash_tree tree = {leaves};
	uint64_t first = tile->n * MM_TILE_WIDTH;
	char name[MM_TILE_PATH_MAX];
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, MM_BUNDLE_MAX);
	for (uint64_t i = first; i < first + tile->width; i++) {
		struct mm_hash hash;

		if (tile->level == MM_TILE_ENTRIES) {
			assert_int_equal(
			    mm_bundle_add(&bytes, entries[i]), MM_OK);
			continue;
		}
		assert_int_equal(
		    hash_tree_node(&tree, 8 * tile->level, i, &hash), MM_OK);
		mm_buffer_add(&bytes, hash.bytes, sizeof(hash.bytes));
	}
	mm_tile_path(tile, name);
	put_file(name, mm_buffer_span(&bytes));
}

/* The tiles by which a log grows. */
static inline void
put_tiles(const struct mm_span *entries, const struct mm_hash *leaves,
    uint64_t older, uint64_t newer)
{
	struct mm_tile_walk walk = mm_tile_walk(older, newer);
	struct mm_tile tile;

	while (mm_tile_next(&walk, &tile))
		put_tile(entries, leaves, &tile);
}

static inline struct mm_checkpoint
checkpoint_of(const struct mm_hash *leaves, uint64_t size, const char *origin)
{
	struct hash_tree hashes = {leaves};
	struct mm_tree tree = {hash_tree_node, &hashes};
	struct mm_checkpoint checkpoint = {.size = size};

	snprintf(checkpoint.origin, sizeof(checkpoint.origin), "%s", origin);
	assert_int_equal(mm_tree_root(&tree, size, &checkpoint.root), MM_OK);
	return checkpoint;
}

static inline void
put_note(const char *name, const struct mm_checkpoint *checkpoint,
    const uint8_t public_key[32], const uint8_t secret_key[64])
{
	mm_auto(buffer) note = {0};
	struct mm_vkey vkey;

	mm_buffer_init(&note, MM_NOTE_MAX);
	assert_int_equal(
	    mm_vkey_init(&vkey, mm_span_text(checkpoint->origin), public_key),
	    MM_OK);
	assert_int_equal(
	    mm_checkpoint_sign(checkpoint, &vkey, secret_key, &note), MM_OK);
	put_file(name, mm_buffer_span(&note));
}

#endif
