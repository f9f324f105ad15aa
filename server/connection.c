#include "server/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <sodium.h>

#include "protocol/frame.h"
#include "server/exchange.h"

enum {
	RECORD = 16384, /* bytes that one TLS record can hold */
	IN_MAX = MM_FRAME_HEADER + MM_FRAME_MAX + RECORD,
	OUT_PAUSE = 1 << 20, /* waiting bytes after which nothing is taken */
	OUT_MAX = 16 << 20,  /* room for what was asked before the pause */
	PIPELINE_MAX = 64,   /* requests that the authority has */
	BROKEN_MAX = 16,     /* malformed messages until we are through */
	TURN = 8,            /* records read before others have their turn */
	REQUEST_ARENA = 1 << 20,
	LEAVE_SECONDS = 2
};

enum phase {
	SHAKING,
	OPEN,
	CLOSING, /* nothing is taken any more; what waits is sent */
	LEAVING  /* all is sent; see leave() */
};

/* What we are waiting for, each with its own patience. */
enum wait {
	WAIT_NOTHING, /* before anything */
	WAIT_HANDSHAKE,
	WAIT_REQUEST,
	WAIT_FRAME,  /* the rest of it */
	WAIT_READER, /* the peer does not read what it asked for */
	WAIT_ANSWER, /* the authority's; it may hang */
	WAIT_LEAVE
};

struct mm_connection {
	struct mm_gate *gate;
	struct mm_tls *tls;
	gnutls_session_t session;
	int fd;
	struct mm_source source;
	struct mm_exchange exchange;
	int64_t expires; /* the peer's certificate */
	enum phase phase;
	bool ended; /* the peer will not send any more */
	struct ev_io io;
	struct ev_timer timer;
	enum wait wait;
	bool progress; /* the peer did something: patience begins anew */
	struct mm_buffer in, out;
	size_t sent;     /* of `out` */
	unsigned broken; /* malformed messages so far */
};

void
mm_connection_free(struct mm_connection *c)
{
	struct mm_gate *gate = c->gate;

	ev_io_stop(gate->loop, &c->io);
	ev_timer_stop(gate->loop, &c->timer);
	mm_exchange_clear(&c->exchange);
	gnutls_deinit(c->session);
	mm_tls_free(c->tls);
	close(c->fd);
	mm_buffer_clear(&c->in);
	mm_buffer_clear(&c->out);
	gate->slots[c->exchange.number % gate->settings->connections] = NULL;
	gate->connections--;
	if (gate->stopping && gate->connections == 0)
		ev_break(gate->loop, EVBREAK_ALL);
	free(c);
}

bool
mm_connection_is(const struct mm_connection *c, uint64_t number)
{
	return c->exchange.number == number;
}

/* ---- out */

static size_t
unsent(const struct mm_connection *c)
{
	return c->out.size - c->sent;
}

/* False where the connection is lost. */
static bool
write_out(struct mm_connection *c)
{
	if (c->out.error != MM_OK)
		return false;
	while (unsent(c) > 0) {
		ssize_t put = gnutls_record_send(
		    c->session, c->out.data + c->sent, unsent(c));

		if (mm_tls_again(put)) {
			mm_buffer_drop(&c->out, c->sent);
			c->sent = 0;
			return true;
		}
		if (put < 0)
			return false;
		c->sent += (size_t)put;
		c->progress = true;
	}
	/* Connections that say nothing hold no memory. */
	mm_buffer_clear(&c->out);
	c->sent = 0;
	return true;
}

/* ---- requests */

static bool
may_take(const struct mm_connection *c)
{
	return c->exchange.flight < PIPELINE_MAX && unsent(c) < OUT_PAUSE;
}

/* Checked at the handshake too, but connections outlive certificates. */
static bool
is_expired(const struct mm_connection *c)
{
	return time(NULL) > c->expires;
}

static bool
is_malformed(enum mm_error error)
{
	return error >= MM_E_CBOR && error <= MM_E_RANGE &&
	       error != MM_E_UNKNOWN;
}

