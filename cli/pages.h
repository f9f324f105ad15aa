/*
 * A list that the appliance gives page by page, gathered in an arena.
 */
#ifndef MM_PAGES_H
#define MM_PAGES_H

#include "cli/appliance.h"

struct mm_pages {
	struct mm_arena *arena;
	size_t size; /* of a row, which begins with its name: a span */
	void *rows;
	size_t count, capacity;
};

/* Asks for the next page and adds its rows. `*more`: there may be others. */
typedef enum mm_error mm_page(
    struct mm_client *client, struct mm_pages *pages, void *self, bool *more);

/* All pages, over one connection; from the first again where that breaks. */
enum mm_error mm_pages_read(const struct mm_appliance *appliance,
    struct mm_pages *pages, mm_page *page, void *self) mm_must_use;
/* Adds a page's rows, whose names ascend from those before: MM_E_PEER. */
enum mm_error
mm_pages_add(struct mm_pages *pages, const struct mm_list *rows) mm_must_use;
/* The last row's name; empty where there is none. */
struct mm_span mm_pages_last(const struct mm_pages *pages);

#endif
