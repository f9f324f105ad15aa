#include "server/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

enum {
	ENVIRONMENT_MAX = 32,
	ENVIRONMENT_BYTES = 16384,
	ABOVE = 16, /* descriptors from here on are out of the way */
	BEHIND = 10 /* a tenth of the others' share, where they want theirs */
};

/* All that the child needs, made before the fork. */
struct plan {
	const struct passwd *user; /* NULL: no change */
	char *arguments[4];
	char *environment[ENVIRONMENT_MAX + 1];
	struct mm_arena arena; /* of the environment */
	pid_t parent;
	int control, output;
	int behind; /* nice(2): 0 as the supervisor itself */
};

/* The terminal's Ctrl-C goes to the whole group; only the supervisor acts. */
static const int ignored[] = {
    SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM};

static enum mm_error
plan_environment(const struct mm_list *list, struct plan *plan)
{
	size_t count = 0;

	if (list->count > ENVIRONMENT_MAX)
		return mm_fail(MM_E_SETTING,
		    "token: environment: more than %d variables",
		    ENVIRONMENT_MAX);
	for (mm_list_each(const struct mm_text_item, item, *list)) {
		char *copy = mm_arena_alloc(&plan->arena, item->value.size + 1);

		if (copy == NULL)
			return mm_fail(
			    MM_E_MEMORY, "token: environment does not fit");
		memcpy(copy, item->value.data, item->value.size);
		plan->environment[count++] = copy;
	}
	return MM_OK;
}

static enum mm_error
plan_user(const char *name, struct plan *plan)
{
	if (name[0] == '\0' || geteuid() != 0)
		return MM_OK;
	plan->user = getpwnam(name);
	if (plan->user == NULL)
		return mm_fail(
		    MM_E_SETTING, "users: there is no user %s", name);
	return MM_OK;
}

static void
child_fails(const char *what)
{
	dprintf(STDERR_FILENO, "cannot start: %s: %s\n", what, strerror(errno));
	_exit(MM_EXIT_BUG);
}

static void
child_signals(void)
{
	sigset_t none;

	for (size_t i = 0; i < MM_COUNT(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Each descriptor to its place, and nothing else stays open. What a library
 * prints is a line like any other, so no file is open for writing.
 */
static void
child_descriptors(const struct plan *plan)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int from[] = {null, plan->output, plan->output, plan->control};

	for (size_t i = 0; i < MM_COUNT(from); i++)
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, ABOVE);
	for (size_t i = 0; i < MM_COUNT(from); i++)
		if (from[i] < 0 || dup2(from[i], (int)i) < 0)
			child_fails("descriptors");
	if (close_range(MM_COUNT(from), ~0U, 0) < 0)
		child_fails("close_range");
}

static void
child_user(const struct passwd *user)
{
	if (user == NULL)
		return;
	if (initgroups(user->pw_name, user->pw_gid) < 0 ||
	    setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)
		child_fails(user->pw_name);
}

_Noreturn static void
child(const struct plan *plan)
{
	child_signals();
	child_descriptors(plan);
	child_user(plan->user);
	/* After setuid, which clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		child_fails("prctl");
	if (getppid() != plan->parent)
		_exit(0);
	errno = 0;
	if (nice(plan->behind) < 0 && errno != 0)
		child_fails("nice");
	execve("/proc/self/exe", plan->arguments, plan->environment);
	child_fails("exec");
	_exit(MM_EXIT_BUG);
}

static enum mm_error
start(struct plan *plan, struct mm_spawned *out)
{
	mm_autoclose int ours = -1, theirs = -1, reader = -1, writer = -1;
	int ends[2], pipe_ends[2];
	pid_t pid;
	enum mm_error error = mm_channel_pair(ends);

	if (error != MM_OK)
		return error;
	ours = ends[0];
	theirs = ends[1];
	/* Non-blocking at both ends: nobody waits for who reads the lines. */
	if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return mm_fail(MM_E_SYSTEM, "pipe: %s", strerror(errno));
	reader = pipe_ends[0];
	writer = pipe_ends[1];
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return mm_fail(MM_E_SYSTEM, "fcntl: %s", strerror(errno));
	plan->control = theirs;
	plan->output = writer;
	plan->parent = getpid();
	pid = fork();
	if (pid < 0)
		return mm_fail(MM_E_SYSTEM, "fork: %s", strerror(errno));
	if (pid == 0)
		child(plan);
	*out = (struct mm_spawned){pid, mm_take_fd(ours), mm_take_fd(reader)};
	return MM_OK;
}

enum mm_error
mm_spawn(const struct mm_spawn *spawn, struct mm_spawned *out)
{
	char program[] = "mintmarkd", option[] = "--role", role[32];
	struct plan plan = {.arguments = {program, option, role, NULL}};
	enum mm_error error;

	/* Images take what devices leave of the processors. */
	if (spawn->process == MM_INSPECTOR)
		plan.behind = BEHIND;
	mm_span_string(
	    mm_span_text(mm_process_name(spawn->process)), role, sizeof(role));
	mm_arena_init(&plan.arena, ENVIRONMENT_BYTES);
	error = plan_environment(&spawn->environment, &plan);
	if (error == MM_OK)
		error = plan_user(spawn->user, &plan);
	if (error == MM_OK)
		error = start(&plan, out);
	mm_arena_clear(&plan.arena);
	return error;
}
