#include "log/put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* One name for all files while they are written: nothing is left behind. */
static const char fresh_name[] = ".new";

enum mm_error
mm_put_path(const char *directory, const char *name, char out[PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
		return mm_fail(MM_E_FILE, "the tiles' path is too long");
	return MM_OK;
}

static enum mm_error
file_fault(const char *path)
{
	enum mm_error error =
	    errno == ENOSPC || errno == EDQUOT ? MM_E_DISK_FULL : MM_E_FILE;

	return mm_fail(error, "cannot write %s: %s", path, strerror(errno));
}

/* Flushes the directory that `path` lies in. */
static enum mm_error
sync_parent(const char *path)
{
	char parent[PATH_MAX];
	char *end;
	mm_autoclose int fd = -1;

	snprintf(parent, sizeof(parent), "%s", path);
	end = strrchr(parent, '/');
	if (end == NULL)
		return mm_fail(MM_E_BUG, "%s lies in no directory", path);
	*end = '\0';
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0 ? MM_OK : file_fault(parent);
}

/* Makes the directories of `path` from position `from` on. */
static enum mm_error
make_parents(const char *path, size_t from)
{
	char parent[PATH_MAX];

	for (const char *end = strchr(path + from, '/'); end != NULL;
	     end = strchr(end + 1, '/')) {
		enum mm_error error;

		snprintf(
		    parent, sizeof(parent), "%.*s", (int)(end - path), path);
		if (mkdir(parent, 0755) < 0) {
			if (errno == EEXIST)
				continue;
			return file_fault(parent);
		}
		error = sync_parent(parent);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

enum mm_error
mm_put_begin(const char *directory, const char *name, struct mm_put *out)
{
	enum mm_error error = mm_put_path(directory, name, out->path);

	out->fd = -1;
	out->root = strlen(directory);
	if (error == MM_OK)
		error = mm_put_path(directory, fresh_name, out->fresh);
	if (error == MM_OK)
		error = make_parents(out->path, out->root);
	if (error != MM_OK)
		return error;
	out->fd =
	    open(out->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return out->fd >= 0 ? MM_OK : file_fault(out->fresh);
}

enum mm_error
mm_put_add(struct mm_put *put, struct mm_span bytes)
{
	while (bytes.size > 0) {
		ssize_t done = write(put->fd, bytes.data, bytes.size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return file_fault(put->path);
		bytes = mm_span(bytes.data + done, bytes.size - (size_t)done);
	}
	return MM_OK;
}

enum mm_error
mm_put_finish(struct mm_put *put)
{
	if (fsync(put->fd) < 0 || rename(put->fresh, put->path) < 0)
		return file_fault(put->path);
	mm_put_clear(put);
	return sync_parent(put->path);
}

void
mm_put_clear(struct mm_put *put)
{
	if (put->fd >= 0)
		close(put->fd);
	put->fd = -1;
}

static enum mm_put_found
look(const char *path, struct mm_span bytes)
{
	mm_auto(buffer) found = {0};

	mm_buffer_init(&found, 0);
	if (access(path, F_OK) < 0)
		return MM_PUT_MISSING;
	if (mm_file_read(path, bytes.size, &found) != MM_OK ||
	    !mm_span_equal(mm_buffer_span(&found), bytes))
		return MM_PUT_DIFFERENT;
	return MM_PUT_SAME;
}

enum mm_error
mm_put_file(const char *directory, const char *name, struct mm_span bytes,
    enum mm_put_found *found)
{
	mm_auto(put) put = {.fd = -1};
	char path[PATH_MAX];
	enum mm_error error = mm_put_path(directory, name, path);

	if (error != MM_OK)
		return error;
	*found = look(path, bytes);
	if (*found == MM_PUT_SAME)
		return MM_OK;
	error = mm_put_begin(directory, name, &put);
	if (error == MM_OK)
		error = mm_put_add(&put, bytes);
	return error == MM_OK ? mm_put_finish(&put) : error;
}