static void
take(struct mm_connection *c, struct mm_span item)
{
	mm_auto(arena) arena = {0};
	struct mm_request request;
	enum mm_error error;

	mm_arena_init(&arena, REQUEST_ARENA);
	error = mm_request_read(item, &arena, &request);
	if (is_expired(c)) {
		error = mm_fail(MM_E_TLS, "your certificate has expired");
		c->phase = CLOSING;
	}
	if (error == MM_OK)
		error = mm_exchange_take(&c->exchange, &request);
	if (error == MM_OK)
		return;
	mm_exchange_refuse(&c->exchange, request.id, error);
	if (is_malformed(error) && ++c->broken >= BROKEN_MAX)
		c->phase = CLOSING;
}

/* ---- in */

static struct mm_span
unread(const struct mm_connection *c, size_t used)
{
	return used < c->in.size ? mm_span(c->in.data + used, c->in.size - used)
				 : mm_span(NULL, 0);
}

/* Where the next frame begins can no longer be known: a word, and the end. */
static void
end_framing(struct mm_connection *c, enum mm_error error)
{
	static const uint8_t no_id[MM_ID_SIZE];

	mm_exchange_refuse(&c->exchange, no_id, error);
	c->phase = CLOSING;
}

static void
take_frames(struct mm_connection *c)
{
	size_t used = 0;

	while (c->phase == OPEN && may_take(c)) {
		struct mm_span item;

		if (mm_frame_next(unread(c, used), MM_FRAME_MAX, &item) !=
		    MM_OK) {
			end_framing(c, MM_E_FRAME);
			break;
		}
		if (item.size == 0)
			break;
		used += MM_FRAME_HEADER + item.size;
		take(c, item);
	}
	if (used == 0)
		return;
	mm_buffer_drop(&c->in, used);
	if (c->in.size == 0)
		mm_buffer_clear(&c->in);
	c->progress = true;
}

enum got { GOT_SOME, GOT_NOTHING, GOT_LOST };

static enum got
read_in(struct mm_connection *c)
{
	static uint8_t record[RECORD];
	ssize_t got = gnutls_record_recv(c->session, record, sizeof(record));

	if (mm_tls_again(got))
		return GOT_NOTHING;
	if (got < 0)
		return gnutls_error_is_fatal((int)got) ? GOT_LOST : GOT_SOME;
	if (got == 0) {
		c->ended = true;
		return GOT_NOTHING;
	}
	mm_buffer_add(&c->in, record, (size_t)got);
	return c->in.error == MM_OK ? GOT_SOME : GOT_LOST;
}

/*
 * GnuTLS may hold what the socket no longer shows as readable, so that a
 * turn ends only when it holds nothing.
 */
static bool
turn_over(const struct mm_connection *c, int turn)
{
	return turn >= TURN && gnutls_record_check_pending(c->session) == 0;
}

/* False where the connection is lost. */
static bool
converse(struct mm_connection *c)
{
	for (int turn = 0; !turn_over(c, turn); turn++) {
		enum got got;

		take_frames(c);
		if (!write_out(c))
			return false;
		if (c->phase != OPEN || c->ended || !may_take(c))
			break;
		got = read_in(c);
		if (got == GOT_LOST)
			return false;
		if (got == GOT_NOTHING)
			break;
	}
	/* What the last turn has read. */
	take_frames(c);
	return write_out(c);
}

/* ---- the phases */

/*
 * The end of our side. Closing a socket with unread bytes in it would reset
 * the connection and take our last words away from the peer, so that they
 * are read for a while and thrown away.
 */
static void
leave(struct mm_connection *c)
{
	(void)gnutls_bye(c->session, GNUTLS_SHUT_WR);
	(void)shutdown(c->fd, SHUT_WR);
	c->phase = LEAVING;
}

static void
tell_refusal(struct mm_connection *c, enum mm_error error)
{
	char why[256], hex[65] = "none";
	struct mm_tls_peer peer;

	snprintf(why, sizeof(why), "%s", mm_why(error));
	if (mm_tls_peer(c->session, &peer) == MM_OK)
		sodium_bin2hex(hex, sizeof(hex), peer.fingerprint,
		    sizeof(peer.fingerprint));
	mm_gate_tell(c->gate, "tls-refused", "%s: %s (certificate %s)",
	    c->source.text, why, hex);
}

