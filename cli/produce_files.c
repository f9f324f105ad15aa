#include "cli/produce_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "cli/command.h"
#include "cli/produce_list.h"

enum { NAME = MM_UNIT_NAME + sizeof(".x.new") };

static const char hook_log[] = "hook.log";

static enum mm_error
fault(const char *what, const char *name)
{
	return mm_fail(
	    errno == ENOSPC || errno == EDQUOT ? MM_E_DISK_FULL : MM_E_FILE,
	    "cannot %s %s: %s", what, name, strerror(errno));
}

static void
name_of(const char *name, const char *suffix, char out[NAME])
{
	snprintf(out, NAME, ".%s%s", name, suffix);
}

/* ---- the run's directories */

static enum mm_error
open_directory(int at, const char *name, int *out)
{
	struct stat info;

	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return fault("make", name);
	*out =
	    openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*out < 0 || fstat(*out, &info) < 0)
		return fault("open", name);
	if (info.st_uid == geteuid() && (info.st_mode & 077) == 0)
		return MM_OK;
	return mm_fail(MM_E_FILE,
	    "%s must be a directory of your own that nobody else reads (chmod "
	    "700)",
	    name);
}

enum mm_error
mm_unit_files_open(const char *run, struct mm_unit_files *out)
{
	enum mm_error error;

	*out = (struct mm_unit_files){.run = -1, .units = -1};
	error = open_directory(AT_FDCWD, run, &out->run);
	if (error == MM_OK && flock(out->run, LOCK_EX | LOCK_NB) < 0)
		return mm_fail(MM_E_LOCKED,
		    "another `mintmark produce` is at work in %s", run);
	if (error == MM_OK)
		error = open_directory(out->run, "units", &out->units);
	if (error == MM_OK && fsync(out->run) < 0)
		error = fault("write", run);
	return error;
}

void
mm_unit_files_clear(struct mm_unit_files *files)
{
	if (files->units >= 0)
		close(files->units);
	if (files->run >= 0)
		close(files->run);
	*files = (struct mm_unit_files){.run = -1, .units = -1};
}

enum mm_error
mm_unit_files_room(const struct mm_unit_files *files, uint64_t bytes)
{
	struct statvfs disk;
	uint64_t free;

	if (fstatvfs(files->run, &disk) < 0)
		return fault("look at", "the disk");
	free = (uint64_t)disk.f_bavail * disk.f_frsize;
	return free >= bytes
		   ? MM_OK
		   : mm_fail(MM_E_DISK_FULL,
			 "the disk has room for %ju MB, and this run takes %ju "
			 "MB or more",
			 (uintmax_t)free >> 20, (uintmax_t)bytes >> 20);
}

/* ---- taking away */

