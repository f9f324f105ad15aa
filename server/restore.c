#include "server/restore.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/anchor.h"
#include "log/key.h"
#include "log/restore.h"
#include "protocol/channel.h"
#include "server/directories.h"
#include "server/lines.h"

/* What it makes is the notary's, and nobody reads a copy as root. */
static enum mm_error
become_notary(const struct mm_settings *settings)
{
	char name[64];
	const struct passwd *user;

	mm_user_of(settings, mm_process_name(MM_NOTARY), name, sizeof(name));
	if (geteuid() != 0 || name[0] == '\0')
		return MM_OK;
	user = getpwnam(name);
	if (user == NULL)
		return mm_fail(
		    MM_E_SETTING, "users: there is no user %s", name);
	if (initgroups(user->pw_name, user->pw_gid) < 0 ||
	    setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot become %s: %s", name, strerror(errno));
	return MM_OK;
}

static enum mm_error
check_absent(const char *state)
{
	static const char *const names[] = {"log.db", "log.db-wal"};
	char path[PATH_MAX + 16];
	struct stat info;

	for (size_t i = 0; i < MM_COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", state, names[i]);
		if (lstat(path, &info) == 0)
			return mm_fail(MM_E_STATE,
			    "there is %s: a log is restored only where it is "
			    "lost. If this one is of no use, move log.db and "
			    "log.db-wal away, and keep them",
			    path);
	}
	return MM_OK;
}

/* The checkpoint of the copy, by our own key under the name that it gives. */
static enum mm_error
open_checkpoint(const char *from, const uint8_t public_key[32],
    struct mm_vkey *vkey, struct mm_checkpoint *out)
{
	mm_auto(buffer) note = {0};
	char path[PATH_MAX];
	const uint8_t *end;
	enum mm_error error;

	if (snprintf(path, sizeof(path), "%s/checkpoint", from) >=
	    (int)sizeof(path))
		return mm_fail(MM_E_FILE, "%s is too long a path", from);
	mm_buffer_init(&note, MM_NOTE_MAX);
	error = mm_file_read(path, MM_NOTE_MAX, &note);
	if (error != MM_OK)
		return mm_fail(error, "%s (as user %u, who is the notary's)",
		    mm_why(error), (unsigned)geteuid());
	end = memchr(note.data, '\n', note.size);
	if (end == NULL)
		return mm_fail(MM_E_NOTE, "%s is no checkpoint", path);
	error = mm_vkey_init(
	    vkey, mm_span(note.data, (size_t)(end - note.data)), public_key);
	if (error == MM_OK)
		error = mm_checkpoint_open(mm_buffer_span(&note), vkey, out);
	if (error == MM_E_NOTE_KEY)
		return mm_fail(error,
		    "%s is of another log: the log key of this installation "
		    "has not signed it",
		    path);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s", path, mm_why(error));
}

/* An older copy would only be refused by the next start. */
static enum mm_error
check_anchor(const char *directory, const uint8_t public_key[32],
    const struct mm_checkpoint *copy)
{
	struct mm_anchor *anchor;
	struct mm_anchored last;
	enum mm_error error = mm_anchor_open(directory, &anchor);

	if (error == MM_E_NOT_FOUND)
		return mm_fail(MM_E_ROLLBACK,
		    "there is no anchor in %s, and without it nobody can say "
		    "whether a copy is the newest: put the anchor's file back",
		    directory);
	if (error != MM_OK)
		return error;
	last = *mm_anchor_last(anchor);
	mm_anchor_close(anchor);
	if (memcmp(last.log_key, public_key, sizeof(last.log_key)) != 0)
		return mm_fail(MM_E_STATE,
		    "the anchor in %s is not of this installation's log key",
		    directory);
	if (copy->size >= last.size)
		return MM_OK;
	return mm_fail(MM_E_ROLLBACK,
	    "the copy has %llu entries, but this log had %llu when its anchor "
	    "saw it last: going on from there would fork it. Find a newer copy "
	    "(the tiles' directory of this box, a web server, an auditor's); "
	    "where there is none, end this log and begin a new one with "
	    "another origin and key",
	    (unsigned long long)copy->size, (unsigned long long)last.size);
}

/* What would be our bug in a batch is the copy's fault here. */
static enum mm_error
judge(enum mm_error error)
{
	if (error != MM_E_NOTARY_POLICY && error != MM_E_NOTARY_TIME)
		return error;
	return mm_fail(
	    MM_E_LOG_WRONG, "the copy is damaged: %s", mm_why(error));
}

static enum mm_error
restore(const struct mm_settings *settings, const char *from,
    const struct mm_log_key *key)
{
	char state[PATH_MAX], anchor[PATH_MAX];
	struct mm_vkey vkey;
	struct mm_checkpoint copy;
	uint64_t size;
	enum mm_error error =
	    open_checkpoint(from, key->public_key, &vkey, &copy);

	mm_span_string(settings->state, state, sizeof(state));
	mm_span_string(settings->anchor, anchor, sizeof(anchor));
	if (error == MM_OK)
		error = check_anchor(anchor, key->public_key, &copy);
	if (error == MM_OK)
		error = judge(mm_log_restore(from, state, &vkey, &size));
	if (error != MM_OK)
		return error;
	mm_lines_say(MM_LEVEL_INFO,
	    "restored %llu entries of %s from %s: mintmarkd can be started, "
	    "and makes its index anew where it does not fit",
	    (unsigned long long)size, vkey.name, from);
	return MM_OK;
}

enum mm_error
mm_restore_run(const struct mm_settings *settings, const char *from)
{
	mm_autoclose int lock = -1;
	char state[PATH_MAX], directory[PATH_MAX];
	struct mm_log_key key = {.secret = NULL};
	enum mm_error error = mm_directories_open(settings, false, &lock);

	mm_span_string(settings->state, state, sizeof(state));
	mm_span_string(settings->log_key, directory, sizeof(directory));
	if (error == MM_OK)
		error = become_notary(settings);
	if (error == MM_OK)
		error = check_absent(state);
	if (error == MM_OK)
		error = mm_log_key_open(directory, &key);
	if (error == MM_OK)
		error = restore(settings, from, &key);
	mm_log_key_clear(&key);
	return error;
}
