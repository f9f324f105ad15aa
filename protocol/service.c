#include "protocol/service.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "protocol/journal.h"

enum {
	PEERS_MAX = 64,
	CALL_ARENA = 8 << 20 /* bytes; what one call may decode and answer */
};

static const struct mm_field control_link_fields[] = {
    MM_FIELD(mm_control_link, 0, process, MM_UINT, 0, MM_PROCESSES - 1),
    MM_FIELD(mm_control_link, 1, instance, MM_UINT, 0, 65535)};
MM_SHAPE(mm_control_link_shape, mm_control_link, control_link_fields);

struct peer {
	int fd;
	struct mm_control_link who;
};

/* A service while it runs. */
struct run {
	const struct mm_service *service;
	int control; /* the caller's; -1: none */
	struct peer peers[PEERS_MAX];
	size_t count;
	bool stopped;
};

/* The last one moves into the gap. */
static void
drop_peer(struct run *run, size_t i)
{
	close(run->peers[i].fd);
	run->peers[i] = run->peers[--run->count];
}

static void
drop_all(struct run *run)
{
	while (run->count > 0)
		drop_peer(run, run->count - 1);
}

static void
journal_peer(const struct peer *peer, const char *event, const char *text)
{
	mm_journal(MM_LEVEL_WARNING, event, "%s %llu: %s",
	    mm_process_name(peer->who.process),
	    (unsigned long long)peer->who.instance, text);
}

/* Takes the descriptor. A respawned peer stands in its forerunner's place. */
static void
add_peer(struct run *run, struct mm_control_link who, int fd)
{
	struct peer peer = {fd, who};

	for (size_t i = 0; i < run->count; i++) {
		struct peer *former = &run->peers[i];

		if (former->who.process == who.process &&
		    former->who.instance == who.instance) {
			close(former->fd);
			*former = peer;
			return;
		}
	}
	if (run->count == PEERS_MAX) {
		journal_peer(&peer, "link-refused", "too many peers");
		close(fd);
		return;
	}
	run->peers[run->count++] = peer;
}

static enum mm_error
link_peer(struct run *run, struct mm_received *message)
{
	struct mm_control_link who;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, sizeof(who));
	error = mm_shape_decode(
	    &mm_control_link_shape, message->packet.body, &arena, &who);
	if (error != MM_OK)
		return error;
	if (message->fds[0] < 0 || message->fds[1] >= 0)
		return mm_fail(MM_E_PEER, "a link brings one descriptor");
	add_peer(run, who, mm_take_fd(message->fds[0]));
	return MM_OK;
}

static enum mm_error
handle_control(struct run *run)
{
	mm_auto(received) message = {.fds = {-1, -1}};
	enum mm_error error = mm_channel_receive(run->control, &message);

	if (error != MM_OK || message.nothing)
		return error;
	if (message.closed || message.packet.type == MM_CONTROL_STOP) {
		run->stopped = true;
		return MM_OK;
	}
	if (message.packet.type == MM_CONTROL_LINK)
		return link_peer(run, &message);
	return mm_fail(MM_E_PEER, "control message %llu is not for a service",
	    (unsigned long long)message.packet.type);
}

static const struct mm_call *
find_call(const struct mm_service *service, uint64_t type)
{
	for (size_t i = 0; i < service->count; i++)
		if (service->calls[i].type == type)
			return &service->calls[i];
	return NULL;
}

static bool
is_fatal(const struct mm_service *service, enum mm_error error)
{
	const enum mm_error *fatal = service->fatal;

	for (; fatal != NULL && *fatal != MM_OK; fatal++)
		if (*fatal == error)
			return true;
	return false;
}

/* Without a shape there is no struct, and no body on the wire. */
static void *
new_struct(const struct mm_shape *shape, struct mm_arena *arena)
{
	return mm_arena_alloc(arena, shape != NULL ? shape->size : 0);
}

/* A body that says nothing may be left out; no shape is nothing's. */
static enum mm_error
decode_body(const struct mm_shape *shape, struct mm_span body,
    struct mm_arena *arena, void *out)
{
	struct mm_nothing nothing;

	if (shape == NULL)
		return decode_body(&mm_nothing_shape, body, arena, &nothing);
	if (body.size == 0 && shape->count == 0)
		return MM_OK;
	return mm_shape_decode(shape, body, arena, out);
}

