#include "cli/pages.h"

#include <string.h>

enum { ROWS_MAX = 65536 };

struct reading {
	struct mm_pages *pages;
	mm_page *page;
	void *self;
};

static enum mm_error
read_all(struct mm_client *client, void *self)
{
	struct reading *reading = self;
	bool more = true;
	enum mm_error error = MM_OK;

	reading->pages->count = 0;
	while (error == MM_OK && more)
		error =
		    reading->page(client, reading->pages, reading->self, &more);
	return error;
}

enum mm_error
mm_pages_read(const struct mm_appliance *appliance, struct mm_pages *pages,
    mm_page *page, void *self)
{
	struct reading reading = {pages, page, self};

	return mm_appliance_try(appliance, read_all, &reading);
}

static void *
row_at(const struct mm_pages *pages, size_t i)
{
	return (char *)pages->rows + i * pages->size;
}

struct mm_span
mm_pages_last(const struct mm_pages *pages)
{
	return pages->count > 0
		   ? *(const struct mm_span *)row_at(pages, pages->count - 1)
		   : mm_span(NULL, 0);
}

static enum mm_error
widen(struct mm_pages *pages)
{
	size_t wider = pages->capacity > 0 ? 4 * pages->capacity : MM_ROWS_MAX;
	void *more;

	if (pages->count < pages->capacity)
		return MM_OK;
	more = wider <= ROWS_MAX
		   ? mm_arena_alloc(pages->arena, wider * pages->size)
		   : NULL;
	if (more == NULL)
		return mm_fail(MM_E_MEMORY, "the list is too long");
	if (pages->count > 0)
		memcpy(more, pages->rows, pages->count * pages->size);
	pages->rows = more;
	pages->capacity = wider;
	return MM_OK;
}

enum mm_error
mm_pages_add(struct mm_pages *pages, const struct mm_list *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		const char *row = (const char *)rows->items + i * pages->size;
		enum mm_error error = widen(pages);

		if (error != MM_OK)
			return error;
		if (pages->count > 0 &&
		    mm_span_compare(mm_pages_last(pages),
			*(const struct mm_span *)(const void *)row) >= 0)
			return mm_fail(
			    MM_E_PEER, "the appliance lists what was listed");
		memcpy(row_at(pages, pages->count++), row, pages->size);
	}
	return MM_OK;
}
