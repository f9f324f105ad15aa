#include "log/publish.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log/review.h"
#include "protocol/journal.h"

/*
 * How often what is done, in ms. Flushing tiles slows the notary's disk, and
 * so does reading: a log of ten million entries has 80,000 files, which are
 * looked for in a second or two and compared in four or five hours.
 */
enum {
	EDITION_MS = 200,   /* between two checkpoints */
	LOOK_MS = 600000,   /* between two quick reviews */
	COMPARE_MS = 200,   /* between two files of the slow one ... */
	ROUND_MS = 3600000, /* ... which begins once in so long at most */
	RETRY_MS = 5000,    /* after a failure */
	REACH_MS = 2000,    /* that somebody waits for a checkpoint */
	CLOSE_MS = 5000     /* that a stop does: it has ten seconds (where
			     * something has failed, two) */
};

static const char checkpoint_name[] = "checkpoint";

/* A checkpoint on its way into the directory. */
struct edition {
	uint64_t size;
	struct mm_buffer note;
};

struct mm_publisher {
	const char *directory;
	struct mm_store *store;
	uint64_t written; /* size of the newest checkpoint that was written */
	struct edition wanted, current;
	bool writing;             /* `current`: blobs, by `walk`, the note */
	uint64_t next_blob;       /* of those that `current` adds */
	struct mm_tile_walk walk; /* of the tiles that `current` adds */

	struct mm_review look, compare;
	bool looking;    /* the quick review is on its way ... */
	bool look_first; /* ... and what it finds comes before a checkpoint */
	/* When they are due again. */
	int64_t edition_at, look_at, compare_at, round_at;

	bool told;       /* of the present failure */
	char wrong[256]; /* why the store cannot be trusted; empty: it can */
};

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
drop_superseded(
    const struct mm_publisher *publisher, uint64_t older, uint64_t newer)
{
	for (unsigned i = 0; i <= MM_TILE_LEVELS; i++) {
		unsigned level = i < MM_TILE_LEVELS ? i : MM_TILE_ENTRIES;
		uint64_t n = mm_tile_hashes(level, older) / MM_TILE_WIDTH;

		if (mm_tile_width(level, n, older) > 0 &&
		    mm_tile_width(level, n, newer) == MM_TILE_WIDTH)
			mm_review_drop_partials(publisher->directory, level, n);
	}
}

static enum mm_error
put_checkpoint(struct mm_publisher *publisher)
{
	struct edition *current = &publisher->current;
	enum mm_put_found found;
	enum mm_error error = mm_put_file(publisher->directory, checkpoint_name,
	    mm_buffer_span(&current->note), &found);

	if (error != MM_OK)
		return error;
	drop_superseded(publisher, publisher->written, current->size);
	publisher->written = current->size;
	publisher->writing = false;
	publisher->edition_at = now_ms() + EDITION_MS;
	return MM_OK;
}

static void
begin_look(struct mm_publisher *publisher)
{
	mm_review_begin(&publisher->look, publisher->written);
	publisher->looking = publisher->written > 0;
	publisher->look_at = now_ms() + LOOK_MS;
}

static bool
has_checkpoint(const struct mm_publisher *publisher)
{
	char path[PATH_MAX];

	return mm_put_path(publisher->directory, checkpoint_name, path) !=
		   MM_OK ||
	       access(path, F_OK) == 0;
}

static void
begin_edition(struct mm_publisher *publisher)
{
	struct edition next = publisher->wanted;

	/* Where the checkpoint has been deleted, so may have been the rest. */
	if (!has_checkpoint(publisher)) {
		begin_look(publisher);
		publisher->look_first = publisher->looking;
	}
	/* The two change places, to keep their memory. */
	publisher->wanted = publisher->current;
	publisher->wanted.size = 0;
	publisher->current = next;
	publisher->writing = true;
	publisher->walk = mm_tile_walk(publisher->written, next.size);
	publisher->next_blob = publisher->written;
}

