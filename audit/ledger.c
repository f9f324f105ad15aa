#include "audit/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum {
	/* Half is for facts, half for sorting them (qsort(3) merges in a copy)
	 * or for merging runs. */
	MEMORY_SHARE = 2,
	FACTS_FIRST = 256,
	BLOCK = 4096, /* bytes at least that are read of a run at once */
	RUNS_AT_ONCE_MIN = 2
};

_Static_assert(
    sizeof(struct mm_fact) == 32, "facts stand in the file as in memory");

/* A sorted stretch of the file. */
struct run {
	off_t at;
	uint64_t count; /* facts */
};

struct runs {
	struct run *items;
	size_t count, capacity;
};

struct mm_ledger {
	char *work;
	size_t memory;
	struct mm_fact *facts;
	size_t count, capacity, most;
	int fd; /* of the runs; -1: all fits into memory */
	off_t end;
	struct runs runs;
};

/* Where a run is being read. */
struct cursor {
	struct run left; /* not in `block` yet */
	struct mm_fact *block;
	size_t at, count, room;
};

/* The cursors as a heap: the first one's fact is the next. */
struct merge {
	struct cursor *cursors;
	struct mm_fact *blocks;
	size_t count;
	int fd;
};

static const char *
directory_of(const char *work)
{
	const char *temporary = getenv("TMPDIR");

	if (work != NULL)
		return work;
	return temporary != NULL ? temporary : "/var/tmp";
}

