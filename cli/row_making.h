/*
 * Inside the scan: an entry on its way to rows, between row_entry.c, which
 * knows all kinds, and row_stated.c, which knows what people state.
 */
#ifndef MM_ROW_MAKING_H
#define MM_ROW_MAKING_H

#include "cli/json_value.h"
#include "cli/row_parts.h"

struct mm_row_making {
	const struct mm_row_maker *maker;
	struct mm_row row; /* index, time and kind are there */
	struct mm_arena *arena;
	const void *body; /* of the entry's kind */
};

void mm_row_set(char out[MM_NAME_MAX + 1], struct mm_span text);
/* Content octets, as hexadecimal digits of MM_SERIAL_SIZE bytes. */
void mm_row_serial(struct mm_span serial, char out[MM_SERIAL_HEX]);
/* The row is whole: the sink has it. */
enum mm_error mm_row_done(struct mm_row_making *m) mm_must_use;

typedef enum mm_error mm_row_rule(struct mm_row_making *m);
/* --- row_stated.c --- */
mm_row_rule mm_policy_rows, mm_principal_rows, mm_order_rows,
    mm_revocation_rows, mm_release_rows, mm_ceremony_rows, mm_withdrawal_rows,
    mm_pending_rows;

#endif