static bool
shake(struct mm_connection *c)
{
	struct mm_tls_peer peer;
	bool done;
	enum mm_error error = mm_tls_handshake(c->session, &done);

	if (error == MM_OK && done)
		error = mm_tls_peer(c->session, &peer);
	if (error != MM_OK) {
		tell_refusal(c, error);
		(void)shutdown(c->fd, SHUT_WR);
		c->phase = LEAVING;
	} else if (done) {
		memcpy(c->exchange.client, peer.key, sizeof(peer.key));
		memcpy(c->exchange.serial, peer.serial, sizeof(peer.serial));
		c->exchange.serial_size = peer.serial_size;
		c->expires = peer.expires;
		c->phase = OPEN;
	}
	return true;
}

static bool
is_finished(const struct mm_connection *c)
{
	return c->exchange.flight == 0 && unsent(c) == 0 &&
	       (c->ended || c->gate->stopping);
}

static bool
carry_on(struct mm_connection *c)
{
	if (!converse(c))
		return false;
	if (c->phase == OPEN && is_finished(c))
		c->phase = CLOSING;
	return true;
}

static bool
finish(struct mm_connection *c)
{
	if (!write_out(c))
		return false;
	if (unsent(c) == 0)
		leave(c);
	return true;
}

static bool
discard(struct mm_connection *c)
{
	uint8_t bytes[4096];
	ssize_t got = 1;

	for (int i = 0; i < TURN && got > 0; i++)
		got = recv(c->fd, bytes, sizeof(bytes), 0);
	return got > 0 || (got < 0 && errno == EAGAIN);
}

static int
events_of(const struct mm_connection *c)
{
	int events = 0;

	switch (c->phase) {
	case SHAKING:
		return gnutls_record_get_direction(c->session) != 0 ? EV_WRITE
								    : EV_READ;
	case OPEN:
		if (!c->ended && may_take(c))
			events |= EV_READ;
		if (unsent(c) > 0)
			events |= EV_WRITE;
		return events;
	case CLOSING:
		return EV_WRITE;
	case LEAVING:
		break;
	}
	return EV_READ;
}

