#include "server/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <sodium.h>

#include "protocol/journal.h"
#include "protocol/sealed.h"
#include "server/connection.h"
#include "server/listen.h"
#include "server/sandbox.h"

enum {
	ACCEPTS = 4, /* at a time: other gates want some too */
	LINES = 10,  /* about peers, in LINES_SECONDS */
	LINES_SECONDS = 10,
	STOP_SECONDS = 5,
	PAUSE_SECONDS = 1,
	KEY_MAX = 4096,
	MESSAGE_ARENA = 65536
};

/* A key out of a sealed memfd, in sodium memory. */
struct secret {
	uint8_t *data;
	size_t size;
};

struct process {
	struct mm_gate gate;
	struct mm_link *control;
	struct ev_io listeners[MM_LISTEN_MAX];
	size_t count;           /* of listeners */
	struct ev_timer resume; /* accepting, after descriptors ran out */
	struct ev_timer stop;
	int reserve; /* a descriptor to spend when there are no others */
	struct secret key, ticket_key;
	struct mm_buffer certificate; /* mm_server_certificate as it came */
	bool ready;
};

void
mm_gate_tell(struct mm_gate *gate, const char *event, const char *format, ...)
{
	ev_tstamp now = ev_now(gate->loop);
	char text[512];
	va_list arguments;

	if (now - gate->told_at >= LINES_SECONDS) {
		if (gate->untold > 0)
			mm_journal(MM_LEVEL_WARNING, "and-more",
			    "%u further lines about peers were left out",
			    gate->untold);
		gate->told_at = now;
		gate->told = gate->untold = 0;
	}
	if (gate->told >= LINES) {
		gate->untold++;
		return;
	}
	gate->told++;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	mm_journal(MM_LEVEL_WARNING, event, "%s", text);
}

/* ---- the authority */

enum mm_error
mm_gate_ask(struct mm_gate *gate, const struct mm_ask *ask, int fd)
{
	const int fds[MM_CHANNEL_FDS] = {fd, -1};
	enum mm_error error;

	if (gate->authority == NULL)
		return mm_fail(MM_E_STARTING, "the authority is starting");
	error =
	    mm_link_send(gate->authority, MM_ASK, 0, &mm_ask_shape, ask, fds);
	/* Its end of the channel is closed: another will come. */
	return error == MM_E_AWAY
		   ? mm_fail(MM_E_STARTING, "the authority is starting")
		   : error;
}

void
mm_gate_park(struct mm_gate *gate, const struct mm_park *park, int fd)
{
	const int fds[MM_CHANNEL_FDS] = {fd, -1};

	/* Its client begins anew where this fails. */
	if (gate->authority != NULL)
		(void)!mm_link_send(
		    gate->authority, MM_PARK, 0, &mm_park_shape, park, fds);
}

/*
 * The new one (NULL: none yet) is in place before anybody hears of the end
 * of the former: a client may ask again at once.
 */
static void
set_authority(struct process *process, struct mm_link *link)
{
	struct mm_gate *gate = &process->gate;

	mm_link_free(gate->authority);
	gate->authority = link;
	for (uint64_t i = 0; i < gate->settings->connections; i++)
		if (gate->slots[i] != NULL)
			mm_connection_abandon(gate->slots[i]);
}

static enum mm_error
tell(struct process *process, struct mm_received *message)
{
	struct mm_gate *gate = &process->gate;
	struct mm_connection *connection;
	struct mm_tell tell;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, sizeof(tell));
	error = mm_shape_decode(
	    &mm_tell_shape, message->packet.body, &arena, &tell);
	if (error != MM_OK)
		return error;
	connection = gate->slots[tell.connection % gate->settings->connections];
	if (connection != NULL && mm_connection_is(connection, tell.connection))
		mm_connection_tell(connection, tell.envelope, message->fds);
	return MM_OK;
}

/* ---- listening */

static void
set_accepting(struct process *process, bool accepting)
{
	for (size_t i = 0; i < process->count; i++)
		if (accepting)
			ev_io_start(process->gate.loop, &process->listeners[i]);
		else
			ev_io_stop(process->gate.loop, &process->listeners[i]);
}

/* Once there are keys, a certificate and a socket, clients may come. */
static void
begin_accepting(struct process *process)
{
	if (process->gate.tls == NULL || process->gate.stopping ||
	    process->count == 0)
		return;
	set_accepting(process, true);
	if (!process->ready && mm_link_send(process->control, MM_CONTROL_READY,
				   0, NULL, NULL, NULL) == MM_OK)
		process->ready = true;
}

