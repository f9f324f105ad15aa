#include "protocol/sealed.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum mm_error
mm_sealed_check(int fd, size_t max, size_t *size)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat info;

	if (seals < 0 || fstat(fd, &info) < 0)
		return mm_fail(
		    MM_E_PEER, "what came is no memfd: %s", strerror(errno));
	if ((seals & MM_SEALS) != MM_SEALS)
		return mm_fail(MM_E_PEER, "a memfd is not sealed");
	if (info.st_size <= 0)
		return mm_fail(MM_E_PEER, "a memfd is empty");
	if ((uintmax_t)info.st_size > max)
		return mm_fail(MM_E_PEER,
		    "a memfd of %jd bytes came; %zu are the limit",
		    (intmax_t)info.st_size, max);
	*size = (size_t)info.st_size;
	return MM_OK;
}
