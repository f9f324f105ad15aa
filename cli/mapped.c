#include "cli/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum mm_error
read_it(const char *path, size_t max, struct mm_mapped *out)
{
	enum mm_error error = mm_input(path, max, &out->read);

	out->bytes = mm_buffer_span(&out->read);
	return error == MM_E_RANGE
		   ? mm_fail(MM_E_FORMAT, "%s: %s", path, mm_why(error))
		   : error;
}

static enum mm_error
map_it(int fd, const char *path, size_t size, struct mm_mapped *out)
{
	void *map =
	    size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;

	if (map == MAP_FAILED)
		return mm_fail(
		    MM_E_FILE, "cannot map %s: %s", path, strerror(errno));
	out->map = map;
	out->bytes = mm_span(map, size);
	return MM_OK;
}

static enum mm_error
open_it(const char *path, size_t max, struct mm_mapped *out)
{
	struct stat info;
	/* A FIFO in the place of a file must not keep anybody waiting. */
	mm_autoclose int fd =
	    strcmp(path, "-") == 0
		? -1
		: open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
		return read_it(path, max, out);
	if ((uint64_t)info.st_size > max)
		return mm_fail(
		    MM_E_FORMAT, "%s has more than %zu bytes", path, max);
	return map_it(fd, path, (size_t)info.st_size, out);
}

enum mm_error
mm_mapped_open(const char *path, size_t max, struct mm_mapped *out)
{
	enum mm_error error;

	*out = (struct mm_mapped){.map = NULL};
	mm_buffer_init(&out->read, max);
	error = open_it(path, max, out);
	if (error == MM_OK && out->bytes.size == 0)
		error = mm_fail(MM_E_FORMAT, "%s is empty",
		    strcmp(path, "-") == 0 ? "stdin" : path);
	return error;
}

void
mm_mapped_clear(struct mm_mapped *mapped)
{
	if (mapped->map != NULL)
		munmap(mapped->map, mapped->bytes.size);
	mm_buffer_clear(&mapped->read);
	mapped->map = NULL;
}