enum mm_error
mm_ledger_new(const char *work, size_t memory, struct mm_ledger **out)
{
	struct mm_ledger *ledger = calloc(1, sizeof(*ledger));

	if (ledger == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a ledger");
	ledger->fd = -1;
	ledger->memory = memory;
	ledger->most = memory / MEMORY_SHARE / sizeof(struct mm_fact);
	if (ledger->most < FACTS_FIRST)
		ledger->most = FACTS_FIRST;
	ledger->work = strdup(directory_of(work));
	if (ledger->work == NULL) {
		mm_ledger_free(ledger);
		return mm_fail(MM_E_MEMORY, "no memory for a ledger");
	}
	*out = ledger;
	return MM_OK;
}

void
mm_ledger_free(struct mm_ledger *ledger)
{
	if (ledger == NULL)
		return;
	if (ledger->fd >= 0)
		close(ledger->fd);
	free(ledger->runs.items);
	free(ledger->facts);
	free(ledger->work);
	free(ledger);
}

/* --- the file --- */

static enum mm_error
file_fault(const struct mm_ledger *ledger, const char *what)
{
	bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

	return mm_fail(full ? MM_E_DISK_FULL : MM_E_FILE,
	    "cannot %s a temporary file in %s: %s; another directory may do "
	    "better",
	    what, ledger->work, strerror(errno));
}

/* Without a name from the start, or as soon as it is there. */
static enum mm_error
make_file(const struct mm_ledger *ledger, int *out)
{
	char name[4096];
	int fd = open(ledger->work, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int length;

	if (fd < 0 &&
	    (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		length = snprintf(
		    name, sizeof(name), "%s/.mintmark.XXXXXX", ledger->work);
		if (length < 0 || (size_t)length >= sizeof(name))
			return mm_fail(MM_E_FILE, "the path is too long: %s",
			    ledger->work);
		fd = mkostemp(name, O_CLOEXEC);
		if (fd >= 0)
			unlink(name);
	}
	if (fd < 0)
		return file_fault(ledger, "make");
	*out = fd;
	return MM_OK;
}

static enum mm_error
write_facts(struct mm_ledger *ledger, int fd, off_t at,
    const struct mm_fact *facts, size_t count)
{
	const char *bytes = (const char *)facts;
	size_t left = count * sizeof(*facts);

	while (left > 0) {
		ssize_t put = pwrite(fd, bytes, left, at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return file_fault(ledger, "write");
		bytes += put;
		at += put;
		left -= (size_t)put;
	}
	return MM_OK;
}

static enum mm_error
read_facts(const struct mm_ledger *ledger, int fd, off_t at,
    struct mm_fact *facts, size_t count)
{
	char *bytes = (char *)facts;
	size_t left = count * sizeof(*facts);

	while (left > 0) {
		ssize_t got = pread(fd, bytes, left, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_fault(ledger, "read");
		if (got == 0)
			return mm_fail(MM_E_FILE,
			    "a temporary file in %s has become shorter",
			    ledger->work);
		bytes += got;
		at += got;
		left -= (size_t)got;
	}
	return MM_OK;
}

/* --- runs --- */

static int
compare(const void *one, const void *other)
{
	const struct mm_fact *a = one, *b = other;
	int names = memcmp(a->name, b->name, sizeof(a->name));

	if (names != 0)
		return names;
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return (a->value > b->value) - (a->value < b->value);
}

static enum mm_error
runs_add(struct runs *runs, const struct run *run)
{
	if (runs->count == runs->capacity) {
		size_t wider = runs->capacity > 0 ? 2 * runs->capacity : 16;
		struct run *items =
		    reallocarray(runs->items, wider, sizeof(*items));

		if (items == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for a ledger");
		runs->items = items;
		runs->capacity = wider;
	}
	runs->items[runs->count++] = *run;
	return MM_OK;
}

static void
sort(struct mm_ledger *ledger)
{
	if (ledger->count > 0)
		qsort(ledger->facts, ledger->count, sizeof(*ledger->facts),
		    compare);
}

/* What is in memory becomes a run. */
static enum mm_error
spill(struct mm_ledger *ledger)
{
	const struct run run = {ledger->end, ledger->count};
	enum mm_error error = MM_OK;

	if (ledger->count == 0)
		return MM_OK;
	sort(ledger);
	if (ledger->fd < 0)
		error = make_file(ledger, &ledger->fd);
	if (error == MM_OK)
		error = write_facts(
		    ledger, ledger->fd, run.at, ledger->facts, ledger->count);
	if (error == MM_OK)
		error = runs_add(&ledger->runs, &run);
	if (error != MM_OK)
		return error;
	ledger->end += (off_t)(ledger->count * sizeof(*ledger->facts));
	ledger->count = 0;
	return MM_OK;
}

static enum mm_error
grow(struct mm_ledger *ledger)
{
	size_t wider =
	    ledger->capacity > 0 ? 2 * ledger->capacity : FACTS_FIRST;
	struct mm_fact *facts;

	if (ledger->capacity == ledger->most)
		return spill(ledger);
	if (wider > ledger->most)
		wider = ledger->most;
	facts = reallocarray(ledger->facts, wider, sizeof(*facts));
	if (facts == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a ledger");
	ledger->facts = facts;
	ledger->capacity = wider;
	return MM_OK;
}

enum mm_error
mm_ledger_add(struct mm_ledger *ledger, const struct mm_fact *fact)
{
	enum mm_error error =
	    ledger->count == ledger->capacity ? grow(ledger) : MM_OK;

	if (error == MM_OK)
		ledger->facts[ledger->count++] = *fact;
	return error;
}

/* --- merging --- */

static enum mm_error
cursor_fill(
    const struct mm_ledger *ledger, struct merge *merge, struct cursor *cursor)
{
	size_t count = cursor->room;
	enum mm_error error;

	if (count > cursor->left.count)
		count = (size_t)cursor->left.count;
	error = read_facts(
	    ledger, merge->fd, cursor->left.at, cursor->block, count);
	cursor->left.at += (off_t)(count * sizeof(struct mm_fact));
	cursor->left.count -= count;
	cursor->at = 0;
	cursor->count = count;
	return error;
}

static bool
is_before(const struct cursor *a, const struct cursor *b)
{
	return compare(&a->block[a->at], &b->block[b->at]) < 0;
}

static void
sift_down(struct merge *merge, size_t at)
{
	for (;;) {
		struct cursor *c = merge->cursors, held;
		size_t least = at;

		for (size_t child = 2 * at + 1;
		     child <= 2 * at + 2 && child < merge->count; child++)
			if (is_before(&c[child], &c[least]))
				least = child;
		if (least == at)
			return;
		held = c[at];
		c[at] = c[least];
		c[least] = held;
		at = least;
	}
}

static void
merge_clear(struct merge *merge)
{
	free(merge->cursors);
	free(merge->blocks);
}

static enum mm_error
merge_begin(struct mm_ledger *ledger, int fd, const struct run *runs,
    size_t count, struct merge *merge)
{
	size_t room =
	    ledger->memory / MEMORY_SHARE / count / sizeof(struct mm_fact);

	if (room < BLOCK / sizeof(struct mm_fact))
		room = BLOCK / sizeof(struct mm_fact);
	*merge = (struct merge){.fd = fd,
	    .cursors = calloc(count, sizeof(*merge->cursors)),
	    .blocks = reallocarray(NULL, count * room, sizeof(*merge->blocks))};
	if (merge->cursors == NULL || merge->blocks == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a ledger");
	for (size_t i = 0; i < count; i++) {
		struct cursor *cursor = &merge->cursors[merge->count++];
		enum mm_error error;

		*cursor = (struct cursor){.left = runs[i],
		    .block = merge->blocks + i * room,
		    .room = room};
		error = cursor_fill(ledger, merge, cursor);
		if (error != MM_OK)
			return error;
	}
	for (size_t i = count / 2; i-- > 0;)
		sift_down(merge, i);
	return MM_OK;
}

/* Takes the first fact, while there is one. */
static enum mm_error
merge_next(
    const struct mm_ledger *ledger, struct merge *merge, struct mm_fact *out)
{
	struct cursor *first = &merge->cursors[0];
	enum mm_error error = MM_OK;

	*out = first->block[first->at++];
	if (first->at == first->count && first->left.count > 0)
		error = cursor_fill(ledger, merge, first);
	else if (first->at == first->count)
		*first = merge->cursors[--merge->count];
	if (error == MM_OK)
		sift_down(merge, 0);
	return error;
}

static enum mm_error
merge_read(struct mm_ledger *ledger, int fd, const struct run *runs,
    size_t count, mm_ledger_reader reader, void *self)
{
	struct merge merge;
	enum mm_error error = merge_begin(ledger, fd, runs, count, &merge);

	while (error == MM_OK && merge.count > 0) {
		struct mm_fact fact;

		error = merge_next(ledger, &merge, &fact);
		if (error == MM_OK)
			error = reader(self, &fact);
	}
	merge_clear(&merge);
	return error;
}

/* Some runs on their way into one longer run of another file. */
struct pass {
	struct mm_ledger *ledger;
	int fd;
	off_t end;
	struct runs runs;
};

/* `ledger->facts` is empty by now, and holds what is to be written. */
static enum mm_error
pass_flush(struct pass *pass)
{
	struct mm_ledger *ledger = pass->ledger;
	enum mm_error error = write_facts(
	    ledger, pass->fd, pass->end, ledger->facts, ledger->count);

	pass->end += (off_t)(ledger->count * sizeof(*ledger->facts));
	ledger->count = 0;
	return error;
}

static enum mm_error
pass_take(void *self, const struct mm_fact *fact)
{
	struct pass *pass = self;
	struct mm_ledger *ledger = pass->ledger;
	enum mm_error error = MM_OK;

	if (ledger->count == ledger->capacity)
		error = pass_flush(pass);
	if (error == MM_OK)
		ledger->facts[ledger->count++] = *fact;
	return error;
}

static enum mm_error
pass_run(struct pass *pass, size_t at_once)
{
	struct mm_ledger *ledger = pass->ledger;
	struct runs *from = &ledger->runs;

	for (size_t i = 0; i < from->count; i += at_once) {
		size_t left = from->count - i;
		struct run run = {.at = pass->end};
		enum mm_error error =
		    merge_read(ledger, ledger->fd, from->items + i,
			left < at_once ? left : at_once, pass_take, pass);

		if (error == MM_OK)
			error = pass_flush(pass);
		run.count =
		    (uint64_t)(pass->end - run.at) / sizeof(struct mm_fact);
		if (error == MM_OK)
			error = runs_add(&pass->runs, &run);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* Fewer and longer runs, in a new file. */
static enum mm_error
reduce(struct mm_ledger *ledger, size_t at_once)
{
	struct pass pass = {.ledger = ledger, .fd = -1};
	enum mm_error error = make_file(ledger, &pass.fd);

	if (error == MM_OK)
		error = pass_run(&pass, at_once);
	if (error != MM_OK) {
		if (pass.fd >= 0)
			close(pass.fd);
		free(pass.runs.items);
		return error;
	}
	close(ledger->fd);
	free(ledger->runs.items);
	ledger->fd = pass.fd;
	ledger->end = pass.end;
	ledger->runs = pass.runs;
	return MM_OK;
}

static enum mm_error
read_memory(struct mm_ledger *ledger, mm_ledger_reader reader, void *self)
{
	enum mm_error error = MM_OK;

	sort(ledger);
	for (size_t i = 0; i < ledger->count && error == MM_OK; i++)
		error = reader(self, &ledger->facts[i]);
	return error;
}

enum mm_error
mm_ledger_read(struct mm_ledger *ledger, mm_ledger_reader reader, void *self)
{
	size_t at_once = ledger->memory / MEMORY_SHARE / BLOCK;
	enum mm_error error;

	if (ledger->fd < 0)
		return read_memory(ledger, reader, self);
	if (at_once < RUNS_AT_ONCE_MIN)
		at_once = RUNS_AT_ONCE_MIN;
	error = spill(ledger);
	while (error == MM_OK && ledger->runs.count > at_once)
		error = reduce(ledger, at_once);
	if (error == MM_OK)
		error = merge_read(ledger, ledger->fd, ledger->runs.items,
		    ledger->runs.count, reader, self);
	return error;
}
