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

enum {
	NAME = MM_UNIT_NAME + sizeof(".x.new"),
	OPEN_DIRECTORY = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW
};

static const char hook_log[] = "hook.log";
static const char units_name[] = "units";

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
		return mm_fail(MM_E_BUSY,
		    "another `mintmark produce` is at work in %s: wait for its "
		    "end, or give this one another --out",
		    run);
	return error;
}

enum mm_error
mm_unit_files_units(struct mm_unit_files *files)
{
	enum mm_error error =
	    open_directory(files->run, units_name, &files->units);

	if (error == MM_OK && fsync(files->run) < 0)
		error = fault("write", "the run's directory");
	return error;
}

bool
mm_unit_files_there(const struct mm_unit_files *files, const char *name)
{
	return faccessat(files->units, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
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

/* ---- a directory that is to be empty */

/* The first name in it but these; "": there is none. */
static enum mm_error
first_name(int at, const char *directory, const char *const *but, size_t count,
    char out[NAME_MAX + 1])
{
	int own = openat(
	    at, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *open = own >= 0 ? fdopendir(own) : NULL;
	const struct dirent *entry;

	out[0] = '\0';
	if (open == NULL)
		return fault("read", directory);
	while (out[0] == '\0' && (entry = readdir(open)) != NULL) {
		bool passed = strcmp(entry->d_name, ".") == 0 ||
			      strcmp(entry->d_name, "..") == 0;

		for (size_t i = 0; i < count; i++)
			passed = passed || strcmp(entry->d_name, but[i]) == 0;
		if (!passed)
			snprintf(out, NAME_MAX + 1, "%s", entry->d_name);
	}
	closedir(open);
	return MM_OK;
}

enum mm_error
mm_unit_files_empty(const struct mm_unit_files *files, const char *run)
{
	static const char *const ours[] = {"journal.new", units_name};
	char found[NAME_MAX + 1];
	bool units = faccessat(files->run, units_name, F_OK, 0) == 0;
	enum mm_error error =
	    first_name(files->run, ".", ours, MM_COUNT(ours), found);

	if (error == MM_OK && found[0] == '\0' && units)
		error = first_name(files->run, units_name, NULL, 0, found);
	if (error != MM_OK || found[0] == '\0')
		return error;
	return mm_fail(MM_E_STATE,
	    "%s has no journal, and is not empty (\"%s\"): bring the journal "
	    "back from a copy if a run was there, or begin another directory "
	    "with --out",
	    run, found);
}

/* ---- taking away */

/* A hook may have made directories in a unit's, as deep as it likes. */
static enum mm_error
empty(int at, const char *name)
{
	int own = openat(at, name, OPEN_DIRECTORY);
	DIR *open = own >= 0 ? fdopendir(own) : NULL;
	const struct dirent *entry;
	enum mm_error error = MM_OK;

	if (open == NULL)
		return fault("remove", name);
	while (error == MM_OK && (entry = readdir(open)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			error = mm_unit_files_remove(own, entry->d_name);
	closedir(open);
	return error;
}

enum mm_error
mm_unit_files_remove(int at, const char *name)
{
	enum mm_error error;

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return MM_OK;
	if (errno != EISDIR)
		return fault("remove", name);
	error = empty(at, name);
	if (error == MM_OK && unlinkat(at, name, AT_REMOVEDIR) < 0)
		error = fault("remove", name);
	return error;
}

/* Of .NAME.new and .NAME.old, which we alone make: NAME; else false. */
static bool
is_ours(const struct mm_unit_files *files, const char *hidden,
    char name[MM_UNIT_NAME + 1], bool *old)
{
	size_t size = strlen(hidden), end = sizeof(".old") - 1;
	const char *suffix = hidden + size - end;
	char made[MM_UNIT_NAME + 1];
	struct stat info;

	if (size < end + 2 || size >= NAME)
		return false;
	*old = strcmp(suffix, ".old") == 0;
	if (!*old && strcmp(suffix, ".new") != 0)
		return false;
	snprintf(
	    name, MM_UNIT_NAME + 1, "%.*s", (int)(size - end - 1), hidden + 1);
	mm_unit_name(mm_span_text(name), made);
	return strcmp(name, made) == 0 &&
	       fstatat(files->units, hidden, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(info.st_mode);
}

/* .NAME.old is NAME where the end came before there was a new one. What
 * somebody else has put here is counted, and stays. */
static enum mm_error
take_back(
    const struct mm_unit_files *files, const char *hidden, size_t *foreign)
{
	char name[MM_UNIT_NAME + 1];
	bool old;

	if (!is_ours(files, hidden, name, &old)) {
		if ((*foreign)++ == 0)
			mm_say("units/%s is not the run's: it is left alone",
			    hidden);
		return MM_OK;
	}
	if (!old || mm_unit_files_there(files, name))
		return mm_unit_files_remove(files->units, hidden);
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
	size_t foreign = 0;
	enum mm_error error = MM_OK;

	if (open == NULL)
		return fault("read", "units");
	while (error == MM_OK && (entry = readdir(open)) != NULL)
		if (entry->d_name[0] == '.' &&
		    strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			error = take_back(files, entry->d_name, &foreign);
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
	struct stat info;

	snprintf(from, sizeof(from), "%s/%s", name, hook_log);
	snprintf(to, sizeof(to), "%s/%s", growing, hook_log);
	if (fstatat(files->units, from, &info, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(info.st_mode))
		return;
	if (linkat(files->units, from, files->units, to, 0) < 0)
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
	return again ? mm_unit_files_remove(files->units, old) : MM_OK;
}

enum mm_error
mm_unit_files_placed(const struct mm_unit_files *files)
{
	return fsync(files->units) == 0 ? MM_OK : fault("write", "units");
}

enum mm_error
mm_unit_file_read(int directory, const char *name, int *out)
{
	mm_autoclose int fd = openat(directory, name,
	    O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
	struct stat info;

	if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
		*out = mm_take_fd(fd);
		return MM_OK;
	}
	if (fd >= 0 || errno == ENOENT || errno == ELOOP || errno == ENXIO)
		return mm_fail(MM_E_NOT_FOUND, "there is no file %s", name);
	return fault("read", name);
}

enum mm_error
mm_unit_files_enter(
    const struct mm_unit_files *files, const char *name, int *out)
{
	*out = openat(files->units, name,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *out >= 0 ? MM_OK : fault("open", name);
}
