#include "cli/growing_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"

enum { MODE = 0644 };

static enum mm_error
fault(const struct mm_growing_file *file)
{
	bool full = errno == ENOSPC || errno == EDQUOT;

	return mm_fail(full ? MM_E_DISK_FULL : MM_E_FILE, "cannot write %s: %s",
	    file->path, strerror(errno));
}

enum mm_error
mm_growing_file_open(struct mm_growing_file *file, const char *path)
{
	int fd;

	*file = (struct mm_growing_file){.out = NULL};
	if (snprintf(file->path, PATH_MAX, "%s", path) >= PATH_MAX ||
	    snprintf(file->growing, PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX)
		return mm_fail(MM_E_FILE, "the path %s is too long", path);
	fd = mkostemp(file->growing, O_CLOEXEC);
	if (fd < 0) {
		file->growing[0] = '\0';
		return fault(file);
	}
	file->out = fdopen(fd, "w");
	if (file->out == NULL)
		close(fd);
	return file->out != NULL ? MM_OK : fault(file);
}

enum mm_error
mm_growing_file_end(
    struct mm_growing_file *file, uint8_t sha256[32], uint64_t *size)
{
	if (fflush(file->out) != 0 || ferror(file->out) != 0 ||
	    fchmod(fileno(file->out), MODE) < 0 || fsync(fileno(file->out)) < 0)
		return fault(file);
	return mm_input_sha256(file->growing, sha256, size);
}

enum mm_error
mm_growing_file_commit(struct mm_growing_file *file, bool force)
{
	if (renameat2(AT_FDCWD, file->growing, AT_FDCWD, file->path,
		force ? 0 : RENAME_NOREPLACE) < 0)
		return errno == EEXIST
			   ? mm_fail(MM_E_EXISTS,
				 "%s has come to be there meanwhile; say "
				 "--force to overwrite it",
				 file->path)
			   : fault(file);
	file->growing[0] = '\0';
	return mm_path_sync(file->path);
}

void
mm_growing_file_clear(struct mm_growing_file *file)
{
	if (file->out != NULL)
		fclose(file->out);
	if (file->growing[0] != '\0')
		unlink(file->growing);
	*file = (struct mm_growing_file){.out = NULL};
}
