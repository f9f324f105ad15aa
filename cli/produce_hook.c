#include "cli/produce_hook.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "cli/produce_files.h"

enum {
	NUMBER = 24,
	STOPS = 2,      /* after which an attempt is ended */
	HIGH = 64,      /* our descriptors, beside those that a hook gets */
	FIRST_OPEN = 3, /* behind the standard streams */
	LAST_KEY = MM_UNIT_KEY_FD + MM_UNIT_KEYS - 1,
	SECOND_MS = 1000,
	/* sh: the command cannot be run, or is not there */
	NOT_RUN = 126,
	GONE = 127
};

/* One attempt; descriptors are -1 where there is none. */
struct attempt {
	const struct mm_hook *hook;
	const struct mm_hook_unit *unit;
	uint64_t number;
	int input, log, pid_fd;
	int keys[MM_UNIT_KEYS]; /* by their place in unit->keys */
	pid_t child;
};

static enum mm_error
fault(const char *what)
{
	return mm_fail(MM_E_SYSTEM, "cannot %s: %s", what, strerror(errno));
}

static void
drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- descriptors */

/* Out of the way of the numbers that the hook gets. */
static bool
move_up(int *fd)
{
	int high = *fd >= 0 ? fcntl(*fd, F_DUPFD_CLOEXEC, HIGH) : -1;

	drop(fd);
	*fd = high;
	return high >= 0;
}

static bool
key_open(const struct mm_unit_key *key, int *out)
{
	*out = memfd_create(key->name, MFD_CLOEXEC);
	return move_up(out) &&
	       write(*out, key->bytes.data, key->bytes.size) ==
		   (ssize_t)key->bytes.size &&
	       lseek(*out, 0, SEEK_SET) == 0;
}

/* What the hook has kept open shows nothing any more. */
static void
key_close(const struct mm_unit_key *key, int *fd)
{
	static const uint8_t zeros[256];

	for (size_t at = 0; *fd >= 0 && at < key->bytes.size;
	     at += sizeof(zeros))
		if (pwrite(*fd, zeros, sizeof(zeros), (off_t)at) < 0)
			break;
	drop(fd);
}

static void
attempt_close(struct attempt *a)
{
	for (size_t i = 0; i < a->unit->key_count; i++)
		key_close(&a->unit->keys[i], &a->keys[i]);
	drop(&a->input);
	drop(&a->log);
	drop(&a->pid_fd);
}

/* What a hook has put in the log's place, and cannot be appended to, goes. */
static enum mm_error
log_open(int directory, int *out)
{
	static const char name[] = "hook.log";
	struct stat info;
	enum mm_error error = MM_OK;

	if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISREG(info.st_mode))
		error = mm_unit_files_remove(directory, name);
	if (error != MM_OK)
		return error;
	*out = openat(directory, name,
	    O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	return *out >= 0 ? MM_OK : fault("write hook.log");
}

static enum mm_error
attempt_open(struct attempt *a)
{
	int directory = a->unit->directory;
	enum mm_error error =
	    mm_unit_file_read(directory, "unit.json", &a->input);

	if (error == MM_E_NOT_FOUND)
		return mm_fail(MM_E_FORMAT,
		    "the hook has removed or replaced unit.json of %.*s: mend "
		    "the hook, and say the same again",
		    MM_SPAN(a->unit->device));
	if (error != MM_OK)
		return error;
	if (!move_up(&a->input))
		return fault("read unit.json");
	error = log_open(directory, &a->log);
	if (error != MM_OK)
		return error;
	if (!move_up(&a->log))
		return fault("write hook.log");
	for (size_t i = 0; i < a->unit->key_count; i++)
		if (!key_open(&a->unit->keys[i], &a->keys[i]))
			return fault("hand a key to the hook");
	return MM_OK;
}

/* The log is open in every process of a hook: the lock on it is let go when
 * the last one has ended, whatever became of the run that began it. */