/* True where a blob of the current edition was written, or could not be. */
static bool
write_blob(struct mm_publisher *publisher, enum mm_error *error)
{
	struct mm_store_named named;
	enum mm_put_found found;

	*error =
	    mm_store_next_blob(publisher->store, publisher->next_blob, &named);
	if (*error == MM_E_NOT_FOUND ||
	    (*error == MM_OK && named.index >= publisher->current.size)) {
		*error = MM_OK;
		return false;
	}
	if (*error == MM_OK)
		*error = mm_derive_put_blob(publisher->directory,
		    publisher->store, &named.blob, &found);
	if (*error == MM_OK)
		publisher->next_blob = named.index + 1;
	return true;
}

/* One file of the current edition. */
static enum mm_error
write_one(struct mm_publisher *publisher)
{
	struct mm_tile_walk former = publisher->walk;
	enum mm_put_found found;
	struct mm_tile tile;
	enum mm_error error;

	if (write_blob(publisher, &error))
		return error;
	if (!mm_tile_next(&publisher->walk, &tile))
		return put_checkpoint(publisher);
	error = mm_derive_put_tile(
	    publisher->directory, publisher->store, &tile, &found);
	if (error != MM_OK)
		publisher->walk = former;
	return error;
}

/* The store contradicts itself: nothing new may rest on it. */
static void
tell_wrong(struct mm_publisher *publisher, const char *why)
{
	if (publisher->wrong[0] == '\0')
		snprintf(publisher->wrong, sizeof(publisher->wrong), "%s", why);
	mm_journal(MM_LEVEL_ERROR, "log-damaged",
	    "%s: restore the log from its newest copy", why);
}

static void
tell(struct mm_publisher *publisher, enum mm_error error)
{
	bool first = !publisher->told;

	publisher->told = error != MM_OK;
	if (error == MM_E_LOG_WRONG && publisher->wrong[0] == '\0')
		tell_wrong(publisher, mm_why(error));
	else if (error != MM_OK && first)
		mm_journal(MM_LEVEL_WARNING, "tiles-stopped",
		    "%s; the log itself goes on", mm_why(error));
}

static bool
is_due(const struct mm_publisher *publisher)
{
	return publisher->writing || publisher->wanted.size > 0;
}

static int
look_step(struct mm_publisher *publisher)
{
	enum mm_error error;

	publisher->looking = mm_review_look(
	    &publisher->look, publisher->written, &error);
	publisher->look_first = publisher->looking && publisher->look_first;
	tell(publisher, error);
	return error == MM_OK ? 0 : RETRY_MS;
}

static int
edition_step(struct mm_publisher *publisher)
{
	int64_t wait = publisher->edition_at - now_ms();
	enum mm_error error;

	if (!publisher->writing && wait > 0)
		return (int)wait;
	if (!publisher->writing)
		begin_edition(publisher);
	if (publisher->look_first)
		return look_step(publisher);
	error = write_one(publisher);
	tell(publisher, error);
	return error == MM_OK ? 0 : RETRY_MS;
}

/* The next round, at its time. */
static void
end_round(struct mm_publisher *publisher)
{
	int64_t now = now_ms();

	mm_review_begin(&publisher->compare, publisher->written);
	publisher->compare_at =
	    publisher->round_at > now ? publisher->round_at : now;
	publisher->round_at = publisher->compare_at + ROUND_MS;
}

