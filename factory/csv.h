/*
 * CSV as factories have it (RFC 4180): a header that names the columns, then
 * a row a device, read one after the other. A BOM, CRLF and quoted cells with
 * commas, quotes and line ends in them are taken; a row with more or fewer
 * cells than the header, a stray quote and a NUL are not. Empty lines are
 * passed over. Every error names the file and the line. What the cells mean,
 * and whether it is text, is the caller's to say.
 */
#ifndef MM_FACTORY_CSV_H
#define MM_FACTORY_CSV_H

#include <stdio.h>

#include "protocol/bytes.h"

enum { MM_CSV_COLUMNS = 64, MM_CSV_ROW = 65536 /* bytes of a row */ };

struct mm_csv {
	const char *path; /* for errors; the caller's */
	FILE *file;
	uint64_t line;  /* that the last row began on, from 1 on */
	uint64_t lines; /* read so far */
	size_t count;   /* columns */
	bool comments;  /* set it: lines that begin with # are passed over */
	struct mm_span names[MM_CSV_COLUMNS];
	struct mm_span cells[MM_CSV_COLUMNS]; /* of the last row */
	struct mm_buffer head, row;           /* where those lie */
};

/* Opens a file and reads its header: 1 to MM_CSV_COLUMNS different names, none
 * empty. To be cleared in any case. MM_E_FILE, MM_E_FORMAT. */
enum mm_error mm_csv_open(const char *path, struct mm_csv *out) mm_must_use;
/* The same of a file that is open and can be rewound; it is taken. */
enum mm_error
mm_csv_take(FILE *file, const char *path, struct mm_csv *out) mm_must_use;
/* The next row into `cells`, which live until the next call; `more` is false
 * after the last. MM_E_FORMAT, MM_E_FILE. */
enum mm_error mm_csv_next(struct mm_csv *csv, bool *more) mm_must_use;
void mm_csv_clear(struct mm_csv *csv);

/* Appends a cell, quoted where it has to be (RFC 4180 2.6, 2.7), or where it
 * begins or ends with a blank, which some readers take off. */
void mm_csv_cell(struct mm_span cell, struct mm_buffer *out);

#endif