static void
resume(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	begin_accepting(timer->data);
}

static int
new_reserve(void)
{
	return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

/*
 * Without a descriptor to accept with, whoever waits first is turned away
 * with the reserve, and the others wait until some connections have ended.
 */
static void
run_short(struct process *process, int listener)
{
	if (process->reserve >= 0) {
		close(process->reserve);
		process->reserve =
		    accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (process->reserve >= 0)
			close(process->reserve);
	}
	process->reserve = new_reserve();
	set_accepting(process, false);
	ev_timer_stop(process->gate.loop, &process->resume);
	ev_timer_set(&process->resume, PAUSE_SECONDS, 0);
	ev_timer_start(process->gate.loop, &process->resume);
	mm_gate_tell(&process->gate, "descriptors-short",
	    "no connection is accepted for %d s", PAUSE_SECONDS);
}

static void
read_ipv4(const struct sockaddr_in *address, struct mm_source *out)
{
	char text[INET_ADDRSTRLEN] = "?";

	memcpy(out->key, &address->sin_addr, sizeof(address->sin_addr));
	inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text));
	snprintf(out->text, sizeof(out->text), "%s:%u", text,
	    ntohs(address->sin_port));
}

static void
read_ipv6(const struct sockaddr_in6 *address, struct mm_source *out)
{
	char text[INET6_ADDRSTRLEN] = "?";
	bool mapped = IN6_IS_ADDR_V4MAPPED(&address->sin6_addr);

	/* A whole /64 belongs to one customer: it is one source. */
	memcpy(out->key, &address->sin6_addr, mapped ? 16 : 8);
	inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof(text));
	snprintf(out->text, sizeof(out->text), "[%s]:%u", text,
	    ntohs(address->sin6_port));
}

static struct mm_source
source_of(const struct sockaddr_storage *address)
{
	struct mm_source source = {.text = "?"};

	if (address->ss_family == AF_INET)
		read_ipv4((const void *)address, &source);
	else if (address->ss_family == AF_INET6)
		read_ipv6((const void *)address, &source);
	return source;
}

static bool
is_short(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	       error == ENOMEM;
}

static bool
accept_one(struct process *process, int listener)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t size = sizeof(address);
	struct mm_source source;
	int fd = accept4(listener, (struct sockaddr *)&address, &size,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (is_short(errno))
			run_short(process, listener);
		return false;
	}
	source = source_of(&address);
	if (mm_connection_open(&process->gate, fd, &source) == MM_E_BUSY)
		mm_gate_tell(&process->gate, "connection-refused", "%s: %s",
		    source.text, mm_why(MM_E_BUSY));
	return true;
}

static void
acceptable(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop;
	(void)events;
	for (int i = 0; i < ACCEPTS; i++)
		if (!accept_one(io->data, io->fd))
			return;
}

