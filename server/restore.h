/*
 * mintmarkd --restore: the log's store made anew from a copy of its
 * directory, in an installation that has lost log.db and nothing else.
 */
#ifndef MM_SERVER_RESTORE_H
#define MM_SERVER_RESTORE_H

#include "policy/settings.h"

/*
 * Makes log.db from the tlog-tiles directory `from`, as the notary's user,
 * and says how many entries it has. Which log it must be is known from the
 * installation's own log key and anchor, never from the copy. MM_E_STATE
 * where there is a log.db, MM_E_LOCKED where mintmarkd runs, MM_E_ROLLBACK
 * where the copy is older than the anchor; else what is wrong with the copy.
 */
enum mm_error mm_restore_run(
    const struct mm_settings *settings, const char *from) mm_must_use;

#endif
