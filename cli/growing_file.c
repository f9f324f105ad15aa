#include "cli/growing_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

enum { CHUNK = 65536, MODE = 0644 };

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
	file->out = fdopen(fd, "w+");
	if (file->out == NULL)
		close(fd);
	return file->out != NULL ? MM_OK : fault(file);
}

enum mm_error
mm_growing_file_end(
    struct mm_growing_file *file, uint8_t sha256[32], uint64_t *size)
{
	crypto_hash_sha256_state state;
	uint8_t chunk[CHUNK];
	size_t got;

	if (fflush(file->out) != 0 || ferror(file->out) != 0 ||
	    fchmod(fileno(file->out), MODE) < 0 ||
	    fsync(fileno(file->out)) < 0 || fseeko(file->out, 0, SEEK_SET) != 0)
		return fault(file);
	crypto_hash_sha256_init(&state);
	*size = 0;
	while ((got = fread(chunk, 1, sizeof(chunk), file->out)) > 0) {
		crypto_hash_sha256_update(&state, chunk, got);
		*size += got;
	}
	if (ferror(file->out) != 0)
		return fault(file);
	crypto_hash_sha256_final(&state, sha256);
	return MM_OK;
}

/* The name, too, is to be on the disk. */
static enum mm_error
sync_parent(const struct mm_growing_file *file)
{
	const char *slash = strrchr(file->path, '/');
	char parent[PATH_MAX] = ".";
	mm_autoclose int fd = -1;

	if (slash != NULL)
		snprintf(parent, sizeof(parent), "%.*s",
		    (int)(slash - file->path) + 1, file->path);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0 ? MM_OK : fault(file);
}

enum mm_error
mm_growing_file_commit(struct mm_growing_file *file)
{
	if (rename(file->growing, file->path) < 0)
		return fault(file);
	file->growing[0] = '\0';
	return sync_parent(file);
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
