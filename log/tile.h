/*
 * The names and contents of the C2SP tlog-tiles layout, as pure functions:
 * which files there are at a size, what they are called, how entries stand
 * in a bundle. Nothing here opens a file.
 */
#ifndef MM_TILE_H
#define MM_TILE_H

#include "log/merkle.h"

enum {
	MM_TILE_WIDTH = 256,  /* hashes in a full tile, entries in a bundle */
	MM_TILE_LEVELS = 8,   /* as many as 2^63 - 1 entries have */
	MM_TILE_ENTRIES = 64, /* the "level" of entry bundles */
	MM_TILE_PATH_MAX = 64,
	MM_TILE_BYTES = MM_TILE_WIDTH * MM_HASH_SIZE,
	MM_LOG_ENTRY_MAX = 65535,
	MM_BUNDLE_MAX = MM_TILE_WIDTH * (2 + MM_LOG_ENTRY_MAX)
};

struct mm_tile {
	unsigned level; /* 0 to 63, or MM_TILE_ENTRIES */
	uint64_t n;
	unsigned width; /* 1 to 256; below that the tile is partial */
};

/* Only the one canonical name: "tile/1/x001/234.p/12"; else false. */
bool mm_tile_read(struct mm_span path, struct mm_tile *out);
void mm_tile_path(const struct mm_tile *tile, char out[MM_TILE_PATH_MAX]);

/* The hashes (or entries) that a level has in a log of `size` entries. */
uint64_t mm_tile_hashes(unsigned level, uint64_t size);
/* How wide tile `n` of a level is at a size; 0 where it does not exist. */
unsigned mm_tile_width(unsigned level, uint64_t n, uint64_t size);

/*
 * The files to write when a log grows, in the order in which they should be
 * written: entry bundles, then tiles from level 0 upwards. From size 0 these
 * are all files of the log.
 *
 *	struct mm_tile_walk walk = mm_tile_walk(older, newer);
 *	while (mm_tile_next(&walk, &tile)) ...
 */
struct mm_tile_walk {
	uint64_t older, newer, n;
	unsigned level;
	bool begun; /* `n` is a number of this level */
};
struct mm_tile_walk mm_tile_walk(uint64_t older, uint64_t newer);
bool mm_tile_next(struct mm_tile_walk *walk, struct mm_tile *out);

/* Appends an entry to a bundle; MM_E_RANGE above 65,535 bytes. */
enum mm_error
mm_bundle_add(struct mm_buffer *bundle, struct mm_span entry) mm_must_use;

struct mm_bundle {
	struct mm_span entries[MM_TILE_WIDTH];
	size_t count;
};
/*
 * All bytes are entries, at most 256: MM_E_BUNDLE. The spans point into
 * `bytes`. The caller compares the count with the bundle's width.
 */
enum mm_error
mm_bundle_decode(struct mm_span bytes, struct mm_bundle *out) mm_must_use;

#endif
