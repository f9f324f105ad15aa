/*
 * A backup of a log: a plain tlog-tiles directory, checked against the
 * checkpoint while it is written, the checkpoint last. A second one into the
 * same directory adds what is new.
 */
#ifndef MM_BACKUP_H
#define MM_BACKUP_H

#include "cli/source.h"

struct mm_backup_report {
	uint64_t before, size; /* entries in the directory */
	uint64_t blobs;        /* that these entries name */
	uint64_t cosigned;     /* size of a cosigned checkpoint; 0: none */
};

/*
 * MM_E_FORK where the directory's own checkpoint is not a prefix of the
 * log, MM_E_BEHIND where it is ahead; nothing is changed then. MM_E_TILE,
 * MM_E_BUNDLE, MM_E_LOG_WRONG where what lies there is damaged;
 * MM_E_DISK_FULL, MM_E_FILE.
 */
enum mm_error mm_backup(struct mm_source *source, const char *directory,
    struct mm_backup_report *out) mm_must_use;

#endif
