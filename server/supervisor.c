#include "server/supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "protocol/genesis.h"
#include "server/child.h"
#include "server/directories.h"
#include "server/listen.h"
#include "server/notify.h"
#include "server/tlskeys.h"
#include "server/topology.h"

enum {
	BLOB_NAME = 64, /* digits of a SHA-256 */
	GATES_MAX = 64,
	INSPECTORS_MAX = 8,
	SERVICES = 4, /* notary, archive, token, authority */
	CHILDREN_MAX = SERVICES + INSPECTORS_MAX + GATES_MAX,
	/* milliseconds */
	DELAY_FIRST = 100,
	DELAY_LAST = 10000,
	STEADY = 60000, /* alive so long: the delay begins anew */
	PATIENCE = 10000,
	PATIENCE_FATAL = 2000, /* where something has failed already */
	INSPECTOR_DEADLINE = 30000,
	TOKEN_START = 10000 /* at least; modules hang (PITFALLS.md) */
};

enum phase { STARTING, SERVING, STOPPING };

struct supervisor {
	const struct mm_settings *settings;
	const struct mm_supervisor_options *options;
	enum phase phase;
	int status; /* the exit status, once stopping */
	int signals, lock;
	bool hung_up; /* SIGHUP was told of */
	struct mm_tls_keys keys;
	struct mm_listener listeners[MM_LISTEN_MAX];
	size_t listener_count;
	struct mm_child children[CHILDREN_MAX];
	size_t count;
};

/* for (each_child(s, child)) ... */
#define each_child(s, child) \
	struct mm_child *child = (s)->children; \
	child < (s)->children + (s)->count; \
	child++

static bool
is_genesis(const struct supervisor *s)
{
	return s->options->genesis >= 0;
}

/* --- stopping --- */

static void
stop(struct supervisor *s, int status)
{
	if (s->phase == STOPPING)
		return;
	if (s->phase == SERVING) {
		mm_notify("STOPPING=1");
		mm_lines_say(MM_LEVEL_INFO, "stopping");
	}
	s->phase = STOPPING;
	s->status = status;
}

/* What a check of ours finds wrong is this box's: a person must look. */
static int
exit_status(enum mm_error error)
{
	enum mm_exit status = mm_error_exit(error);

	return status == MM_EXIT_NO || status == MM_EXIT_DATA ? MM_EXIT_CONFIG
							      : (int)status;
}

/* It cannot go on: the one line that says why, and the status. */
static void
fail(struct supervisor *s, const char *name, enum mm_error error,
    const char *why)
{
	if (s->phase == STOPPING && s->status != MM_EXIT_YES)
		return; /* the first reason is the reason */
	mm_lines_say(
	    MM_LEVEL_ERROR, "%s%s%s", name, name[0] != '\0' ? ": " : "", why);
	stop(s, MM_EXIT_YES);
	s->status = exit_status(error);
}

/* --- starting a child --- */

static void
hand_tls(struct supervisor *s, struct mm_child *gate)
{
	int fds[MM_CHANNEL_FDS] = {
	    mm_memfd_share(s->keys.key), mm_memfd_share(s->keys.ticket)};

	if (fds[0] >= 0 && fds[1] >= 0)
		mm_child_tell(gate, MM_CONTROL_TLS, NULL, NULL, fds);
	else
		mm_child_kill(gate, MM_E_SYSTEM, "no descriptors left");
	mm_own_close_(&fds[0]);
	mm_own_close_(&fds[1]);
}

static void
hand_to_gate(struct supervisor *s, struct mm_child *gate)
{
	hand_tls(s, gate);
	for (size_t i = 0; i < s->listener_count; i++) {
		const int fds[MM_CHANNEL_FDS] = {s->listeners[i].fd, -1};

		mm_child_tell(gate, MM_CONTROL_LISTEN, NULL, NULL, fds);
	}
}

static bool
is_blob_name(const char *name)
{
	return strlen(name) == BLOB_NAME &&
	       strspn(name, "0123456789abcdef") == BLOB_NAME;
}

/* What a succession inherits; whether it is what the ceremony lists is for the
 * authority to see. */
