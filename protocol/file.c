#include "protocol/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum mm_error
mm_file_read(const char *path, size_t max, struct mm_buffer *out)
{
	/* A FIFO in the place of a file must not keep anybody waiting. */
	mm_autoclose int fd =
	    open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	mm_auto(buffer) bytes = {0};
	struct stat info;

	mm_buffer_init(&bytes, max);
	if (fd < 0 || fstat(fd, &info) < 0)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode))
		return mm_fail(MM_E_FILE, "%s is not a regular file", path);
	if ((uintmax_t)info.st_size > max)
		return mm_fail(MM_E_RANGE,
		    "%s has %jd bytes; %zu are the limit", path,
		    (intmax_t)info.st_size, max);
	for (;;) {
		uint8_t chunk[16384];
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return mm_fail(MM_E_FILE, "cannot read %s: %s", path,
			    strerror(errno));
		if (got == 0)
			break;
		mm_buffer_add(&bytes, chunk, (size_t)got);
	}
	if (bytes.error != MM_OK)
		return mm_fail(bytes.error, "cannot hold %s: %s", path,
		    mm_error_text(bytes.error));
	mm_buffer_clear(out);
	*out = bytes;
	mm_buffer_init(&bytes, 0);
	return MM_OK;
}

enum mm_error
mm_file_read_as(
    enum mm_error what, const char *path, size_t max, struct mm_buffer *out)
{
	enum mm_error error = mm_file_read(path, max, out);

	return error == MM_E_RANGE ? mm_fail(what, "%s", mm_why(error)) : error;
}

static enum mm_error
write_all(int fd, struct mm_span bytes)
{
	while (bytes.size > 0) {
		ssize_t put = write(fd, bytes.data, bytes.size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno == ENOSPC ? MM_E_DISK_FULL : MM_E_FILE;
		bytes.data += put;
		bytes.size -= (size_t)put;
	}
	return fsync(fd) == 0 ? MM_OK : MM_E_FILE;
}

static enum mm_error
place(const char *temporary, const char *path, bool force)
{
	int failed = force ? rename(temporary, path)
			   : renameat2(AT_FDCWD, temporary, AT_FDCWD, path,
				 RENAME_NOREPLACE);

	if (failed == 0)
		return MM_OK;
	if (errno == EEXIST)
		return mm_fail(MM_E_EXISTS,
		    "%s exists already; say --force to overwrite it", path);
	return mm_fail(MM_E_FILE, "cannot write %s: %s", path, strerror(errno));
}

enum mm_error
mm_file_write(const char *path, struct mm_span bytes, unsigned mode, bool force)
{
	char temporary[4096];
	mm_autoclose int fd = -1;
	enum mm_error error;
	int length = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);

	if (length < 0 || (size_t)length >= sizeof(temporary))
		return mm_fail(MM_E_FILE, "the path is too long: %s", path);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return mm_fail(
		    MM_E_FILE, "cannot write %s: %s", path, strerror(errno));
	error = fchmod(fd, mode) == 0 ? write_all(fd, bytes) : MM_E_FILE;
	if (error != MM_OK)
		mm_fail(error, "cannot write %s: %s", path, strerror(errno));
	else
		error = place(temporary, path, force);
	if (error != MM_OK)
		unlink(temporary);
	return error;
}