static void
watch(struct mm_connection *c)
{
	int events = events_of(c);

	if (ev_is_active(&c->io) &&
	    (c->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(c->gate->loop, &c->io);
	if (events == 0)
		return;
	ev_io_set(&c->io, c->fd, events);
	ev_io_start(c->gate->loop, &c->io);
}

static enum wait
wait_of(const struct mm_connection *c)
{
	if (c->phase == SHAKING)
		return WAIT_HANDSHAKE;
	if (c->phase == LEAVING)
		return WAIT_LEAVE;
	if (unsent(c) > 0)
		return WAIT_READER;
	if (c->in.size > 0 && may_take(c))
		return WAIT_FRAME;
	return c->exchange.flight > 0 ? WAIT_ANSWER : WAIT_REQUEST;
}

static uint64_t
patience(const struct mm_settings *settings, enum wait wait)
{
	const uint64_t seconds[] = {
	    [WAIT_NOTHING] = 0,
	    [WAIT_HANDSHAKE] = settings->handshake_deadline,
	    [WAIT_REQUEST] = settings->idle_deadline,
	    [WAIT_FRAME] = settings->frame_deadline,
	    [WAIT_READER] = settings->frame_deadline,
	    [WAIT_ANSWER] = settings->token_deadline + settings->frame_deadline,
	    [WAIT_LEAVE] = LEAVE_SECONDS,
	};

	return seconds[wait];
}

/* A deadline runs on while the same is waited for: drops do not move it. */
static void
set_deadline(struct mm_connection *c)
{
	enum wait wait = wait_of(c);

	if (wait == c->wait && !c->progress)
		return;
	c->wait = wait;
	c->progress = false;
	c->timer.repeat = (ev_tstamp)patience(c->gate->settings, wait);
	ev_timer_again(c->gate->loop, &c->timer);
}

static bool (*const steps[])(struct mm_connection *) = {
    [SHAKING] = shake,
    [OPEN] = carry_on,
    [CLOSING] = finish,
    [LEAVING] = discard,
};

/* As far as it goes without waiting; the connection may be gone after it. */
static void
advance(struct mm_connection *c)
{
	enum phase former;

	do {
		former = c->phase;
		if (!steps[former](c)) {
			mm_connection_free(c);
			return;
		}
	} while (c->phase != former);
	watch(c);
	set_deadline(c);
}

static void
ready(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)loop;
	(void)events;
	advance(io->data);
}

static void
overdue(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	static const char *const what[] = {
	    [WAIT_HANDSHAKE] = "its handshake",
	    [WAIT_FRAME] = "the rest of a frame",
	    [WAIT_READER] = "reading its answers",
	    [WAIT_ANSWER] = "the authority's answer",
	};
	struct mm_connection *c = timer->data;

	(void)loop;
	(void)events;
	if (c->wait < MM_COUNT(what) && what[c->wait] != NULL)
		mm_gate_tell(c->gate, "deadline", "%s: no sign of %s",
		    c->source.text, what[c->wait]);
	if (c->phase == OPEN && c->wait == WAIT_ANSWER) {
		mm_exchange_abandon(&c->exchange,
		    mm_fail(MM_E_DEADLINE, "the appliance does not answer in "
					   "time: ask again, under "
					   "the same request id"));
		advance(c);
		return;
	}
	if (c->phase == OPEN && c->wait == WAIT_FRAME) {
		end_framing(c, MM_E_DEADLINE);
		advance(c);
		return;
	}
	if (c->phase == OPEN)
		(void)gnutls_bye(c->session, GNUTLS_SHUT_WR);
	mm_connection_free(c);
}

/* ---- what the gate says */

/* A free slot's number, which was nobody's before. */
static enum mm_error
find_slot(
    struct mm_gate *gate, const struct mm_source *source, uint64_t *number)
{
	uint64_t same = 0, slots = gate->settings->connections, at = slots;

	for (uint64_t i = 0; i < slots; i++) {
		const struct mm_connection *c = gate->slots[i];

		if (c == NULL)
			at = i;
		else if (memcmp(c->source.key, source->key,
			     sizeof(source->key)) == 0)
			same++;
	}
	if (at == slots)
		return mm_fail(MM_E_BUSY, "too many connections");
	if (same >= gate->settings->connections_source)
		return mm_fail(
		    MM_E_BUSY, "too many connections from one source");
	*number = gate->rounds++ * slots + at;
	return MM_OK;
}

static struct mm_connection *
new_connection(struct mm_gate *gate, int fd, const struct mm_source *source,
    uint64_t number)
{
	struct mm_connection *c = calloc(1, sizeof(*c));

	if (c == NULL || mm_tls_serve(gate->tls, fd, &c->session) != MM_OK) {
		free(c);
		return NULL;
	}
	c->gate = gate;
	c->tls = mm_tls_share(gate->tls);
	c->fd = fd;
	c->source = *source;
	mm_buffer_init(&c->in, IN_MAX);
	mm_buffer_init(&c->out, OUT_MAX);
	mm_exchange_init(&c->exchange, gate, number, &c->out);
	ev_io_init(&c->io, ready, fd, EV_READ);
	ev_init(&c->timer, overdue);
	c->io.data = c->timer.data = c;
	return c;
}

enum mm_error
mm_connection_open(struct mm_gate *gate, int fd, const struct mm_source *source)
{
	struct mm_connection *c = NULL;
	uint64_t number = 0;
	enum mm_error error = find_slot(gate, source, &number);

	if (error == MM_OK) {
		c = new_connection(gate, fd, source, number);
		if (c == NULL)
			error =
			    mm_fail(MM_E_MEMORY, "no memory for a connection");
	}
	if (error != MM_OK) {
		close(fd);
		return error;
	}
	/* Answers are small and wait for nobody. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	gate->slots[number % gate->settings->connections] = c;
	gate->connections++;
	advance(c);
	return MM_OK;
}

void
mm_connection_tell(
    struct mm_connection *c, struct mm_span envelope, int fds[MM_CHANNEL_FDS])
{
	mm_exchange_tell(&c->exchange, envelope, fds);
	advance(c);
}

void
mm_connection_abandon(struct mm_connection *c)
{
	mm_exchange_abandon(&c->exchange,
	    mm_fail(MM_E_STARTING, "%s", mm_error_text(MM_E_STARTING)));
	advance(c);
}

void
mm_connection_stop(struct mm_connection *c)
{
	if (c->phase == SHAKING || c->phase == LEAVING)
		mm_connection_free(c);
	else
		advance(c);
}
