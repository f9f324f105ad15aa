/*
 * Inside `flash label`: between the command line and the files.
 */
#ifndef MM_LABEL_JOB_H
#define MM_LABEL_JOB_H

#include "cli/growing_file.h"
#include "factory/label.h"

struct mm_invocation;
struct mm_labels;

struct mm_label_format {
	const char *name;
	/* Into `drawn`. */
	enum mm_error (*draw)(struct mm_labels *l);
	bool job;   /* labels may follow one another in a file */
	bool pages; /* or lie on pages */
};

struct mm_labels {
	const struct mm_invocation *invocation;
	const struct mm_label_format *format;
	struct mm_label_plan plan;
	struct mm_label_values values; /* that were said; then the row's */
	size_t said;                   /* of them on the command line */
	char date[11];                 /* today */
	uint64_t mm, dots, scale;
	struct mm_label label;
	uint64_t count, pages;
	struct mm_label_sheet sheet;
	struct mm_buffer drawn;
	struct mm_growing_file file;
	char **paths; /* of one file a row */
	size_t path_count, paths_room;
};

/* One more value; its texts are the caller's. MM_E_RANGE. */
enum mm_error mm_labels_add(
    struct mm_labels *l, struct mm_span name, struct mm_span value) mm_must_use;

/* Makes them all before the first file is written. */
enum mm_error mm_labels_write(struct mm_labels *l) mm_must_use;

#endif
