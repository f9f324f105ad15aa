#include "cli/row_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/progress.h"
#include "cli/row_parts.h"
#include "cli/spool.h"
#include "cli/values.h"

enum {
	ARENA = 1 << 20,
	NAMES = 4096 /* orders whose name is remembered */
};

struct mm_row_scan {
	struct mm_source *source;
	struct mm_row_range range;
	const struct mm_row_filter *filter;
	struct mm_row_states *states;
	FILE *spool; /* the rows that match so far */
	struct name {
		uint64_t basis;
		bool known;
		char text[MM_NAME_MAX + 1];
	} names[NAMES];
};

void
mm_row_scan_free(struct mm_row_scan *scan)
{
	if (scan == NULL)
		return;
	mm_row_states_free(scan->states);
	if (scan->spool != NULL)
		fclose(scan->spool);
	free(scan);
}

enum mm_error
mm_row_range_read(const struct mm_invocation *invocation,
    const struct mm_source *source, struct mm_row_range *out)
{
	uint64_t size = mm_source_checkpoint(source)->size, last;
	struct mm_row_range range = {0, size, size};
	enum mm_error error =
	    mm_value_number(invocation, "from", 0, INT64_MAX, &range.from);

	if (error == MM_OK)
		error =
		    mm_value_number(invocation, "to", 0, INT64_MAX, &range.to);
	if (error != MM_OK)
		return error;
	last = range.from > range.to ? range.from : range.to;
	if (last > size)
		return mm_fail(MM_E_NOT_FOUND,
		    "the log has %llu entries: --from and --to cannot be %llu",
		    (unsigned long long)size, (unsigned long long)last);
	if (range.from > range.to)
		return mm_fail(MM_E_USAGE, "--from is after --to");
	range.until = range.to;
	*out = range;
	return MM_OK;
}

/* --- names of orders --- */

static void
remember(struct mm_row_scan *scan, uint64_t index, const struct mm_entry *entry,
    struct mm_arena *arena)
{
	struct name *name = &scan->names[index % NAMES];

	name->basis = index;
	name->known = true;
	mm_order_name(entry, arena, name->text);
}

/* An entry by itself, by its receipt: the run goes on undisturbed. */
static enum mm_error
fetch_entry(struct mm_source *source, uint64_t index, struct mm_arena *arena,
    struct mm_entry *out)
{
	mm_auto(buffer) text = {0};
	struct mm_receipt receipt;
	struct mm_span kept;
	enum mm_error error;