/* A unit's directory has files only. */
static enum mm_error
empty(int directory)
{
	int own = fcntl(directory, F_DUPFD_CLOEXEC, 0);
	DIR *open = own >= 0 ? fdopendir(own) : NULL;
	const struct dirent *entry;
	enum mm_error error = MM_OK;

	if (open == NULL)
		return fault("read", "a unit's directory");
	while (error == MM_OK && (entry = readdir(open)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0 &&
		    unlinkat(directory, entry->d_name, 0) < 0)
			error = fault("remove", entry->d_name);
	closedir(open);
	return error;
}

/* One that is not there is removed. */
static enum mm_error
take_away(const struct mm_unit_files *files, const char *name)
{
	mm_autoclose int directory = openat(files->units, name,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	enum mm_error error;

	if (directory < 0 && errno == ENOENT)
		return MM_OK;
	if (directory < 0)
		return fault("remove", name);
	error = empty(directory);
	if (error == MM_OK && unlinkat(files->units, name, AT_REMOVEDIR) < 0)
		error = fault("remove", name);
	return error;
}

/* .NAME.old is NAME where the end came before there was a new one. */
static enum mm_error
take_back(const struct mm_unit_files *files, const char *hidden)
{
	size_t size = strlen(hidden), end = sizeof(".old") - 1;
	char name[NAME];

	if (size < end + 2 || size >= NAME ||
	    strcmp(hidden + size - end, ".old") != 0)
		return take_away(files, hidden);
	snprintf(name, sizeof(name), "%.*s", (int)(size - end - 1), hidden + 1);
	if (faccessat(files->units, name, F_OK, 0) == 0)
		return take_away(files, hidden);
	return renameat(files->units, hidden, files->units, name) == 0
		   ? MM_OK
		   : fault("place", name);
}

enum mm_error
mm_unit_files_sweep(const struct mm_unit_files *files)
{
	int own = openat(files->units, ".", O_RDONLY | O_CLOEXEC);
	DIR *open = own >= 0 ? fdopendir(own) : NULL;
	const struct dirent *entry;
	enum mm_error error = MM_OK;

	if (open == NULL)
		return fault("read", "units");
	while (error == MM_OK && (entry = readdir(open)) != NULL)
		if (entry->d_name[0] == '.' &&
		    strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			error = take_back(files, entry->d_name);
	closedir(open);
	return error;
}

/* ---- writing */

static enum mm_error
write_file(int directory, const struct mm_unit_file *file)
{
	mode_t mode = file->secret ? 0600 : file->script ? 0755 : 0644;
	struct mm_span left = file->bytes;
	mm_autoclose int fd = openat(directory, file->name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return fault("write", file->name);
	while (left.size > 0) {
		ssize_t put = write(fd, left.data, left.size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return fault("write", file->name);
		left = mm_span(left.data + put, left.size - (size_t)put);
	}
	return MM_OK;
}

enum mm_error
mm_unit_files_write(const struct mm_unit_files *files, const char *name,
    const struct mm_unit_file *all, size_t count)
{
	mm_autoclose int directory = -1;
	char growing[NAME];
	enum mm_error error = MM_OK;

	name_of(name, ".new", growing);
	if (mkdirat(files->units, growing, 0700) < 0)
		return fault("make", growing);
	directory = openat(files->units, growing,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (directory < 0)
		return fault("open", growing);
	for (size_t i = 0; i < count && error == MM_OK; i++)
		error = write_file(directory, &all[i]);
	return error;
}

enum mm_error
mm_unit_files_sync(const struct mm_unit_files *files)
{
	return syncfs(files->run) == 0 ? MM_OK : fault("write", "units");
}

/* The log of the hooks that ran already; a file system without links loses
 * what they said. */
static void
keep_log(
    const struct mm_unit_files *files, const char *name, const char *growing)
{
	char from[2 * NAME], to[2 * NAME];

	snprintf(from, sizeof(from), "%s/%s", name, hook_log);
	snprintf(to, sizeof(to), "%s/%s", growing, hook_log);
	if (linkat(files->units, from, files->units, to, 0) < 0 &&
	    errno != ENOENT)
		mm_say("what the hooks of %s said before is lost: %s", name,
		    strerror(errno));
}

enum mm_error
mm_unit_files_place(const struct mm_unit_files *files, const char *name)
{
	char growing[NAME], old[NAME];
	bool again = faccessat(files->units, name, F_OK, 0) == 0;

	name_of(name, ".new", growing);
	name_of(name, ".old", old);
	if (again) {
		keep_log(files, name, growing);
		if (renameat(files->units, name, files->units, old) < 0)
			return fault("move", name);
	}
	if (renameat(files->units, growing, files->units, name) < 0)
		return fault("place", name);
	return again ? take_away(files, old) : MM_OK;
}

enum mm_error
mm_unit_files_placed(const struct mm_unit_files *files)
{
	return fsync(files->units) == 0 ? MM_OK : fault("write", "units");
}

enum mm_error
mm_unit_files_enter(
    const struct mm_unit_files *files, const char *name, int *out)
{
	*out = openat(files->units, name,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *out >= 0 ? MM_OK : fault("open", name);
}