/* A damaged file stays behind; each round tells of it again. */
static int
compare_step(struct mm_publisher *publisher)
{
	enum mm_error error;

	publisher->compare_at = now_ms() + COMPARE_MS;
	if (!mm_review_compare(&publisher->compare, publisher->written, &error))
		end_round(publisher);
	if (error == MM_E_LOG_WRONG)
		tell_wrong(publisher, mm_why(error));
	else
		tell(publisher, error);
	return 0;
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int
mm_publisher_step(struct mm_publisher *publisher)
{
	int64_t now = now_ms();

	if (is_due(publisher))
		return edition_step(publisher);
	if (publisher->looking)
		return look_step(publisher);
	if (publisher->written == 0)
		return -1;
	if (now >= publisher->look_at) {
		begin_look(publisher);
		return 0;
	}
	if (now >= publisher->compare_at)
		return compare_step(publisher);
	return (int)(least(publisher->compare_at, publisher->look_at) - now);
}

enum mm_error
mm_publisher_offer(
    struct mm_publisher *publisher, uint64_t size, struct mm_span note)
{
	struct edition *wanted = &publisher->wanted;

	if (size < publisher->written ||
	    (size == publisher->written && has_checkpoint(publisher)))
		return MM_OK;
	mm_buffer_reset(&wanted->note);
	mm_buffer_add(&wanted->note, note.data, note.size);
	wanted->size = wanted->note.error == MM_OK ? size : 0;
	return wanted->note.error;
}

void
mm_publisher_distrust(struct mm_publisher *publisher, const char *why)
{
	tell_wrong(publisher, why);
}

enum mm_error
mm_publisher_check(const struct mm_publisher *publisher)
{
	if (publisher->wrong[0] != '\0')
		return mm_fail(MM_E_LOG_WRONG, "%s", publisher->wrong);
	return MM_OK;
}

/* How far the directory has come; nowhere where its checkpoint is not ours. */
static enum mm_error
find_checkpoint(struct mm_publisher *publisher, const struct mm_vkey *vkey)
{
	struct mm_tree tree = mm_store_tree(publisher->store);
	struct mm_store_checkpoint newest;
	struct mm_checkpoint found;
	char path[PATH_MAX];
	mm_auto(buffer) note = {0};
	struct mm_hash root;
	enum mm_error error =
	    mm_put_path(publisher->directory, checkpoint_name, path);

	mm_buffer_init(&note, MM_NOTE_MAX);
	if (error != MM_OK || access(path, F_OK) < 0)
		return error;
	if (mm_file_read(path, MM_NOTE_MAX, &note) != MM_OK ||
	    mm_checkpoint_open(mm_buffer_span(&note), vkey, &found) != MM_OK)
		return MM_OK;
	error = mm_store_newest(publisher->store, &newest);
	if (error == MM_OK && found.size <= newest.size)
		error = mm_tree_root(&tree, found.size, &root);
	if (error != MM_OK)
		return error;
	if (found.size > newest.size || !mm_hash_equal(&root, &found.root))
		return mm_fail(MM_E_ROLLBACK,
		    "%s is signed by this log, but log.db does not lead to it: "
		    "log.db was rolled back, and going on would fork the log, "
		    "so nothing is signed. Do not delete these files: move "
		    "the old log.db away and restore it from them with "
		    "mintmarkd --restore",
		    path);
	publisher->written = found.size;
	return MM_OK;
}

enum mm_error
mm_publisher_open(const char *directory, struct mm_store *store,
    const struct mm_vkey *vkey, struct mm_publisher **out)
{
	struct mm_publisher *publisher = calloc(1, sizeof(*publisher));
	enum mm_error error;

	if (publisher == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the tiles");
	publisher->directory = directory;
	publisher->store = store;
	publisher->look = (struct mm_review){directory, store, 0, {0}, 0, 0};
	publisher->compare = publisher->look;
	mm_buffer_init(&publisher->wanted.note, MM_NOTE_MAX);
	mm_buffer_init(&publisher->current.note, MM_NOTE_MAX);
	error = find_checkpoint(publisher, vkey);
	if (error != MM_OK) {
		mm_publisher_close(publisher);
		return error;
	}
	begin_look(publisher);
	mm_review_begin(&publisher->compare, publisher->written);
	publisher->round_at = now_ms() + ROUND_MS;
	*out = publisher;
	return MM_OK;
}

/* Without the pause between checkpoints, until it fails or time is up. */
static void
write_due(struct mm_publisher *publisher, int64_t limit)
{
	int64_t end = now_ms() + limit;

	while (is_due(publisher) && now_ms() < end) {
		publisher->edition_at = 0;
		if (mm_publisher_step(publisher) != 0)
			return;
	}
}

enum mm_error
mm_publisher_reach(struct mm_publisher *publisher, uint64_t size)
{
	if (publisher->written < size)
		write_due(publisher, REACH_MS);
	if (publisher->written < size)
		return mm_fail(MM_E_BUSY,
		    "the files of the checkpoint of %llu entries are not "
		    "written yet",
		    (unsigned long long)size);
	return MM_OK;
}

void
mm_publisher_close(struct mm_publisher *publisher)
{
	if (publisher == NULL)
		return;
	write_due(publisher, CLOSE_MS);
	mm_buffer_clear(&publisher->wanted.note);
	mm_buffer_clear(&publisher->current.note);
	free(publisher);
}