	mm_buffer_init(&text, MM_RECEIPT_MAX);
	error = mm_source_receipt(source, index, false, &text);
	if (error != MM_OK)
		return error;
	kept = mm_arena_copy(arena, mm_buffer_span(&text));
	if (kept.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	error = mm_receipt_decode(kept, arena, &receipt);
	return error == MM_OK ? mm_entry_decode(receipt.entry, arena, out)
			      : error;
}

static enum mm_error
order_name(void *self, uint64_t basis, char out[MM_NAME_MAX + 1])
{
	struct mm_row_scan *scan = self;
	struct name *name = &scan->names[basis % NAMES];
	enum mm_error error = MM_OK;

	if (basis >= mm_source_checkpoint(scan->source)->size)
		return mm_fail(MM_E_LOG_WRONG,
		    "a certificate rests on entry %llu, which is not there",
		    (unsigned long long)basis);
	if (!name->known || name->basis != basis) {
		mm_auto(arena) arena = {0};
		struct mm_entry entry;

		mm_arena_init(&arena, ARENA);
		error = fetch_entry(scan->source, basis, &arena, &entry);
		if (error == MM_OK)
			remember(scan, basis, &entry, &arena);
	}
	if (error == MM_OK)
		memcpy(out, name->text, sizeof(name->text));
	return error;
}

/* --- reading --- */

static enum mm_error
keep(void *self, const struct mm_row *row)
{
	struct mm_row_scan *scan = self;

	if (!mm_row_matches(row, scan->filter))
		return MM_OK;
	return mm_row_put(row, scan->spool) ? MM_OK : mm_spool_fault();
}

static enum mm_error
read_entry(struct mm_row_scan *scan, uint64_t index, struct mm_span bytes)
{
	const struct mm_row_maker maker = {order_name, keep, scan};
	mm_auto(arena) arena = {0};
	struct mm_span kept;
	struct mm_entry entry;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	/* A name that has to be fetched would be its end. */
	kept = mm_arena_copy(&arena, bytes);
	if (kept.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	error = mm_entry_decode(kept, &arena, &entry);
	if (error != MM_OK)
		return mm_fail(error, "entry %llu: %s",
		    (unsigned long long)index, mm_why(error));
	if (entry.kind == MM_ENTRY_ORDER)
		remember(scan, index, &entry, &arena);
	error = mm_row_states_add(scan->states, index, &entry, &arena);
	if (error == MM_OK && index < scan->range.to &&
	    (scan->filter->kinds >> entry.kind & 1) != 0)
		error = mm_rows_of_entry(&maker, index, &entry, &arena);
	return error;
}

static enum mm_error
read_range(struct mm_row_scan *scan)
{
	const struct mm_row_range *range = &scan->range;
	struct mm_progress progress;
	enum mm_error error = MM_OK;

	mm_progress_begin(&progress, "entries");
	for (uint64_t i = range->from; i < range->until && error == MM_OK;
	     i++) {
		struct mm_span entry;

		error = mm_source_entry(scan->source, i, &entry);
		if (error == MM_OK)
			error = read_entry(scan, i, entry);
		mm_progress_tell(
		    &progress, i + 1 - range->from, range->until - range->from);
	}
	mm_progress_end(&progress);
	return error == MM_OK ? mm_source_settle(scan->source) : error;
}

enum mm_error
mm_row_scan_new(struct mm_source *source, const struct mm_row_range *range,
    const struct mm_row_filter *filter, struct mm_row_scan **out)
{
	struct mm_row_scan *scan = calloc(1, sizeof(*scan));
	enum mm_error error;

	if (scan == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to read the log");
	scan->source = source;
	scan->range = *range;
	scan->filter = filter;
	scan->spool = mm_spool_open();
	error = scan->spool != NULL
		    ? mm_row_states_new(range->from, range->to, &scan->states)
		    : mm_spool_fault();
	if (error == MM_OK)
		error = read_range(scan);
	if (error == MM_OK && fseeko(scan->spool, 0, SEEK_SET) != 0)
		error = mm_spool_fault();
	if (error != MM_OK) {
		mm_row_scan_free(scan);
		return error;
	}
	mm_row_states_end(scan->states);
	*out = scan;
	return MM_OK;
}

enum mm_error
mm_row_scan_next(struct mm_row_scan *scan, struct mm_row *out, bool *more)
{
	while (mm_row_get(scan->spool, out)) {
		mm_row_states_apply(scan->states, out);
		if (!mm_row_state_matches(out, scan->filter))
			continue;
		*more = true;
		return MM_OK;
	}
	*more = false;
	return ferror(scan->spool) == 0 ? MM_OK : mm_spool_fault();
}

/* --- times --- */

static enum mm_error
time_of(struct mm_source *source, uint64_t index, uint64_t *out)
{
	mm_auto(arena) arena = {0};
	struct mm_entry entry;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = fetch_entry(source, index, &arena, &entry);
	if (error == MM_OK)
		*out = entry.time;
	return error;
}

enum mm_error
mm_row_find_time(
    struct mm_source *source, uint64_t time, bool after, uint64_t *out)
{
	uint64_t low = 0, high = mm_source_checkpoint(source)->size;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2, found;
		enum mm_error error = time_of(source, middle, &found);

		if (error != MM_OK)
			return error;
		if (found < time || (after && found == time))
			low = middle + 1;
		else
			high = middle;
	}
	*out = low;
	return MM_OK;
}
