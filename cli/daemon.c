#include "cli/daemon.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_ROOM = 16 };

static void
find_daemon(char out[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - NAME_ROOM);
	char *slash;

	snprintf(out + (length > 0 ? length : 0), NAME_ROOM, "%s", "");
	slash = strrchr(out, '/');
	snprintf(slash != NULL ? slash + 1 : out, NAME_ROOM, "mintmarkd");
	if (access(out, X_OK) < 0)
		snprintf(out, PATH_MAX, "mintmarkd");
}

static enum mm_error
await(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return mm_fail(
			    MM_E_SYSTEM, "cannot wait: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return MM_OK;
	return mm_fail(
	    WIFEXITED(status) && WEXITSTATUS(status) == MM_EXIT_CONFIG
		? MM_E_SETTING
		: MM_E_AWAY,
	    "mintmarkd --genesis did not finish: its reason stands above");
}

/*
 * A Ctrl-C at the terminal is mintmarkd's to answer, from here to the end: who
 * started it stays to tell what became of it, and writes down what was made.
 */
static int
spawn(const char *daemon, char *const *words, char *const *environment,
    pid_t *out)
{
	posix_spawnattr_t how;
	sigset_t usual;
	int failed = posix_spawnattr_init(&how);

	if (failed != 0)
		return failed;
	sigemptyset(&usual);
	sigaddset(&usual, SIGINT);
	signal(SIGINT, SIG_IGN);
	failed = posix_spawnattr_setsigdefault(&how, &usual);
	if (failed == 0)
		failed = posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF);
	if (failed == 0)
		failed =
		    posix_spawnp(out, daemon, NULL, &how, words, environment);
	posix_spawnattr_destroy(&how);
	return failed;
}

enum mm_error
mm_daemon_genesis(const char *settings, const char *file)
{
	char daemon[PATH_MAX], credentials[PATH_MAX];
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	/* posix_spawn promises not to change them. */
	char *const arguments[] = {(char *)"mintmarkd", (char *)"-c",
	    (char *)(uintptr_t)settings, (char *)"--genesis",
	    (char *)(uintptr_t)file, NULL};
	/* Where systemd puts the PIN is all that settings may ask for. */
	char *const environment[] = {(char *)"PATH=/usr/sbin:/usr/bin",
	    directory != NULL ? credentials : NULL, NULL};
	pid_t child;

	snprintf(credentials, sizeof(credentials), "CREDENTIALS_DIRECTORY=%s",
	    directory != NULL ? directory : "");
	find_daemon(daemon);
	fflush(NULL);
	if (spawn(daemon, arguments, environment, &child) != 0)
		return mm_fail(MM_E_AWAY, "cannot run %s", daemon);
	return await(child);
}
