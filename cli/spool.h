/*
 * A file without a name for what a command keeps while it reads a long log:
 * rows and entries of any number, and no memory for them.
 */
#ifndef MM_SPOOL_H
#define MM_SPOOL_H

#include <stdio.h>

#include "protocol/error.h"

/* In TMPDIR, or in /var/tmp; NULL with errno. The caller closes it. */
FILE *mm_spool_open(void);
/* What errno says of it, for people: MM_E_DISK_FULL, MM_E_FILE. */
enum mm_error mm_spool_fault(void);

#endif