static enum mm_error
check_alone(const struct attempt *a)
{
	if (a->number > 1 || flock(a->log, LOCK_EX | LOCK_NB) == 0)
		return MM_OK;
	return mm_fail(MM_E_BUSY,
	    "a hook that an earlier run began is still at %.*s: wait for its "
	    "end, or end it, and say the same again",
	    MM_SPAN(a->unit->device));
}

/* ---- a child */

static enum mm_error
set_environment(const struct attempt *a)
{
	char device[128], index[NUMBER], number[NUMBER];

	snprintf(index, sizeof(index), "%" PRIu64, a->unit->index);
	snprintf(number, sizeof(number), "%" PRIu64, a->number);
	mm_span_string(a->unit->device, device, sizeof(device));
	if (setenv("MINTMARK_DEVICE", device, 1) < 0 ||
	    setenv("MINTMARK_ORDER", a->hook->order, 1) < 0 ||
	    setenv("MINTMARK_INDEX", index, 1) < 0 ||
	    setenv("MINTMARK_ATTEMPT", number, 1) < 0)
		return mm_fail(
		    MM_E_MEMORY, "no memory for a hook's environment");
	return MM_OK;
}

/* Each step is tried where the ones before did not fail. */
static int
plan_files(const struct attempt *a, posix_spawn_file_actions_t *files)
{
	int failed =
	    posix_spawn_file_actions_addfchdir_np(files, a->unit->directory);

	if (failed == 0)
		failed = posix_spawn_file_actions_adddup2(
		    files, a->input, STDIN_FILENO);
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO && failed == 0; fd++)
		failed = posix_spawn_file_actions_adddup2(files, a->log, fd);
	for (int fd = FIRST_OPEN; fd <= LAST_KEY && failed == 0; fd++)
		failed = posix_spawn_file_actions_addclose(files, fd);
	for (size_t i = 0; i < a->unit->key_count && failed == 0; i++)
		failed = posix_spawn_file_actions_adddup2(
		    files, a->keys[i], a->unit->keys[i].fd);
	if (failed == 0)
		failed = posix_spawn_file_actions_addclosefrom_np(
		    files, LAST_KEY + 1);
	return failed;
}

/* Signals that the run holds back are the hook's own; Ctrl-C does not reach
 * it, since its process group is another. */
