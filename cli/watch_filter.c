#include "cli/watch_filter.h"

enum { ARENA = 1 << 20 };

static void
put(char *out, size_t size, struct mm_span text)
{
	mm_span_string(text, out, size);
}

static bool
matches_certificate(
    struct mm_row *row, const struct mm_row_filter *filter, const void *body)
{
	const struct mm_certificate_entry *entry = body;

	put(row->what, sizeof(row->what), entry->subject);
	put(row->station, sizeof(row->station), entry->principal);
	return mm_row_matches(row, filter);
}

static bool
matches_image(
    struct mm_row *row, const struct mm_row_filter *filter, const void *body)
{
	const struct mm_image_entry *entry = body;

	put(row->what, sizeof(row->what), entry->product);
	put(row->station, sizeof(row->station), entry->principal);
	return mm_row_matches(row, filter);
}

static bool
matches_partition(
    struct mm_row *row, const struct mm_row_filter *filter, const void *body)
{
	const struct mm_partition_entry *entry = body;

	put(row->what, sizeof(row->what), entry->device);
	put(row->station, sizeof(row->station), entry->principal);
	return mm_row_matches(row, filter);
}

static bool
matches_scrap(
    struct mm_row *row, const struct mm_row_filter *filter, const void *body)
{
	const struct mm_scrap_entry *entry = body;

	put(row->what, sizeof(row->what), entry->device);
	put(row->station, sizeof(row->station), entry->principal);
	return mm_row_matches(row, filter);
}

static bool
matches_statement(
    struct mm_row *row, const struct mm_row_filter *filter, const void *body)
{
	const struct mm_statement_entry *entry = body;

	put(row->station, sizeof(row->station), entry->principal);
	return mm_row_matches(row, filter);
}

/* One of the refusals is enough. */
static bool
matches_refusal(
    struct mm_row *row, const struct mm_row_filter *filter, const void *body)
{
	const struct mm_refusal_entry *entry = body;

	row->state = MM_ROW_REFUSED;
	for (mm_list_each(const struct mm_refusal, one, entry->refusals)) {
		put(row->what, sizeof(row->what), one->subject);
		put(row->station, sizeof(row->station), one->principal);
		if (mm_row_matches(row, filter))
			return true;
	}
	return false;
}

static bool (*const rules[MM_ENTRY_KINDS])(struct mm_row *,
    const struct mm_row_filter *,
    const void *) = {[MM_ENTRY_CERTIFICATE] = matches_certificate,
    [MM_ENTRY_IMAGE] = matches_image,
    [MM_ENTRY_PARTITION] = matches_partition,
    [MM_ENTRY_PRINCIPAL] = matches_statement,
    [MM_ENTRY_ORDER] = matches_statement,
    [MM_ENTRY_REVOCATION] = matches_statement,
    [MM_ENTRY_REFUSAL] = matches_refusal,
    [MM_ENTRY_SCRAP] = matches_scrap};

bool
mm_watch_filter(
    const struct mm_row_filter *filter, uint64_t index, struct mm_span bytes)
{
	union {
		struct mm_certificate_entry certificate;
		struct mm_image_entry image;
		struct mm_partition_entry partition;
		struct mm_statement_entry statement;
		struct mm_refusal_entry refusal;
		struct mm_scrap_entry scrap;
	} body;
	struct mm_row row = {.index = index, .count = 1};
	mm_auto(arena) arena = {0};
	struct mm_entry frame;

	mm_arena_init(&arena, ARENA);
	if (mm_entry_decode(bytes, &arena, &frame) != MM_OK)
		return true;
	row.kind = frame.kind;
	row.time = frame.time;
	if (rules[frame.kind] == NULL)
		return mm_row_matches(&row, filter);
	if (mm_entry_decode_as(bytes, (enum mm_entry_kind)frame.kind, &arena,
		&frame, &body) != MM_OK)
		return true;
	return rules[frame.kind](&row, filter, &body);
}
