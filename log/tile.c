#include "log/tile.h"

#include <stdio.h>
#include <string.h>

enum {
	GROUP = 1000,   /* a number's digits stand in groups of three */
	GROUPS_MAX = 7, /* of 2^63 */
	LEVEL_BITS = 8
};

uint64_t
mm_tile_hashes(unsigned level, uint64_t size)
{
	if (level == MM_TILE_ENTRIES)
		return size;
	return level < MM_TILE_LEVELS ? size >> (LEVEL_BITS * level) : 0;
}

unsigned
mm_tile_width(unsigned level, uint64_t n, uint64_t size)
{
	uint64_t hashes = mm_tile_hashes(level, size);

	if (n < hashes / MM_TILE_WIDTH)
		return MM_TILE_WIDTH;
	if (n > hashes / MM_TILE_WIDTH)
		return 0;
	return (unsigned)(hashes % MM_TILE_WIDTH);
}

void
mm_tile_path(const struct mm_tile *tile, char out[MM_TILE_PATH_MAX])
{
	char level[4] = "", number[5 * GROUPS_MAX + 1] = "", part[8] = "";
	unsigned groups[GROUPS_MAX];
	size_t count = 0, at = 0;
	uint64_t rest = tile->n;

	do {
		groups[count++] = (unsigned)(rest % GROUP);
		rest /= GROUP;
	} while (rest > 0);
	while (count-- > 0)
		at += (size_t)snprintf(number + at, sizeof(number) - at,
		    count > 0 ? "x%03u/" : "%03u", groups[count]);
	if (tile->level != MM_TILE_ENTRIES)
		snprintf(level, sizeof(level), "%u", tile->level);
	if (tile->width < MM_TILE_WIDTH)
		snprintf(part, sizeof(part), ".p/%u", tile->width);
	snprintf(out, MM_TILE_PATH_MAX, "tile/%s/%s%s",
	    level[0] != '\0' ? level : "entries", number, part);
}

/* A cursor over a path; what does not match leaves it where it stands. */
static bool
take(struct mm_span *path, const char *text)
{
	size_t length = strlen(text);

	if (path->size < length || memcmp(path->data, text, length) != 0)
		return false;
	path->data += length;
	path->size -= length;
	return true;
}

/* At most `max` digits; returns how many there were. */
static size_t
take_digits(struct mm_span *path, size_t max, unsigned *out)
{
	size_t count = 0;

	*out = 0;
	while (count < max && count < path->size && path->data[count] >= '0' &&
	       path->data[count] <= '9')
		*out = *out * 10 + (unsigned)(path->data[count++] - '0');
	path->data += count;
	path->size -= count;
	return count;
}

static bool
take_number(struct mm_span *path, uint64_t *out)
{
	bool more = true;

	*out = 0;
	for (size_t groups = 0; more; groups++) {
		unsigned group;

		more = take(path, "x");
		if (groups == GROUPS_MAX - 1 ||
		    take_digits(path, 3, &group) != 3 ||
		    (more && !take(path, "/")))
			return false;
		*out = *out * GROUP + group;
	}
	return *out <= INT64_MAX / MM_TILE_WIDTH;
}

static bool
read_loosely(struct mm_span path, struct mm_tile *out)
{
	out->level = MM_TILE_ENTRIES;
	out->width = MM_TILE_WIDTH;
	if (!take(&path, "tile/"))
		return false;
	if (!take(&path, "entries") &&
	    (take_digits(&path, 2, &out->level) == 0 ||
		out->level >= MM_TILE_ENTRIES))
		return false;
	if (!take(&path, "/") || !take_number(&path, &out->n))
		return false;
	if (take(&path, ".p/") &&
	    (take_digits(&path, 3, &out->width) == 0 || out->width == 0 ||
		out->width >= MM_TILE_WIDTH))
		return false;
	return path.size == 0;
}

/* Zeros too many in any place give another name than the canonical one. */
bool
mm_tile_read(struct mm_span path, struct mm_tile *out)
{
	char canonical[MM_TILE_PATH_MAX];
	struct mm_tile tile;

	if (!read_loosely(path, &tile))
		return false;
	mm_tile_path(&tile, canonical);
	if (!mm_span_is(path, canonical))
		return false;
	*out = tile;
	return true;
}

struct mm_tile_walk
mm_tile_walk(uint64_t older, uint64_t newer)
{
	return (struct mm_tile_walk){
	    .older = older, .newer = newer, .level = MM_TILE_ENTRIES};
}

static void
next_level(struct mm_tile_walk *walk)
{
	walk->level = walk->level == MM_TILE_ENTRIES ? 0 : walk->level + 1;
	walk->begun = false;
}

/* A level that has got no new hash has no file to write. */
static void
begin_level(struct mm_tile_walk *walk)
{
	uint64_t older = mm_tile_hashes(walk->level, walk->older);
	uint64_t newer = mm_tile_hashes(walk->level, walk->newer);

	walk->begun = newer > older;
	walk->n = older / MM_TILE_WIDTH;
}

bool
mm_tile_next(struct mm_tile_walk *walk, struct mm_tile *out)
{
	for (; walk->level == MM_TILE_ENTRIES || walk->level < MM_TILE_LEVELS;
	     next_level(walk)) {
		unsigned width;

		if (!walk->begun)
			begin_level(walk);
		if (!walk->begun)
			continue;
		width = mm_tile_width(walk->level, walk->n, walk->newer);
		if (width == 0)
			continue;
		*out = (struct mm_tile){walk->level, walk->n++, width};
		return true;
	}
	return false;
}

enum mm_error
mm_bundle_add(struct mm_buffer *bundle, struct mm_span entry)
{
	uint8_t length[2] = {(uint8_t)(entry.size >> 8), (uint8_t)entry.size};

	if (entry.size > MM_LOG_ENTRY_MAX)
		return mm_fail(MM_E_RANGE, "an entry of %zu bytes is too large",
		    entry.size);
	mm_buffer_add(bundle, length, sizeof(length));
	mm_buffer_add(bundle, entry.data, entry.size);
	return bundle->error;
}

static bool
take_entry(struct mm_span *bytes, struct mm_span *out)
{
	size_t length;

	if (bytes->size < 2)
		return false;
	length = (size_t)bytes->data[0] << 8 | bytes->data[1];
	if (length > bytes->size - 2)
		return false;
	*out = mm_span(bytes->data + 2, length);
	*bytes = mm_span(bytes->data + 2 + length, bytes->size - 2 - length);
	return true;
}

enum mm_error
mm_bundle_decode(struct mm_span bytes, struct mm_bundle *out)
{
	struct mm_bundle bundle = {.count = 0};

	while (bytes.size > 0) {
		if (bundle.count == MM_TILE_WIDTH)
			return mm_fail(MM_E_BUNDLE,
			    "there are bytes after entry 256 of a bundle");
		if (!take_entry(&bytes, &bundle.entries[bundle.count]))
			return mm_fail(MM_E_BUNDLE,
			    "entry %zu of a bundle is cut off", bundle.count);
		bundle.count++;
	}
	*out = bundle;
	return MM_OK;
}
