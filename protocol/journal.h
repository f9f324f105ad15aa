/*
 * What a process tells its operator: one line an event on descriptor 2,
 * `<level>process: event: text`, control characters replaced, in one write.
 * The supervisor passes the lines on. Never a secret, never a peer's bytes
 * unescaped.
 */
#ifndef MM_JOURNAL_H
#define MM_JOURNAL_H

enum mm_level { /* syslog(3)'s numbers, as sd-daemon(3) wants them */
	MM_LEVEL_ERROR = 3,
	MM_LEVEL_WARNING = 4,
	MM_LEVEL_NOTICE = 5,
	MM_LEVEL_INFO = 6
};

/* Names the process in its lines; `name` must stay. */
void mm_journal_open(const char *name);
void mm_journal(enum mm_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
