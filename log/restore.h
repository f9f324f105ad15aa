/*
 * Restoring a log: log.db is built anew from a tlog-tiles directory, entry
 * by entry as the notary would take them, and is there only if its tree is
 * the directory's checkpoint. Whether that is the newest there ever was is
 * for the notary's anchor to say, at its next start.
 */
#ifndef MM_RESTORE_H
#define MM_RESTORE_H

#include "log/note.h"

/*
 * `from`: the directory; `state`: one without log.db (MM_E_STATE); `size`:
 * of the restored log. The errors of the directory's reader, of admitting an
 * entry and of the store; MM_E_LOG_WRONG where the entries are not what the
 * checkpoint says. On failure there is nothing. Of the checkpoints only the
 * directory's own is kept: a receipt of before stays valid, but one asked for
 * again is against that checkpoint.
 */
enum mm_error mm_log_restore(const char *from, const char *state,
    const struct mm_vkey *vkey, uint64_t *size) mm_must_use;

#endif
