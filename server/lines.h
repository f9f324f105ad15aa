/*
 * What the operator reads on stderr: the supervisor's own lines and those of
 * its children, which reach it through a pipe each. One line an event,
 * bounded, control characters replaced. Where stderr is the journal, the
 * level stays in front as sd-daemon(3) has it.
 *
 * The supervisor never waits for its reader: lines that do not fit are
 * counted and the count is told. (What must not be lost is in the log.)
 */
#ifndef MM_LINES_H
#define MM_LINES_H

#include "protocol/bytes.h"
#include "protocol/journal.h"

enum { MM_LINE_MAX = 1024 };

/* The line of a child that is not complete yet. */
struct mm_lines {
	char text[MM_LINE_MAX];
	size_t size;
	bool cut; /* what follows of the line is dropped */
};

/* Looks whether stderr is the journal; before the environment is cleared. */
void mm_lines_open(void);

/* One line of the supervisor's own: "mintmarkd: text". */
void mm_lines_say(enum mm_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Passes on what can be read from `fd` (non-blocking). `name` is put in
 * front of lines that no journal wrote. False at the end of the pipe.
 */
bool mm_lines_pass(struct mm_lines *lines, int fd, const char *name);
/* At the end: the line that has no end. */
void mm_lines_end(struct mm_lines *lines, const char *name);

#endif
