/*
 * Inside the scan: from an entry to its rows, and what is remembered of
 * entries that others speak of.
 */
#ifndef MM_ROW_PARTS_H
#define MM_ROW_PARTS_H

#include "ca/serial.h"
#include "cli/row_scan.h"

/* --- row_entry.c --- */

typedef enum mm_error (*mm_row_sink)(void *self, const struct mm_row *row);
/*
 * Tells `sink` the rows of an entry.
 */
struct mm_row_maker {
	/* The order's name of entry `basis`, "" where it is no order. */
	enum mm_error (*name)(
	    void *self, uint64_t basis, char out[MM_NAME_MAX + 1]);
	mm_row_sink sink;
	void *self; /* of both */
};
enum mm_error mm_rows_of_entry(const struct mm_row_maker *maker, uint64_t index,
    const struct mm_entry *entry, struct mm_arena *arena) mm_must_use;
/* The name that an order's statements give it; empty for what is none. */
void mm_order_name(const struct mm_entry *entry, struct mm_arena *arena,
    char out[MM_NAME_MAX + 1]);
/* The claim of the first statement that can be read; its body by `kind`. */
bool mm_statement_body(const struct mm_list *statements, uint64_t kind,
    struct mm_arena *arena, void *body);

/* --- row_state.c --- */

struct mm_row_states;

enum mm_error mm_row_states_new(
    uint64_t from, uint64_t to, struct mm_row_states **out) mm_must_use;
void mm_row_states_free(struct mm_row_states *states);
/* What this entry says of others. */
enum mm_error mm_row_states_add(struct mm_row_states *states, uint64_t index,
    const struct mm_entry *entry, struct mm_arena *arena) mm_must_use;
/* After the last. */
void mm_row_states_end(struct mm_row_states *states);
/* Fills a row's state and reason, by index and serial number. */
void
mm_row_states_apply(const struct mm_row_states *states, struct mm_row *row);

#endif