/* What is wrong with a request as such makes its sender untrustworthy. */
static enum mm_error
check_request(const struct mm_service *service, const struct mm_call *call,
    const struct mm_received *message)
{
	if (call == NULL)
		return mm_fail(MM_E_UNKNOWN, "there is no call %llu",
		    (unsigned long long)message->packet.type);
	if (message->packet.error != 0 || message->packet.why.size > 0)
		return mm_fail(MM_E_SHAPE, "a request tells of an error");
	if (message->fds[0] >= 0 && service->attached == NULL)
		return mm_fail(MM_E_SHAPE, "a call brings no descriptors");
	if (message->fds[1] >= 0)
		return mm_fail(MM_E_SHAPE, "a call brings one descriptor");
	return MM_OK;
}

struct outcome {
	enum mm_error error; /* of the call */
	bool broken;         /* the peer broke the protocol */
};

/* Runs a call and puts its answer, or why there is none, into `out`. */
static struct outcome
run_call(const struct mm_service *service, const struct mm_received *message,
    struct mm_buffer *out)
{
	const struct mm_packet *packet = &message->packet;
	const struct mm_call *call = find_call(service, packet->type);
	mm_auto(arena) arena = {0};
	void *request, *answer;
	enum mm_error error = check_request(service, call, message);

	mm_arena_init(&arena, CALL_ARENA);
	if (error != MM_OK)
		return (struct outcome){error, true};
	request = new_struct(call->request, &arena);
	answer = new_struct(call->answer, &arena);
	if (request == NULL || answer == NULL)
		return (struct outcome){
		    mm_fail(MM_E_MEMORY, "no memory for a call"), false};
	error = decode_body(call->request, packet->body, &arena, request);
	if (error != MM_OK)
		return (struct outcome){error, error != MM_E_MEMORY};
	if (service->attached != NULL)
		*service->attached = message->fds[0];
	error = call->run(service->self, request, &arena, answer);
	if (service->attached != NULL)
		*service->attached = -1;
	if (error == MM_OK)
		error = mm_packet_encode(
		    packet->type, packet->id, call->answer, answer, out);
	return (struct outcome){error, false};
}

/* Waits where the channel is full: the peer reads, or is killed. */
static enum mm_error
send_answer(int fd, struct mm_span packet)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	enum mm_error error;

	while ((error = mm_channel_send_bytes(fd, packet, NULL)) == MM_E_BUSY)
		if (poll(&wait, 1, -1) < 0 && errno != EINTR)
			return mm_fail(
			    MM_E_SYSTEM, "cannot wait: %s", strerror(errno));
	return error;
}

static enum mm_error
answer_call(const struct run *run, const struct peer *peer,
    const struct mm_received *message, bool *keep)
{
	const struct mm_packet *packet = &message->packet;
	mm_auto(buffer) answer = {0};
	struct outcome outcome;
	enum mm_error error = MM_OK;

	mm_buffer_init(&answer, MM_CHANNEL_MAX);
	outcome = run_call(run->service, message, &answer);
	if (outcome.broken)
		journal_peer(peer, "peer-dropped", mm_why(outcome.error));
	if (outcome.error != MM_OK) {
		mm_buffer_reset(&answer);
		error = mm_packet_encode_error(
		    packet->type, packet->id, outcome.error, &answer);
	}
	if (error == MM_OK && packet->id != 0)
		error = send_answer(peer->fd, mm_buffer_span(&answer));
	*keep = error == MM_OK && !outcome.broken;
	if (is_fatal(run->service, outcome.error))
		return outcome.error;
	/* Nobody would bring us this peer again; our next life gets all. */
	return error == MM_E_AWAY ? MM_OK : error;
}

/* MM_OK, or the fatal error after which the service ends. */
static enum mm_error
handle_peer(const struct run *run, const struct peer *peer, bool *keep)
{
	mm_auto(received) message = {.fds = {-1, -1}};
	enum mm_error error = mm_channel_receive(peer->fd, &message);

	*keep = error == MM_OK && !message.closed;
	if (error == MM_E_PEER)
		journal_peer(peer, "peer-dropped", mm_why(error));
	else if (error != MM_OK)
		return error; /* the fault is ours */
	if (!*keep || message.nothing)
		return MM_OK;
	return answer_call(run, peer, &message, keep);
}

