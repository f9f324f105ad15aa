#include "server/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "server/directories.h"

enum { CONFIGURE_MAX = 65536 };

int64_t
mm_child_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *
mm_child_name(const struct mm_child *child)
{
	return mm_process_name(child->process);
}

void
mm_child_remember(struct mm_child *child, enum mm_error error, const char *why)
{
	child->error = error;
	snprintf(child->why, sizeof(child->why), "%s", why);
}

void
mm_child_kill(struct mm_child *child, enum mm_error error, const char *why)
{
	if (child->pid == 0)
		return;
	mm_child_remember(child, error, why);
	kill(child->pid, SIGKILL);
}

/* MM_E_BUSY and all else: who does not read its control channel hangs. */
static void
send_packet(struct mm_child *child, const struct mm_buffer *packet,
    const int fds[MM_CHANNEL_FDS])
{
	enum mm_error error;

	if (child->control < 0)
		return;
	error =
	    mm_channel_send_bytes(child->control, mm_buffer_span(packet), fds);
	/* One that has gone is about to be reaped, with its own words. */
	if (error != MM_OK && error != MM_E_AWAY)
		mm_child_kill(child, error, mm_why(error));
}

void
mm_child_tell(struct mm_child *child, enum mm_control control,
    const struct mm_shape *shape, const void *body,
    const int fds[MM_CHANNEL_FDS])
{
	mm_auto(buffer) packet = {0};
	enum mm_error error;

	mm_buffer_init(&packet, CONFIGURE_MAX);
	error = mm_packet_encode(control, 0, shape, body, &packet);
	if (error != MM_OK)
		mm_child_kill(child, error, mm_why(error));
	else
		send_packet(child, &packet, fds);
}

enum mm_error
mm_child_begin(
    struct mm_child *child, const struct mm_configure *configure, int extra)
{
	const struct mm_settings *settings = &configure->settings;
	const int fds[MM_CHANNEL_FDS] = {extra, -1};
	struct mm_configure told = *configure;
	char user[64];
	struct mm_spawn spawn = {.process = child->process, .user = user};
	struct mm_spawned spawned;
	enum mm_error error;

	mm_user_of(settings, mm_child_name(child), user, sizeof(user));
	if (child->process == MM_TOKEN)
		spawn.environment = settings->token_environment;
	error = mm_spawn(&spawn, &spawned);
	if (error != MM_OK)
		return error;
	child->pid = spawned.pid;
	child->control = spawned.control;
	child->output = spawned.output;
	child->state = MM_CHILD_STARTED;
	child->since = mm_child_now();
	child->deadline = child->due = 0;
	child->error = MM_OK;
	told.settings = mm_configure_settings(settings, child->process);
	mm_child_tell(
	    child, MM_CONTROL_CONFIGURE, &mm_configure_shape, &told, fds);
	return MM_OK;
}

static void
tell_link(struct mm_child *child, const struct mm_child *peer, int end)
{
	const struct mm_control_link link = {peer->process, peer->instance};
	const int fds[MM_CHANNEL_FDS] = {end, -1};

	mm_child_tell(
	    child, MM_CONTROL_LINK, &mm_control_link_shape, &link, fds);
}

void
mm_child_link(struct mm_child *client, struct mm_child *server)
{
	int ends[2];
	enum mm_error error = mm_channel_pair(ends);

	if (error != MM_OK) {
		/* Out of descriptors: its next life gets its channels. */
		mm_child_kill(client, error, mm_why(error));
		return;
	}
	tell_link(client, server, ends[0]);
	tell_link(server, client, ends[1]);
	close(ends[0]);
	close(ends[1]);
}

void
mm_child_stop(struct mm_child *child, int64_t patience)
{
	if (child->state == MM_CHILD_LEAVING)
		return;
	child->state = MM_CHILD_LEAVING;
	child->deadline = mm_child_now() + patience;
	mm_child_tell(child, MM_CONTROL_STOP, NULL, NULL, NULL);
}

void
mm_child_pass(struct mm_child *child)
{
	if (mm_lines_pass(&child->lines, child->output, mm_child_name(child)))
		return;
	close(child->output);
	child->output = -1;
}

/* One that was told to leave and left has nothing to tell. */
static bool
may_leave(const struct mm_child *child)
{
	return child->state == MM_CHILD_LEAVING ||
	       child->process == MM_INSPECTOR;
}

static void
remember_status(struct mm_child *child, int status)
{
	char why[128];

	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "it was killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(why, sizeof(why), "it ended with status %d",
		    WEXITSTATUS(status));
	if (child->error == MM_OK && (status != 0 || !may_leave(child)))
		mm_child_remember(child, MM_E_AWAY, why);
}

bool
mm_child_reap(struct mm_child *child)
{
	int status;

	if (child->pid == 0 || waitpid(child->pid, &status, WNOHANG) <= 0)
		return false;
	child->pid = 0;
	remember_status(child, status);
	return true;
}

void
mm_child_clear(struct mm_child *child)
{
	mm_lines_end(&child->lines, mm_child_name(child));
	mm_own_close_(&child->control);
	mm_own_close_(&child->output);
	child->control = child->output = -1;
	child->state = MM_CHILD_ABSENT;
	child->deadline = 0;
}
