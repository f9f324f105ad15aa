#include "cli/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/own.h"

FILE *
mm_spool_open(void)
{
	const char *place = getenv("TMPDIR");
	mm_autoclose int fd = open(place != NULL ? place : "/var/tmp",
	    O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	FILE *file = fd >= 0 ? fdopen(fd, "w+") : NULL;

	if (file != NULL)
		(void)mm_take_fd(fd);
	return file;
}

enum mm_error
mm_spool_fault(void)
{
	return mm_fail(errno == ENOSPC ? MM_E_DISK_FULL : MM_E_FILE,
	    "cannot keep what was read in a temporary file (TMPDIR says "
	    "where): %s",
	    strerror(errno));
}