/* One message of every peer that has one, so that nobody waits for long. */
static enum mm_error
handle_ready(struct run *run, const struct pollfd *ready, size_t count)
{
	/* From the end: whoever moves into a gap has been served. */
	for (size_t i = count; i-- > 0;) {
		enum mm_error error;
		bool keep = true;

		if (ready[i].revents == 0)
			continue;
		error = handle_peer(run, &run->peers[i], &keep);
		if (error != MM_OK)
			return error;
		if (!keep)
			drop_peer(run, i);
	}
	return MM_OK;
}

/* Waits at most `timeout` ms and serves who is ready; `idle`: nobody was. */
static enum mm_error
serve_round(struct run *run, int timeout, bool *idle)
{
	struct pollfd all[1 + PEERS_MAX];
	size_t count = run->count;
	enum mm_error error;
	int ready;

	/* poll(2) passes over a negative descriptor. */
	all[0] = (struct pollfd){.fd = run->control, .events = POLLIN};
	for (size_t i = 0; i < count; i++)
		all[1 + i] =
		    (struct pollfd){.fd = run->peers[i].fd, .events = POLLIN};
	ready = poll(all, 1 + count, timeout);
	*idle = ready == 0;
	if (ready < 0 && errno != EINTR)
		return mm_fail(MM_E_SYSTEM, "cannot wait: %s", strerror(errno));
	if (ready <= 0)
		return MM_OK;
	error = handle_ready(run, all + 1, count);
	if (error == MM_OK && all[0].revents != 0)
		error = handle_control(run);
	return error;
}

static enum mm_error
serve(struct run *run)
{
	const struct mm_service *service = run->service;
	int wait = service->idle != NULL ? 0 : -1;

	while (!run->stopped && (run->control >= 0 || run->count > 0)) {
		bool idle = false;
		enum mm_error error = serve_round(run, wait, &idle);

		if (error != MM_OK)
			return error;
		if (service->idle != NULL)
			wait = idle ? service->idle(service->self) : 0;
	}
	return MM_OK;
}

enum mm_error
mm_service_run_peer(const struct mm_service *service, int control, int peer)
{
	struct run run = {.service = service, .control = control};
	struct mm_control_link parent = {.process = MM_SUPERVISOR};
	enum mm_error error = MM_OK;

	if (peer >= 0)
		add_peer(&run, parent, peer);
	if (control >= 0)
		error =
		    mm_channel_send(control, MM_CONTROL_READY, 0, NULL, NULL);
	/* A supervisor that has gone already is a control channel closed. */
	if (error == MM_OK)
		error = serve(&run);
	else if (error == MM_E_AWAY)
		error = MM_OK;
	drop_all(&run);
	return error;
}

enum mm_error
mm_service_run(const struct mm_service *service, int control)
{
	return mm_service_run_peer(service, control, -1);
}

static enum mm_error
read_answer(uint64_t type, uint64_t id, const struct mm_received *received)
{
	const struct mm_packet *packet = &received->packet;
	char why[513];

	if (received->closed)
		return mm_fail(MM_E_AWAY, "the other process has gone");
	if (received->nothing)
		return mm_fail(MM_E_BUSY, "no answer is there yet");
	if (packet->type != type || packet->id != id)
		return mm_fail(MM_E_PEER, "the answer is to another call");
	if (packet->error == 0)
		return MM_OK;
	return mm_fail(mm_error_from(packet->error), "%s",
	    mm_span_string(packet->why, why, sizeof(why)));
}

enum mm_error
mm_call_sync(int fd, uint64_t type, const struct mm_shape *request_shape,
    const void *request, const struct mm_shape *answer_shape,
    struct mm_received *received, struct mm_arena *arena, void *answer)
{
	static uint64_t id;
	enum mm_error error;

	*received = (struct mm_received){.fds = {-1, -1}};
	error = mm_channel_send(fd, type, ++id, request_shape, request);
	if (error == MM_OK)
		error = mm_channel_receive(fd, received);
	if (error == MM_OK)
		error = read_answer(type, id, received);
	if (error != MM_OK)
		return error;
	return decode_body(answer_shape, received->packet.body, arena, answer);
}