static void
hand_blob(struct supervisor *s, struct mm_child *authority, const char *name)
{
	mm_autoclose int fd = openat(s->options->blobs, name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	const int fds[MM_CHANNEL_FDS] = {fd, -1};

	if (fd < 0)
		mm_child_kill(authority, MM_E_FILE,
		    "a blob beside the genesis file cannot be read");
	else
		mm_child_tell(authority, MM_CONTROL_BLOB, NULL, NULL, fds);
}

static void
hand_blobs(struct supervisor *s, struct mm_child *authority)
{
	int fd = fcntl(s->options->blobs, F_DUPFD_CLOEXEC, 0);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *one;
	size_t count = 0;

	if (directory == NULL) {
		mm_own_close_(&fd);
		return;
	}
	while (count < MM_GENESIS_BLOBS && (one = readdir(directory)) != NULL) {
		if (!is_blob_name(one->d_name))
			continue;
		hand_blob(s, authority, one->d_name);
		count++;
	}
	closedir(directory);
}

static void
hand_to_authority(struct supervisor *s, struct mm_child *authority)
{
	const struct mm_control_tls tls = {
	    mm_span(s->keys.spki, s->keys.spki_size)};

	if (is_genesis(s) && s->options->blobs >= 0)
		hand_blobs(s, authority);
	else if (!is_genesis(s))
		mm_child_tell(authority, MM_CONTROL_TLS, &mm_control_tls_shape,
		    &tls, NULL);
}

static void (*const hand_to[MM_PROCESSES])(
    struct supervisor *s, struct mm_child *child) = {
    [MM_GATE] = hand_to_gate,
    [MM_AUTHORITY] = hand_to_authority,
};

/* A token worker that hangs in its module's start is not waited for. */
static int64_t
start_deadline(const struct supervisor *s, const struct mm_child *child)
{
	int64_t patience = (int64_t)s->settings->token_deadline * 1000;

	if (child->process != MM_TOKEN)
		return 0;
	return child->since + (patience > TOKEN_START ? patience : TOKEN_START);
}

/* A server is linked when it is ready, so that no call waits for a start. */
static void
link_peers(struct supervisor *s, struct mm_child *child)
{
	for (each_child(s, peer)) {
		if (mm_topology_may_call(child->process, peer->process) &&
		    peer->state == MM_CHILD_READY)
			mm_child_link(child, peer);
	}
}

static void
link_clients(struct supervisor *s, struct mm_child *child)
{
	for (each_child(s, peer)) {
		if (mm_topology_may_call(peer->process, child->process) &&
		    (peer->state == MM_CHILD_STARTED ||
			peer->state == MM_CHILD_READY))
			mm_child_link(peer, child);
	}
}

/*
 * The PIN's file may be root's alone (systemd's credentials are): it is
 * opened here for a token process that runs as somebody else, and never
 * read. Where it cannot be opened the token process says why.
 */
static int
open_pin(const struct supervisor *s)
{
	char path[PATH_MAX];

	return open(
	    mm_span_string(s->settings->token_pin_file, path, sizeof(path)),
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
}

/* The descriptor that goes with a child's configuration, or -1. */
static int
extra_for(const struct supervisor *s, const struct mm_child *child)
{
	if (child->process == MM_TOKEN)
		return open_pin(s);
	if (child->process == MM_AUTHORITY && is_genesis(s))
		return fcntl(s->options->genesis, F_DUPFD_CLOEXEC, 0);
	return -1;
}

static enum mm_error
begin(struct supervisor *s, struct mm_child *child)
{
	mm_autoclose int extra = extra_for(s, child);
	bool first = s->phase == STARTING;
	struct mm_configure configure = {.process = child->process,
	    .instance = child->instance,
	    .genesis = is_genesis(s),
	    .accept_time = s->options->accept_time && first,
	    .rebuild = s->options->rebuild && first,
	    .settings = *s->settings};
	enum mm_error error = mm_child_begin(child, &configure, extra);

	if (error != MM_OK)
		return error;
	child->deadline = start_deadline(s, child);
	if (hand_to[child->process] != NULL)
		hand_to[child->process](s, child);
	link_peers(s, child);
	return MM_OK;
}

/* --- when a child ends --- */

static void
start_again_later(struct mm_child *child)
{
	int64_t now = mm_child_now();

	if (child->delay == 0 || now - child->since >= STEADY)
		child->delay = DELAY_FIRST;
	child->due = now + child->delay;
	mm_lines_say(MM_LEVEL_WARNING, "%s: %s; it starts again in %.1f s",
	    mm_child_name(child), child->why, (double)child->delay / 1000);
	child->delay *= 2;
	if (child->delay > DELAY_LAST)
		child->delay = DELAY_LAST;
}

static void
judge_serving(struct supervisor *s, struct mm_child *child)
{
	if (child->process == MM_NOTARY) {
		fail(s, mm_child_name(child), child->error, child->why);
		return;
	}
	/* A real HSM locks itself after some wrong PINs. */
	if (child->error == MM_E_PIN) {
		mm_lines_say(MM_LEVEL_ERROR,
		    "%s: %s; it is not tried again: nothing is signed until "
		    "the PIN is right and mintmarkd is restarted",
		    mm_child_name(child), child->why);
		return;
	}
	start_again_later(child);
}

static void
judge_stopping(struct supervisor *s, struct mm_child *child)
{
	if (child->error == MM_OK)
		return;
	if (child->process == MM_NOTARY)
		fail(s, mm_child_name(child), child->error, child->why);
	else if (s->status == MM_EXIT_YES)
		mm_lines_say(MM_LEVEL_WARNING, "%s: %s", mm_child_name(child),
		    child->why);
}

static void
judge_starting(struct supervisor *s, struct mm_child *child)
{
	fail(s, mm_child_name(child), child->error, child->why);
}

/* An inspector has one image to read, and then ends. */
static void
judge_inspector(const struct mm_child *child)
{
	if (child->error != MM_OK)
		mm_lines_say(MM_LEVEL_WARNING, "%s: %s", mm_child_name(child),
		    child->why);
}

static void
judge(struct supervisor *s, struct mm_child *child)
{
	static void (*const by_phase[])(
	    struct supervisor *, struct mm_child *) = {
	    [STARTING] = judge_starting,
	    [SERVING] = judge_serving,
	    [STOPPING] = judge_stopping,
	};

	if (child->process == MM_INSPECTOR)
		judge_inspector(child);
	else
		by_phase[s->phase](s, child);
}

/* --- what children say --- */

static void
heard_ready(
    struct supervisor *s, struct mm_child *child, struct mm_received *message)
{
	const struct mm_packet *packet = &message->packet;
	char why[513];

	if (packet->error != 0) {
		mm_child_remember(child, mm_error_from(packet->error),
		    mm_span_string(packet->why, why, sizeof(why)));
		return;
	}
	if (child->state != MM_CHILD_STARTED)
		return;
	child->state = MM_CHILD_READY;
	if (child->process != MM_INSPECTOR)
		child->deadline = 0;
	link_clients(s, child);
}

/* What the authority may give up, and why it does. */
static const struct {
	enum mm_process process;
	enum mm_error error;
	const char *why;
} given_up[] = {
    {MM_TOKEN, MM_E_TOKEN, "it missed its deadline and was killed"},
    {MM_NOTARY, MM_E_STORE, "it missed its deadline and was killed"},
    {MM_ARCHIVE, MM_E_PEER, "it broke the protocol and was killed"},
    {MM_GATE, MM_E_PEER, "it broke the protocol and was killed"},
};

static bool
give_up(struct supervisor *s, const struct mm_control_link *link)
{
	for (size_t i = 0; i < MM_COUNT(given_up); i++) {
		if (given_up[i].process != link->process)
			continue;
		for (each_child(s, child)) {
			if (child->process == link->process &&
			    child->instance == link->instance)
				mm_child_kill(
				    child, given_up[i].error, given_up[i].why);
		}
		return true;
	}
	return false;
}

static void
heard_kill(
    struct supervisor *s, struct mm_child *child, struct mm_received *message)
{
	struct mm_control_link link;
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, sizeof(link));
	if (mm_shape_decode(&mm_control_link_shape, message->packet.body,
		&arena, &link) != MM_OK ||
	    !give_up(s, &link))
		mm_child_kill(child, MM_E_PEER, "it broke the protocol");
}

static struct mm_child *
free_inspector(struct supervisor *s)
{
	for (each_child(s, child)) {
		if (child->process == MM_INSPECTOR && child->pid == 0)
			return child;
	}
	return NULL;
}

/* Where it fails both descriptors are closed: the image is refused. */
static void
heard_inspect(
    struct supervisor *s, struct mm_child *child, struct mm_received *message)
{
	struct mm_child *inspector = free_inspector(s);
	enum mm_error error;

	if (message->fds[0] < 0 || message->fds[1] < 0) {
		mm_child_kill(child, MM_E_PEER, "it broke the protocol");
		return;
	}
	if (inspector == NULL) {
		mm_lines_say(MM_LEVEL_WARNING,
		    "%d images are being inspected: one was refused",
		    INSPECTORS_MAX);
		return;
	}
	error = begin(s, inspector);
	if (error != MM_OK) {
		mm_lines_say(MM_LEVEL_WARNING, "inspector: %s", mm_why(error));
		return;
	}
	inspector->deadline = inspector->since + INSPECTOR_DEADLINE;
	mm_child_tell(inspector, MM_CONTROL_INSPECT, NULL, NULL, message->fds);
}

static void
heard_done(
    struct supervisor *s, struct mm_child *child, struct mm_received *message)
{
	(void)message;
	if (is_genesis(s))
		stop(s, MM_EXIT_YES);
	else
		mm_child_kill(child, MM_E_PEER, "it broke the protocol");
}

static void (*const heard[])(struct supervisor *s, struct mm_child *child,
    struct mm_received *message) = {
    [MM_CONTROL_READY] = heard_ready,
    [MM_CONTROL_KILL] = heard_kill,
    [MM_CONTROL_INSPECT] = heard_inspect,
    [MM_CONTROL_DONE] = heard_done,
};

/* Takes one message; false where there is none (any more). */
static bool
hear(struct supervisor *s, struct mm_child *child)
{
	mm_auto(received) message = {.fds = {-1, -1}};
	uint64_t type;

	if (mm_channel_receive(child->control, &message) != MM_OK) {
		mm_child_kill(child, MM_E_PEER, "it broke the protocol");
		return false;
	}
	if (message.closed) {
		/* It is ending; or else it is made to. */
		mm_own_close_(&child->control);
		child->control = -1;
		child->deadline = mm_child_now() + PATIENCE_FATAL;
	}
	if (message.closed || message.nothing)
		return false;
	type = message.packet.type;
	if (mm_topology_may_say(child->process, type) &&
	    type < MM_COUNT(heard) && heard[type] != NULL)
		heard[type](s, child, &message);
	else
		mm_child_kill(child, MM_E_PEER, "it broke the protocol");
	return true;
}

/* What it said and wrote before it ended comes first. */
static void
reap(struct supervisor *s, struct mm_child *child)
{
	if (!mm_child_reap(child))
		return;
	while (child->control >= 0 && hear(s, child))
		;
	while (child->output >= 0)
		mm_child_pass(child);
	mm_child_clear(child);
	judge(s, child);
}

/* --- the phases --- */

/* Whether all children of a role are ready; starts those that are not there. */
static bool
bring_up(struct supervisor *s, enum mm_process process)
{
	bool ready = true;

	for (each_child(s, child)) {
		enum mm_error error = MM_OK;

		if (child->process != process)
			continue;
		if (child->state == MM_CHILD_ABSENT)
			error = begin(s, child);
		if (error != MM_OK)
			fail(s, mm_child_name(child), error, mm_why(error));
		ready = ready && child->state == MM_CHILD_READY;
	}
	return ready;
}

static const char *
addresses_path(const struct supervisor *s, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%.*s/listen", MM_SPAN(s->settings->state));
	return out;
}

/* Where port 0 was asked for, this tells which one it is. */
static void
write_addresses(struct supervisor *s, struct mm_span addresses)
{
	char path[PATH_MAX];
	enum mm_error error =
	    mm_file_write(addresses_path(s, path), addresses, 0644, true);

	/* The directory may be the notary's alone. */
	if (error != MM_OK && s->settings->users.count == 0)
		mm_lines_say(MM_LEVEL_WARNING, "%s", mm_why(error));
}

static void
announce(struct supervisor *s)
{
	mm_auto(buffer) line = {0};
	mm_auto(buffer) file = {0};

	mm_buffer_init(&line, MM_LISTEN_MAX * (MM_ADDRESS_MAX + 1));
	mm_buffer_init(&file, MM_LISTEN_MAX * (MM_ADDRESS_MAX + 1));
	for (size_t i = 0; i < s->listener_count; i++) {
		mm_buffer_printf(&line, " %s", s->listeners[i].address);
		mm_buffer_printf(&file, "%s\n", s->listeners[i].address);
	}
	s->phase = SERVING;
	write_addresses(s, mm_buffer_span(&file));
	mm_lines_say(
	    MM_LEVEL_INFO, "ready:%.*s", MM_SPAN(mm_buffer_span(&line)));
	mm_notify("READY=1");
}

/* Each waits for the ones before it. */
static void
advance_starting(struct supervisor *s)
{
	static const enum mm_process order[] = {
	    MM_NOTARY, MM_ARCHIVE, MM_TOKEN, MM_AUTHORITY, MM_GATE};

	for (size_t i = 0; i < MM_COUNT(order); i++)
		if (!bring_up(s, order[i]) || s->phase != STARTING)
			return;
	if (!is_genesis(s))
		announce(s);
}

static void
advance_serving(struct supervisor *s)
{
	int64_t now = mm_child_now();

	for (each_child(s, child)) {
		enum mm_error error;

		if (child->due == 0 || child->due > now)
			continue;
		child->due = 0;
		error = begin(s, child);
		if (error == MM_OK)
			continue;
		mm_child_remember(child, error, mm_why(error));
		start_again_later(child);
	}
}

static bool
all_left(struct supervisor *s, enum mm_process process)
{
	bool left = true;

	for (each_child(s, child)) {
		if (child->process != process || child->pid == 0)
			continue;
		mm_child_stop(child,
		    s->status == MM_EXIT_YES ? PATIENCE : PATIENCE_FATAL);
		left = false;
	}
	return left;
}

/* From the outside inwards: who might still ask goes first. */
static bool
advance_stopping(struct supervisor *s)
{
	static const enum mm_process order[] = {MM_GATE, MM_AUTHORITY,
	    MM_INSPECTOR, MM_TOKEN, MM_ARCHIVE, MM_NOTARY};

	for (size_t i = 0; i < MM_COUNT(order); i++)
		if (!all_left(s, order[i]))
			return false;
	return true;
}

/* Whether it goes on. */
static bool
advance(struct supervisor *s)
{
	if (s->phase == STARTING)
		advance_starting(s);
	else if (s->phase == SERVING)
		advance_serving(s);
	return s->phase != STOPPING || !advance_stopping(s);
}

/* --- the loop --- */

static void
keep_deadlines(struct supervisor *s)
{
	int64_t now = mm_child_now();

	for (each_child(s, child)) {
		if (child->pid == 0 || child->deadline == 0 ||
		    child->deadline > now)
			continue;
		child->deadline = 0;
		mm_child_kill(child, MM_E_AWAY,
		    child->state == MM_CHILD_STARTED
			? "it did not start in time and was killed"
			: "it did not end in time and was killed");
	}
}

static void
sooner(int64_t time, int64_t *first)
{
	if (time != 0 && (*first == 0 || time < *first))
		*first = time;
}

static int
next_timeout(struct supervisor *s)
{
	int64_t first = 0, left;

	for (each_child(s, child)) {
		sooner(child->deadline, &first);
		sooner(child->due, &first);
	}
	if (first == 0)
		return -1;
	left = first - mm_child_now();
	return left < 0 ? 0 : (int)left + 1;
}

/* A genesis says that it is done, and before that it is not. */
static void
told_to_stop(struct supervisor *s)
{
	if (is_genesis(s) && s->phase != STOPPING)
		fail(s, "", MM_E_AWAY,
		    "it was stopped before the log was begun");
	else
		stop(s, MM_EXIT_YES);
}

static void
handle_signals(struct supervisor *s)
{
	struct signalfd_siginfo signal;

	while (read(s->signals, &signal, sizeof(signal)) ==
	       (ssize_t)sizeof(signal)) {
		if (signal.ssi_signo == SIGTERM || signal.ssi_signo == SIGINT)
			told_to_stop(s);
		if (signal.ssi_signo != SIGHUP || s->hung_up)
			continue;
		s->hung_up = true;
		mm_lines_say(MM_LEVEL_NOTICE,
		    "SIGHUP does nothing: policy changes are log entries, "
		    "and settings are read at the start");
	}
}

static void
wait_for_something(struct supervisor *s)
{
	struct pollfd wait[1 + 2 * CHILDREN_MAX] = {
	    {.fd = s->signals, .events = POLLIN}};
	nfds_t used = 1;

	for (each_child(s, child)) {
		wait[used++] = (struct pollfd){child->control, POLLIN, 0};
		wait[used++] = (struct pollfd){child->output, POLLIN, 0};
	}
	if (poll(wait, used, next_timeout(s)) <= 0)
		return;
	for (size_t i = 0; i < s->count; i++) {
		struct mm_child *child = &s->children[i];

		/* A message may have begun another child in its place. */
		if (wait[1 + 2 * i].revents != 0 && child->control >= 0 &&
		    wait[1 + 2 * i].fd == child->control)
			hear(s, child);
		if (wait[2 + 2 * i].revents != 0 && child->output >= 0 &&
		    wait[2 + 2 * i].fd == child->output)
			mm_child_pass(child);
	}
	if (wait[0].revents != 0)
		handle_signals(s);
}

static void
run(struct supervisor *s)
{
	while (advance(s)) {
		wait_for_something(s);
		for (each_child(s, child))
			reap(s, child);
		keep_deadlines(s);
	}
}

/* --- setting up --- */

static void
add_children(struct supervisor *s, enum mm_process process, uint64_t count)
{
	for (uint64_t i = 0; i < count && s->count < CHILDREN_MAX; i++)
		s->children[s->count++] = (struct mm_child){.process = process,
		    .instance = i,
		    .control = -1,
		    .output = -1};
}

static uint64_t
gates(const struct mm_settings *settings)
{
	cpu_set_t cores;
	uint64_t count = settings->gates;

	CPU_ZERO(&cores);
	if (count == 0 && sched_getaffinity(0, sizeof(cores), &cores) == 0)
		count = (uint64_t)CPU_COUNT(&cores);
	if (count == 0)
		count = 1;
	return count < GATES_MAX ? count : GATES_MAX;
}

static void
add_all_children(struct supervisor *s)
{
	add_children(s, MM_NOTARY, 1);
	add_children(s, MM_ARCHIVE, 1);
	add_children(s, MM_TOKEN, 1);
	add_children(s, MM_AUTHORITY, 1);
	if (is_genesis(s))
		return;
	add_children(s, MM_INSPECTOR, INSPECTORS_MAX);
	add_children(s, MM_GATE, gates(s->settings));
}

static enum mm_error
open_listeners(struct supervisor *s)
{
	enum mm_error error = MM_OK;

	if (s->settings->listen.count > MM_LISTEN_MAX)
		return mm_fail(MM_E_SETTING, "listen: more than %d addresses",
		    MM_LISTEN_MAX);
	for (mm_list_each(
		 const struct mm_text_item, item, s->settings->listen)) {
		error =
		    mm_listen(item->value, &s->listeners[s->listener_count]);
		if (error != MM_OK)
			return error;
		s->listener_count++;
	}
	return MM_OK;
}

static enum mm_error
open_signals(struct supervisor *s)
{
	static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
	static const int ignored[] = {SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < MM_COUNT(taken); i++)
		sigaddset(&set, taken[i]);
	for (size_t i = 0; i < MM_COUNT(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* it may have been ignored by our parent */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
	    (s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return mm_fail(MM_E_SYSTEM, "signalfd: %s", strerror(errno));
	return MM_OK;
}

static enum mm_error
set_up(struct supervisor *s)
{
	char path[PATH_MAX];
	enum mm_error error;

	/* It holds the TLS key for a moment; nothing it starts may gain. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return mm_fail(MM_E_SYSTEM, "prctl: %s", strerror(errno));
	error = mm_directories_open(s->settings, is_genesis(s), &s->lock);
	if (error == MM_OK)
		error = open_signals(s);
	if (error != MM_OK || is_genesis(s))
		return error;
	unlink(addresses_path(s, path)); /* of a former life */
	error = open_listeners(s);
	if (error == MM_OK)
		error = mm_tls_keys_make(&s->keys);
	return error;
}

static void
clear(struct supervisor *s)
{
	for (size_t i = 0; i < s->listener_count; i++)
		mm_own_close_(&s->listeners[i].fd);
	mm_tls_keys_clear(&s->keys);
	mm_own_close_(&s->signals);
	mm_own_close_(&s->lock);
}

int
mm_supervisor_run(const struct mm_settings *settings,
    const struct mm_supervisor_options *options)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	enum mm_error error;
	int status;

	if (s == NULL) {
		mm_lines_say(MM_LEVEL_ERROR, "no memory to start with");
		return MM_EXIT_LATER;
	}
	s->settings = settings;
	s->options = options;
	s->signals = s->lock = s->keys.key = s->keys.ticket = -1;
	add_all_children(s);
	error = set_up(s);
	if (error != MM_OK)
		fail(s, "", error, mm_why(error));
	else
		run(s);
	status = s->status;
	clear(s);
	free(s);
	return status;
}
