/*
 * What is left when a log contradicts what was verified before: both notes
 * as files beside the watch's state, and a text that proves the matter to
 * anybody who has the log's key.
 */
#ifndef MM_WATCH_ALARM_H
#define MM_WATCH_ALARM_H

#include "cli/source.h"
#include "cli/watch_state.h"

struct mm_alarm {
	const char *path; /* of the state */
	const struct mm_vkey *vkey;
	const struct mm_watch_state *state; /* what was verified before */
	struct mm_span note;      /* what is shown now; may be no note */
	struct mm_source *source; /* for the proof; NULL: there is none */
	enum mm_error error;      /* with its mm_why() */
};

/*
 * Writes and prints it, and returns the error with its particulars; MM_E_FORK
 * where it turns out that both checkpoints are good and neither extends the
 * other. Files that are there already are kept.
 */
enum mm_error mm_alarm_raise(const struct mm_alarm *alarm) mm_must_use;

/*
 * The log's key and the checkpoint's note as it is shown, whatever is wrong
 * with it: what a source that cannot be opened leaves to be kept.
 */
enum mm_error mm_alarm_note(const struct mm_invocation *invocation,
    struct mm_vkey *vkey, struct mm_buffer *note) mm_must_use;

#endif
