#include "log/review.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "protocol/journal.h"

enum { LOOKS = 64 /* files that are looked for at a time */ };

void
mm_review_begin(struct mm_review *review, uint64_t size)
{
	review->size = size;
	review->walk = mm_tile_walk(0, size);
	review->next_blob = 0;
	review->restored = 0;
}

static void
remove_directory(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *found;

	if (directory == NULL)
		return;
	while ((found = readdir(directory)) != NULL)
		if (found->d_name[0] != '.')
			unlinkat(dirfd(directory), found->d_name, 0);
	closedir(directory);
	rmdir(path);
}

void
mm_review_drop_partials(const char *directory, unsigned level, uint64_t n)
{
	struct mm_tile tile = {level, n, MM_TILE_WIDTH};
	char name[MM_TILE_PATH_MAX], path[PATH_MAX];
	size_t length;

	mm_tile_path(&tile, name);
	if (mm_put_path(directory, name, path) != MM_OK)
		return;
	length = strlen(path);
	if (length + sizeof(".p") > sizeof(path))
		return;
	memcpy(path + length, ".p", sizeof(".p"));
	remove_directory(path);
}

/* The next blob that the log of the round's size names, if there is one. */
static bool
next_blob(struct mm_review *review, struct mm_blob *out, enum mm_error *error)
{
	struct mm_store_named named;

	*error = mm_store_next_blob(review->store, review->next_blob, &named);
	if (*error == MM_E_NOT_FOUND) {
		*error = MM_OK;
		return false;
	}
	if (*error != MM_OK || named.index >= review->size)
		return false;
	review->next_blob = named.index + 1;
	*out = named.blob;
	return true;
}

/* Full by now, and its partial forms are gone. */
static bool
is_superseded(const struct mm_tile *tile, uint64_t published)
{
	return tile->width < MM_TILE_WIDTH &&
	       mm_tile_width(tile->level, tile->n, published) == MM_TILE_WIDTH;
}

static enum mm_error
look_for_tile(
    struct mm_review *review, uint64_t published, const struct mm_tile *tile)
{
	enum mm_put_found found;

	if (tile->width == MM_TILE_WIDTH)
		mm_review_drop_partials(
		    review->directory, tile->level, tile->n);
	if (is_superseded(tile, published) ||
	    mm_derive_has_tile(review->directory, tile))
		return MM_OK;
	review->restored++;
	return mm_derive_put_tile(
	    review->directory, review->store, tile, &found);
}

static enum mm_error
look_for_blob(struct mm_review *review, const struct mm_blob *blob)
{
	enum mm_put_found found;

	if (mm_derive_has_blob(review->directory, blob))
		return MM_OK;
	review->restored++;
	return mm_derive_put_blob(
	    review->directory, review->store, blob, &found);
}

/* False at the end of the round, and where it fails. */
static bool
look_once(struct mm_review *review, uint64_t published, enum mm_error *error)
{
	struct mm_blob blob;
	struct mm_tile tile;

	if (next_blob(review, &blob, error)) {
		*error = look_for_blob(review, &blob);
		return *error == MM_OK;
	}
	if (*error != MM_OK || !mm_tile_next(&review->walk, &tile))
		return false;
	*error = look_for_tile(review, published, &tile);
	return *error == MM_OK;
}

bool
mm_review_look(
    struct mm_review *review, uint64_t published, enum mm_error *error)
{
	for (size_t i = 0; i < LOOKS; i++) {
		struct mm_review former = *review;

		if (look_once(review, published, error))
			continue;
		if (*error != MM_OK) {
			review->walk = former.walk;
			review->next_blob = former.next_blob;
			return true;
		}
		if (review->restored > 0)
			mm_journal(MM_LEVEL_WARNING, "tiles-restored",
			    "%llu files of the log's directory were missing "
			    "or cut off, and are there again",
			    (unsigned long long)review->restored);
		return false;
	}
	return true;
}

static void
tell_damage(
    const struct mm_review *review, const char *name, enum mm_put_found found)
{
	if (found == MM_PUT_DIFFERENT)
		mm_journal(MM_LEVEL_ERROR, "tile-damaged",
		    "%s/%s was not what the log holds, and is written anew: "
		    "look after this disk",
		    review->directory, name);
	if (found == MM_PUT_MISSING)
		mm_journal(MM_LEVEL_WARNING, "tile-missing",
		    "%s/%s was missing, and is written anew", review->directory,
		    name);
}

static enum mm_error
compare_blob(struct mm_review *review, const struct mm_blob *blob)
{
	char name[MM_BLOB_PATH_MAX];
	enum mm_put_found found;
	enum mm_error error =
	    mm_derive_put_blob(review->directory, review->store, blob, &found);

	mm_blob_path(blob, name);
	if (error == MM_OK)
		tell_damage(review, name, found);
	return error;
}

static enum mm_error
compare_tile(
    struct mm_review *review, uint64_t published, const struct mm_tile *tile)
{
	char name[MM_TILE_PATH_MAX];
	enum mm_put_found found;
	enum mm_error error;

	if (is_superseded(tile, published))
		return MM_OK;
	error = mm_derive_check(review->store, tile);
	if (error == MM_OK)
		error = mm_derive_put_tile(
		    review->directory, review->store, tile, &found);
	mm_tile_path(tile, name);
	if (error == MM_OK)
		tell_damage(review, name, found);
	return error;
}

bool
mm_review_compare(
    struct mm_review *review, uint64_t published, enum mm_error *error)
{
	struct mm_blob blob;
	struct mm_tile tile;

	if (next_blob(review, &blob, error)) {
		*error = compare_blob(review, &blob);
		return true;
	}
	if (*error != MM_OK)
		return true;
	if (!mm_tile_next(&review->walk, &tile))
		return false;
	*error = compare_tile(review, published, &tile);
	return true;
}