static enum mm_error
add_listener(struct process *process, int *fd)
{
	int flags = fcntl(*fd, F_GETFL);
	struct ev_io *io = &process->listeners[process->count];

	if (process->count == MM_LISTEN_MAX)
		return mm_fail(MM_E_PEER, "too many listening sockets");
	if (flags < 0 || fcntl(*fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot listen: %s", strerror(errno));
	ev_io_init(io, acceptable, mm_take_fd(*fd), EV_READ);
	io->data = process;
	process->count++;
	return MM_OK;
}

static void
close_listeners(struct process *process)
{
	set_accepting(process, false);
	ev_timer_stop(process->gate.loop, &process->resume);
	while (process->count > 0)
		close(process->listeners[--process->count].fd);
}

/* ---- keys and certificate */

static void
secret_clear(struct secret *secret)
{
	sodium_free(secret->data);
	*secret = (struct secret){NULL, 0};
}

static enum mm_error
read_secret(int fd, struct secret *out)
{
	struct secret secret = {NULL, 0};
	enum mm_error error = mm_sealed_check(fd, KEY_MAX, &secret.size);

	if (error != MM_OK)
		return error;
	secret.data = sodium_malloc(secret.size);
	if (secret.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	if (pread(fd, secret.data, secret.size, 0) != (ssize_t)secret.size) {
		secret_clear(&secret);
		return mm_fail(
		    MM_E_SYSTEM, "cannot read a key: %s", strerror(errno));
	}
	secret_clear(out);
	*out = secret;
	return MM_OK;
}

static enum mm_error
make_tls(const struct process *process, struct mm_tls **out)
{
	struct mm_server_certificate certificate;
	struct mm_tls_setup setup = {
	    .key = mm_span(process->key.data, process->key.size),
	    .ticket_key =
		mm_span(process->ticket_key.data, process->ticket_key.size)};
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, MESSAGE_ARENA);
	error = mm_shape_decode(&mm_server_certificate_shape,
	    mm_buffer_span(&process->certificate), &arena, &certificate);
	if (error != MM_OK)
		return error;
	setup.chain = certificate.chain;
	setup.anchor = certificate.anchor;
	return mm_tls_new(&setup, out);
}

/* New connections get the newest certificate; others keep theirs. */
static enum mm_error
renew_tls(struct process *process)
{
	struct mm_tls *tls;
	enum mm_error error;

	if (process->key.data == NULL || process->certificate.size == 0)
		return MM_OK;
	error = make_tls(process, &tls);
	if (error != MM_OK)
		return error;
	mm_tls_free(process->gate.tls);
	process->gate.tls = tls;
	begin_accepting(process);
	return MM_OK;
}

static enum mm_error
take_certificate(struct process *process, struct mm_received *message)
{
	struct mm_span body = message->packet.body;

	mm_buffer_reset(&process->certificate);
	mm_buffer_add(&process->certificate, body.data, body.size);
	if (process->certificate.error != MM_OK)
		return mm_fail(MM_E_MEMORY, "no memory for a certificate");
	return renew_tls(process);
}

/* ---- who speaks to us */

struct handler {
	uint64_t type;
	enum mm_error (*take)(
	    struct process *process, struct mm_received *message);
};

static enum mm_error
handle(const struct handler *handlers, size_t count, struct process *process,
    struct mm_received *message)
{
	for (size_t i = 0; i < count; i++)
		if (handlers[i].type == message->packet.type)
			return handlers[i].take(process, message);
	return mm_fail(MM_E_PEER, "message %llu is not for a gate",
	    (unsigned long long)message->packet.type);
}

static const struct handler from_authority[] = {
    {MM_TELL, tell},
    {MM_CERTIFICATE, take_certificate},
};

static void
authority_says(void *self, struct mm_link *link, struct mm_received *message)
{
	struct process *process = self;
	enum mm_error error =
	    handle(from_authority, MM_COUNT(from_authority), process, message);

	(void)link;
	if (error == MM_OK)
		return;
	mm_journal(MM_LEVEL_ERROR, "authority-dropped", "%s", mm_why(error));
	ev_break(process->gate.loop, EVBREAK_ALL);
}

/* Only the next authority is brought to us; to this one, our next life. */
static void
authority_gone(void *self, struct mm_link *link)
{
	struct process *process = self;

	set_authority(process, NULL);
	if (mm_link_broken(link) || mm_link_failed(link))
		ev_break(process->gate.loop, EVBREAK_ALL);
}

static enum mm_error
take_link(struct process *process, struct mm_received *message)
{
	const struct mm_link_handler handler = {
	    authority_says, authority_gone, process};
	struct mm_control_link who;
	struct mm_link *link;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, sizeof(who));
	error = mm_shape_decode(
	    &mm_control_link_shape, message->packet.body, &arena, &who);
	if (error != MM_OK)
		return error;
	if (who.process != MM_AUTHORITY || message->fds[0] < 0)
		return mm_fail(
		    MM_E_PEER, "a gate speaks with the authority alone");
	link = mm_link_new(
	    process->gate.loop, mm_take_fd(message->fds[0]), &handler);
	if (link == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a link");
	set_authority(process, link);
	return MM_OK;
}

static enum mm_error
take_keys(struct process *process, struct mm_received *message)
{
	enum mm_error error = read_secret(message->fds[0], &process->key);

	if (error == MM_OK)
		error = read_secret(message->fds[1], &process->ticket_key);
	return error == MM_OK ? renew_tls(process) : error;
}

static enum mm_error
take_listeners(struct process *process, struct mm_received *message)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < MM_CHANNEL_FDS && error == MM_OK; i++)
		if (message->fds[i] >= 0)
			error = add_listener(process, &message->fds[i]);
	if (error == MM_OK)
		begin_accepting(process);
	return error;
}

