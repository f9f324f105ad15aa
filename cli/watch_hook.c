#include "cli/watch_hook.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "cli/entry_json.h"
#include "cli/json_value.h"

enum { NUMBER_TEXT = 24 };

/* A file in memory, so that a hook that does not read cannot stop us. */
static enum mm_error
write_input(const struct mm_hook_entry *entry, int *out)
{
	mm_autoclose int fd = memfd_create("entry", MFD_CLOEXEC);
	json_t *object;
	enum mm_error error;
	int failed;

	if (fd < 0)
		return mm_fail(MM_E_SYSTEM, "no memory for a hook's input: %s",
		    strerror(errno));
	error = mm_entry_json(entry->index, entry->bytes, &object);
	if (error != MM_OK)
		return error;
	failed = json_dumpfd(object, fd, JSON_COMPACT);
	json_decref(object);
	if (failed != 0 || write(fd, "\n", 1) != 1 ||
	    lseek(fd, 0, SEEK_SET) != 0)
		return mm_fail(MM_E_SYSTEM, "cannot write a hook's input: %s",
		    strerror(errno));
	*out = mm_take_fd(fd);
	return MM_OK;
}

static enum mm_error
set_environment(const struct mm_hook_entry *entry)
{
	char index[NUMBER_TEXT], time[MM_TIME_TEXT];

	snprintf(index, sizeof(index), "%" PRIu64, entry->index);
	mm_time_text(entry->frame.time, time);
	if (setenv("MINTMARK_INDEX", index, 1) < 0 ||
	    setenv("MINTMARK_KIND", mm_entry_kind_name(entry->frame.kind), 1) <
		0 ||
	    setenv("MINTMARK_TIME", time, 1) < 0 ||
	    setenv("MINTMARK_LOG", entry->origin, 1) < 0)
		return mm_fail(
		    MM_E_MEMORY, "no memory for a hook's environment");
	return MM_OK;
}

/* Signals that a watch holds back are a hook's own again. */
static int
spawn(const char *command, int input, pid_t *child)
{
	char shell[] = "sh", option[] = "-c";
	char *words[] = {shell, option, (char *)(uintptr_t)command, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none;
	int failed;

	sigemptyset(&none);
	failed = posix_spawn_file_actions_init(&files);
	if (failed != 0)
		return failed;
	failed = posix_spawnattr_init(&attributes);
	if (failed == 0) {
		failed = posix_spawn_file_actions_adddup2(
		    &files, input, STDIN_FILENO);
		if (failed == 0)
			failed = posix_spawnattr_setsigmask(&attributes, &none);
		if (failed == 0)
			failed = posix_spawnattr_setflags(
			    &attributes, POSIX_SPAWN_SETSIGMASK);
		if (failed == 0)
			failed = posix_spawn(child, "/bin/sh", &files,
			    &attributes, words, environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&files);
	return failed;
}

static enum mm_error
wait_end(pid_t child, const struct mm_hook_entry *entry)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return mm_fail(MM_E_SYSTEM, "the hook is lost: %s",
			    strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return MM_OK;
	return mm_fail(MM_E_HOOK, "the hook for entry %" PRIu64 " %s %d",
	    entry->index,
	    WIFSIGNALED(status) ? "was ended by signal" : "ended with status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

enum mm_error
mm_hook_run(const char *command, const struct mm_hook_entry *entry)
{
	mm_autoclose int input = -1;
	pid_t child;
	enum mm_error error = write_input(entry, &input);
	int failed;

	if (error == MM_OK)
		error = set_environment(entry);
	if (error != MM_OK)
		return error;
	/* What was printed before stands before what the hook prints. */
	fflush(stdout);
	failed = spawn(command, input, &child);
	if (failed != 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot run the hook: %s", strerror(failed));
	return wait_end(child, entry);
}
