#include "server/directories.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "protocol/channel.h"

static const struct directory {
	size_t offset; /* in struct mm_settings */
	const char *setting;
	enum mm_process owner;
	bool derived; /* comes back by itself */
	mode_t mode;
} directories[] = {
    {offsetof(struct mm_settings, state), "state", MM_NOTARY, false, 0700},
    {offsetof(struct mm_settings, anchor), "anchor", MM_NOTARY, false, 0700},
    {offsetof(struct mm_settings, log_key), "log-key", MM_NOTARY, false, 0700},
    {offsetof(struct mm_settings, tiles), "tiles", MM_ARCHIVE, true, 0755},
    {offsetof(struct mm_settings, index), "index", MM_AUTHORITY, true, 0700},
    {offsetof(struct mm_settings, token_state), "token record", MM_TOKEN, false,
	0700},
};

const char *
mm_user_of(const struct mm_settings *settings, const char *process, char *out,
    size_t size)
{
	size_t length = strlen(process);

	for (mm_list_each(const struct mm_text_item, user, settings->users)) {
		struct mm_span text = user->value;

		if (text.size > length && text.data[length] == '=' &&
		    memcmp(text.data, process, length) == 0)
			return mm_span_string(mm_span(text.data + length + 1,
						  text.size - length - 1),
			    out, size);
	}
	out[0] = '\0';
	return out;
}

/* Who a directory must belong to. */
static enum mm_error
owner_of(
    const struct mm_settings *settings, enum mm_process process, uid_t *out)
{
	char name[64];
	const struct passwd *user;

	*out = geteuid();
	mm_user_of(settings, mm_process_name(process), name, sizeof(name));
	if (*out != 0 || name[0] == '\0')
		return MM_OK;
	user = getpwnam(name);
	if (user == NULL)
		return mm_fail(
		    MM_E_SETTING, "users: there is no user %s", name);
	*out = user->pw_uid;
	return MM_OK;
}

static enum mm_error
check(const struct directory *row, const char *path, uid_t owner)
{
	struct stat info;

	if (lstat(path, &info) < 0 && errno == ENOENT)
		return mm_fail(MM_E_STATE,
		    "%s: there is no %s: make an installation with mintmark "
		    "quickstart, or put this one's back",
		    row->setting, path);
	if (lstat(path, &info) < 0)
		return mm_fail(MM_E_STATE, "%s: %s: %s", row->setting, path,
		    strerror(errno));
	if (!S_ISDIR(info.st_mode))
		return mm_fail(MM_E_STATE, "%s: %s is not a directory",
		    row->setting, path);
	if (info.st_uid != owner)
		return mm_fail(MM_E_STATE,
		    "%s: %s belongs to user %u and not to %u: chown it, or "
		    "start "
		    "mintmarkd as that user",
		    row->setting, path, (unsigned)info.st_uid, (unsigned)owner);
	if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return mm_fail(MM_E_STATE,
		    "%s: others may write to %s (mode %03o): chmod go-w it, "
		    "and "
		    "look at what is in it",
		    row->setting, path, (unsigned)info.st_mode & 0777);
	return MM_OK;
}

static enum mm_error
prepare(const struct mm_settings *settings, const struct directory *row,
    bool genesis)
{
	const struct mm_span *setting =
	    (const void *)((const char *)settings + row->offset);
	char path[PATH_MAX];
	uid_t owner;
	enum mm_error error = owner_of(settings, row->owner, &owner);

	if (error != MM_OK)
		return error;
	mm_span_string(*setting, path, sizeof(path));
	if ((genesis || row->derived) && mkdir(path, row->mode) == 0 &&
	    chown(path, owner, (gid_t)-1) < 0)
		return mm_fail(MM_E_STATE, "%s: cannot give %s to user %u",
		    row->setting, path, (unsigned)owner);
	return check(row, path, owner);
}

/* The directory itself: the notary's own, where we may make no file. */
static enum mm_error
lock_state(const char *state, int *lock)
{
	mm_autoclose int fd =
	    open(state, O_DIRECTORY | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return mm_fail(MM_E_STATE, "state: cannot open %s: %s", state,
		    strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*lock = mm_take_fd(fd);
		return MM_OK;
	}
	if (errno != EWOULDBLOCK)
		return mm_fail(MM_E_STATE, "state: cannot lock %s: %s", state,
		    strerror(errno));
	return mm_fail(MM_E_LOCKED,
	    "another mintmarkd runs on this state directory (%s): stop it "
	    "first",
	    state);
}

static enum mm_error
check_empty(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	enum mm_error error = MM_OK;

	if (directory == NULL)
		return mm_fail(MM_E_STATE, "state: cannot read %s: %s", path,
		    strerror(errno));
	while (error == MM_OK && (entry = readdir(directory)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			error = mm_fail(MM_E_STATE,
			    "state: %s is not empty (%s): a log begins only "
			    "once",
			    path, entry->d_name);
	closedir(directory);
	return error;
}

enum mm_error
mm_directories_open(const struct mm_settings *settings, bool genesis, int *lock)
{
	mm_autoclose int fd = -1;
	char state[PATH_MAX];
	enum mm_error error = prepare(settings, &directories[0], genesis);

	mm_span_string(settings->state, state, sizeof(state));
	if (error == MM_OK)
		error = lock_state(state, &fd);
	if (error == MM_OK && genesis)
		error = check_empty(state);
	for (size_t i = 1; i < MM_COUNT(directories) && error == MM_OK; i++)
		error = prepare(settings, &directories[i], genesis);
	if (error == MM_OK)
		*lock = mm_take_fd(fd);
	return error;
}