static void
stopped(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

/* What is in flight is answered; then the last connection ends the loop. */
static enum mm_error
take_stop(struct process *process, struct mm_received *message)
{
	struct mm_gate *gate = &process->gate;

	(void)message;
	if (gate->stopping)
		return MM_OK;
	gate->stopping = true;
	close_listeners(process);
	if (gate->connections == 0) {
		ev_break(gate->loop, EVBREAK_ALL);
		return MM_OK;
	}
	ev_timer_start(gate->loop, &process->stop);
	for (uint64_t i = 0; i < gate->settings->connections; i++)
		if (gate->slots[i] != NULL)
			mm_connection_stop(gate->slots[i]);
	return MM_OK;
}

static const struct handler from_supervisor[] = {
    {MM_CONTROL_LINK, take_link},
    {MM_CONTROL_TLS, take_keys},
    {MM_CONTROL_LISTEN, take_listeners},
    {MM_CONTROL_STOP, take_stop},
};

static void
supervisor_says(void *self, struct mm_link *link, struct mm_received *message)
{
	struct process *process = self;
	enum mm_error error = handle(
	    from_supervisor, MM_COUNT(from_supervisor), process, message);

	(void)link;
	if (error == MM_OK)
		return;
	mm_journal(MM_LEVEL_ERROR, "control", "%s", mm_why(error));
	ev_break(process->gate.loop, EVBREAK_ALL);
}

static void
supervisor_gone(void *self, struct mm_link *link)
{
	struct process *process = self;

	(void)link;
	process->control = NULL;
	ev_break(process->gate.loop, EVBREAK_ALL);
}

/* ---- the process */

static enum mm_error
set_up(struct process *process, const struct mm_configure *configure)
{
	struct mm_gate *gate = &process->gate;
	enum mm_error error = mm_tls_begin();

	if (error != MM_OK)
		return error;
	if (sodium_init() < 0)
		return mm_fail(MM_E_SYSTEM, "libsodium does not start");
	if (configure->settings.connections == 0)
		return mm_fail(MM_E_SETTING, "no connections are allowed");
	gate->settings = &configure->settings;
	gate->slots =
	    calloc(gate->settings->connections, sizeof(gate->slots[0]));
	gate->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (gate->slots == NULL || gate->loop == NULL)
		return mm_fail(MM_E_SYSTEM, "libev does not start");
	mm_buffer_init(&process->certificate, MM_CHANNEL_MAX);
	ev_timer_init(&process->resume, resume, PAUSE_SECONDS, 0);
	ev_timer_init(&process->stop, stopped, STOP_SECONDS, 0);
	process->resume.data = process;
	process->reserve = new_reserve();
	return MM_OK;
}

static enum mm_error
serve(
    struct process *process, const struct mm_configure *configure, int control)
{
	const struct mm_link_handler handler = {
	    supervisor_says, supervisor_gone, process};
	/* The link owns its descriptor; `control` is the caller's. */
	int ours = fcntl(control, F_DUPFD_CLOEXEC, 3);
	enum mm_error error;

	if (ours < 0)
		return mm_fail(
		    MM_E_SYSTEM, "no control channel: %s", strerror(errno));
	error = mm_sandbox_close(configure);
	if (error != MM_OK) {
		close(ours);
		return error;
	}
	process->control = mm_link_new(process->gate.loop, ours, &handler);
	if (process->control == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a link");
	ev_run(process->gate.loop, 0);
	return MM_OK;
}

static void
tear_down(struct process *process)
{
	struct mm_gate *gate = &process->gate;

	for (uint64_t i = 0;
	     gate->slots != NULL && i < gate->settings->connections; i++)
		if (gate->slots[i] != NULL)
			mm_connection_free(gate->slots[i]);
	free(gate->slots);
	if (gate->loop != NULL) {
		close_listeners(process);
		mm_link_free(gate->authority);
		mm_link_free(process->control);
		ev_loop_destroy(gate->loop);
	}
	mm_tls_free(gate->tls);
	secret_clear(&process->key);
	secret_clear(&process->ticket_key);
	mm_buffer_clear(&process->certificate);
	if (process->reserve >= 0)
		close(process->reserve);
}

enum mm_error
mm_gate_run(const struct mm_configure *configure, int control, int extra)
{
	struct process process = {.reserve = -1};
	enum mm_error error = set_up(&process, configure);

	(void)extra;
	if (error == MM_OK)
		error = serve(&process, configure, control);
	tear_down(&process);
	return error;
}
