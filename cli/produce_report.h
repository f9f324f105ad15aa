/*
 * What people and scripts are told of a run: with --json an object a unit that
 * is over or refused, and a last one with the totals; else a line for what is
 * not as it should be, the progress on a terminal, and the totals.
 */
#ifndef MM_PRODUCE_REPORT_H
#define MM_PRODUCE_REPORT_H

#include "cli/command.h"

struct mm_run_report {
	const struct mm_invocation *invocation;
	bool each;     /* every unit gets a line: devices come one by one */
	bool terminal; /* there is a line of progress */
	bool drawn;
	uint64_t total; /* units that this run is to make; 0: nobody knows */
	uint64_t made, scrapped, refused; /* by this run */
	uint64_t before;                  /* passed over: done before */
	uint64_t scrap_before; /* it was asked for, and is scrap already */
	uint64_t missing;      /* done before, and their directories are gone */
	int64_t begun, told;   /* milliseconds */
};

struct mm_told_unit {
	const char *device, *state; /* "made", "scrap", "refused" */
	const char *directory;      /* NULL: there is none */
	struct mm_span serial;      /* empty: no certificate */
	uint64_t index, attempts;
	enum mm_error error; /* of a refusal */
	const char *why;     /* "": nothing is wrong */
};

#define MM_PRODUCE_RESULTS \
	"a line a unit: device, state (made, scrap, refused), serial, " \
	"index,\n" \
	"directory, attempts (of the hook), error (its name, of a refusal), " \
	"why;\nnull where there is none; also of an id that is typed and " \
	"is none, or\nis over already, which is not counted.\n" \
	"The last line: order, made, scrap, refused, before (done by " \
	"earlier\n" \
	"runs), missing (done, with no directory any more), held (in the\n" \
	"journal), seconds, end (complete, stopped or the error's name; also " \
	"of\n" \
	"a run that did not come to its first unit)"

/* `invocation` is there before. */
void mm_report_begin(struct mm_run_report *report, uint64_t total);
void
mm_report_unit(struct mm_run_report *report, const struct mm_told_unit *unit);
/* One that is no unit of this run: on stderr in any case. */
void
mm_report_aside(struct mm_run_report *report, const struct mm_told_unit *unit);
/* The line of progress, a few times a second. */
void mm_report_progress(struct mm_run_report *report);
/* Takes the line away, before something else is said. */
void mm_report_quiet(struct mm_run_report *report);
void mm_report_end(struct mm_run_report *report, const char *order,
    uint64_t held, const char *end);

#endif
