/*
 * Ctrl-C, SIGTERM and SIGHUP while a run goes on. They are held back and
 * counted when it suits: after the first no unit is begun, after the second
 * what is under way is left for the next time.
 */
#ifndef MM_PRODUCE_STOP_H
#define MM_PRODUCE_STOP_H

#include "protocol/error.h"

struct mm_stop {
	int fd; /* readable when there is another one: for poll */
	unsigned count;
};

/* From now on they are held back. MM_E_SYSTEM. */
enum mm_error mm_stop_begin(struct mm_stop *stop) mm_must_use;
/* How often the run was told to stop, now. */
unsigned mm_stop_count(struct mm_stop *stop);
/* Waits so long, or until there is one more; the count. */
unsigned mm_stop_within(struct mm_stop *stop, unsigned seconds);
void mm_stop_end(struct mm_stop *stop);

#endif
