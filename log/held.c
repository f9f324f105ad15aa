#include "log/held.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum mm_error
mm_held_open(const char *path, int flags, int *out)
{
	mm_autoclose int fd =
	    open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat info;

	if (fd < 0 && errno == ENOENT)
		return mm_fail(MM_E_NOT_FOUND, "there is no %s", path);
	if (fd < 0 || fstat(fd, &info) < 0)
		return mm_fail(
		    MM_E_STATE, "cannot open %s: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode))
		return mm_fail(MM_E_STATE, "%s is not a regular file", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return mm_fail(MM_E_LOCKED, "another notary holds %s", path);
	*out = mm_take_fd(fd);
	return MM_OK;
}