static int
plan_process(posix_spawnattr_t *attributes)
{
	sigset_t none;
	int failed;

	sigemptyset(&none);
	failed = posix_spawnattr_setsigmask(attributes, &none);
	if (failed == 0)
		failed = posix_spawnattr_setpgroup(attributes, 0);
	if (failed == 0)
		failed = posix_spawnattr_setflags(
		    attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	return failed;
}

static int
spawn(struct attempt *a)
{
	char shell[] = "sh", option[] = "-c";
	char *words[] = {
	    shell, option, (char *)(uintptr_t)a->hook->command, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int failed = posix_spawn_file_actions_init(&files);

	if (failed != 0)
		return failed;
	failed = posix_spawnattr_init(&attributes);
	if (failed == 0) {
		failed = plan_files(a, &files);
		if (failed == 0)
			failed = plan_process(&attributes);
		if (failed == 0)
			failed = posix_spawn(&a->child, "/bin/sh", &files,
			    &attributes, words, environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&files);
	return failed;
}

/* ---- its end */

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * SECOND_MS + now.tv_nsec / 1000000;
}

/* Waits until the child has ended, its time is over (MM_E_DEADLINE), or the
 * run was told twice to stop (MM_E_STOPPED). */
static enum mm_error
wait_end(const struct attempt *a)
{
	int64_t end = now_ms() + (int64_t)a->hook->timeout * SECOND_MS;

	for (;;) {
		struct pollfd wait[] = {{.fd = a->pid_fd, .events = POLLIN},
		    {.fd = a->hook->stop->fd, .events = POLLIN}};
		int64_t left = end - now_ms();

		if (mm_stop_count(a->hook->stop) >= STOPS)
			return MM_E_STOPPED;
		if (left <= 0)
			return MM_E_DEADLINE;
		if (poll(wait, MM_COUNT(wait), (int)left) > 0 &&
		    wait[0].revents != 0)
			return MM_OK;
	}
}

/* Takes the child away; whoever it left behind may go on after a success only.
 * The group's number is nobody else's until then. That the child cannot be
 * taken away says nothing about the unit. */
static enum mm_error
reap(const struct attempt *a, bool ended, int *status)
{
	siginfo_t info = {.si_code = CLD_KILLED};
	pid_t taken;

	if (ended)
		(void)waitid(P_PID, (id_t)a->child, &info, WEXITED | WNOWAIT);
	if (info.si_code != CLD_EXITED || info.si_status != 0)
		kill(-a->child, SIGKILL);
	do
		taken = waitpid(a->child, status, 0);
	while (taken < 0 && errno == EINTR);
	return taken == a->child ? MM_OK : fault("learn how the hook ended");
}

static void
tell_status(int status, struct mm_hook_result *out)
{
	if (WIFSIGNALED(status))
		snprintf(out->why, sizeof(out->why),
		    "the hook was ended by signal %d", WTERMSIG(status));
	else
		snprintf(out->why, sizeof(out->why),
		    "the hook ended with status %d", WEXITSTATUS(status));
}

/* What cannot be run at all is no fault of the unit. */
static enum mm_error
check_run(const struct attempt *a, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;

	if (code != NOT_RUN && code != GONE)
		return MM_OK;
	return mm_fail(MM_E_SETTING,
	    "the hook ended with status %d at %.*s: a command of it %s; see "
	    "hook.log in the unit's directory, mend the hook (a path is from "
	    "that directory), and say the same again",
	    code, MM_SPAN(a->unit->device),
	    code == GONE ? "was not found" : "may not be executed");
}

static enum mm_error
finish(const struct attempt *a, struct mm_hook_result *out)
{
	enum mm_error error = wait_end(a), reaped;
	int status;

	reaped = reap(a, error == MM_OK, &status);
	if (reaped != MM_OK)
		return reaped;
	if (error == MM_E_STOPPED)
		return mm_fail(error,
		    "the hook for %.*s was ended; say the same again and it is "
		    "run again",
		    MM_SPAN(a->unit->device));
	if (error == MM_OK && check_run(a, status) != MM_OK)
		return MM_E_SETTING;
	out->success = error == MM_OK && status == 0;
	if (error == MM_E_DEADLINE)
		snprintf(out->why, sizeof(out->why),
		    "the hook took more than %" PRIu64 " s", a->hook->timeout);
	else if (!out->success)
		tell_status(status, out);
	return MM_OK;
}

static enum mm_error
run_attempt(struct attempt *a, struct mm_hook_result *out)
{
	enum mm_error error = attempt_open(a);

	if (error == MM_OK)
		error = check_alone(a);
	if (error == MM_OK)
		error = set_environment(a);
	if (error != MM_OK)
		return error;
	dprintf(a->log, "--- attempt %" PRIu64 "\n", a->number);
	errno = spawn(a);
	if (errno != 0)
		return fault("run the hook");
	a->pid_fd = (int)syscall(SYS_pidfd_open, a->child, 0);
	if (a->pid_fd < 0) {
		int status;

		error = fault("watch the hook");
		(void)reap(a, false, &status);
		return error;
	}
	return finish(a, out);
}

enum mm_error
mm_unit_hook(const struct mm_hook *hook, const struct mm_hook_unit *unit,
    struct mm_hook_result *out)
{
	enum mm_error error = MM_OK;

	*out = (struct mm_hook_result){.success = false};
	/* Ignored by inheritance, it would take the hook's status away. */
	(void)signal(SIGCHLD, SIG_DFL);
	while (
	    error == MM_OK && !out->success && out->attempts <= hook->retries) {
		struct attempt a = {.hook = hook,
		    .unit = unit,
		    .number = ++out->attempts,
		    .input = -1,
		    .log = -1,
		    .pid_fd = -1,
		    .keys = {-1, -1, -1}};

		error = run_attempt(&a, out);
		attempt_close(&a);
	}
	return error;
}
